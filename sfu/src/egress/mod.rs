//! The way out to one viewer: takes packets whose every field is decided, and paces, seals, numbers and repeats them.
//!
//! [`Slot`](crate::slot::Slot) decides what a viewer gets; an [`Egress`] sends it. The engine below a viewer's peer does
//! ICE, DTLS and SDP, and nothing for media: what it would send of RTP and RTCP is dropped, so that nothing but the egress
//! ever seals with the connection's keys.

mod arena;
mod feedback;
mod header;
mod history;
mod keys;
mod pacer;
mod srtp;
mod stream;
mod transport;
mod wall;
#[cfg(feature = "wire")]
pub mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::crypto::CryptoProvider;
use str0m::media::{Mid, Pt};
use str0m::rtp::Ssrc;

pub use arena::Transmit;
pub(crate) use arena::{Departures, Path};
pub(crate) use keys::{Keys, provider, take as take_keys};
pub(crate) use stream::{StreamConfig, StreamFigures};

use crate::alteration::Alteration;
use crate::track::Extensions;
use feedback::{Arrivals, Feedback};
use footlight_estimator::{Estimator, Report};
use header::Header;
use history::Kept;
use pacer::{Haste, Pacer};
use srtp::Srtp;
use stream::Stream;
use transport::Transport;

/// How often a viewer gets sender reports. It cannot line up sound and picture before it has one of each, so audio's
/// usual five seconds are too long.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Packets of pictures that wait for the pacer: two of the largest keyframes. Beyond it they are dropped, and the viewer
/// asks for a keyframe.
const MOST_QUEUED: usize = 2_048;

/// Packets that wait to be sent again: more than a viewer asks for at once that has a line worth the name.
const MOST_REPEATED: usize = 256;

/// Sound that waits for the connection: none that is older is worth hearing.
const MOST_SOUND: usize = 64;

/// Streams that a connection ever had: sections that end leave theirs behind, as no number may be sealed twice under its name. A room has
/// forty at a time, and whoever ends and begins sections without end gets no more.
const MOST_STREAMS: usize = 512;

/// Between two retransmissions of a packet, while the round trip is not known.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(100);

/// News of an estimate is a change of one part in so many.
const NEWS: u64 = 20;

/// Number of the media section of a packet's original, before its payload (RFC 4588 §4).
const ORIGINAL_NUMBER: usize = 2;

/// One packet as one viewer is to get it.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The slot's own.
    pub(crate) ssrc: Ssrc,
    pub(crate) payload_type: Pt,
    /// Extended; only the low 16 bits travel.
    pub(crate) sequence_number: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// When it was captured, for the sender reports of this slot. Not in the future.
    pub(crate) captured_at: Instant,
    pub(crate) extensions: Extensions,
    /// Whether it is kept for retransmission.
    pub(crate) nackable: bool,
    /// It is the first of its layer or track, and of a keyframe, if there was one to wait for.
    pub(crate) has_switched: bool,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) alteration: Alteration,
}

impl Forward {
    /// A packet with `payload` that goes out directly before it, and is the first in its place. The number before its own is
    /// left for it.
    pub(crate) fn preceded_by(&mut self, payload: Arc<[u8]>) -> Self {
        Self {
            sequence_number: self.sequence_number.saturating_sub(1),
            marker: false,
            extensions: Extensions::default(),
            has_switched: std::mem::take(&mut self.has_switched),
            payload,
            alteration: Alteration::None,
            ..*self
        }
    }
}

/// Room to work in, shared by all egresses of a worker.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    reports: Vec<Report>,
}

/// What a viewer's feedback asks of others.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Sections that need a keyframe.
    pub(crate) keyframes: Vec<Mid>,
    /// The estimate has changed by enough to be looked at.
    pub(crate) has_news: bool,
}

/// What comes next: something anew, of a stream by its index, or a picture.
enum Next {
    Again(usize, Kept),
    Picture(Forward),
}

#[derive(Debug)]
pub(crate) struct Egress {
    srtp: Option<Srtp>,
    path: Option<Path>,
    /// A path that the engine did not take.
    refused: Option<Path>,
    streams: Vec<Stream>,
    transport: Transport,
    /// `None`: nobody measures the line, and everything goes out as it comes.
    estimator: Option<Estimator>,
    pacer: Pacer,
    sound: VecDeque<Forward>,
    /// With the index of their stream.
    again: VecDeque<(usize, Kept)>,
    pictures: VecDeque<Forward>,
    round_trip: Option<Duration>,
    report_at: Instant,
    told: u64,
    /// The keyframe, by stream and timestamp, by which a layer was left that is too much for the line. It goes no faster than
    /// the line is thought to carry: what waits before it is still that layer's, and faster would be lost there.
    gentle: Option<(Ssrc, u32)>,
}

