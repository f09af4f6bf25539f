//! The jitter buffer of one sound slot: which packet is played next, and what takes the place of one that is missing.
//!
//! It plays by timestamps. What comes late makes it wait, and no sound is lost by that; what is lost is rebuilt from the
//! packet after it (RFC 6716 §2.1.7) or concealed. How late it plays is set right afterwards, in small steps, by whoever
//! decodes ([`JitterBuffer::excess`]).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::subscribe::delay::DelayEstimator;
use crate::subscribe::micros::{MILLISECOND, Micros, from_ticks};
use crate::transport::codecs::AUDIO_RATE;

/// Length of a packet that nobody has seen, in ticks: 20 ms, which is what everybody sends.
pub(crate) const USUAL_TICKS: i64 = 960;

/// Sound that is made up before silence follows, in ticks: 100 ms, by when Opus' concealment has faded out.
const MOST_CONCEALED: i64 = 5 * USUAL_TICKS;

/// Packets that may wait: four seconds of 20 ms. More than any delay asks for, so that it is full only after a freeze.
const MOST_PACKETS: usize = 200;

/// A delay that is too long by more than this is not worked off step by step: the sound before is left out.
const SKIP_BEYOND: Micros = 300 * MILLISECOND;

/// A packet as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoundPacket {
    /// Extended.
    pub(crate) sequence: i64,
    /// Extended, in ticks of 48 kHz.
    pub(crate) timestamp: i64,
    /// Length of what it holds, in the same ticks.
    pub(crate) ticks: i64,
    /// On our clock.
    pub(crate) arrival: Micros,
    pub(crate) payload: Bytes,
}

/// What is to be decoded next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// This.
    Play(Bytes),
    /// So many ticks from before this packet, which repeats them at a lower quality.
    Repair(Bytes, i64),
    /// So many ticks of something that is hardly heard.
    Conceal(i64),
    /// Nothing: nobody sends, or not enough has come to begin with.
    Silence,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    sequence: i64,
    timestamp: i64,
}

/// What became of the packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SoundCounts {
    /// Came after their place had been played.
    pub(crate) late: u64,
    /// Left out because the delay was far too long.
    pub(crate) skipped: u64,
    /// Rebuilt from the packet after.
    pub(crate) repaired: u64,
    /// Ticks that were made up.
    pub(crate) concealed: u64,
}

impl SoundCounts {
    pub(crate) fn add(&mut self, other: Self) {
        self.late += other.late;
        self.skipped += other.skipped;
        self.repaired += other.repaired;
        self.concealed += other.concealed;
    }
}

#[derive(Debug, Default)]
pub(crate) struct JitterBuffer {
    packets: BTreeMap<i64, SoundPacket>,
    delays: DelayEstimator,
    /// What is played next; nothing while it waits to begin.
    next: Option<Position>,
    /// Concealed since the buffer ran dry, in ticks. This much longer is everything after it delayed, unless it turns out
    /// that it stood in for something that was lost.
    ran_dry: i64,
    /// The shortest delay that the picture allows.
    minimum: Micros,
    counts: SoundCounts,
}

impl JitterBuffer {
    pub(crate) fn insert(&mut self, packet: SoundPacket) {
        self.delays.observe(packet.arrival, media_time(packet.timestamp));
        if self.next.is_some_and(|next| packet.sequence < next.sequence) {
            self.counts.late += 1;
            return;
        }
        self.packets.entry(packet.sequence).or_insert(packet);
        if self.packets.len() > MOST_PACKETS {
            self.packets.pop_first();
            self.counts.skipped += 1;
        }
    }

