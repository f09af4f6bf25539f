//! What is done for one viewer: its feedback is taken in, its figures are taken, and what it was given is sent.

use std::time::Instant;

use crate::PeerId;
use crate::sfu::{LEAST_SLEEP, Sfu};

impl Sfu {
    /// A viewer's feedback, by its egress.
    pub(crate) fn take_feedback(&mut self, id: PeerId, contents: &[u8], now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.counters.packets_in += 1;
        self.counters.bytes_in += contents.len() as u64;
        peer.heard_at = now;
        let heard = peer.hear(contents, now, &mut self.out);
        let estimate = peer.estimate().filter(|_| heard.has_news);
        for mid in heard.keyframes {
            self.on_keyframe_request(id, mid, now);
        }
        if let Some(estimate) = estimate {
            self.on_estimate(id, estimate, now);
        }
        self.mark_unsent(id);
        self.process(now);
    }

    /// A viewer has packets to send at the end of the round.
    pub(crate) fn mark_unsent(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id)
            && !std::mem::replace(&mut peer.is_unsent, true)
        {
            self.unsent.push_back(id);
        }
    }

    /// The round ends: what a viewer was given is sent, all of one viewer's together. Whether there was one with something
    /// to send.
    pub(crate) fn flush_next(&mut self, now: Instant) -> bool {
        let Some(id) = self.unsent.pop_front() else {
            return false;
        };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.is_unsent = false;
            peer.flush(now, &mut self.out);
            // A dead one is found when its timer comes up.
            self.timers.set(id, peer.wakes_at().max(now + LEAST_SLEEP));
        }
        true
    }

    /// Takes the figures of a viewer, and looks at its line, if it is time: twice a second.
    pub(crate) fn look_at_viewer(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.has_figures(now)) else {
            return;
        };
        peer.looks = peer.looks.wrapping_add(1);
        if peer.looks.is_multiple_of(2) {
            // A full second. What is graded are the figures before.
            self.grade(id, now);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.take_figures(now);
        }
        self.look_at_bandwidth(id, now);
    }
}
