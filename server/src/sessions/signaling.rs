//! Offers and candidates that come over a WebSocket.

use std::collections::BTreeMap;
use std::time::Duration;

use footlight_protocol::{Connection, Role, SessionMode, Topology, TrackSource};

use super::admission::Seat;
use super::peers::{Peer, Purpose};
use super::registry::Sessions;
use super::session::Negotiation;
use crate::media::{MediaError, PeerId, PeerRequest, Wish, look_at_candidate};
use crate::rooms::{PublishRefusal, Room};

/// A worker answers an offer within milliseconds; one that does not within this time is overloaded, and the client is told
/// so rather than left waiting.
pub(super) const MEDIA_TIMEOUT: Duration = Duration::from_secs(5);

/// A voice session takes no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is a voice session, which takes no video: offer audio alone")]
pub struct NoVideo;

/// Whether an offer to publish brings only what the mode takes.
pub(super) fn media_fits(mode: SessionMode, offer: &str) -> Result<(), NoVideo> {
    if mode == SessionMode::Voice && offers_video(offer) {
        return Err(NoVideo);
    }
    Ok(())
}

/// Whether a media section of the offer would send video (RFC 8866 §5.14, §6.7).
fn offers_video(offer: &str) -> bool {
    // What comes before the first section is about all of them.
    let mut sections = offer.split("\nm=");
    let groups = sections.next().unwrap_or_default().lines();
    let bundled: Vec<_> = groups
        .filter_map(|line| line.strip_prefix("a=group:BUNDLE"))
        .flat_map(str::split_whitespace)
        .collect();
    sections.any(|section| {
        let mut lines = section.lines();
        let mut words = lines.next().unwrap_or_default().split_whitespace();
        let is_video = words.next() == Some("video");
        let has_port = words.next() != Some("0");
        let lives_on_another = lines.clone().any(|line| {
            let mid = line.strip_prefix("a=mid:");
            line == "a=bundle-only" || mid.is_some_and(|mid| bundled.contains(&mid))
        });
        // Port 0 is no section, unless it lives on the port of another one (RFC 9143 §6).
        is_video && (has_port || lives_on_another) && sends(lines)
    })
}

/// The names of the media sections of video (RFC 8866 §5.14, RFC 5888 §4).
pub(super) fn video_mids(sdp: &str) -> impl Iterator<Item = String> {
    let sections = sdp
        .split("\nm=")
        .skip(1)
        .filter(|section| section.starts_with("video "));
    sections.filter_map(|section| {
        let mut lines = section.lines().map(str::trim_end);
        lines.find_map(|line| line.strip_prefix("a=mid:")).map(str::to_owned)
    })
}

