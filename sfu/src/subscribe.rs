//! The way out: which slots show what, and each packet to everybody who shows its track.

use std::time::Instant;

use str0m::media::{MediaKind, Mid};

use crate::assign::{Change, SlotState, assign, visible};
use crate::layers::{LayerInfo, LayerMask};
use crate::limit::Room;
use crate::peer::{Peer, Role};
use crate::session::Session;
use crate::sfu::Sfu;
use crate::slot::{Plan, Slot};
use crate::track::{TrackInfo, TrackPacket, Viewer};
use crate::{
    IngestStats, LayerStats, PeerId, SessionId, SfuEvent, SlotStats, TrackId, TrackStats, UserId, ViewerStats, codec,
};

/// Of Opus, the only sound that is forwarded (RFC 7587 §4.1), in hertz.
const AUDIO_CLOCK_RATE: u32 = 48_000;

/// Of every video format, in hertz.
const VIDEO_CLOCK_RATE: u32 = 90_000;

fn clock_rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => AUDIO_CLOCK_RATE,
        MediaKind::Video => VIDEO_CLOCK_RATE,
    }
}

/// How many are audio and how many video.
fn count(kinds: impl Iterator<Item = MediaKind>) -> (u32, u32) {
    kinds.fold((0, 0), |(audio, video), kind| match kind {
        MediaKind::Audio => (audio + 1, video),
        MediaKind::Video => (audio, video + 1),
    })
}

impl Sfu {
    /// Takes `packet` for every slot of this worker that shows the track; [`Self::distribute`] does the rest.
    pub(crate) fn fan_out(&mut self, id: TrackId, packet: TrackPacket, now: Instant) {
        self.batch.push((id, packet));
        self.batch_at = self.batch_at.max(Some(now));
    }

    /// Gives each viewer what has come for it: all packets of a picture at once, so that what is known of a viewer comes
    /// into the processor's cache once for all of them.
    pub(crate) fn distribute(&mut self) {
        let Some(now) = self.batch_at.take() else { return };
        let mut batch = std::mem::take(&mut self.batch);
        for run in batch.chunk_by(|(one, _), (other, _)| one == other) {
            if let [(id, _), ..] = run {
                self.distribute_run(*id, run, now);
            }
        }
        batch.clear();
        self.batch = batch;
    }

    /// Packets of one track.
    fn distribute_run(&mut self, id: TrackId, run: &[(TrackId, TrackPacket)], now: Instant) {
        let Some(track) = self.tracks.get(&id) else { return };
        let mut needs_keyframe = LayerMask::NONE;
        let mut switched = Vec::new();
        let layers = LayerMask::of(run.iter().map(|(_, packet)| packet.layer));
        for viewer in track.viewers.iter().filter(|viewer| viewer.takes.overlaps(layers)) {
            let Some(peer) = self.peers.get_mut(&viewer.peer) else {
                continue;
            };
            let Peer {
                role: Role::Subscribe(slots),
                egress: Some(egress),
                is_congested,
                is_unsent,
                ..
            } = peer
            else {
                continue;
            };
            let Some(slot) = viewer.slot(slots) else { continue };
            let taken = run.iter().filter(|(_, packet)| viewer.takes.has(packet.layer));
            if *is_congested && track.info.kind.is_video() {
                self.counters.dropped += taken.count() as u64;
                continue;
            }
            for (_, packet) in taken {
                match slot.plan(&track.info, packet, now) {
                    Plan::Forward(mut forward) => {
                        if forward.has_switched {
                            switched.push((viewer.peer, viewer.mid, slot.takes()));
                            if let Some(preface) = &packet.preface {
                                egress.send(forward.preceded_by(preface.clone()));
                            }
                        }
                        if egress.send(forward) {
                            self.counters.forwarded += 1;
                        } else {
                            self.counters.dropped += 1;
                        }
                        if !std::mem::replace(is_unsent, true) {
                            self.unsent.push_back(viewer.peer);
                        }
                    }
                    Plan::Drop => self.counters.dropped += 1,
                    Plan::Wait { ask } => {
                        self.counters.dropped += 1;
                        if ask {
                            needs_keyframe = needs_keyframe.with(LayerMask::of([packet.layer]));
                        }
                    }
                }
            }
        }
        for layer in needs_keyframe.layers() {
            self.request_keyframe(id, layer, now);
        }
        if !switched.is_empty() {
            self.settle_takes(id, &switched);
        }
    }

