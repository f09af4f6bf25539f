//! Gives each slot of a viewer the layer that its line has room for.

use std::time::Instant;

use crate::allocate::{Class, Demand};
use crate::bandwidth::{SOUND_OVERHEAD, Wish, with_overhead};
use crate::limit::Room;
use crate::peer::Role;
use crate::relay::{Control, Recipient, RelayMessage};
use crate::sfu::{LEAST_SLEEP, Sfu};
use crate::slot::Slot;
use crate::{LayerMask, PeerId, SfuError, Source, TrackId};

/// A slot and what it could get.
struct Candidate {
    slot: usize,
    track: TrackId,
    /// The layers that the demand's rates belong to.
    layers: Vec<u8>,
    demand: Demand,
}

impl Sfu {
    /// A viewer wants something else of one of its slots.
    pub fn wish(&mut self, id: PeerId, mid: &str, wish: Wish, now: Instant) -> Result<(), SfuError> {
        let Some(Role::Subscribe(slots)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) else {
            return Err(SfuError::UnknownPeer(id));
        };
        let slot = slots.iter_mut().find(|slot| slot.mid.to_string() == mid);
        let slot = slot.ok_or_else(|| SfuError::UnknownSlot(mid.to_owned()))?;
        if std::mem::replace(&mut slot.wish, wish) != wish {
            self.allocate(id, now);
            self.process(now);
        }
        Ok(())
    }

