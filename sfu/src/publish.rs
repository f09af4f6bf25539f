//! The way in: from a publisher's packets to tracks.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use str0m::format::Codec;
use str0m::media::{Mid, Rid};
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::stats::MediaIngressStats;

use crate::clock::{PublisherClock, publisher_time};
use crate::codec::PayloadTypes;
use crate::consent::Consent;
use crate::keyframe::starts_keyframe;
use crate::layers::{Heard, LayerMask, LayerSet, Layers};
use crate::limit::{Limit, Room, Told};
use crate::parameter_sets::ParameterSets;
use crate::patience::Keyframes;
use crate::peer::Role;
use crate::picture_size::picture_size;
use crate::redundancy::{self, MOST_BEHIND};
use crate::relay::{Control, Publisher, Recipient, RelayMessage};
use crate::session::Session;
use crate::sfu::Sfu;
use crate::speech::Speech;
use crate::throttle::{KEYFRAME_INTERVAL, RELAY_INTERVAL, Throttle};
use crate::track::{Extensions, Ingest, Reception, Track, TrackInfo, TrackPacket};
use crate::{Muted, PeerId, SfuEvent, Source, TrackId, WorkerId, codec, source};

/// SSRCs remembered per publisher. A browser uses two per track; one that keeps making up new ones makes us look them
/// up again.
const MAX_STREAMS: usize = 64;

/// Where a packet's own sound begins, if it carries others' before it; 0 if it does not. `None` for one that makes no sense.
fn primary_at(packet: &RtpPacket, types: PayloadTypes) -> Option<u16> {
    if types.redundant == Some(packet.header.payload_type) {
        redundancy::primary_at(&packet.payload, types.plain)
    } else {
        Some(0)
    }
}

/// The time of `count` ticks of a clock of `rate` hertz.
pub(crate) fn ticks(count: u32, rate: u32) -> Duration {
    Duration::from_secs_f64(f64::from(count) / f64::from(rate.max(1)))
}

/// A publish peer's own state.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    /// What each section that flows is.
    sources: HashMap<Mid, Source>,
    /// Of sections that have a source.
    tracks: HashMap<Mid, TrackId>,
    pub(crate) muted: Muted,
    /// To the publisher and back, as last measured. The engine forgets it when a measurement fails, as those of a very
    /// short line often do.
    pub(crate) round_trip: Option<Duration>,
    streams: HashMap<Ssrc, (Mid, Option<Rid>)>,
    clock: PublisherClock,
    pub(crate) consent: Consent,
    /// What it was told to send at the most.
    pub(crate) told: Told,
}

impl Publishing {
    pub(crate) fn new(muted: Muted) -> Self {
        Self {
            muted,
            ..Self::default()
        }
    }

    pub(crate) fn tracks(&self) -> impl Iterator<Item = TrackId> + '_ {
        self.tracks.values().copied()
    }
}

impl Sfu {
    pub(crate) fn publisher(&self, id: PeerId) -> Option<Publisher> {
        let peer = self.peers.get(&id)?;
        let Role::Publish(publishing) = &peer.role else {
            return None;
        };
        Some(Publisher {
            peer: id,
            session: peer.session.clone(),
            user: peer.user.clone(),
            sources: publishing.sources.values().copied().collect(),
            joined_at: peer.created_at,
        })
    }