    /// A media section of a peer was negotiated, the first time or again.
    pub(crate) fn on_media(&mut self, id: PeerId, mid: Mid, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !matches!(peer.role, Role::Subscribe(_)) {
            return;
        }
        let offered = peer.offered(mid);
        let Some((kind, direction)) = peer.media_section(mid) else {
            return;
        };
        let Role::Subscribe(slots) = &mut peer.role else { return };
        let at = slots.iter().position(|slot| slot.mid == mid);
        match (at, direction.is_sending()) {
            (None, true) => {
                let Some(ssrc) = peer.open_stream(mid, clock_rate(kind), &mut self.out) else {
                    return;
                };
                let mut slot = Slot::new((mid, ssrc), kind, now);
                slot.set_offered(offered);
                if let Role::Subscribe(slots) = &mut peer.role {
                    slots.push(slot);
                }
            }
            (Some(at), true) => {
                slots[at].set_offered(offered);
                peer.open_stream(mid, clock_rate(kind), &mut self.out);
            }
            (Some(at), false) => {
                let slot = slots.remove(at);
                peer.close_stream(mid);
                self.unwatch(slot.track, id, mid);
            }
            (None, false) => {}
        }
        if self.peers.get(&id).is_some_and(|peer| peer.is_connected) {
            self.assign_slots(id, now);
        }
    }

    pub(crate) fn assign_session(&mut self, session: &SessionId, now: Instant) {
        let subscribers = self.sessions.get(session).map(|s| s.subscribers.clone());
        for id in subscribers.unwrap_or_default() {
            self.assign_slots(id, now);
        }
    }

    /// Brings the slots of one subscriber in line with what its session has.
    pub(crate) fn assign_slots(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get(&id) else { return };
        let (Role::Subscribe(slots), Some(session)) = (&peer.role, self.sessions.get(&peer.session)) else {
            return;
        };
        let states: Vec<_> = slots
            .iter()
            .map(|slot| SlotState {
                kind: slot.kind,
                track: slot.track,
                holder: slot.holder.clone(),
            })
            .collect();
        let tracks = visible(&self.tracks_of(session), &peer.user);
        let changes = assign(&states, &tracks, |user, source| session.awaits(user, source));
        let wanted = count(tracks.iter().map(|track| track.kind));
        for (index, change) in changes {
            self.change_slot(id, index, &change, now);
        }
        let (audio, video) = count(states.iter().map(|slot| slot.kind));
        self.allocate(id, now);
        let lacks = wanted.0 > audio || wanted.1 > video;
        self.tell_wanted(id, lacks.then_some(wanted));
    }

    /// Tells a subscriber how many slots it would take to get everything, if it lacks some and does not know.
    fn tell_wanted(&mut self, id: PeerId, wanted: Option<(u32, u32)>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let told = std::mem::replace(&mut peer.slots_wanted, wanted);
        if let Some((audio, video)) = wanted.filter(|_| told != wanted) {
            self.events.push_back(SfuEvent::SlotsWanted { peer: id, audio, video });
        }
    }

    fn tracks_of(&self, session: &Session) -> Vec<&TrackInfo> {
        let tracks = session.tracks.iter().filter_map(|id| self.tracks.get(id));
        tracks.map(|track| &track.info).collect()
    }