    /// The estimate of a viewer's line has changed.
    pub(crate) fn on_estimate(&mut self, id: PeerId, bits_per_second: u64, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.bandwidth.observe(bits_per_second, peer.was_limit());
            self.allocate(id, now);
        }
    }

    /// Looks at a viewer again for which it was time.
    pub(crate) fn look_again(&mut self, id: PeerId, now: Instant) {
        let bandwidth = self.peers.get(&id).map(|peer| &peer.bandwidth);
        if bandwidth.is_some_and(|bandwidth| bandwidth.look_at().is_some_and(|at| at <= now)) {
            self.allocate(id, now);
        }
    }

    /// A viewer's turn has come, twice a second.
    pub(crate) fn look_at_bandwidth(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(estimate) = peer.estimate() {
            peer.bandwidth.observe(estimate, peer.was_limit());
        }
        self.allocate(id, now);
    }

    /// Decides which layers the slots of a viewer show, and asks for their keyframes.
    pub(crate) fn allocate(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get(&id) else { return };
        let Role::Subscribe(slots) = &peer.role else { return };
        let speaking = self.sessions.get(&peer.session).map(|session| &session.speaking);
        let (mut sound, mut all) = (0, 0);
        let mut candidates = Vec::new();
        let mut hidden = Vec::new();
        for (at, slot) in slots.iter().enumerate() {
            let Some(track) = slot.track.and_then(|track| self.tracks.get(&track)) else {
                continue;
            };
            if slot.kind.is_audio() {
                let rate = track.layers.0.first().map_or(0, |layer| layer.bits_per_second);
                sound += rate + SOUND_OVERHEAD;
                continue;
            }
            let best = track.layers.0.last().map_or(0, |layer| layer.bits_per_second);
            all += best.max(track.wanted);
            let useful = track.layers.useful(slot.wish.height);
            if slot.wish.height == Some(0) || useful == 0 || !slot.is_decodable() {
                hidden.push((at, track.info.id));
                continue;
            }
            let speaks = speaking.is_some_and(|users| users.contains(&track.info.user));
            candidates.push(candidate(at, slot, track, useful, speaks));
        }
        let demands: Vec<_> = candidates.iter().map(|candidate| candidate.demand.clone()).collect();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let chosen = peer.bandwidth.share(&demands, sound, now);
        let is_far_below = peer.bandwidth.is_far_below();
        if let Some(at) = peer.bandwidth.look_at() {
            self.timers.set(id, peer.wakes_at().min(at).max(now + LEAST_SLEEP));
        }
        let taken: Vec<_> = demands
            .iter()
            .zip(&chosen)
            .map(|(demand, level)| level.and_then(|level| demand.rates.get(level).copied()).unwrap_or(0))
            .collect();
        let wanted: Vec<_> = candidates
            .iter()
            .map(|candidate| self.tracks.get(&candidate.track).map_or(0, |track| track.wanted))
            .collect();
        let rooms = peer.bandwidth.rooms(&demands, &taken, &wanted);
        for (at, track) in hidden {
            self.aim(id, (at, track), None, (false, true), now);
            self.set_room(id, (at, track), Room::NotNeeded);
        }
        for ((candidate, level), room) in candidates.iter().zip(chosen).zip(rooms) {
            let layer = level.and_then(|level| candidate.layers.get(level)).copied();
            let has_fallen = level < candidate.demand.current;
            let how = (layer.is_none(), has_fallen && is_far_below);
            self.aim(id, (candidate.slot, candidate.track), layer, how, now);
            self.set_room(id, (candidate.slot, candidate.track), room);
        }
        let desired = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.bandwidth.desire(sound + all));
        if let (Some(desired), Some(peer)) = (desired, self.peers.get_mut(&id)) {
            peer.desire(desired);
            self.mark_unsent(id);
        }
    }

    fn aim(
        &mut self,
        id: PeerId,
        (at, track): (usize, TrackId),
        layer: Option<u8>,
        (is_left_out, is_cut): (bool, bool),
        now: Instant,
    ) {
        let Some(Role::Subscribe(slots)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) else {
            return;
        };
        let Some(slot) = slots.get_mut(at) else { return };
        slot.is_left_out = is_left_out;
        if slot.target() == layer {
            return;
        }
        let asks = slot.aim(layer, is_cut, now);
        let (mid, takes) = (slot.mid, slot.takes());
        if let Some(track) = self.tracks.get_mut(&track) {
            let viewers = track.viewers.iter_mut();
            for viewer in viewers.filter(|viewer| (viewer.peer, viewer.mid) == (id, mid)) {
                viewer.takes = takes;
            }
        }
        self.renew_subscription(track);
        if asks && let Some(layer) = layer {
            self.request_keyframe(track, layer, now);
        }
    }

    /// Notes what a viewer has room for, of the track that one of its slots shows.
    fn set_room(&mut self, id: PeerId, (at, track_id): (usize, TrackId), room: Room) {
        let Some(Role::Subscribe(slots)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) else {
            return;
        };
        let Some(slot) = slots.get_mut(at).filter(|slot| room.is_news_after(slot.room)) else {
            return;
        };
        slot.room = room;
        let mid = slot.mid;
        let track = self.tracks.get_mut(&track_id);
        let viewers = track.into_iter().flat_map(|track| &mut track.viewers);
        for viewer in viewers.filter(|viewer| (viewer.peer, viewer.mid) == (id, mid)) {
            viewer.room = room;
        }
        self.renew_room(track_id);
    }

    /// Tells the worker that a track is published to which of its layers are taken here, if that has changed.
    pub(crate) fn renew_subscription(&mut self, id: TrackId) {
        let Some(home) = self.home_of(id) else { return };
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let taken = track.taken();
        if std::mem::replace(&mut track.subscribed, taken) != taken {
            let message = RelayMessage::Control(Control::Subscribe(id, self.worker, taken));
            self.relays.push_back((Recipient::Worker(home), message));
        }
    }

    /// Some slots have come to another layer: what they took before they take no more.
    pub(crate) fn settle_takes(&mut self, id: TrackId, switched: &[(PeerId, str0m::media::Mid, LayerMask)]) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        for viewer in &mut track.viewers {
            let found = switched
                .iter()
                .find(|(peer, mid, _)| (*peer, *mid) == (viewer.peer, viewer.mid));
            if let Some((_, _, takes)) = found {
                viewer.takes = *takes;
            }
        }
        self.renew_subscription(id);
    }
}

fn candidate(at: usize, slot: &Slot, track: &crate::track::Track, useful: usize, speaks: bool) -> Candidate {
    let layers = track.layers.0.iter().take(useful);
    let current = track
        .layers
        .0
        .iter()
        .position(|layer| Some(layer.index) == slot.target());
    Candidate {
        slot: at,
        track: track.info.id,
        layers: layers.clone().map(|layer| layer.index).collect(),
        demand: Demand {
            class: match track.info.source {
                Source::Screen => Class::Screen,
                _ if speaks => Class::Speaker,
                _ => Class::Other,
            },
            priority: slot.wish.priority,
            rates: layers.map(|layer| with_overhead(layer.bits_per_second)).collect(),
            // What is more than of use is given up without being missed.
            current: current.map(|current| current.min(useful - 1)),
            // A picture whose publisher was told to keep within what its viewers have room for leaves no headroom to come
            // back with.
            is_left_out: slot.is_left_out && track.wanted == 0,
            is_single: track.layers.single().is_some(),
            yields: track.wanted != 0,
        },
    }
}
