//! The way in: from a publisher's packets to tracks, and keyframe requests back.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::stats::MediaIngressStats;

use crate::clock::{PublisherClock, StreamClock, publisher_time};
use crate::keyframe::{picture_size, starts_keyframe};
use crate::layers::{Heard, Layers, Step};
use crate::peer::Role;
use crate::relay::{Control, Publisher, Recipient, RelayMessage};
use crate::sfu::Sfu;
use crate::speech::Speech;
use crate::throttle::{KEYFRAME_INTERVAL, RELAY_INTERVAL, Throttle, Verdict};
use crate::track::{Extensions, Ingest, Meter, Reception, Track, TrackInfo, TrackPacket};
use crate::{Muted, PeerId, SfuEvent, Source, TrackId, WorkerId, codec, source};

/// SSRCs remembered per publisher. A browser uses two per track; one that keeps making up new ones makes us look them
/// up again.
const MAX_STREAMS: usize = 64;

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
                    self.assign_session(&publisher.session, now);
                    self.forget_if_empty(&publisher.session);
                }
            }
            Control::TrackOpened(info) => self.open_track(info, now),
            Control::TrackClosed(id) => self.remove_track(id, now),
            Control::Subscribe(id, worker) => {
                if let Some(ingest) = self.ingest(id)
                    && !ingest.relays.contains(&worker)
                {
                    ingest.relays.push(worker);
                }
            }
            Control::Unsubscribe(id, worker) => {
                if let Some(ingest) = self.ingest(id) {
                    ingest.relays.retain(|known| *known != worker);
                }
            }
            Control::KeyframeRequest(id) => self.throttled_request(id, now),
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
                viewers: Vec::new(),
                keyframes: Throttle::new(interval),
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
        self.hush(id);
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
        self.delayed.retain(|delayed| *delayed != id);
        self.counters.slots -= track.viewers.len() as u64;
        if let Some(session) = self.sessions.get_mut(&track.info.session) {
            session.tracks.retain(|known| *known != id);
            self.assign_session(&track.info.session, now);
            self.forget_if_empty(&track.info.session);
        }
    }

    pub(crate) fn on_packet(&mut self, id: PeerId, packet: RtpPacket, now: Instant) {
        let Some(track_id) = self.track_of(id, &packet, now) else {
            return;
        };
        let (Some(track), Some(peer)) = (self.tracks.get_mut(&track_id), self.peers.get_mut(&id)) else {
            return;
        };
        let (Some(ingest), Role::Publish(publishing)) = (track.ingest.as_mut(), &mut peer.role) else {
            return;
        };
        ingest.meter.add(packet.payload.len(), now);
        // A report from before the first packet knows no timestamp.
        if let Some(report) = packet.last_sender_info.filter(|report| report.sender_packet_count > 0)
            && let Some(theirs) = publisher_time(report.ntp_time)
            && ingest.clock.report(report.rtp_time.numer() as u32, theirs)
        {
            publishing.clock.observe(theirs, packet.timestamp);
        }
        let sequence_number = *packet.seq_no;
        if publishing.muted.covers(track.info.kind) {
            ingest.muted_until = ingest.muted_until.max(Some(sequence_number));
            self.counters.muted += 1;
            return;
        }
        if ingest.muted_until.is_some_and(|newest| sequence_number <= newest) {
            self.counters.muted += 1;
            return;
        }
        let format = track.info.format;
        let timestamp = packet.header.timestamp;
        let packet = TrackPacket {
            epoch: track.info.epoch,
            sequence_number,
            timestamp,
            marker: packet.header.marker,
            starts_keyframe: starts_keyframe(format.codec, &packet.payload),
            captured_at: ingest
                .clock
                .capture_time(&mut publishing.clock, timestamp, format.clock_rate.get(), now),
            extensions: Extensions::from(&packet.header.ext_vals),
            payload: packet.payload,
        };
        let audio_level = packet.extensions.audio_level;
        for worker in &ingest.relays {
            let message = RelayMessage::Packet {
                track: track_id,
                packet: packet.clone(),
            };
            self.relays.push_back((Recipient::Worker(*worker), message));
        }
        self.fan_out(track_id, &packet, now);
        if let Some(level) = audio_level {
            self.hear(track_id, level, now);
        }
    }

    /// The track that `packet` belongs to, opened with its first one. `None` for what is not forwarded.
    fn track_of(&mut self, id: PeerId, packet: &RtpPacket, now: Instant) -> Option<TrackId> {
        let ssrc = packet.header.ssrc;
        let payload_type = packet.header.payload_type;
        let peer = self.peers.get_mut(&id)?;
        let Role::Publish(publishing) = &mut peer.role else {
            return None;
        };
        let (mid, rid) = if let Some(known) = publishing.streams.get(&ssrc) {
            *known
        } else {
            let found = peer.stream(ssrc, &mut self.out)?;
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
            return self.start_track(id, (mid, rid), packet, now);
        };
        let track = self.tracks.get_mut(&track_id)?;
        let ingest = track.ingest.as_mut()?;
        if let (Some(taken), Some(arrived)) = (ingest.rid, rid) {
            let codec = track.info.format.codec;
            let starts_keyframe = starts_keyframe(codec, &packet.payload);
            let heard = Heard {
                rid: arrived,
                bytes: packet.payload.len(),
                starts_keyframe,
                size: starts_keyframe.then(|| picture_size(codec, &packet.payload)).flatten(),
            };
            match ingest.layers.hear(heard, taken, now) {
                Step::Stay => {}
                Step::Take => ingest.rid = rid,
                Step::Ask(better) => {
                    let way = ingest.request;
                    self.ask_layer(id, (mid, better), way, now);
                }
            }
        }
        let peer = self.peers.get_mut(&id)?;
        let track = self.tracks.get_mut(&track_id)?;
        let ingest = track.ingest.as_mut()?;
        if ingest.rid != rid {
            return None;
        }
        if ingest.ssrc == ssrc && ingest.payload_type == payload_type {
            return Some(track_id);
        }
        let (format, request) = peer.format(payload_type)?;
        ingest.ssrc = ssrc;
        ingest.payload_type = payload_type;
        ingest.request = request;
        ingest.clock.reset();
        // The numbers of before mean nothing in the new ones.
        ingest.muted_until = None;
        let mut info = track.info.clone();
        info.format = format;
        info.epoch = info.epoch.wrapping_add(1);
        self.announce(Control::TrackOpened(info), now);
        Some(track_id)
    }

    /// Asks for a keyframe of a layer that is not taken yet.
    fn ask_layer(&mut self, id: PeerId, (mid, rid): (Mid, Rid), way: Option<KeyframeRequestKind>, now: Instant) {
        let (Some(way), Some(peer)) = (way, self.peers.get_mut(&id)) else {
            return;
        };
        if peer.request_keyframe((mid, Some(rid)), way, now, &mut self.out) {
            self.counters.keyframes_sent += 1;
        }
        self.touch(id, now);
    }

    fn start_track(
        &mut self,
        id: PeerId,
        (mid, rid): (Mid, Option<Rid>),
        packet: &RtpPacket,
        now: Instant,
    ) -> Option<TrackId> {
        let track_id = TrackId::new(self.worker, self.next_number());
        let peer = self.peers.get_mut(&id)?;
        let (format, request) = peer.format(packet.header.payload_type)?;
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
            format,
            epoch: 0,
            opened_at: now,
        };
        let codec = codec::name(format.codec);
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
        let ingest = Ingest {
            mid,
            rid,
            layers: Layers::default(),
            ssrc: packet.header.ssrc,
            payload_type: packet.header.payload_type,
            clock: StreamClock::default(),
            request,
            relays: Vec::new(),
            meter: Meter::new(now),
            reception: Reception::default(),
            speech: Speech::default(),
            muted_until: None,
        };
        self.tracks.get_mut(&track_id)?.ingest = Some(ingest);
        // The slots were assigned before the publisher could be asked.
        let is_wanted = self.tracks.get(&track_id).is_some_and(|t| !t.viewers.is_empty());
        if is_wanted && kind.is_video() {
            self.throttled_request(track_id, now);
        }
        Some(track_id)
    }

    /// A viewer, or a slot that was assigned, needs a keyframe of a track.
    pub(crate) fn request_keyframe(&mut self, id: TrackId, now: Instant) {
        self.counters.keyframes_received += 1;
        self.throttled_request(id, now);
    }

    fn throttled_request(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let is_foreign = track.info.peer.worker() != self.worker;
        if track.ingest.is_none() && !is_foreign {
            return;
        }
        let publisher = self.peers.get(&track.info.peer).map(|peer| &peer.role);
        if matches!(publisher, Some(Role::Publish(publishing)) if publishing.muted.covers(track.info.kind)) {
            return;
        }
        match track.keyframes.request(now) {
            Verdict::Send => self.send_keyframe_request(id, now),
            Verdict::Later => self.delayed.push(id),
            Verdict::Merged => self.counters.keyframes_merged += 1,
        }
    }

    pub(crate) fn send_delayed_keyframe_requests(&mut self, now: Instant) {
        let mut due = Vec::new();
        let tracks = &mut self.tracks;
        self.delayed.retain(|id| {
            let is_due = tracks.get_mut(id).is_none_or(|track| track.keyframes.take_due(now));
            if is_due {
                due.push(*id);
            }
            !is_due
        });
        for id in due {
            self.send_keyframe_request(id, now);
        }
    }

    fn send_keyframe_request(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get(&id) else { return };
        let publisher = track.info.peer;
        let Some(ingest) = &track.ingest else {
            let message = RelayMessage::Control(Control::KeyframeRequest(id));
            self.relays.push_back((Recipient::Worker(publisher.worker()), message));
            return;
        };
        let (Some(kind), Some(peer)) = (ingest.request, self.peers.get_mut(&publisher)) else {
            return;
        };
        if peer.request_keyframe((ingest.mid, ingest.rid), kind, now, &mut self.out) {
            self.counters.keyframes_sent += 1;
        }
        self.touch(publisher, now);
    }

    pub(crate) fn on_ingress_stats(&mut self, id: PeerId, stats: &MediaIngressStats) {
        let Some(Role::Publish(publishing)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) else {
            return;
        };
        publishing.round_trip = stats.rtt.or(publishing.round_trip);
        let track = publishing.tracks.get(&stats.mid).and_then(|id| self.tracks.get_mut(id));
        let Some(track) = track else { return };
        let clock_rate = track.info.format.clock_rate.get();
        if let Some(ingest) = track.ingest.as_mut().filter(|ingest| ingest.rid == stats.rid) {
            ingest.reception = Reception {
                packets: stats.packets,
                recent: stats.packets.saturating_sub(ingest.reception.packets),
                loss: stats.loss.unwrap_or(0.0),
                jitter: ticks(stats.jitter, clock_rate),
            };
        }
    }

    /// Whether anybody on any worker is shown a track that is published here.
    pub(crate) fn is_wanted(&self, id: TrackId) -> bool {
        self.tracks.get(&id).is_some_and(|track| {
            let is_relayed = track.ingest.as_ref().is_some_and(|ingest| !ingest.relays.is_empty());
            is_relayed || !track.viewers.is_empty()
        })
    }

    /// Whether a track is relayed from another worker.
    pub(crate) fn home_of(&self, id: TrackId) -> Option<WorkerId> {
        Some(id.worker()).filter(|worker| *worker != self.worker)
    }
}
