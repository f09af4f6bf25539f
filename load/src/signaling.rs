//! WHIP (RFC 9725) and WHEP requests: POST an offer, DELETE what it made.

use std::{net::SocketAddr, time::Duration};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, LOCATION},
};

use crate::LoadError;

/// An SDP answer is a few kilobytes; what is longer is none.
const MAX_ANSWER: usize = 256 * 1024;
/// As much of an error's body as helps.
pub(crate) const MAX_REASON: usize = 300;
/// A server under load may be slow to answer; one that takes longer than this has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// An HTTP client for both protocols.
#[derive(Debug, Clone)]
pub(crate) struct Signaling {
    http: Client,
}

/// What a POST made.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) answer: String,
    /// Where to DELETE it; missing where the server gave no usable `Location`.
    pub(crate) resource: Option<Url>,
}

impl Signaling {
    pub(crate) fn new(insecure: bool) -> Result<Self, LoadError> {
        Ok(Self {
            http: client(insecure)?,
        })
    }

    pub(crate) async fn post(&self, url: &Url, bearer: Option<&str>, offer: String) -> Result<Accepted, LoadError> {
        let failed = |source: reqwest::Error| LoadError::Http {
            url: shown(url),
            source: source.without_url(),
        };
        let mut request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/sdp")
            .body(offer);
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        // `Location` may be relative, and is so to where redirects ended (RFC 9110 §10.2.2).
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let resource = location.and_then(|location| response.url().join(location).ok());
        let body = read(&mut response).await.map_err(failed)?;
        if status == StatusCode::CREATED {
            Ok(Accepted { answer: body, resource })
        } else {
            let body = body.chars().take(MAX_REASON).collect();
            Err(LoadError::Refused {
                url: shown(url),
                status: status.as_u16(),
                body,
            })
        }
    }

    /// Best effort: a server that does not answer will notice that the media ended.
    pub(crate) async fn delete(&self, resource: Url, bearer: Option<&str>) {
        let mut request = self.http.delete(resource);
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if let Err(error) = request.send().await {
            tracing::debug!(error = %error.without_url(), "DELETE");
        }
    }
}

/// Asks by HTTP. With `insecure` any certificate will do.
pub(crate) fn client(insecure: bool) -> Result<Client, LoadError> {
    // Whoever came first has chosen; any provider will do.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .tls_danger_accept_invalid_certs(insecure)
        .timeout(REQUEST_TIMEOUT)
        .user_agent(concat!("footlight-load/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|source| LoadError::Http {
            url: "HTTP client".into(),
            source,
        })
}

/// Without the query, which may hold a token.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// The body as far as [`MAX_ANSWER`].
async fn read(response: &mut Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MAX_ANSWER {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Parses `url`, with `{n}` replaced by `number`.
pub(crate) fn address(url: &str, number: u32) -> Result<Url, LoadError> {
    let wrong = || LoadError::Address { url: url.into() };
    let parsed = Url::parse(&url.replace("{n}", &number.to_string())).map_err(|_| wrong())?;
    let http = matches!(parsed.scheme(), "http" | "https") && parsed.has_host();
    if http { Ok(parsed) } else { Err(wrong()) }
}

/// Where `url`'s host is.
pub(crate) async fn resolve(url: &Url) -> Result<SocketAddr, LoadError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let failed = |source| LoadError::Resolve {
        host: format!("{host}:{port}"),
        source,
    };
    let mut found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(failed)?;
    found.next().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_counts() {
        let url = address("http://127.0.0.1:8080/whip/load-{n}", 3).expect("an address");
        assert_eq!(url.as_str(), "http://127.0.0.1:8080/whip/load-3");
        for wrong in ["", "127.0.0.1:80", "ftp://host/", "http://", "http://[::1"] {
            assert!(address(wrong, 0).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_in_the_query_is_not_shown() {
        let url = address("https://host/whip/a?token=secret", 0).expect("an address");
        assert!(!shown(&url).contains("secret"));
    }
}
