//! A line has a rate with a bounded queue before it, a delay, jitter that reorders, and loss that comes in bursts.

use std::time::{Duration, Instant};

/// So much of what a line carries waits before it; and at the least so many bytes.
const QUEUE: Duration = Duration::from_millis(300);
const LEAST_QUEUE: u64 = 20_000;

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

/// The way down to a viewer; the way up has its delay alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Bits per second.
    pub(crate) rate: u64,
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
            delay,
            jitter: 0,
            loss: 0.0,
            burst: 1,
        }
    }
}

/// A line, and what is on it.
pub(crate) struct LineState {
    pub(crate) is: Line,
    /// When it has sent what it has.
    free_at: Instant,
    is_losing: bool,
    /// Datagrams that it lost.
    pub(crate) lost: u64,
}

impl LineState {
    pub(crate) fn new(is: Line, now: Instant) -> Self {
        Self {
            is,
            free_at: now,
            is_losing: false,
            lost: 0,
        }
    }

    /// When a datagram of so many bytes is at the other end; `None` when it is lost on the way.
    pub(crate) fn takes(&mut self, bytes: u64, now: Instant, chance: &mut Chance) -> Option<Instant> {
        let Line {
            rate,
            delay,
            jitter,
            loss,
            burst,
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
        let takes = |bytes: u64| Duration::from_nanos(bytes * 8_000_000_000 / rate);
        let room = takes(LEAST_QUEUE).max(QUEUE);
        let begins = self.free_at.max(now);
        if begins - now > room {
            self.lost += 1;
            return None;
        }
        self.free_at = begins + takes(bytes);
        if self.is_losing {
            self.lost += 1;
            return None;
        }
        let jitter = Duration::from_micros((jitter as f64 * 1_000.0 * chance.share()) as u64);
        Some(self.free_at + Duration::from_millis(delay) + jitter)
    }
}