impl Egress {
    /// Of a line that is thought to carry `estimate` bits per second; `None`: nobody measures it.
    pub(crate) fn new(estimate: Option<u64>, now: Instant) -> Self {
        Self {
            srtp: None,
            path: None,
            refused: None,
            streams: Vec::new(),
            transport: Transport::default(),
            estimator: estimate.map(|start| Estimator::new(start, now)),
            pacer: Pacer::new(now),
            sound: VecDeque::new(),
            again: VecDeque::new(),
            pictures: VecDeque::new(),
            round_trip: None,
            report_at: now + REPORT_INTERVAL,
            told: estimate.unwrap_or(0),
            gentle: None,
        }
    }

    /// DTLS has agreed on keys. Whether they can be used.
    pub(crate) fn set_keys(&mut self, keys: &Keys, crypto: &CryptoProvider) -> bool {
        self.srtp = Srtp::new(keys, crypto);
        self.srtp.is_some()
    }

    /// The viewer wants its media along `path`. Taken at once, unless the engine thought otherwise: a viewer that nominates
    /// many paths means the one of the highest priority (RFC 8445 §8.1.1), which the engine knows.
    pub(crate) fn suggest_path(&mut self, path: Path) {
        if self.refused != Some(path) {
            self.path = Some(path);
        }
    }

    /// The engine sends along `path`.
    pub(crate) fn confirm_path(&mut self, path: Path) {
        if self.path != Some(path) {
            self.refused = self.path.replace(path);
        }
    }

    /// A section of the viewer's sends from now on, or differently. Whether it does: not where it is one too many.
    pub(crate) fn set_stream(&mut self, config: StreamConfig) -> bool {
        let known = self.streams.iter_mut().find(|stream| stream.config.ssrc == config.ssrc);
        if let Some(stream) = known {
            stream.config = config;
            return true;
        }
        let has_room = self.streams.len() < MOST_STREAMS;
        if has_room {
            self.streams.push(Stream::new(config));
        }
        has_room
    }

    /// A section of the viewer's sends no more.
    pub(crate) fn close_stream(&mut self, mid: Mid) {
        self.again.clear();
        for stream in self.streams.iter_mut().filter(|stream| stream.config.mid == mid) {
            let ssrc = stream.config.ssrc;
            self.pictures.retain(|forward| forward.ssrc != ssrc);
            self.sound.retain(|forward| forward.ssrc != ssrc);
            stream.close();
        }
    }

    /// What waits of a section's pictures is of no use, as its viewer needs a keyframe; but for one that waits already: on a long line it
    /// is asked for again before the first answer is there.
    pub(crate) fn drop_pictures(&mut self, mid: Mid) {
        let streams = self.streams.iter().enumerate();
        for (at, stream) in streams.filter(|(_, stream)| stream.config.mid == mid) {
            let ssrc = stream.config.ssrc;
            let begins = |forward: &&Forward| forward.ssrc == ssrc && forward.has_switched;
            let answer = self.pictures.iter().rev().find(begins).map(|forward| forward.timestamp);
            self.pictures
                .retain(|forward| forward.ssrc != ssrc || Some(forward.timestamp) == answer);
            self.again.retain(|(of, _)| *of != at);
        }
    }

    pub(crate) fn figures(&self) -> impl Iterator<Item = (Mid, StreamFigures)> {
        self.streams.iter().map(|stream| (stream.config.mid, stream.figures))
    }

    /// What the line is thought to carry, in bits per second; `None` where nobody measures it, or nothing was measured.
    pub(crate) fn estimate(&self) -> Option<u64> {
        let estimator = self.estimator.as_ref().filter(|estimator| estimator.is_measured());
        estimator.map(Estimator::estimate)
    }

    /// Whether the line was ever seen to carry no more than it was given.
    pub(crate) fn was_limit(&self) -> bool {
        self.estimator.as_ref().is_some_and(Estimator::was_limit)
    }

    /// What would be sent if the line carried it, in bits per second: it is probed for that.
    pub(crate) fn set_desired(&mut self, desired: u64) {
        if let Some(estimator) = &mut self.estimator {
            estimator.set_desired(desired);
        }
    }

