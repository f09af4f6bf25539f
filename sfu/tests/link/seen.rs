//! What a decoder behind a slot makes of what comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use str0m::rtp::RtpPacket;

use super::picture::Facts;

#[derive(Debug, Clone)]
struct Arrived {
    timestamp: u32,
    picture_id: u16,
    base_layer: u8,
    facts: Facts,
}

#[derive(Debug, Clone, Default)]
struct Frame {
    facts: Option<Facts>,
    parts: BTreeSet<u8>,
}

impl Frame {
    fn is_complete(&self) -> bool {
        self.facts
            .is_some_and(|facts| self.parts.len() == usize::from(facts.parts))
    }

    fn is_keyframe(&self) -> bool {
        self.facts.is_some_and(|facts| facts.is_keyframe)
    }
}

/// All that one slot has got, and what could be shown of it when.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    arrived: BTreeMap<u64, Arrived>,
    /// By their unwrapped picture ids.
    frames: BTreeMap<u64, Frame>,
    newest: Option<u64>,
    decoded: Option<u64>,
    /// When a frame of which height was shown, since its viewer joined.
    shown: Vec<(Duration, u16)>,
    last_packet: Duration,
    pub(crate) until: Duration,
    pub(crate) line_lost: u64,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary(Duration::ZERO))
    }
}

impl Seen {
    pub(crate) fn take(&mut self, packet: &RtpPacket, at: Duration) {
        let facts = Facts::read(&packet.payload).expect("a packet of ours");
        let picture_id = u16::from_be_bytes([packet.payload[2] & 0x7f, packet.payload[3]]);
        let arrived = Arrived {
            timestamp: packet.header.timestamp,
            picture_id,
            base_layer: packet.payload[4],
            facts,
        };
        assert!(self.arrived.insert(*packet.seq_no, arrived).is_none(), "twice");
        self.last_packet = at;
        let id = self.unwrap(picture_id);
        let frame = self.frames.entry(id).or_default();
        frame.facts = Some(facts);
        frame.parts.insert(facts.part);
        self.decode(at);
    }

    fn unwrap(&mut self, picture_id: u16) -> u64 {
        let Some(newest) = self.newest else {
            let first = (1 << 20) + u64::from(picture_id);
            self.newest = Some(first);
            return first;
        };
        let ahead = (u64::from(picture_id).wrapping_sub(newest)) & 0x7fff;
        let id = if ahead < 1 << 14 {
            newest + ahead
        } else {
            newest + ahead - (1 << 15)
        };
        self.newest = Some(newest.max(id));
        id
    }

    fn decode(&mut self, at: Duration) {
        loop {
            let next = self.decoded.map_or(0, |id| id + 1);
            let goes_on = self.decoded.is_some() && self.frames.get(&next).is_some_and(Frame::is_complete);
            let id = if goes_on {
                next
            } else {
                let keyframe = self
                    .frames
                    .range(next..)
                    .find(|(_, frame)| frame.is_complete() && frame.is_keyframe());
                let Some((id, _)) = keyframe else { return };
                *id
            };
            self.decoded = Some(id);
            if let Some(facts) = self.frames[&id].facts {
                self.shown.push((at, facts.height));
            }
        }
    }

    /// Whether packets come and nothing can be shown.
    pub(crate) fn is_stuck(&self, at: Duration, time: Duration) -> bool {
        let shown = self.shown.last().map_or(Duration::ZERO, |(at, _)| *at);
        self.last_packet > shown && at.saturating_sub(shown) > time
    }

    pub(crate) fn packets(&self) -> usize {
        self.arrived.len()
    }

    pub(crate) fn first_picture(&self) -> Duration {
        self.shown.first().map_or(Duration::MAX, |(at, _)| *at)
    }

    fn from(&self, since: Duration) -> impl Iterator<Item = (Duration, u16)> + '_ {
        self.shown.iter().copied().filter(move |(at, _)| *at >= since)
    }

    /// Frames since then.
    pub(crate) fn shown_from(&self, since: Duration) -> usize {
        self.from(since).count()
    }

    /// All heights since then.
    pub(crate) fn heights_from(&self, since: Duration) -> Vec<u16> {
        let heights: BTreeSet<_> = self.from(since).map(|(_, height)| height).collect();
        heights.into_iter().collect()
    }

    /// The height that was shown most since then.
    pub(crate) fn mostly_from(&self, since: Duration) -> u16 {
        let mut counts = BTreeMap::new();
        for (_, height) in self.from(since) {
            *counts.entry(height).or_insert(0) += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map_or(0, |(height, _)| height)
    }

    /// How often the height has changed since then.
    pub(crate) fn switches_from(&self, since: Duration) -> usize {
        let heights: Vec<_> = self.from(since).map(|(_, height)| height).collect();
        heights.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    pub(crate) fn last_of(&self, height: u16) -> Duration {
        let mut shown = self.shown.iter().rev();
        shown.find(|(_, h)| *h == height).expect("it was shown").0
    }

    pub(crate) fn first_of(&self, height: u16, since: Duration) -> Duration {
        self.from(since)
            .find(|(_, h)| *h == height)
            .map_or(Duration::MAX / 2, |(at, _)| at)
    }

    /// The longest time without a new picture since then, up to now.
    pub(crate) fn freeze_from(&self, since: Duration) -> Duration {
        let times = std::iter::once(since).chain(self.from(since).map(|(at, _)| at));
        let times: Vec<_> = times.chain([self.until]).collect();
        let gaps = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        gaps.max().unwrap_or_default()
    }

    pub(crate) fn longest_freeze(&self) -> Duration {
        self.freeze_from(self.first_picture())
    }

    /// Whether what came is one line: numbers without a hole but for those that the line lost, and from each packet to the
    /// next the same frame or the following one, later, with the following ids.
    pub(crate) fn is_one_line(&self) -> bool {
        let numbers: Vec<_> = self.arrived.iter().collect();
        let is_whole = numbers.windows(2).all(|pair| pair[1].0 - pair[0].0 == 1);
        let pairs = numbers.windows(2).filter(|pair| pair[1].0 - pair[0].0 == 1);
        let mut follows = pairs.map(|pair| {
            let (a, b) = (pair[0].1, pair[1].1);
            if (a.facts.height, a.facts.frame) == (b.facts.height, b.facts.frame) {
                (a.timestamp, a.picture_id, a.base_layer) == (b.timestamp, b.picture_id, b.base_layer)
            } else {
                let step = b.timestamp.wrapping_sub(a.timestamp);
                let is_later = step > 0 && step < 90_000 * 60;
                is_later
                    && b.picture_id == (a.picture_id + 1) & 0x7fff
                    && b.base_layer == a.base_layer.wrapping_add(1)
                    && b.facts.part == 0
            }
        });
        (is_whole || self.line_lost > 0) && follows.all(|follows| follows)
    }

    pub(crate) fn summary(&self, since: Duration) -> String {
        let mut runs: Vec<(u16, Duration)> = Vec::new();
        for (at, height) in self.from(since) {
            if runs.last().is_none_or(|(last, _)| *last != height) {
                runs.push((height, at));
            }
        }
        format!(
            "{} frames, longest freeze {:?}, {} lost, {runs:?}",
            self.shown_from(since),
            self.freeze_from(since.max(self.first_picture())),
            self.line_lost
        )
    }
}
