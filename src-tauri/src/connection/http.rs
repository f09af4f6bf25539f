//! One HTTP exchange with the chosen server, for the pages.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Connection;
use crate::failure::Failure;

/// For a whole exchange. A background picture of 2 MiB takes so long on a poor upstream.
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(1);

/// Exchanges at a time. A page with six tiles has about ten; a browser has six for each host.
const MAX_EXCHANGES: usize = 32;

/// Largest body that is sent, in bytes. The server takes 2 MiB at most, for a background picture.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Largest answer that is read, in bytes: a background picture has at most 2 MiB, a full list of sessions 1 MiB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What the pages may do.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What the pages may ask for, by the beginning of its path.
const PATHS: [&str; 4] = ["/api/", "/whep/", "/whip/", "/ws/live/"];

/// What the pages may say about a request.
const REQUEST_HEADERS: [&str; 4] = ["accept", "authorization", "content-type", "if-match"];

/// What the pages are told about an answer.
const ANSWER_HEADERS: [&str; 5] = ["content-type", "etag", "link", "location", "retry-after"];

/// All exchanges that are under way.
static EXCHANGES: Semaphore = Semaphore::const_new(MAX_EXCHANGES);

/// What a page asks of the server.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "AppRequest"))]
pub(crate) struct Request {
    /// In capitals.
    method: String,
    /// With its query, beginning with a slash.
    path: String,
    /// Names and values.
    headers: Vec<(String, String)>,
    /// In base64.
    body: Option<String>,
}

/// What the server answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "AppResponse"))]
pub(crate) struct Response {
    /// Of HTTP.
    pub(crate) status: u16,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
    /// In base64.
    #[serde(serialize_with = "in_base64")]
    #[cfg_attr(test, ts(as = "String"))]
    pub(crate) body: Vec<u8>,
}

fn in_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: Method::GET.to_string(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }
}

impl Connection {
    /// Asks what a page wants to know, as far as a page may.
    pub(crate) async fn ask(&self, request: Request) -> Result<Response, Failure> {
        if !PATHS.iter().any(|path| request.path.starts_with(path)) {
            return Err(Failure::invalid(format!(
                "The pages have no business at {:?}.",
                request.path
            )));
        }
        self.exchange(request).await
    }

    pub(super) async fn exchange(&self, request: Request) -> Result<Response, Failure> {
        let _permit = permit()?;
        let request = self.build(request)?;
        let failed = |error: reqwest::Error| {
            // The request's URL can carry names; the server's own name is enough to say where it failed.
            let error = error.without_url();
            if error.is_timeout() {
                return Failure::Unreachable {
                    server: self.address.authority(),
                    message: "no answer in time".to_owned(),
                };
            }
            Failure::of_exchange(&self.address.authority(), &error)
        };
        let mut answer = self.http.execute(request).await.map_err(failed)?;
        let headers = ANSWER_HEADERS.iter().filter_map(|name| {
            let value = answer.headers().get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        let headers = headers.collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Failure::Unreachable {
                    server: self.address.authority(),
                    message: format!("its answer has more than {MAX_ANSWER_BYTES} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: answer.status().as_u16(),
            headers,
            body,
        })
    }

    fn build(&self, request: Request) -> Result<reqwest::Request, Failure> {
        let method = METHODS.iter().find(|method| method.as_str() == request.method);
        let method =
            method.ok_or_else(|| Failure::invalid(format!("{:?} is no method of the pages.", request.method)))?;
        let url = self
            .address
            .resolve(&request.path)
            .ok_or_else(|| Failure::invalid(format!("{:?} is no path of the server.", request.path)))?;
        let mut built = self.http.request(method.clone(), url).timeout(EXCHANGE_TIMEOUT);
        for (name, value) in request.headers {
            let name = name.to_ascii_lowercase();
            if !REQUEST_HEADERS.contains(&name.as_str()) {
                return Err(Failure::invalid(format!("The pages may not send the header {name:?}.")));
            }
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| Failure::invalid(error.to_string()))?;
            // A value can be a token, so it is not repeated.
            let value = HeaderValue::from_str(&value)
                .map_err(|_| Failure::invalid(format!("The value of the header {name} is not valid.")))?;
            built = built.header(name, value);
        }
        if let Some(body) = request.body {
            // Three bytes are four letters.
            if body.len() / 4 * 3 > MAX_BODY_BYTES + 3 {
                return Err(Failure::invalid(format!(
                    "The body has more than {MAX_BODY_BYTES} bytes."
                )));
            }
            let body = STANDARD
                .decode(body)
                .map_err(|error| Failure::invalid(format!("The body is not in base64: {error}.")))?;
            built = built.body(body);
        }
        built.build().map_err(|error| Failure::invalid(error.to_string()))
    }
}

fn permit() -> Result<SemaphorePermit<'static>, Failure> {
    EXCHANGES.try_acquire().map_err(|_| Failure::Busy)
}
