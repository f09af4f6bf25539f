//! The session that a run is made in.

use std::net::SocketAddr;

use footlight_protocol::{CreateSession, SessionCreated, Visibility};
use reqwest::{Client, Response, StatusCode, Url};

use crate::{LoadError, signaling};

/// A session of this run's own.
#[derive(Debug)]
pub(super) struct Session {
    http: Client,
    base: Url,
    /// Resolved once, so that no viewer's join holds a look-up.
    pub(super) server: SocketAddr,
    created: SessionCreated,
}

impl Session {
    pub(super) async fn create(base: &Url) -> Result<Self, LoadError> {
        let http = signaling::client(false)?;
        let server = signaling::resolve(base).await?;
        let url = address(base, &["api", "sessions"])?;
        let failed = |source: reqwest::Error| LoadError::Http {
            url: url.to_string(),
            source: source.without_url(),
        };
        let request = CreateSession {
            title: Some("Load".into()),
            visibility: Some(Visibility::Unlisted),
            ..CreateSession::default()
        };
        let response = http.post(url.clone()).json(&request).send().await.map_err(failed)?;
        if response.status() != StatusCode::CREATED {
            return Err(refusal(&url, response).await);
        }
        Ok(Self {
            created: response.json().await.map_err(failed)?,
            base: base.clone(),
            http,
            server,
        })
    }

    /// Where the host comes in. It holds the host's secret.
    pub(super) fn host_address(&self) -> String {
        self.socket_address(&[("username", "Host"), ("token", &self.created.host_token)])
    }

    /// Where a viewer comes in.
    pub(super) fn viewer_address(&self, number: u32) -> String {
        self.socket_address(&[("username", &format!("Viewer {number}"))])
    }

    fn socket_address(&self, query: &[(&str, &str)]) -> String {
        let id = self.created.session_id.as_str();
        // That the server's address takes paths was seen when the session was created.
        let mut url = address(&self.base, &["ws", "live", id]).unwrap_or_else(|_| self.base.clone());
        url.query_pairs_mut().extend_pairs(query);
        url.set_scheme("ws").expect("http and ws are of one kind");
        url.into()
    }

    /// Best effort: a session that nobody is in ends by itself.
    pub(super) async fn end(self) {
        let Ok(url) = address(&self.base, &["ws", "live", self.created.session_id.as_str(), "end"]) else {
            return;
        };
        let request = self.http.post(url).bearer_auth(&self.created.host_token);
        if let Err(error) = request.send().await {
            tracing::warn!(error = %error.without_url(), "the session was not ended");
        }
    }
}

/// A path below the server's address.
fn address(base: &Url, path: &[&str]) -> Result<Url, LoadError> {
    let mut url = base.clone();
    url.set_query(None);
    url.path_segments_mut()
        .map_err(|()| LoadError::Address { url: base.to_string() })?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

async fn refusal(url: &Url, response: Response) -> LoadError {
    LoadError::Refused {
        url: url.to_string(),
        status: response.status().as_u16(),
        body: response
            .text()
            .await
            .unwrap_or_default()
            .chars()
            .take(signaling::MAX_REASON)
            .collect(),
    }
}
