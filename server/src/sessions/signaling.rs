//! Offers and candidates that come over a WebSocket.

use std::time::Duration;

use footlight_protocol::Connection;

use super::admission::Seat;
use super::peers::{Peer, Purpose};
use super::registry::Sessions;
use super::session::Negotiation;
use crate::media::{MediaError, Muted, PeerId, PeerRequest};

/// A worker answers an offer within milliseconds; one that does not within this time is overloaded, and the client is told
/// so rather than left waiting.
pub(super) const MEDIA_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// Only the host brings media in.
    #[error("only the host of a session may publish")]
    Forbidden,
    /// An answer, or data of another kind than the type says.
    #[error("a client sends offers and candidates, each with its own `signal_data`")]
    Mismatch,
    /// A candidate came before its offer.
    #[error("there is no such connection yet: send an offer first")]
    NoConnection,
    /// The session ended, or the participant left it, meanwhile.
    #[error("the session has ended")]
    Ended,
    /// The media engine refused.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl Seat {
    /// Answers an offer. A further offer of the same `RTCPeerConnection` changes the connection that is there; another one
    /// replaces it.
    pub async fn answer(&self, connection: Connection, offer: String) -> Result<String, SignalError> {
        if !self.may(connection) {
            return Err(SignalError::Forbidden);
        }
        let origin = sdp_origin(&offer);
        if let Some(current) = self.session.negotiation(&self.user, connection)
            && current.origin == origin
        {
            let reoffer = self.sessions.0.media.reoffer(current.peer, offer.clone(), None);
            match tokio::time::timeout(MEDIA_TIMEOUT, reoffer).await {
                Ok(Ok(answer)) => return Ok(answer),
                // It timed out while the client made its offer: as good as a first one.
                Ok(Err(MediaError::UnknownPeer)) => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(MediaError::Overloaded.into()),
            }
        }
        let request = PeerRequest {
            session: self.session.id.clone(),
            user: self.user.clone(),
            connection,
            offer,
            sources: None,
            muted: Muted::default(),
        };
        let accepted = self.sessions.accept(request).await?;
        let negotiation = Negotiation {
            peer: accepted.peer,
            origin,
        };
        match self
            .session
            .set_negotiation(&self.user, self.number, connection, negotiation)
        {
            Ok(Some(replaced)) => self.sessions.0.media.close(replaced.peer),
            Ok(None) => {}
            Err(_) => {
                self.sessions.0.media.close(accepted.peer);
                return Err(SignalError::Ended);
            }
        }
        Ok(self.enter(connection, accepted.peer, accepted.answer))
    }

    fn enter(&self, connection: Connection, peer: PeerId, answer: String) -> String {
        let purpose = match connection {
            Connection::Subscribe => Some(Purpose::Subscribe(self.user.clone())),
            // Only the owner comes so far, and the owner may publish unless the session has just ended.
            Connection::Publish => self.session.publish_as_owner(peer).map(Purpose::Publish),
        };
        match purpose {
            Some(purpose) => {
                let session = self.session.clone();
                self.sessions.enter(peer, &Peer { session, purpose });
            }
            None => self.sessions.0.media.close(peer),
        }
        answer
    }

    /// Adds a candidate of the client's.
    pub fn add_candidate(&self, connection: Connection, candidate: String) -> Result<(), SignalError> {
        let negotiation = self
            .session
            .negotiation(&self.user, connection)
            .ok_or(SignalError::NoConnection)?;
        // The empty candidate ends the list (RFC 8838 §14), which a server that is ICE-lite need not know.
        if !candidate.is_empty() {
            self.sessions.0.media.add_remote_candidate(negotiation.peer, candidate);
        }
        Ok(())
    }
}

impl Sessions {
    pub(super) async fn accept(&self, request: PeerRequest) -> Result<crate::media::Accepted, MediaError> {
        tokio::time::timeout(MEDIA_TIMEOUT, self.0.media.accept(request))
            .await
            .unwrap_or(Err(MediaError::Overloaded))
    }
}

/// The session id of the `o=` line (RFC 8866 §5.2).
fn sdp_origin(sdp: &str) -> Option<String> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("o="))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::sdp_origin;

    #[test]
    fn the_origin_tells_connections_apart() {
        let sdp = "v=0\r\no=mozilla 4611 2 IN IP4 0.0.0.0\r\ns=-\r\n";
        assert_eq!(sdp_origin(sdp).as_deref(), Some("4611"));
        assert_eq!(sdp_origin("v=0\r\n"), None);
        assert_eq!(sdp_origin("o="), None);
    }
}