    fn change_slot(&mut self, id: PeerId, index: usize, change: &Change, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Role::Subscribe(slots) = &mut peer.role else { return };
        let Some(slot) = slots.get_mut(index) else { return };
        let (mid, kind, before) = (slot.mid, slot.kind, slot.holder.clone());
        let previous = slot.track.take();
        if *change == Change::Release {
            slot.holder = None;
        }
        self.unwatch(previous, id, mid);
        if let Change::Show(track) = change
            && !self.show(id, index, *track, now)
        {
            self.tell_unsupported(id, mid, *track);
        }
        let after = self.slot(id, index).and_then(|slot| slot.holder.clone());
        if before != after
            && let Some((_, source)) = after.as_ref().or(before.as_ref())
        {
            self.events.push_back(SfuEvent::SlotAssigned {
                peer: id,
                mid: mid.to_string(),
                kind,
                source: *source,
                user: after.map(|(user, _)| user),
            });
        }
    }

    fn slot(&mut self, id: PeerId, index: usize) -> Option<&mut Slot> {
        match &mut self.peers.get_mut(&id)?.role {
            Role::Subscribe(slots) => slots.get_mut(index),
            Role::Publish(_) => None,
        }
    }

    /// Shows a track in a slot. Whether the viewer can decode it.
    fn show(&mut self, id: PeerId, index: usize, track: TrackId, now: Instant) -> bool {
        let Some(info) = self.tracks.get(&track).map(|track| track.info.clone()) else {
            return true;
        };
        let Some(slot) = self.slot(id, index) else { return true };
        let mid = slot.mid;
        if !slot.show(&info, now) {
            return false;
        }
        let takes = slot.takes();
        let viewer = Viewer {
            peer: id,
            mid,
            index,
            takes,
            room: Room::NotNeeded,
        };
        self.watch(track, viewer);
        true
    }

    fn tell_unsupported(&mut self, id: PeerId, mid: Mid, track: TrackId) {
        if let Some(track) = self.tracks.get(&track) {
            self.events.push_back(SfuEvent::CodecUnsupported {
                peer: id,
                mid: mid.to_string(),
                codec: codec::name(track.info.format.codec),
            });
        }
    }

