//! A line has a rate with a bounded queue before it or none at all, a delay, jitter that reorders, and loss that comes in bursts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A queue takes at the least so many bytes.
const LEAST_QUEUE: u64 = 20_000;
/// And a policer's bucket.
const LEAST_BUCKET: u64 = 5_000;

/// xorshift64*, which is enough for weather.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a line does with more than it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// So many milliseconds of what it carries wait before it, and beyond them it is lost.
    Waits(u64),
    /// It is lost, but for so many milliseconds of what the line carries, which pass at once after a pause (a policer's bucket).
    IsLost(u64),
}

/// The way down to a viewer; the way up has its delay alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Bits per second.
    pub(crate) rate: u64,
    pub(crate) excess: Excess,
    /// Milliseconds each way.
    pub(crate) delay: u64,
    /// Up to so many milliseconds more, each packet for itself, so that they overtake each other.
    pub(crate) jitter: u64,
    /// Share of datagrams that are lost, 0 to 1, in bursts of so many on average.
    pub(crate) loss: f64,
    pub(crate) burst: u32,
}

impl Line {
    pub(crate) fn new(rate: u64, delay: u64) -> Self {
        Self {
            rate,
            excess: Excess::Waits(300),
            delay,
            jitter: 0,
            loss: 0.0,
            burst: 1,
        }
    }

    fn carries(&self, time: Duration) -> u64 {
        (u128::from(self.rate) * time.as_nanos() / 8_000_000_000) as u64
    }

    fn takes(&self, bytes: u64) -> Duration {
        Duration::from_nanos(bytes * 8_000_000_000 / self.rate)
    }
}

/// One before a line, which is behind it so much later than it would be without jitter.
struct Waiting {
    contents: Vec<u8>,
    bytes: u64,
    since: Instant,
    later: Duration,
}

/// A line, and what is on it.
pub(crate) struct LineState {
    pub(crate) is: Line,
    queue: VecDeque<Waiting>,
    /// When it has sent what it has sent.
    free_at: Instant,
    /// Bytes that a policer lets through, as of a time.
    credit: (u64, Instant),
    is_losing: bool,
    /// Datagrams that it lost.
    pub(crate) lost: u64,
}

impl LineState {
    pub(crate) fn new(is: Line, now: Instant) -> Self {
        Self {
            is,
            queue: VecDeque::new(),
            free_at: now,
            credit: (0, now),
            is_losing: false,
            lost: 0,
        }
    }

    /// Takes a datagram of so many bytes with all below it, or loses it.
    pub(crate) fn take(&mut self, contents: Vec<u8>, bytes: u64, now: Instant, chance: &mut Chance) {
        let Line {
            jitter, loss, burst, ..
        } = self.is;
        let burst = f64::from(burst);
        // Gilbert's model: what ends and what begins a burst.
        let turns = if self.is_losing {
            1.0 / burst
        } else {
            loss / (burst * (1.0 - loss))
        };
        if chance.share() < turns {
            self.is_losing = !self.is_losing;
        }
        if !self.has_room(bytes, now) {
            self.lost += 1;
            return;
        }
        let later = Duration::from_micros((jitter as f64 * 1_000.0 * chance.share()) as u64);
        self.queue.push_back(Waiting {
            // What is lost further on takes its time on the line as well.
            contents: if self.is_losing { Vec::new() } else { contents },
            bytes,
            since: now,
            later,
        });
        self.lost += u64::from(self.is_losing);
    }

    fn has_room(&mut self, bytes: u64, now: Instant) -> bool {
        match self.is.excess {
            Excess::Waits(time) => {
                let room = self.is.carries(Duration::from_millis(time)).max(LEAST_QUEUE);
                self.queue.iter().map(|waiting| waiting.bytes).sum::<u64>() <= room
            }
            Excess::IsLost(time) => {
                let (credit, at) = self.credit;
                let most = self.is.carries(Duration::from_millis(time)).max(LEAST_BUCKET);
                let credit = (credit + self.is.carries(now - at)).min(most);
                let has_room = bytes <= credit;
                self.credit = (credit - if has_room { bytes } else { 0 }, now);
                has_room
            }
        }
    }

    /// The next that it has sent by now, and when it is at the other end.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Instant, Vec<u8>)> {
        loop {
            let first = self.queue.front()?;
            let begins = self.free_at.max(first.since);
            let ends = match self.is.excess {
                Excess::Waits(_) => begins + self.is.takes(first.bytes),
                Excess::IsLost(_) => begins,
            };
            if ends > now {
                return None;
            }
            self.free_at = ends;
            let sent = self.queue.pop_front()?;
            if !sent.contents.is_empty() {
                let delay = Duration::from_millis(self.is.delay);
                return Some((ends + delay + sent.later, sent.contents));
            }
        }
    }
}
