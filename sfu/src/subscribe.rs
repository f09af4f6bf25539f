//! The way out: which slots show what, and each packet to everybody who shows its track.

use std::time::Instant;

use str0m::media::{MediaKind, Mid};
use str0m::stats::MediaEgressStats;

use crate::assign::{Change, SlotState, assign, visible};
use crate::peer::{EgressFigures, Role};
use crate::publish::ticks;
use crate::session::Session;
use crate::sfu::{LEAST_SLEEP, Sfu};
use crate::slot::{Plan, Slot};
use crate::track::{TrackInfo, TrackPacket, Viewer};
use crate::{IngestStats, PeerId, SessionId, SfuEvent, SlotStats, TrackId, TrackStats, ViewerStats, codec};

/// Of Opus, the only sound that is forwarded (RFC 7587 §4.1), in hertz.
const AUDIO_CLOCK_RATE: u32 = 48_000;

/// Of every video format, in hertz.
const VIDEO_CLOCK_RATE: u32 = 90_000;

/// How many are audio and how many video.
fn count(kinds: impl Iterator<Item = MediaKind>) -> (u32, u32) {
    kinds.fold((0, 0), |(audio, video), kind| match kind {
        MediaKind::Audio => (audio + 1, video),
        MediaKind::Video => (audio, video + 1),
    })
}

impl Sfu {
    /// Sends `packet` to every slot of this worker that shows the track.
    pub(crate) fn fan_out(&mut self, id: TrackId, packet: &TrackPacket, now: Instant) {
        let Some(track) = self.tracks.get(&id) else { return };
        let mut needs_keyframe = false;
        let mut switched = Vec::new();
        for viewer in &track.viewers {
            if !viewer.takes.has(packet.layer) {
                continue;
            }
            let Some(peer) = self.peers.get_mut(&viewer.peer) else {
                continue;
            };
            if peer.is_congested && track.info.kind.is_video() {
                self.counters.dropped += 1;
                continue;
            }
            let Role::Subscribe(slots) = &mut peer.role else {
                continue;
            };
            let Some(slot) = viewer.slot(slots) else { continue };
            match slot.plan(&track.info, packet, now) {
                Plan::Forward { forward, has_switched } => {
                    if has_switched {
                        switched.push((viewer.peer, viewer.mid, slot.takes()));
                    }
                    if peer.send(forward, now, &mut self.out) {
                        self.counters.forwarded += 1;
                    }
                    // A dead one is found when its timer comes up.
                    self.timers.set(viewer.peer, peer.wakes_at().max(now + LEAST_SLEEP));
                }
                Plan::Drop => self.counters.dropped += 1,
                Plan::Wait { ask } => {
                    self.counters.dropped += 1;
                    needs_keyframe |= ask;
                }
            }
        }
        if needs_keyframe {
            self.request_keyframe(id, packet.layer, now);
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
                let Some(ssrc) = peer.bound_history(mid, &mut self.out) else {
                    return;
                };
                let mut slot = Slot::new((mid, ssrc), kind, now);
                slot.set_offered(offered);
                if let Role::Subscribe(slots) = &mut peer.role {
                    slots.push(slot);
                }
            }
            (Some(at), true) => slots[at].set_offered(offered),
            (Some(at), false) => {
                let slot = slots.remove(at);
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
    }

    pub(crate) fn on_keyframe_request(&mut self, id: PeerId, mid: Mid, now: Instant) {
        let Some(Role::Subscribe(slots)) = self.peers.get(&id).map(|peer| &peer.role) else {
            return;
        };
        let slot = slots.iter().find(|slot| slot.mid == mid);
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

    pub(crate) fn on_egress_stats(&mut self, id: PeerId, stats: &MediaEgressStats) {
        if let Some(peer) = self.peers.get_mut(&id) {
            let clock_rate = match peer.media_section(stats.mid) {
                Some((MediaKind::Audio, _)) => AUDIO_CLOCK_RATE,
                _ => VIDEO_CLOCK_RATE,
            };
            let figures = peer.figures.entry(stats.mid).or_default();
            *figures = EgressFigures {
                packets: stats.packets,
                bytes: stats.bytes,
                recent: stats.packets.saturating_sub(figures.packets),
                loss: stats.loss,
                jitter: stats.remote.as_ref().map(|remote| ticks(remote.jitter, clock_rate)),
                round_trip: stats.rtt.or(figures.round_trip),
            };
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
            kind: slot.kind,
            rid: shown.and_then(|layer| layer.rid).map(|rid| rid.to_string()),
            height: shown.and_then(|layer| layer.size).map(|size| size.height),
            is_left_out: slot.is_left_out,
        })
    }

    /// What each subscribe peer of this worker has been sent.
    pub fn viewer_stats(&self) -> Vec<ViewerStats> {
        let viewers = self
            .peers
            .values()
            .filter(|peer| matches!(peer.role, Role::Subscribe(_)));
        viewers
            .map(|peer| ViewerStats {
                peer: peer.id,
                session: peer.session.clone(),
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
