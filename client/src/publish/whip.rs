//! The HTTP side of publishing: sessions are created, and media is negotiated by WHIP (RFC 9725).

use std::sync::Arc;
use std::time::Duration;

use footlight_protocol::{ApiError, CreateSession, SessionCreated, SessionId};
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use rustls::ClientConfig;

use crate::publish::address::ServerAddress;
use crate::publish::session_url::{NoNearer, Reach, nearest, session_url};
use crate::trust::{Refusal, Trust};

/// Until a connection stands. Longer than one lost SYN (RFC 6298 §2: 1 s, then 2 s more).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For a whole exchange; an answer is a few kilobytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// For the farewell. Whoever pressed Ctrl-C does not wait for a dead server.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);

/// On the way of one request. A balancer leads to one of its servers, which may be a balancer again.
const MOST_REDIRECTS: usize = 4;

/// Largest body that is read, in bytes. An SDP answer for two tracks has about 2 kB.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The media type of offers and answers (RFC 8866 §8.1).
const APPLICATION_SDP: &str = "application/sdp";

/// Why a request to the server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// No connection, or it broke.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// The innermost cause.
        reason: String,
    },
    /// The server's certificate is not believed.
    #[error("{0}")]
    Untrusted(String),
    /// The server said no.
    #[error("the server refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's words.
        message: String,
        /// Seconds after which to ask again, where the server named them.
        retry_after: Option<Duration>,
    },
    /// The same, over the room's WebSocket.
    #[error("the server refused: {message}")]
    Declined {
        /// For programs: `snake_case`, stable.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The server said something that WHIP does not allow.
    #[error("the server's answer makes no sense: {0}")]
    Protocol(String),
}