/// Whether a section sends. Where it names several directions, the engine goes by the first one; without any it is
/// `sendrecv`.
fn sends<'a>(mut lines: impl Iterator<Item = &'a str>) -> bool {
    let is_direction = |line: &&str| matches!(*line, "a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive");
    !matches!(lines.find(is_direction), Some("a=recvonly" | "a=inactive"))
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// Somebody who may not bring media in now.
    #[error(transparent)]
    Refused(#[from] PublishRefusal),
    /// Picture where there is sound alone.
    #[error(transparent)]
    NoVideo(#[from] NoVideo),
    /// In a mesh nothing comes from the server.
    #[error("in this session media goes from browser to browser: send signals with `to_user_id`")]
    Mesh,
    /// An answer, or data of another kind than the type says.
    #[error("a client sends offers and candidates, each with its own `signal_data`")]
    Mismatch,
    /// Neither a participant nor a connection with the server is named.
    #[error("`connection` is missing: `publish` or `subscribe`; or, in a mesh, `to_user_id`")]
    NoAddressee,
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
    /// Answers an offer to the server's SFU. A further offer of the same `RTCPeerConnection` changes the connection that is
    /// there; another one replaces it.
    pub async fn answer(
        &self,
        connection: Connection,
        offer: String,
        sources: Option<BTreeMap<String, TrackSource>>,
    ) -> Result<String, SignalError> {
        if self.session.read(Room::topology) == Topology::Mesh {
            return Err(SignalError::Mesh);
        }
        if connection == Connection::Publish {
            self.session.read(|room| room.may_publish(&self.user, Role::Viewer))?;
            media_fits(self.session.read(Room::mode), &offer)?;
        }
        let origin = sdp_origin(&offer);
        if let Some(current) = self.session.negotiation(&self.user, connection)
            && current.origin == origin
        {
            let reoffer = self
                .sessions
                .0
                .media
                .reoffer(current.peer, offer.clone(), sources.clone());
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
            sources,
            muted: self.session.read(|room| room.muted(&self.user)),
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
                self.sessions.discard(accepted.peer);
                return Err(SignalError::Ended);
            }
        }
        self.enter(connection, accepted.peer)?;
        Ok(accepted.answer)
    }

    fn enter(&self, connection: Connection, peer: PeerId) -> Result<(), SignalError> {
        let purpose = match connection {
            Connection::Subscribe => Purpose::Subscribe(self.user.clone()),
            // Asked again: the role may be another one since the offer was taken.
            Connection::Publish => match self.session.publish_from_place(peer, &self.user) {
                Ok(publication) => Purpose::Publish(publication),
                Err(refusal) => {
                    self.session.remove_peer(peer);
                    self.sessions.discard(peer);
                    return Err(refusal.into());
                }
            },
        };
        let session = self.session.clone();
        self.sessions.enter(peer, &Peer { session, purpose }, None);
        Ok(())
    }

    /// The participant wants something else of one of its slots.
    pub fn wish(&self, mid: String, wish: Wish) -> Result<(), SignalError> {
        let negotiation = self
            .session
            .negotiation(&self.user, Connection::Subscribe)
            .ok_or(SignalError::NoConnection)?;
        self.sessions.0.media.wish(negotiation.peer, mid, wish);
        Ok(())
    }

    /// Adds a candidate of the client's.
    pub fn add_candidate(&self, connection: Connection, candidate: &str) -> Result<(), SignalError> {
        let negotiation = self
            .session
            .negotiation(&self.user, connection)
            .ok_or(SignalError::NoConnection)?;
        // The empty candidate ends the list (RFC 8838 §14), which a server that is ICE-lite need not know.
        if !candidate.is_empty() {
            look_at_candidate(negotiation.peer, candidate);
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
    use super::*;

    #[test]
    fn a_voice_session_takes_sound_alone() {
        let audio = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\n";
        let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n";
        let unwanted = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=inactive\r\n";
        let off = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n";
        let bundled = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=sendonly\r\n";
        let fits = |offer: &str| media_fits(SessionMode::Voice, offer).is_ok();
        assert!(fits(audio));
        assert!(fits(&format!("{audio}{unwanted}")));
        assert!(fits(&format!("{audio}{off}")));
        assert!(!fits(&format!("{audio}{video}")));
        assert!(!fits(&format!("{audio}{unwanted}{video}")));
        assert!(!fits(&format!("{audio}{bundled}")));
        let changes_its_mind = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\na=recvonly\r\n";
        assert!(!fits(&format!("{audio}{changes_its_mind}")));
        let undecided = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
        assert!(!fits(&format!("{audio}{undecided}")));
        let grouped = "v=0\r\na=group:BUNDLE 0 1\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\n";
        assert!(!fits(grouped));
        assert!(fits(&grouped.replace("BUNDLE 0 1", "BUNDLE 0")));
        assert!(media_fits(SessionMode::Camera, video).is_ok());
    }

    #[test]
    fn sections_of_video_are_known_by_their_names() {
        let sdp = "v=0\r\na=group:BUNDLE 0 v w\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
                   m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\na=mid:v\r\n\
                   m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:w\r\n";
        assert_eq!(video_mids(sdp).collect::<Vec<_>>(), ["v", "w"]);
        assert_eq!(video_mids("v=0\r\ns=-\r\n").count(), 0);
    }

    #[test]
    fn the_origin_tells_connections_apart() {
        let sdp = "v=0\r\no=mozilla 4611 2 IN IP4 0.0.0.0\r\ns=-\r\n";
        assert_eq!(sdp_origin(sdp).as_deref(), Some("4611"));
        assert_eq!(sdp_origin("v=0\r\n"), None);
        assert_eq!(sdp_origin("o="), None);
    }
}