    /// The media sections `mids` of a publisher were negotiated, the first time or again, with the names that signaling
    /// gave them. Tracks whose section has stopped, or is something else now, are closed.
    pub(crate) fn renew_sources(
        &mut self,
        id: PeerId,
        mids: &[Mid],
        named: Option<&BTreeMap<String, Source>>,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let flowing: Vec<_> = mids
            .iter()
            .filter_map(|mid| Some((*mid, peer.media_section(*mid)?)))
            .filter(|(_, (_, ours))| ours.is_receiving())
            .map(|(mid, (kind, _))| (mid, kind))
            .collect();
        let Role::Publish(publishing) = &mut peer.role else {
            return;
        };
        let sources = source::of_sections(&flowing, named, &publishing.sources);
        if sources == publishing.sources {
            return;
        }
        let before = std::mem::replace(&mut publishing.sources, sources);
        // An offer may give a known SSRC to another section.
        publishing.streams.clear();
        let mut ended = Vec::new();
        publishing.tracks.retain(|mid, track| {
            let goes_on = publishing.sources.get(mid) == before.get(mid);
            if !goes_on {
                ended.push(*track);
            }
            goes_on
        });
        // First the news that nothing is to be expected, so that no slot is kept for what has ended.
        let publisher = self.publisher(id).into_iter();
        publisher.for_each(|publisher| self.announce(Control::PublisherChanged(publisher), now));
        for track in ended {
            self.close_track(track, now);
        }
    }

    /// Tells the other workers and acts on it here.
    pub(crate) fn announce(&mut self, control: Control, now: Instant) {
        let message = RelayMessage::Control(control.clone());
        self.relays.push_back((Recipient::Others, message));
        self.apply(control, now);
    }

