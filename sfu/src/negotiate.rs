//! What a peer agrees on after its first answer: other media sections, other addresses, ICE anew.

use std::collections::BTreeMap;
use std::time::Instant;

use str0m::media::Mid;
use str0m::{Candidate, IceCreds};

use crate::peer::{EngineState, Outbox, Peer};
use crate::sfu::Sfu;
use crate::told::IceRestart;
use crate::{CloseReason, PeerId, SfuError, Source, route, sdp, source};

impl Sfu {
    /// Answers a new offer on an existing peer: more slots or tracks, fewer, or an ICE restart. A publisher's `sources`
    /// are as in [`PeerRequest::sources`]; what is not named stays what it was.
    pub fn reoffer(
        &mut self,
        id: PeerId,
        offer: &str,
        sources: Option<&BTreeMap<String, Source>>,
        now: Instant,
    ) -> Result<String, SfuError> {
        if let Some(named) = sources {
            source::check(named, offer)?;
        }
        let candidates = self.setup.candidates.clone();
        self.renegotiate(id, sources, now, |peer, out| {
            peer.negotiate(offer, &candidates, now, out)
        })
    }

    /// Restarts ICE with the remote's new credentials (RFC 8839 §4.4.1.1.1): what an answer would say of ours.
    pub fn restart_ice(&mut self, id: PeerId, remote: &IceCreds, now: Instant) -> Result<IceRestart, SfuError> {
        let candidates = self.setup.candidates.clone();
        let answer = self.renegotiate(id, None, now, |peer, out| {
            peer.renegotiate_ice(remote, &candidates, now, out)
        })?;
        let peer = self.peers.get_mut(&id).ok_or(SfuError::UnknownPeer(id))?;
        Ok(IceRestart {
            credentials: peer.local_credentials(),
            mid: sdp::media_sections(&answer).first().map(Mid::to_string),
            candidates: sdp::candidates(&answer),
        })
    }

    /// Puts other host candidates into the answers from now on. A peer that is there keeps those that it was told, and gets
    /// these when it restarts ICE.
    pub fn set_candidates(&mut self, candidates: Vec<Candidate>) {
        self.setup.candidates = candidates.into();
    }

    fn renegotiate(
        &mut self,
        id: PeerId,
        sources: Option<&BTreeMap<String, Source>>,
        now: Instant,
        negotiate: impl FnOnce(&mut Peer, &mut Outbox) -> Result<String, SfuError>,
    ) -> Result<String, SfuError> {
        let peer = self.peers.get_mut(&id).ok_or(SfuError::UnknownPeer(id))?;
        let before = peer.local_credentials();
        let result = negotiate(peer, &mut self.out);
        if peer.engine == EngineState::Panicked {
            self.close_peer(id, CloseReason::Failed, now);
            self.process(now);
            return result;
        }
        // A restart gives the engine credentials of its own making, by which no other worker could tell that they are
        // ours. In later answers its candidates still have these.
        let made = peer.local_credentials();
        let ours = if made == before {
            before
        } else {
            let ours = route::credentials(self.worker);
            peer.set_local_credentials(ours.clone(), &mut self.out);
            self.routes.name(id, ours.ufrag.clone());
            ours
        };
        let answer = result.map(|answer| sdp::replace_credentials(&answer, &made, &ours));
        if let Ok(answer) = &answer {
            let sections = sdp::media_sections(answer);
            self.renew_sources(id, &sections, sources, now);
            for mid in sections {
                self.on_media(id, mid, now);
            }
        }
        self.process(now);
        self.touch(id, now);
        answer
    }
}

/// Whether a trickled candidate is one: as in `a=candidate:` or `RTCIceCandidate.candidate`, or empty (the end of candidates). Nothing more is
/// to be done with it: the core answers checks and makes none (RFC 8445 §2.5), and knows a remote by those of its own.
pub fn check_candidate(candidate: &str) -> Result<(), SfuError> {
    let line = candidate.trim().trim_start_matches("a=");
    if line.is_empty() || line == "end-of-candidates" {
        return Ok(());
    }
    let parsed = Candidate::from_sdp_string(line);
    parsed
        .map(drop)
        .map_err(|error| SfuError::BadCandidate(error.to_string()))
}

#[cfg(test)]
mod tests {
    use str0m::Rtc;
    use str0m::media::{Direction, MediaKind};

    use super::*;
    use crate::{Identity, Muted, PeerRequest, SfuConfig, SfuEvent, WorkerId};

    fn offer(now: Instant) -> String {
        let mut rtc = Rtc::builder().build(now);
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        changes.apply().expect("there are changes").0.to_sdp_string()
    }

    #[test]
    fn an_engine_that_panics_takes_its_own_connection_along_and_no_other() {
        let now = Instant::now();
        let offer = offer(now);
        let mut sfu = Sfu::new(SfuConfig {
            worker: WorkerId(0),
            candidates: Vec::new(),
            identity: Identity::generate().expect("a key"),
        });
        let request = PeerRequest {
            session: "show".into(),
            user: "guest".into(),
            direction: crate::Direction::Subscribe,
            offer: &offer,
            sources: None,
            muted: Muted::default(),
        };
        let [broken, other] = [(); 2].map(|()| sfu.accept(&request, now).expect("a good offer").0);
        let refusal = sfu.renegotiate(broken, None, now, |peer, _| {
            peer.guard(|_| panic!("as an engine does that takes too much for granted"))
        });
        let refusal = refusal.expect_err("no answer").to_string();
        assert!(refusal.contains("the media engine failed on it"), "{refusal}");
        let closed = SfuEvent::Closed {
            peer: broken,
            reason: CloseReason::Failed,
        };
        assert_eq!(sfu.poll_event(), Some(closed));
        assert!(matches!(
            sfu.reoffer(broken, &offer, None, now),
            Err(SfuError::UnknownPeer(_))
        ));
        sfu.reoffer(other, &offer, None, now).expect("it goes on");
        assert_eq!(sfu.counters().peers, 1);
    }
}