    /// A track changed its numbering, and its format if it `is_reformatted`: every slot that shows it starts anew.
    pub(crate) fn show_again(&mut self, id: TrackId, is_reformatted: bool, now: Instant) {
        let Some(session) = self.tracks.get(&id).and_then(|t| self.sessions.get(&t.info.session)) else {
            return;
        };
        for peer in session.subscribers.clone() {
            let Some(Role::Subscribe(slots)) = self.peers.get(&peer).map(|peer| &peer.role) else {
                continue;
            };
            let showing: Vec<_> = slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.track == Some(id))
                .collect();
            for (index, mid) in showing
                .into_iter()
                .map(|(index, slot)| (index, slot.mid))
                .collect::<Vec<_>>()
            {
                self.unwatch(Some(id), peer, mid);
                if !self.show(peer, index, id, now) && is_reformatted {
                    self.tell_unsupported(peer, mid, id);
                }
            }
            self.allocate(peer, now);
        }
    }

    fn watch(&mut self, id: TrackId, viewer: Viewer) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        track.viewers.push(viewer);
        self.counters.slots += 1;
        self.renew_subscription(id);
    }

    pub(crate) fn unwatch(&mut self, id: Option<TrackId>, peer: PeerId, mid: Mid) {
        let Some(id) = id else { return };
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let before = track.viewers.len();
        track.viewers.retain(|viewer| (viewer.peer, viewer.mid) != (peer, mid));
        self.counters.slots -= (before - track.viewers.len()) as u64;
        self.renew_subscription(id);
        self.renew_room(id);
    }

    pub(crate) fn on_keyframe_request(&mut self, id: PeerId, mid: Mid, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let is_flooded = peer.bandwidth.is_far_below();
        let Role::Subscribe(slots) = &mut peer.role else {
            return;
        };
        let mut slot = slots.iter_mut().find(|slot| slot.mid == mid);
        if let Some(slot) = slot.as_mut().filter(|_| is_flooded) {
            // What is sent before it cannot be shown, and would fill the line that it is to come through.
            slot.await_keyframe(now);
            if let Some(egress) = &mut peer.egress {
                egress.drop_pictures(mid);
            }
        }
        let shown = slot.and_then(|slot| slot.track.zip(slot.target()));
        if let Some((track, layer)) = shown {
            self.request_keyframe(track, layer, now);
        }
    }

    pub(crate) fn congest(&mut self, id: PeerId, is_congested: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let was_congested = std::mem::replace(&mut peer.is_congested, is_congested);
        if !was_congested || is_congested {
            return;
        }
        let Role::Subscribe(slots) = &mut peer.role else { return };
        let mut interrupted = Vec::new();
        for slot in slots.iter_mut().filter(|slot| slot.kind.is_video()) {
            slot.await_keyframe(now);
            interrupted.extend(slot.track.zip(slot.target()));
        }
        for (track, layer) in interrupted {
            self.request_keyframe(track, layer, now);
        }
    }

    /// The tracks of a session as this worker sees them, in the order of publishing.
    pub fn track_stats(&mut self, session: &SessionId, now: Instant) -> Vec<TrackStats> {
        let ids = self.sessions.get(session).map(|session| session.tracks.clone());
        let mut stats = Vec::new();
        for id in ids.unwrap_or_default() {
            let Some(track) = self.tracks.get_mut(&id) else {
                continue;
            };
            let publisher = self.peers.get(&track.info.peer).map(|peer| &peer.role);
            let round_trip = match publisher {
                Some(Role::Publish(publishing)) => publishing.round_trip,
                _ => None,
            };
            stats.push(TrackStats {
                track: id,
                user: track.info.user.clone(),
                kind: track.info.kind,
                source: track.info.source,
                codec: codec::name(track.info.format.codec),
                receivers: track.viewers.len() as u32,
                layers: track.layers.0.iter().map(layer_stats).collect(),
                ingest: track.ingest.as_mut().map(|ingest| IngestStats {
                    bits_per_second: ingest.layers.bits_per_second(now),
                    loss: ingest.layers.reception().loss,
                    jitter: ingest.layers.reception().jitter,
                    round_trip,
                }),
            });
        }
        stats
    }

    fn slot_stats(&self, slot: &Slot) -> Option<SlotStats> {
        let track = self.tracks.get(&slot.track?)?;
        let of = |index: u8| track.layers.0.iter().find(|layer| layer.index == index);
        let shown = slot.current.and_then(of);
        Some(SlotStats {
            mid: slot.mid.to_string(),
            track: track.info.id,
            user: track.info.user.clone(),
            kind: slot.kind,
            source: track.info.source,
            rid: shown.and_then(|layer| layer.rid).map(|rid| rid.to_string()),
            height: shown.and_then(|layer| layer.size).map(|size| size.height),
            is_left_out: slot.is_left_out,
        })
    }

    /// What each subscribe peer of this worker has been sent; of one participant, or of all.
    pub fn viewer_stats(&self, of: Option<(&SessionId, &UserId)>) -> Vec<ViewerStats> {
        let is_asked_for =
            |peer: &Peer| of.is_none_or(|(session, user)| peer.session == *session && peer.user == *user);
        let viewers = self
            .peers
            .values()
            .filter(|peer| matches!(peer.role, Role::Subscribe(_)) && is_asked_for(peer));
        viewers
            .map(|peer| ViewerStats {
                peer: peer.id,
                session: peer.session.clone(),
                user: peer.user.clone(),
                packets: peer.figures.values().map(|figures| figures.packets).sum(),
                bytes: peer.figures.values().map(|figures| figures.bytes).sum(),
                loss: peer
                    .figures
                    .values()
                    .filter_map(|figures| figures.loss)
                    .max_by(f32::total_cmp),
                round_trip: peer.figures.values().filter_map(|figures| figures.round_trip).max(),
                estimate: peer.bandwidth.estimate(),
                slots: match &peer.role {
                    Role::Subscribe(slots) => slots.iter().filter_map(|slot| self.slot_stats(slot)).collect(),
                    Role::Publish(_) => Vec::new(),
                },
            })
            .collect()
    }
}

fn layer_stats(layer: &LayerInfo) -> LayerStats {
    LayerStats {
        rid: layer.rid.map(|rid| rid.to_string()),
        height: layer.size.map(|size| size.height),
        bits_per_second: layer.bits_per_second,
    }
}