    /// Takes a packet for sending, which [`Self::advance`] does. Whether there is room for it.
    pub(crate) fn send(&mut self, forward: Forward) -> bool {
        let (queue, most) = if forward.nackable {
            (&mut self.pictures, MOST_QUEUED)
        } else {
            (&mut self.sound, MOST_SOUND)
        };
        let has_room = queue.len() < most;
        if has_room {
            queue.push_back(forward);
        }
        has_room
    }

    /// Takes in RTCP of the viewer's.
    pub(crate) fn receive(&mut self, datagram: &[u8], now: Instant, scratch: &mut Scratch) -> Heard {
        let mut heard = Heard::default();
        let Some(srtp) = &mut self.srtp else { return heard };
        let mut opened = std::mem::take(&mut scratch.bytes);
        if srtp.open_rtcp(datagram, &mut opened) {
            feedback::read(&opened, |feedback| self.take_in(feedback, now, scratch, &mut heard));
        }
        scratch.bytes = opened;
        heard
    }

    fn take_in(&mut self, feedback: Feedback<'_>, now: Instant, scratch: &mut Scratch, heard: &mut Heard) {
        match feedback {
            Feedback::Report(block) => {
                for stream in &mut self.streams {
                    if *stream.config.ssrc == block.ssrc {
                        self.round_trip = stream.received(&block, now).or(self.round_trip);
                    }
                    stream.is_repair_known |= stream.config.repair.is_some_and(|repair| *repair == block.ssrc);
                }
            }
            Feedback::Nack { ssrc, entries } => self.repeat(ssrc, entries, now),
            Feedback::Keyframe { ssrc } => {
                let stream = self.streams.iter().find(|stream| *stream.config.ssrc == ssrc);
                heard.keyframes.extend(stream.map(|stream| stream.config.mid));
            }
            Feedback::Arrivals(arrivals) => heard.has_news |= self.arrived(&arrivals, now, &mut scratch.reports),
        }
    }

    /// Whether the estimate is news.
    fn arrived(&mut self, arrivals: &Arrivals<'_>, now: Instant, reports: &mut Vec<Report>) -> bool {
        let round_trip = self.transport.reported(arrivals, now, reports);
        let Some(estimator) = &mut self.estimator else {
            return false;
        };
        estimator.on_feedback(reports, round_trip, now);
        let estimate = estimator.estimate();
        let is_news = estimator.is_measured() && estimate.abs_diff(self.told) > self.told / NEWS;
        if is_news {
            self.told = estimate;
        }
        is_news
    }

    fn repeat(&mut self, ssrc: u32, entries: &[u8], now: Instant) {
        let found = self
            .streams
            .iter_mut()
            .enumerate()
            .find(|(_, stream)| *stream.config.ssrc == ssrc);
        let Some((at, stream)) = found.filter(|(_, stream)| stream.config.repair.is_some()) else {
            return;
        };
        let pause = self.round_trip.unwrap_or(ASSUMED_ROUND_TRIP);
        for number in feedback::lost(entries) {
            if self.again.len() >= MOST_REPEATED {
                return;
            }
            let Some(kept) = stream.history.again(number, pause, now) else {
                continue;
            };
            let Some(credit) = stream.credit.checked_sub(kept.payload.len()) else {
                return;
            };
            stream.credit = credit;
            self.again.push_back((at, kept));
        }
    }

