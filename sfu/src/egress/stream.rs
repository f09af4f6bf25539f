//! One stream to a viewer: what it is numbered by, what of it may be asked for again, and how it is received.

use std::time::{Duration, Instant};

use str0m::media::{Mid, Pt};
use str0m::rtp::Ssrc;

use super::feedback::Block;
use super::header::ExtensionIds;
use super::history::History;
use super::wall::{ntp, since_epoch};

/// Share of a stream that may be retransmissions, so that a viewer on a bad line cannot multiply its own traffic; and how
/// many bytes of it are saved up: a keyframe's worth.
const RETRANSMISSION_SHARE: usize = 4;
const MOST_CREDIT: usize = 64 * 1024;
const FIRST_CREDIT: usize = 16 * 1024;

/// Longest round trip that is believed: a report that says more was made up.
const LONGEST_ROUND_TRIP: Duration = Duration::from_mins(1);

/// What a stream is made of.
#[derive(Debug, Clone)]
pub(crate) struct StreamConfig {
    pub(crate) mid: Mid,
    pub(crate) ssrc: Ssrc,
    /// Of its retransmissions (RFC 4588 §4), where there are any.
    pub(crate) repair: Option<Ssrc>,
    /// Which payload type carries retransmissions of which.
    pub(crate) repair_types: Vec<(Pt, Pt)>,
    pub(super) ids: ExtensionIds,
    /// In hertz.
    pub(crate) clock_rate: u32,
}

impl StreamConfig {
    pub(crate) fn new(
        mid: Mid,
        (ssrc, repair): (Ssrc, Option<Ssrc>),
        map: &str0m::rtp::ExtensionMap,
        clock_rate: u32,
    ) -> Self {
        Self {
            mid,
            ssrc,
            repair,
            repair_types: Vec::new(),
            ids: ExtensionIds::new(map),
            clock_rate,
        }
    }
}

/// What was sent of a stream, and how it was received.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamFigures {
    /// With retransmissions.
    pub(crate) packets: u64,
    /// Of payload.
    pub(crate) bytes: u64,
    /// Share of the packets that did not come, of the last report.
    pub(crate) loss: Option<f32>,
    pub(crate) jitter: Option<Duration>,
    pub(crate) round_trip: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) config: StreamConfig,
    pub(super) history: History,
    pub(super) figures: StreamFigures,
    /// The viewer has reported the stream, and so knows to which section it belongs: its packets need not name that
    /// any more (RFC 9143 §9.2), nor those of its retransmissions.
    pub(super) is_known: bool,
    pub(super) is_repair_known: bool,
    /// What the slot's numbers are counted from, and the highest that was sent. A section that was closed and opened again
    /// has a new slot, which counts from the start, and the SSRC of before: no number may be sealed twice.
    base: u64,
    highest: u64,
    /// Of the next retransmission.
    pub(super) repair_number: u64,
    /// Bytes that may be sent again.
    pub(super) credit: usize,
    /// The newest timestamp, and when that was captured.
    pub(super) newest: Option<(u32, Instant)>,
    /// Packets and bytes of payload, without retransmissions, for sender reports.
    pub(super) sent: (u32, u32),
}

impl Stream {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self {
            config,
            history: History::default(),
            figures: StreamFigures::default(),
            is_known: false,
            is_repair_known: false,
            base: 0,
            highest: 0,
            repair_number: 1,
            credit: FIRST_CREDIT,
            newest: None,
            sent: (0, 0),
        }
    }

    /// Nothing more is sent of it, until it is opened again.
    pub(super) fn close(&mut self) {
        self.history = History::default();
        self.newest = None;
        self.base = self.highest;
    }

    /// The number, extended, by which a packet of the slot's goes out.
    pub(super) fn number(&mut self, sequence_number: u64) -> u64 {
        let number = self.base + sequence_number;
        self.highest = self.highest.max(number);
        number
    }

    pub(super) fn repair_type(&self, of: Pt) -> Option<Pt> {
        let mut types = self.config.repair_types.iter();
        types.find(|(original, _)| *original == of).map(|(_, repair)| *repair)
    }

    /// Whether it has packets that a line may be filled with.
    pub(super) fn can_fill(&self) -> bool {
        self.config.repair.is_some() && self.history.filling(0).is_some()
    }

    pub(super) fn note_sent(&mut self, bytes: usize, timestamp: u32, captured_at: Instant) {
        self.figures.packets += 1;
        self.figures.bytes += bytes as u64;
        self.credit = (self.credit + bytes / RETRANSMISSION_SHARE).min(MOST_CREDIT);
        self.sent = (self.sent.0.wrapping_add(1), self.sent.1.wrapping_add(bytes as u32));
        let is_newer = |(newest, _): (u32, Instant)| timestamp.wrapping_sub(newest) < 1 << 31;
        if self.newest.is_none_or(is_newer) {
            self.newest = Some((timestamp, captured_at));
        }
    }

    /// A sender report (RFC 3550 §6.4.1) onto `out`; nothing where nothing was sent.
    pub(super) fn report(&self, now: Instant, out: &mut Vec<u8>) {
        let Some((newest, captured_at)) = self.newest else {
            return;
        };
        let passed = now.saturating_duration_since(captured_at).as_micros();
        let ticks = (passed * u128::from(self.config.clock_rate) / 1_000_000) as u32;
        out.extend([2 << 6, 200, 0, 6]);
        out.extend(self.config.ssrc.to_be_bytes());
        out.extend(ntp(since_epoch(now)).to_be_bytes());
        out.extend(newest.wrapping_add(ticks).to_be_bytes());
        out.extend(self.sent.0.to_be_bytes());
        out.extend(self.sent.1.to_be_bytes());
    }

    /// The viewer tells how it receives the stream. The round trip, if it can be told.
    pub(super) fn received(&mut self, block: &Block, now: Instant) -> Option<Duration> {
        self.is_known = true;
        self.figures.loss = Some(f32::from(block.fraction_lost) / 256.0);
        let rate = u64::from(self.config.clock_rate.max(1));
        self.figures.jitter = Some(Duration::from_micros(u64::from(block.jitter) * 1_000_000 / rate));
        if block.last_report == 0 {
            return None;
        }
        let middle = (ntp(since_epoch(now)) >> 16) as u32;
        let units = middle.wrapping_sub(block.last_report).wrapping_sub(block.delay);
        let round_trip = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
        if round_trip > LONGEST_ROUND_TRIP {
            return None;
        }
        self.figures.round_trip = Some(round_trip);
        Some(round_trip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_sealed_twice_when_a_section_is_opened_again() {
        let map = str0m::rtp::ExtensionMap::empty();
        let config = StreamConfig::new("0".into(), (1.into(), None), &map, 90_000);
        let mut stream = Stream::new(config);
        let before: Vec<_> = [1, 2, 4, 3].map(|number| stream.number(number)).to_vec();
        assert_eq!(before, [1, 2, 4, 3]);
        stream.close();
        // The new slot counts from the start.
        assert_eq!([1, 2].map(|number| stream.number(number)), [5, 6]);
    }
}