impl SignalingError {
    /// Whether the same request may succeed later.
    ///
    /// 404 is no reason to give up: a session is made by the publisher's own request, so the path is missing only while
    /// a proxy in front of the server has nobody behind it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Untrusted(_) | Self::Protocol(_) => false,
            // A role that was taken back in the same moment is noticed elsewhere.
            Self::Declined { code, .. } => {
                !matches!(code.as_str(), "bad_offer" | "no_video" | "mesh" | "session_ended")
            }
            Self::Refused { status, .. } => {
                (*status >= 500 && *status != 501) || matches!(*status, 404 | 408 | 425 | 429)
            }
        }
    }

    /// The same for somebody who was on air with such a request before, and comes back after a loss.
    ///
    /// What answers now may not be the server at all: a hotel's page to sign in on, which has a certificate of its own and leads every
    /// request to itself, or a proxy with nobody behind it. Only what is plainly about the request is final.
    pub(crate) fn is_transient_on_the_way_back(&self) -> bool {
        match self {
            Self::Untrusted(_) | Self::Protocol(_) => true,
            Self::Refused { status, .. } => !matches!(*status, 400 | 401 | 409 | 415 | 422 | 501),
            Self::Unreachable { .. } | Self::Declined { .. } => self.is_transient(),
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Talks HTTP to one server.
#[derive(Debug, Clone)]
pub(crate) struct SignalingClient {
    http: Client,
    tls: Arc<ClientConfig>,
    server: String,
}

/// What the server made of an offer.
#[derive(Debug, Clone)]
pub(crate) struct WhipSession {
    /// The resource to `DELETE` at the end (RFC 9725 §4.2).
    pub(crate) location: Url,
    /// How near to us it may be.
    pub(crate) nearest: Reach,
    /// The ICE session's entity tag (RFC 9725 §4.3.1).
    pub(crate) etag: Option<String>,
}

impl SignalingClient {
    pub(crate) fn new(address: &ServerAddress, trust: &Trust) -> Result<Self, SignalingError> {
        let server = address.authority();
        let failed = |reason: String| SignalingError::Unreachable {
            server: server.clone(),
            reason,
        };
        let host = address.base().host_str().unwrap_or_default();
        let tls = trust
            .client_config(host, &server)
            .map_err(|error| failed(error.to_string()))?;
        let http = client(&tls, unchanged()).build();
        Ok(Self {
            http: http.map_err(|error| failed(error.to_string()))?,
            tls: Arc::new(tls),
            server,
        })
    }

    /// `host:port`.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The TLS configuration for other connections to the same server; `None` where `url` goes without TLS.
    pub(crate) fn tls_for(&self, url: &Url) -> Option<Arc<ClientConfig>> {
        matches!(url.scheme(), "https" | "wss").then(|| Arc::clone(&self.tls))
    }

    /// `POST /api/sessions`.
    pub(crate) async fn create_session(
        &self,
        address: &ServerAddress,
        request: &CreateSession,
    ) -> Result<SessionCreated, SignalingError> {
        let response = self.send(self.http.post(address.sessions_url()).json(request)).await?;
        let response = expect(StatusCode::CREATED, response).await?;
        let body = body(response).await.map_err(|reason| self.broken(reason))?;
        serde_json::from_slice(&body).map_err(|error| SignalingError::Protocol(format!("new session: {error}")))
    }

    /// Offers media (RFC 9725 §4.2); the SDP answer, and what was made of it. `endpoint` may carry a query.
    pub(crate) async fn publish(
        &self,
        endpoint: Url,
        bearer: Option<&str>,
        offer: String,
    ) -> Result<(String, WhipSession), SignalingError> {
        let request = self
            .http
            .post(endpoint)
            .header(CONTENT_TYPE, APPLICATION_SDP)
            .header(ACCEPT, APPLICATION_SDP)
            .body(offer);
        let response = self.send(authorize(request, bearer)).await?;
        let response = expect(StatusCode::CREATED, response).await?;
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let location = text(LOCATION).ok_or_else(|| SignalingError::Protocol("201 without a Location".to_owned()))?;
        let (endpoint, remote) = (response.url(), response.remote_addr());
        let location = session_url(endpoint, remote, &location).map_err(SignalingError::Protocol)?;
        let nearest = nearest(endpoint, remote, &location);
        let etag = text(ETAG);
        let body = body(response).await.map_err(|reason| self.broken(reason))?;
        let answer = String::from_utf8(body)
            .map_err(|_| SignalingError::Protocol("an SDP answer that is not UTF-8".to_owned()))?;
        Ok((
            answer,
            WhipSession {
                location,
                nearest,
                etag,
            },
        ))
    }

    /// Ends a WHIP session (RFC 9725 §4.2). The server may be gone; then there is nothing to end.
    ///
    /// The bearer goes to the server that it belongs to and to nobody else, whatever `Location` said.
    pub(crate) async fn delete(&self, session: &WhipSession, endpoint: &Url, bearer: Option<&str>) {
        let bearer = bearer.filter(|_| session.location.origin() == endpoint.origin());
        // It follows no redirects, which could lead where no `Location` may, and neither may the name in it.
        let client = client(&self.tls, Policy::none()).dns_resolver(NoNearer(session.nearest));
        let deleted = match client.build() {
            Ok(client) => {
                let request = client.delete(session.location.clone()).timeout(DELETE_TIMEOUT);
                self.send(authorize(request, bearer)).await.map(|_| ())
            }
            Err(error) => Err(self.broken(error)),
        };
        if let Err(error) = deleted {
            tracing::debug!(%error, etag = session.etag, "WHIP session not deleted");
        }
    }

    /// `POST /ws/live/{id}/end`. A session that cannot be ended now ends by itself for want of activity.
    pub(crate) async fn end_session(&self, address: &ServerAddress, session: &SessionId, token: &str) {
        let request = self.http.post(address.end_url(session)).timeout(DELETE_TIMEOUT);
        if let Err(error) = self.send(request.bearer_auth(token)).await {
            tracing::debug!(%error, %session, "session not ended");
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, SignalingError> {
        request.send().await.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: reqwest::Error) -> SignalingError {
        // The request's URL can carry names; the server's own name is enough to say where it failed.
        let error = error.without_url();
        if let Some(refusal) = Refusal::behind(&error) {
            return SignalingError::Untrusted(refusal.to_string());
        }
        let mut innermost: &dyn std::error::Error = &error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        SignalingError::Unreachable {
            server: self.server.clone(),
            reason: if error.is_timeout() {
                "no answer in time".to_owned()
            } else {
                innermost.to_string()
            },
        }
    }
}

fn client(tls: &ClientConfig, redirects: Policy) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(redirects)
        // There are a few requests an hour, and a connection that is kept may lead out of a network that was left.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("footlight/", env!("CARGO_PKG_VERSION")))
}

/// Follows where the request stays what it is: elsewhere a POST would become a GET without its body (RFC 9725 §4.5). reqwest leaves
/// the bearer behind where another host is asked.
fn unchanged() -> Policy {
    Policy::custom(|attempt| {
        let keeps_method = matches!(
            attempt.status(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        if keeps_method && attempt.previous().len() <= MOST_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

fn authorize(request: RequestBuilder, bearer: Option<&str>) -> RequestBuilder {
    match bearer {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// Turns any other status into the server's own words.
async fn expect(expected: StatusCode, response: Response) -> Result<Response, SignalingError> {
    let status = response.status();
    if status == expected {
        return Ok(response);
    }
    if status.is_success() || status.is_redirection() {
        return Err(SignalingError::Protocol(format!("{status} in place of {expected}")));
    }
    let retry_after = retry_after(response.headers());
    let message = body(response)
        .await
        .ok()
        .and_then(|body| serde_json::from_slice::<ApiError>(&body).ok())
        .map_or_else(
            || status.canonical_reason().unwrap_or("no reason given").to_owned(),
            |error| error.message,
        );
    Err(SignalingError::Refused {
        status: status.as_u16(),
        message,
        retry_after,
    })
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); the date form is for caches.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads a body, up to [`MAX_BODY_BYTES`]; what follows is cut, and then does not parse.
async fn body(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A server that gives `answer` to one request; what it was asked.
    fn answering(answer: String) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"offer") {
                let mut part = [0; 4096];
                match stream.read(&mut part).expect("a request") {
                    0 => break,
                    length => request.extend_from_slice(&part[..length]),
                }
            }
            stream.write_all(answer.as_bytes()).expect("a client that reads");
            String::from_utf8(request).expect("text").to_lowercase()
        });
        (base, asked)
    }

    async fn offer_to(base: &str) -> SignalingError {
        let address: ServerAddress = base.parse().expect("an address");
        let client = SignalingClient::new(&address, &Trust::default()).expect("a client");
        let endpoint: Url = format!("{base}/whip/show").parse().expect("a URL");
        let offered = client.publish(endpoint, Some("secret"), "offer".to_owned()).await;
        offered.map(|_| ()).expect_err("no answer")
    }

    #[tokio::test]
    async fn an_offer_is_not_turned_into_another_request() {
        let target = TcpListener::bind("127.0.0.1:0").expect("a port");
        target.set_nonblocking(true).expect("a socket that does not wait");
        let elsewhere = target.local_addr().expect("its address");
        for status in ["301 Moved Permanently", "302 Found", "303 See Other"] {
            let (base, asked) = answering(format!(
                "HTTP/1.1 {status}\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
            ));
            let error = offer_to(&base).await;
            assert!(
                matches!(&error, SignalingError::Protocol(words) if words.contains(status)),
                "{error}"
            );
            assert!(asked.join().expect("a server").contains("authorization: bearer secret"));
            let followed = target.accept().map_err(|error| error.kind());
            assert_eq!(followed.err(), Some(ErrorKind::WouldBlock), "{status}");
        }
    }

    #[tokio::test]
    async fn an_offer_goes_where_a_balancer_leads_it_and_its_bearer_does_not() {
        let (target, asked) = answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned());
        let (base, _) = answering(format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}/whip/there\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(offer_to(&base).await.status(), Some(503));
        let asked = asked.join().expect("a server");
        assert!(
            asked.starts_with("post /whip/there ") && asked.ends_with("offer"),
            "{asked}"
        );
        assert!(!asked.contains("secret"), "{asked}");
    }

    #[tokio::test]
    async fn a_farewell_is_not_led_elsewhere() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = elsewhere.local_addr().expect("its address");
        elsewhere.set_nonblocking(true).expect("a socket that does not wait");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).expect("a request");
            let answer = format!("HTTP/1.1 307 Elsewhere\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("a client that reads");
            request[..length].starts_with(b"DELETE /whip/show/1 ")
        });
        let address: ServerAddress = base.parse().expect("an address");
        let client = SignalingClient::new(&address, &Trust::default()).expect("a client");
        let endpoint: Url = format!("{base}/whip/show").parse().expect("a URL");
        let session = WhipSession {
            location: endpoint.join("show/1").expect("a URL"),
            nearest: Reach::Machine,
            etag: None,
        };
        client.delete(&session, &endpoint, None).await;
        assert!(serving.join().expect("a server"), "it was told");
        let followed = elsewhere.accept().map_err(|error| error.kind());
        assert_eq!(followed.err(), Some(ErrorKind::WouldBlock));
    }

    #[tokio::test]
    async fn a_farewell_goes_to_nobody_nearer_than_the_server() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not wait");
        let address: ServerAddress = "https://live.example".parse().expect("an address");
        let client = SignalingClient::new(&address, &Trust::default()).expect("a client");
        let port = listener.local_addr().expect("its address").port();
        let session = |nearest| WhipSession {
            // A name that the server could have led to this machine after it was asked for.
            location: format!("http://localhost:{port}/reset").parse().expect("a URL"),
            nearest,
            etag: None,
        };
        let endpoint = "https://live.example/whip/show".parse().expect("a URL");
        client.delete(&session(Reach::World), &endpoint, None).await;
        let reached = listener.accept().map_err(|error| error.kind());
        assert_eq!(reached.err(), Some(ErrorKind::WouldBlock));
        client.delete(&session(Reach::Machine), &endpoint, None).await;
        assert!(listener.accept().is_ok(), "it would be found");
    }
}