    pub(crate) fn apply(&mut self, control: Control, now: Instant) {
        // What came before belongs to what was.
        self.distribute();
        match control {
            Control::PublisherJoined(publisher) => {
                let session = self.sessions.entry(publisher.session.clone()).or_default();
                session.publishers.push(publisher);
            }
            Control::PublisherChanged(publisher) => {
                if let Some(session) = self.sessions.get_mut(&publisher.session)
                    && let Some(known) = session.publishers.iter_mut().find(|known| known.peer == publisher.peer)
                {
                    known.sources = publisher.sources;
                    self.assign_session(&publisher.session, now);
                }
            }
            Control::PublisherConnected(publisher) => self.replace_older(&publisher, now),
            Control::PublisherLeft(publisher) => {
                if let Some(session) = self.sessions.get_mut(&publisher.session) {
                    session.publishers.retain(|known| known.peer != publisher.peer);
                    let Session {
                        publishers, speaking, ..
                    } = session;
                    speaking.retain(|user| publishers.iter().any(|known| known.user == *user));
                    self.assign_session(&publisher.session, now);
                    self.forget_if_empty(&publisher.session);
                }
            }
            Control::TrackOpened(info) => self.open_track(info, now),
            Control::TrackClosed(id) => self.remove_track(id, now),
            Control::Layers(id, layers) => self.on_layers(id, layers, now),
            Control::Subscribe(id, worker, layers) => {
                if let Some(ingest) = self.ingest(id) {
                    ingest.relays.retain(|(known, _)| *known != worker);
                    if layers != LayerMask::NONE {
                        ingest.relays.push((worker, layers));
                    }
                }
            }
            Control::Room(id, worker, room) => self.on_room(id, worker, room),
            Control::Wanted(id, wanted) => {
                if let Some(track) = self.tracks.get_mut(&id) {
                    track.wanted = wanted;
                }
            }
            Control::KeyframeRequest(id, layer) => self.throttled_request(id, layer, now),
            Control::Speech(session, user, speaks) => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.speaking.retain(|known| *known != user);
                    let is_here = session.publishers.iter().any(|known| known.user == user);
                    if speaks && is_here {
                        session.speaking.push(user);
                    }
                }
            }
        }
    }

    fn ingest(&mut self, id: TrackId) -> Option<&mut Ingest> {
        self.tracks.get_mut(&id)?.ingest.as_mut()
    }

    /// Closes this worker's publish peers of the same user that are older than `newest`.
    fn replace_older(&mut self, newest: &Publisher, now: Instant) {
        let rank = |publisher: &Publisher| (publisher.joined_at, publisher.peer);
        let older: Vec<_> = self
            .sessions
            .get(&newest.session)
            .into_iter()
            .flat_map(|session| &session.publishers)
            .filter(|known| known.user == newest.user && rank(known) < rank(newest))
            .map(|known| known.peer)
            .collect();
        for id in older {
            self.close_peer(id, crate::CloseReason::Replaced, now);
        }
    }

    fn open_track(&mut self, info: TrackInfo, now: Instant) {
        let id = info.id;
        if let Some(known) = self.tracks.get_mut(&id) {
            let is_reformatted = known.info.format != info.format;
            known.info = info;
            self.show_again(id, is_reformatted, now);
            return;
        }
        let is_ours = info.peer.worker() == self.worker;
        let interval = if is_ours { KEYFRAME_INTERVAL } else { RELAY_INTERVAL };
        let session_id = info.session.clone();
        let rank = (info.opened_at, id);
        self.tracks.insert(
            id,
            Track {
                info,
                layers: LayerSet::default(),
                viewers: Vec::new(),
                keyframes: std::array::from_fn(|_| Throttle::new(interval)),
                subscribed: LayerMask::NONE,
                told_room: Room::NotNeeded,
                wanted: 0,
                ingest: None,
            },
        );
        let session = self.sessions.entry(session_id.clone()).or_default();
        let tracks = &self.tracks;
        let at = session
            .tracks
            .partition_point(|other| tracks.get(other).is_some_and(|t| (t.info.opened_at, *other) < rank));
        session.tracks.insert(at, id);
        self.assign_session(&session_id, now);
    }

    /// Closes a track that is published here.
    pub(crate) fn close_track(&mut self, id: TrackId, now: Instant) {
        let Some(info) = self.tracks.get(&id).map(|track| track.info.clone()) else {
            return;
        };
        let session = self.sessions.get(&info.session);
        let replaced = session.is_some_and(|session| session.awaits(&info.user, info.source));
        self.hush(id, now);
        self.counters.tracks -= 1;
        self.announce(Control::TrackClosed(id), now);
        self.events.push_back(SfuEvent::TrackStopped {
            peer: info.peer,
            session: info.session,
            user: info.user,
            kind: info.kind,
            source: info.source,
            replaced,
        });
    }

    fn remove_track(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.remove(&id) else { return };
        self.delayed.retain(|(delayed, _)| *delayed != id);
        self.counters.slots -= track.viewers.len() as u64;
        if let Some(session) = self.sessions.get_mut(&track.info.session) {
            session.tracks.retain(|known| *known != id);
            self.assign_session(&track.info.session, now);
            self.forget_if_empty(&track.info.session);
        }
    }

    pub(crate) fn on_packet(&mut self, id: PeerId, packet: RtpPacket, now: Instant) {
        if let Some(Role::Publish(publishing)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) {
            publishing.consent.hear(now);
        }
        let Some((track_id, layer)) = self.track_of(id, &packet, now) else {
            return;
        };
        let (Some(track), Some(peer)) = (self.tracks.get_mut(&track_id), self.peers.get_mut(&id)) else {
            return;
        };
        let (Some(ingest), Role::Publish(publishing)) = (track.ingest.as_mut(), &mut peer.role) else {
            return;
        };
        let format = track.info.format;
        let Some(primary_at) = primary_at(&packet, ingest.types) else {
            return;
        };
        let starts_keyframe = starts_keyframe(format.codec, &packet.payload);
        let heard = Heard {
            bytes: packet.payload.len(),
            ends_frame: packet.header.marker,
            size: starts_keyframe
                .then(|| picture_size(format.codec, &packet.payload))
                .flatten(),
        };
        let is_due = ingest.layers.hear(layer, heard, now);
        let is_muted = publishing.muted.covers(track.info.kind);
        let Some(of) = ingest.layers.get_mut(layer) else { return };
        if starts_keyframe {
            of.keyframes.observe(packet.header.timestamp, now);
        }
        let preface = if format.codec == Codec::H264 {
            let frame = packet.header.timestamp;
            of.parameter_sets.observe(&packet.payload, frame, starts_keyframe)
        } else {
            None
        };
        // A report from before the first packet knows no timestamp.
        if let Some(report) = packet.last_sender_info.filter(|report| report.sender_packet_count > 0)
            && let Some(theirs) = publisher_time(report.ntp_time)
            && of.clock.report(report.rtp_time.numer() as u32, theirs)
        {
            publishing.clock.observe(theirs, packet.timestamp);
        }
        let sequence_number = *packet.seq_no;
        if is_muted {
            of.muted_until = of.muted_until.max(Some(sequence_number));
        }
        let timestamp = packet.header.timestamp;
        let forwarded = if of.muted_until.is_some_and(|newest| sequence_number <= newest) {
            self.counters.muted += 1;
            None
        } else {
            let unmuted_at = of.muted_until.map(|newest| newest + MOST_BEHIND);
            let (payload, primary_at) = if primary_at > 0 && unmuted_at.is_some_and(|at| sequence_number <= at) {
                (packet.payload[usize::from(primary_at)..].into(), 0)
            } else {
                (packet.payload, primary_at)
            };
            Some(TrackPacket {
                epoch: track.info.epoch,
                layer,
                sequence_number,
                timestamp,
                marker: packet.header.marker,
                starts_keyframe,
                patience: of.keyframes.patience(now),
                captured_at: of
                    .clock
                    .capture_time(&mut publishing.clock, timestamp, format.clock_rate.get(), now),
                extensions: Extensions::from(&packet.header.ext_vals),
                payload,
                preface,
                primary_at,
            })
        };
        // Before it is forwarded: the first packet of all may be a keyframe, and whoever waits for the track takes it.
        if is_due {
            self.compare_layers(track_id, now);
            self.limit(track_id, now);
        }
        if let Some(packet) = forwarded {
            let audio_level = packet.extensions.audio_level;
            let ingest = self.tracks.get(&track_id).and_then(|track| track.ingest.as_ref());
            let relays = ingest.into_iter().flat_map(|ingest| &ingest.relays);
            for (worker, _) in relays.filter(|(_, takes)| takes.has(layer)) {
                let message = RelayMessage::Packet {
                    track: track_id,
                    packet: packet.clone(),
                };
                self.relays.push_back((Recipient::Worker(*worker), message));
            }
            self.fan_out(track_id, packet, now);
            if let Some(level) = audio_level {
                self.hear(track_id, level, now);
            }
        }
    }

    /// The track that `packet` belongs to, opened with its first one, and the layer. `None` for what is not forwarded.
    fn track_of(&mut self, id: PeerId, packet: &RtpPacket, now: Instant) -> Option<(TrackId, u8)> {
        let ssrc = packet.header.ssrc;
        let payload_type = packet.header.payload_type;
        let peer = self.peers.get_mut(&id)?;
        let Role::Publish(publishing) = &mut peer.role else {
            return None;
        };
        let (mid, rid) = if let Some(known) = publishing.streams.get(&ssrc) {
            *known
        } else {
            let found = peer.stream(ssrc, payload_type, &mut self.out)?;
            let Role::Publish(publishing) = &mut peer.role else {
                return None;
            };
            if publishing.streams.len() >= MAX_STREAMS {
                publishing.streams.clear();
            }
            publishing.streams.insert(ssrc, found);
            found
        };
        let Role::Publish(publishing) = &peer.role else {
            return None;
        };
        let Some(track_id) = publishing.tracks.get(&mid).copied() else {
            let track_id = self.start_track(id, mid, packet, now)?;
            let layer = self.ingest(track_id)?.layers.index_of(rid, (ssrc, payload_type), now)?;
            return Some((track_id, layer));
        };
        let track = self.tracks.get_mut(&track_id)?;
        let ingest = track.ingest.as_mut()?;
        let layer = ingest.layers.index_of(rid, (ssrc, payload_type), now)?;
        let of = ingest.layers.get_mut(layer)?;
        if of.ssrc == ssrc && ingest.types.has(payload_type) {
            of.payload_type = ingest.types.plain;
            return Some((track_id, layer));
        }
        // A publisher that changes its codec does so one layer after the other: what still comes in the old one is over.
        if of.ssrc == ssrc && of.payload_type == payload_type {
            return None;
        }
        let format = peer.format(payload_type)?;
        of.ssrc = ssrc;
        of.payload_type = format.types.plain;
        of.clock.reset();
        // The numbers of before mean nothing in the new ones.
        of.muted_until = None;
        of.keyframes = Keyframes::default();
        of.parameter_sets = ParameterSets::default();
        ingest.types = format.types;
        ingest.request = format.request;
        let mut info = track.info.clone();
        info.format = format.spec;
        info.epoch = info.epoch.wrapping_add(1);
        self.announce(Control::TrackOpened(info), now);
        Some((track_id, layer))
    }

    /// Looks at what the layers of a track are now, and tells whom it concerns.
    fn compare_layers(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let Some(ingest) = track.ingest.as_mut() else { return };
        let layers = ingest.layers.set(track.info.kind, ingest.limit.at_most, now);
        if layers.is_news_after(&ingest.told, track.info.kind) {
            ingest.told = layers.clone();
            self.announce(Control::Layers(id, layers), now);
        }
    }

    fn on_layers(&mut self, id: TrackId, layers: LayerSet, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let is_other = !layers.is_shaped_like(&track.layers);
        track.layers = layers;
        // What is only more or less than before is looked at when the viewer's turn comes.
        if is_other {
            let mut viewers: Vec<_> = track.viewers.iter().map(|viewer| viewer.peer).collect();
            viewers.dedup();
            for viewer in viewers {
                self.allocate(viewer, now);
            }
        }
    }

    fn start_track(&mut self, id: PeerId, mid: Mid, packet: &RtpPacket, now: Instant) -> Option<TrackId> {
        let track_id = TrackId::new(self.worker, self.next_number());
        let peer = self.peers.get_mut(&id)?;
        let format = peer.format(packet.header.payload_type)?;
        let (kind, _) = peer.media_section(mid)?;
        let Role::Publish(publishing) = &mut peer.role else {
            return None;
        };
        let source = *publishing.sources.get(&mid)?;
        publishing.tracks.insert(mid, track_id);
        let info = TrackInfo {
            id: track_id,
            peer: id,
            session: peer.session.clone(),
            user: peer.user.clone(),
            source,
            kind,
            format: format.spec,
            epoch: 0,
            opened_at: now,
        };
        let codec = codec::name(format.spec.codec);
        tracing::info!(peer = %id, track = %track_id, session = %info.session, codec, "track started");
        self.counters.tracks += 1;
        self.events.push_back(SfuEvent::TrackStarted {
            peer: id,
            session: info.session.clone(),
            user: info.user.clone(),
            kind,
            source,
            codec,
        });
        self.announce(Control::TrackOpened(info), now);
        self.tracks.get_mut(&track_id)?.ingest = Some(Ingest {
            mid,
            layers: Layers::default(),
            types: format.types,
            request: format.request,
            relays: Vec::new(),
            rooms: Vec::new(),
            limit: Limit::default(),
            told: LayerSet::default(),
            speech: Speech::default(),
        });
        Some(track_id)
    }

    pub(crate) fn on_ingress_stats(&mut self, id: PeerId, stats: &MediaIngressStats) {
        let Some(Role::Publish(publishing)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) else {
            return;
        };
        publishing.round_trip = stats.rtt.or(publishing.round_trip);
        let track = publishing.tracks.get(&stats.mid).and_then(|id| self.tracks.get_mut(id));
        let Some(track) = track else { return };
        let clock_rate = track.info.format.clock_rate.get();
        let layers = track.ingest.iter_mut().flat_map(|ingest| &mut ingest.layers.known);
        for layer in layers.filter(|layer| layer.rid == stats.rid) {
            layer.reception = Reception {
                packets: stats.packets,
                recent: stats.packets.saturating_sub(layer.reception.packets),
                loss: stats.loss.unwrap_or(0.0),
                jitter: ticks(stats.jitter, clock_rate),
            };
        }
    }

    /// Whether a track is relayed from another worker.
    pub(crate) fn home_of(&self, id: TrackId) -> Option<WorkerId> {
        Some(id.worker()).filter(|worker| *worker != self.worker)
    }
}