    /// What to decode at `now`, when `pending` of what was decoded before is still to be heard.
    pub(crate) fn step(&mut self, now: Micros, pending: Micros) -> Step {
        self.skip_if_far_behind(now, pending);
        let Some(front) = self.packets.values().next() else {
            return self.run_dry();
        };
        let Some(next) = self.next else {
            if self.due(front.timestamp).is_some_and(|due| due > now) {
                return Step::Silence;
            }
            self.next = Some(Position {
                sequence: front.sequence,
                timestamp: front.timestamp,
            });
            return self.play();
        };
        let missing = front.sequence - next.sequence;
        let gap = front.timestamp - next.timestamp;
        if missing == 0 && gap <= 0 {
            return self.play();
        }
        if gap <= self.ran_dry || !(1..=MOST_CONCEALED).contains(&gap) {
            // What was concealed stood in for it, or nothing was sent for a while, or the line has begun anew.
            self.begin_at_front((1..=self.ran_dry).contains(&gap));
            return self.step(now, pending);
        }
        if self.ran_dry > 0 {
            // It stood in for a part of it.
            let stood_in = std::mem::take(&mut self.ran_dry);
            self.pass((stood_in / USUAL_TICKS).min(missing - 1).max(0), stood_in);
            return self.step(now, pending);
        }
        let (payload, ticks) = (front.payload.clone(), front.ticks);
        if missing > 0 && gap <= ticks {
            self.counts.repaired += 1;
            self.pass(1, gap);
            return Step::Repair(payload, gap);
        }
        let ticks = gap.min(USUAL_TICKS);
        self.pass(i64::from(missing > 1), ticks);
        self.counts.concealed += ticks as u64;
        Step::Conceal(ticks)
    }

    /// How much too long the sound waits, negative where it waits too short. Nothing while nothing is played.
    pub(crate) fn excess(&self, now: Micros, pending: Micros) -> Option<Micros> {
        Some(self.delay(now, pending)? - self.wanted())
    }

    /// The shortest delay that the picture allows: how long a packet without any delay of its own waits.
    pub(crate) fn set_minimum(&mut self, minimum: Micros) {
        self.minimum = minimum;
    }

    /// The delay that the network asks for.
    pub(crate) fn target(&self) -> Micros {
        self.delays.target()
    }

    /// What to add to media time to get the earliest arrival.
    pub(crate) fn base(&self) -> Option<Micros> {
        self.delays.base()
    }

    /// How long a packet without any delay of its own waits now.
    pub(crate) fn delay(&self, now: Micros, pending: Micros) -> Option<Micros> {
        let next = self.next?;
        Some(now + pending - self.delays.base()? - media_time(next.timestamp))
    }

    pub(crate) fn counts(&self) -> SoundCounts {
        self.counts
    }

    fn wanted(&self) -> Micros {
        self.delays.target().max(self.minimum)
    }

    fn due(&self, timestamp: i64) -> Option<Micros> {
        Some(media_time(timestamp) + self.delays.base()? + self.wanted())
    }

    fn play(&mut self) -> Step {
        let Some((_, packet)) = self.packets.pop_first() else {
            return Step::Silence;
        };
        self.ran_dry = 0;
        self.next = Some(Position {
            sequence: packet.sequence + 1,
            timestamp: packet.timestamp + packet.ticks,
        });
        Step::Play(packet.payload)
    }

    fn pass(&mut self, packets: i64, ticks: i64) {
        if let Some(next) = &mut self.next {
            next.sequence += packets;
            next.timestamp += ticks;
        }
    }

    fn run_dry(&mut self) -> Step {
        if self.next.is_none() {
            return Step::Silence;
        }
        if self.ran_dry >= MOST_CONCEALED {
            self.next = None;
            self.ran_dry = 0;
            return Step::Silence;
        }
        self.ran_dry += USUAL_TICKS;
        self.counts.concealed += USUAL_TICKS as u64;
        Step::Conceal(USUAL_TICKS)
    }

    /// Goes on with the first packet that there is: `at_once`, else when it is due.
    fn begin_at_front(&mut self, at_once: bool) {
        self.ran_dry = 0;
        self.next = self.packets.values().next().filter(|_| at_once).map(|front| Position {
            sequence: front.sequence,
            timestamp: front.timestamp,
        });
    }

    fn skip_if_far_behind(&mut self, now: Micros, pending: Micros) {
        let late = match (self.next, self.packets.values().next()) {
            (Some(_), Some(_)) => self.excess(now, pending),
            (None, Some(front)) => self.due(front.timestamp).map(|due| now - due),
            _ => None,
        };
        if late.is_none_or(|late| late <= SKIP_BEYOND) {
            return;
        }
        self.next = None;
        self.ran_dry = 0;
        while self.packets.len() > 1
            && self
                .packets
                .values()
                .next()
                .and_then(|front| self.due(front.timestamp + front.ticks))
                .is_some_and(|end| end < now)
        {
            self.packets.pop_first();
            self.counts.skipped += 1;
        }
    }
}

fn media_time(timestamp: i64) -> Micros {
    from_ticks(timestamp, AUDIO_RATE)
}

#[cfg(test)]
mod tests;
