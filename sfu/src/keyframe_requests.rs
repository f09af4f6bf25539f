//! Keyframe requests, from whoever needs one back to the publisher: merged, and passed on by the workers between them.

use std::time::Instant;

use crate::TrackId;
use crate::peer::Role;
use crate::relay::{Control, Recipient, RelayMessage};
use crate::sfu::Sfu;
use crate::throttle::Verdict;

impl Sfu {
    /// A viewer, or a slot that was assigned, needs a keyframe of a layer.
    pub(crate) fn request_keyframe(&mut self, id: TrackId, layer: u8, now: Instant) {
        self.counters.keyframes_received += 1;
        self.throttled_request(id, layer, now);
    }

    pub(crate) fn throttled_request(&mut self, id: TrackId, layer: u8, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let is_foreign = track.info.peer.worker() != self.worker;
        if track.ingest.is_none() && !is_foreign {
            return;
        }
        let publisher = self.peers.get(&track.info.peer).map(|peer| &peer.role);
        if matches!(publisher, Some(Role::Publish(publishing)) if publishing.muted.covers(track.info.kind)) {
            return;
        }
        let Some(throttle) = track.keyframes.get_mut(usize::from(layer)) else {
            return;
        };
        match throttle.request(now) {
            Verdict::Send => self.send_keyframe_request(id, layer, now),
            Verdict::Later => self.delayed.push((id, layer)),
            Verdict::Merged => self.counters.keyframes_merged += 1,
        }
    }

    pub(crate) fn send_delayed_keyframe_requests(&mut self, now: Instant) {
        let mut due = Vec::new();
        let tracks = &mut self.tracks;
        self.delayed.retain(|(id, layer)| {
            let throttle = tracks
                .get_mut(id)
                .and_then(|track| track.keyframes.get_mut(usize::from(*layer)));
            let is_due = throttle.is_none_or(|throttle| throttle.take_due(now));
            if is_due {
                due.push((*id, *layer));
            }
            !is_due
        });
        for (id, layer) in due {
            self.send_keyframe_request(id, layer, now);
        }
    }

    fn send_keyframe_request(&mut self, id: TrackId, layer: u8, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let publisher = track.info.peer;
        let Some(ingest) = &mut track.ingest else {
            let message = RelayMessage::Control(Control::KeyframeRequest(id, layer));
            self.relays.push_back((Recipient::Worker(publisher.worker()), message));
            return;
        };
        let Some(rid) = ingest.layers.get_mut(layer).map(|layer| layer.rid) else {
            return;
        };
        let (Some(kind), Some(peer)) = (ingest.request, self.peers.get_mut(&publisher)) else {
            return;
        };
        if peer.request_keyframe((ingest.mid, rid), kind, now, &mut self.out) {
            self.counters.keyframes_sent += 1;
        }
        self.touch(publisher, now);
    }
}