    /// Sends what may be sent now.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Departures, scratch: &mut Scratch) {
        let Some(path) = self.path.filter(|_| self.srtp.is_some()) else {
            return;
        };
        if self.report_at <= now {
            self.report_at = now + REPORT_INTERVAL;
            self.send_reports(path, now, out, scratch);
        }
        while let Some(forward) = self.sound.pop_front() {
            self.send_forward(path, &forward, now, (out, scratch));
        }
        let is_paced = self.estimator.is_some();
        if let Some(estimator) = &mut self.estimator
            && self.pacer.wants_probe(now)
            && self.streams.iter().any(Stream::can_fill)
            && let Some(probe) = estimator.poll_probe(now)
        {
            self.pacer.begin_probe(probe, now);
        }
        while !is_paced || self.pacer.may_send(now) {
            match self.next(now) {
                Some(Next::Again(stream, kept)) => self.send_again(path, (stream, &kept), now, (out, scratch)),
                Some(Next::Picture(forward)) => self.send_forward(path, &forward, now, (out, scratch)),
                None => break,
            }
        }
    }

    fn next(&mut self, now: Instant) -> Option<Next> {
        while let Some((at, kept)) = self.again.pop_front() {
            let is_of_use = |stream: &Stream| stream.history.is_of_use(kept.sequence_number);
            if self.streams.get(at).is_some_and(is_of_use) {
                return Some(Next::Again(at, kept));
            }
        }
        if let Some(forward) = self.pictures.pop_front() {
            return Some(Next::Picture(forward));
        }
        let number = self.pacer.filling(now)?;
        let mut streams = self.streams.iter().enumerate();
        let found = streams.find_map(|(at, stream)| {
            let kept = stream.history.filling(number).filter(|_| stream.can_fill())?;
            Some((at, kept.clone()))
        });
        if found.is_none() {
            // There is nothing to fill the line with.
            self.pacer.end_probe();
        }
        found.map(|(at, kept)| Next::Again(at, kept))
    }

    /// When [`Self::advance`] has something to do by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let srtp = self.srtp.as_ref().filter(|_| self.path.is_some());
        srtp?;
        let has_queue = !self.pictures.is_empty() || !self.again.is_empty() || self.pacer.is_probing();
        let paced = has_queue.then(|| self.pacer.next_at());
        let can_fill = self.streams.iter().any(Stream::can_fill);
        let probe = self
            .estimator
            .as_ref()
            .filter(|_| can_fill && !self.pacer.is_probing())
            .and_then(Estimator::next_probe_at)
            .map(|at| at.max(self.pacer.probe_after()));
        [paced, probe, Some(self.report_at)].into_iter().flatten().min()
    }

    fn send_forward(
        &mut self,
        path: Path,
        forward: &Forward,
        now: Instant,
        (out, scratch): (&mut Departures, &mut Scratch),
    ) {
        let found = self
            .streams
            .iter_mut()
            .find(|stream| stream.config.ssrc == forward.ssrc);
        let (Some(stream), Some(srtp)) = (found, &mut self.srtp) else {
            return;
        };
        let number = stream.number(forward.sequence_number);
        let has_feedback = stream.config.ids.has_feedback();
        let arena = out.arena();
        let start = arena.len();
        let header = Header {
            payload_type: forward.payload_type,
            marker: forward.marker,
            sequence_number: number as u16,
            timestamp: forward.timestamp,
            ssrc: *forward.ssrc,
            transport_sequence_number: has_feedback.then(|| self.transport.number()),
            sent_at: wall::since_epoch(now),
            mid: (!stream.is_known).then_some(&stream.config.mid),
            extensions: forward.extensions,
        };
        let length = header.write(stream.config.ids, arena);
        let place = (length, *forward.ssrc, number);
        let payload = forward.alteration.apply(&forward.payload, &mut scratch.bytes);
        if !srtp.seal_rtp(arena, place, payload) {
            return;
        }
        let bytes = arena.len() - start;
        out.add(path, start);
        stream.note_sent(payload.len(), forward.timestamp, forward.captured_at);
        if forward.nackable && stream.config.repair.is_some() {
            if forward.has_switched {
                stream.history.begin(number);
            }
            stream.history.keep(forward, number, now);
        }
        let picture = (forward.ssrc, forward.timestamp);
        if forward.has_switched {
            let fell = self.estimator.as_ref().is_some_and(Estimator::fell_lately);
            self.gentle = fell.then_some(picture);
        }
        self.count(bytes, self.gentle == Some(picture), has_feedback, now);
    }

    /// Sends a packet on the stream of retransmissions (RFC 4588 §4).
    fn send_again(
        &mut self,
        path: Path,
        (at, kept): (usize, &Kept),
        now: Instant,
        (out, scratch): (&mut Departures, &mut Scratch),
    ) {
        let (Some(stream), Some(srtp)) = (self.streams.get_mut(at), &mut self.srtp) else {
            return;
        };
        let (Some(ssrc), Some(payload_type)) = (stream.config.repair, stream.repair_type(kept.payload_type)) else {
            return;
        };
        scratch.bytes.clear();
        scratch.bytes.reserve(ORIGINAL_NUMBER + kept.payload.len());
        scratch.bytes.extend((kept.sequence_number as u16).to_be_bytes());
        kept.alteration.append(&kept.payload, &mut scratch.bytes);
        let has_feedback = stream.config.ids.has_feedback();
        let arena = out.arena();
        let start = arena.len();
        let header = Header {
            payload_type,
            marker: kept.marker,
            sequence_number: stream.repair_number as u16,
            timestamp: kept.timestamp,
            ssrc: *ssrc,
            transport_sequence_number: has_feedback.then(|| self.transport.number()),
            sent_at: wall::since_epoch(now),
            mid: (!stream.is_repair_known).then_some(&stream.config.mid),
            extensions: Extensions {
                video_orientation: kept.orientation,
                ..Extensions::default()
            },
        };
        let length = header.write(stream.config.ids, arena);
        if !srtp.seal_rtp(arena, (length, *ssrc, stream.repair_number), &scratch.bytes) {
            return;
        }
        let bytes = arena.len() - start;
        out.add(path, start);
        stream.repair_number += 1;
        stream.figures.packets += 1;
        stream.figures.bytes += kept.payload.len() as u64;
        let picture = (stream.config.ssrc, kept.timestamp);
        self.count(bytes, self.gentle == Some(picture), has_feedback, now);
    }

    /// A packet has gone out.
    fn count(&mut self, bytes: usize, is_gentle: bool, has_feedback: bool, now: Instant) {
        let Some(estimator) = &mut self.estimator else {
            if has_feedback {
                self.transport.note(bytes, 0, now);
            }
            return;
        };
        let haste = match (is_gentle, estimator.may_be_policed()) {
            (true, _) => Haste::None,
            (false, true) => Haste::Little,
            (false, false) => Haste::Much,
        };
        let probe = self.pacer.spend(bytes, estimator.estimate(), haste, now);
        if has_feedback {
            self.transport.note(bytes, probe, now);
        }
        estimator.on_sent(bytes as u32, now);
    }

    /// Sender reports of all streams, and the name that tells that they belong together (RFC 3550 §6.5.1), in one packet.
    fn send_reports(&mut self, path: Path, now: Instant, out: &mut Departures, scratch: &mut Scratch) {
        /// Of one server to one viewer there is one sender: any name will do.
        const NAME: &[u8; 9] = b"footlight";
        /// Each: SSRC, type, length, name, and a null up to the next word.
        const ITEM: usize = (4 + 2 + NAME.len() + 1).next_multiple_of(4);
        scratch.bytes.clear();
        for stream in &self.streams {
            stream.report(now, &mut scratch.bytes);
        }
        if scratch.bytes.is_empty() {
            return;
        }
        // A source description's count has five bits.
        let named = self.streams.iter().filter(|stream| stream.newest.is_some()).take(31);
        let count = named.clone().count();
        scratch.bytes.extend([2 << 6 | count as u8, 202]);
        scratch.bytes.extend(((count * ITEM / 4) as u16).to_be_bytes());
        for stream in named {
            let end = scratch.bytes.len() + ITEM;
            scratch.bytes.extend(stream.config.ssrc.to_be_bytes());
            scratch.bytes.extend([1, NAME.len() as u8]);
            scratch.bytes.extend(NAME);
            scratch.bytes.resize(end, 0);
        }
        self.send_control(path, &scratch.bytes, out);
    }

    /// Says goodbye for all streams (RFC 3550 §6.6).
    pub(crate) fn close(&mut self, out: &mut Departures, scratch: &mut Scratch) {
        let Some(path) = self.path else { return };
        let leaving = self.streams.iter().filter(|stream| stream.newest.is_some()).take(31);
        let count = leaving.clone().count();
        if count == 0 {
            return;
        }
        scratch.bytes.clear();
        scratch.bytes.extend([2 << 6 | count as u8, 203]);
        scratch.bytes.extend((count as u16).to_be_bytes());
        scratch
            .bytes
            .extend(leaving.flat_map(|stream| stream.config.ssrc.to_be_bytes()));
        self.send_control(path, &scratch.bytes, out);
    }

    fn send_control(&mut self, path: Path, packet: &[u8], out: &mut Departures) {
        let Some(srtp) = &mut self.srtp else { return };
        let arena = out.arena();
        let start = arena.len();
        if srtp.seal_rtcp(arena, packet) {
            out.add(path, start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_begins_sections_without_end_gets_no_more() {
        let mut egress = Egress::new(None, Instant::now());
        let map = str0m::rtp::ExtensionMap::empty();
        let config = |ssrc: u32| StreamConfig::new("0".into(), (ssrc.into(), None), &map, 90_000);
        let begun = (0..2_000).filter(|ssrc| egress.set_stream(config(*ssrc)));
        assert_eq!(begun.count(), MOST_STREAMS);
        assert!(egress.set_stream(config(0)), "one that is there changes all the same");
        assert_eq!(egress.figures().count(), MOST_STREAMS);
    }
}
