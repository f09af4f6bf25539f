//! The queueing delay over the path's base delay, and the rate at which a busy line delivers.
//!
//! While packets wait, a work-conserving line sends without a pause, so what arrives then is the line's rate even where
//! the sender is application-limited (packet dispersion; cf. RFC 6817, section 3.1.1 for the base delay).

/// The base delay is the smallest of one to two spans of so long, in microseconds: routes change and clocks drift.
const BASE_SPAN_US: i64 = 10_000_000;
/// The queue is the smallest of so many delays, for jitter only ever adds.
const RECENT: usize = 5;
/// More queue than this means that packets wait in line, in microseconds.
const BUSY_US: i64 = 10_000;
/// And more than this many times the jitter.
const BUSY_JITTERS: f64 = 2.0;
/// A queue is told from jitter where it is more than this many times the jitter (mean difference; for uniform jitter,
/// five delays in sequence are above it once in some thousand times).
const CLEAR_JITTERS: f64 = 2.5;
/// A busy period must be so long to tell the rate, in microseconds.
const MIN_BUSY_US: i64 = 50_000;
/// A busy period must have so many packets to tell the rate.
const MIN_BUSY_PACKETS: u32 = 6;
/// A busy period weighs its last part of so long, in microseconds, as the line's rate may change.
const MAX_BUSY_US: i64 = 400_000;
/// A line's rate is worth nothing after so long, in microseconds of sending.
const CAPACITY_AGE_US: i64 = 700_000;
/// A queue as long as this loses packets in small buffers, in microseconds.
const LONG_US: i64 = 40_000;
/// Losses within so long after a long queue are taken for overflow, in microseconds.
const LONG_MEMORY_US: i64 = 1_000_000;
/// Losses within so long after packets waited may be of a queue, in microseconds.
const NOTICED_MEMORY_US: i64 = 3_000_000;
/// A queue that stays over this is standing, in microseconds (interactive speech suffers from about 100 ms).
const STANDING_US: i64 = 100_000;
/// For so long, in microseconds of sending.
const STANDING_TIME_US: i64 = 1_000_000;
/// Weight of the past in the jitter (RFC 3550, section 6.4.1).
const JITTER_GAIN: f64 = 1.0 / 16.0;

/// The period in which the line is never idle, in microseconds of the receiver's clock.
#[derive(Debug)]
struct Busy {
    start: i64,
    last: i64,
    bytes: f64,
    packets: u32,
}

/// Tracks one-way delays relative to the smallest.
#[derive(Debug)]
pub(super) struct Queue {
    base: i64,
    next_base: i64,
    span_start: Option<i64>,
    recent: [i64; RECENT],
    at: usize,
    last_delay: i64,
    jitter: f64,
    busy: Option<Busy>,
    capacity: Option<(f64, i64)>,
    long_at: Option<i64>,
    noticed_at: Option<i64>,
    standing_since: Option<i64>,
    now: i64,
}

impl Queue {
    /// A tracker that knows nothing.
    pub(crate) fn new() -> Self {
        Self {
            base: i64::MAX,
            next_base: i64::MAX,
            span_start: None,
            recent: [i64::MAX; RECENT],
            at: 0,
            last_delay: 0,
            jitter: 0.0,
            busy: None,
            capacity: None,
            long_at: None,
            noticed_at: None,
            standing_since: None,
            now: 0,
        }
    }

    /// Takes a packet that arrived; times in microseconds, each of its own clock.
    pub(crate) fn on_packet(&mut self, sent: i64, arrived: i64, bytes: u32) {
        let delay = arrived - sent;
        if self.span_start.is_none() {
            self.recent = [delay; RECENT];
            self.last_delay = delay;
        }
        self.now = self.now.max(sent);
        self.jitter += ((delay - self.last_delay).abs() as f64 - self.jitter) * JITTER_GAIN;
        self.last_delay = delay;
        self.recent[self.at] = delay;
        self.at = (self.at + 1) % RECENT;
        self.rebase(sent, delay);
        let queue = self.queue();
        self.measure(sent, arrived, bytes, queue);
        if self.exceeds(BUSY_US) {
            self.noticed_at = Some(self.now);
        }
        if self.exceeds(LONG_US) {
            self.long_at = Some(self.now);
        }
        if queue < STANDING_US {
            self.standing_since = None;
        } else if self.standing_since.is_none() {
            self.standing_since = Some(self.now);
        }
    }

    /// Keeps the base delay over two spans.
    fn rebase(&mut self, sent: i64, delay: i64) {
        let start = *self.span_start.get_or_insert(sent);
        if sent - start > BASE_SPAN_US {
            self.base = self.next_base;
            self.next_base = delay;
            self.span_start = Some(sent);
        }
        self.base = self.base.min(delay);
        self.next_base = self.next_base.min(delay);
    }

    /// Measures the line's rate while packets wait.
    fn measure(&mut self, sent: i64, arrived: i64, bytes: u32, queue: i64) {
        if !self.is_busy(queue) {
            self.busy = None;
            return;
        }
        let Some(busy) = &mut self.busy else {
            self.busy = Some(Busy {
                start: arrived,
                last: arrived,
                bytes: 0.0,
                packets: 0,
            });
            return;
        };
        busy.last = busy.last.max(arrived);
        busy.bytes += f64::from(bytes);
        busy.packets = busy.packets.saturating_add(1);
        let length = busy.last - busy.start;
        if length >= MIN_BUSY_US && busy.packets >= MIN_BUSY_PACKETS {
            self.capacity = Some((busy.bytes * 8e6 / length as f64, sent));
        }
        if length > MAX_BUSY_US {
            busy.start += length / 2;
            busy.bytes /= 2.0;
        }
    }

    /// The present queueing delay, in microseconds.
    fn queue(&self) -> i64 {
        let smallest = self.recent.iter().copied().min().unwrap_or(i64::MAX);
        smallest.saturating_sub(self.base).max(0)
    }

    /// Whether packets wait by a queueing delay in microseconds.
    fn is_busy(&self, queue: i64) -> bool {
        queue as f64 >= (BUSY_JITTERS * self.jitter).max(BUSY_US as f64)
    }

    /// Whether no packets wait.
    pub(crate) fn is_drained(&self) -> bool {
        !self.is_busy(self.queue())
    }

    /// Whether the queueing delay is at least so long, in microseconds, and clear of the jitter.
    pub(crate) fn exceeds(&self, limit: i64) -> bool {
        self.queue() as f64 >= (CLEAR_JITTERS * self.jitter).max(limit as f64)
    }

    /// The line's rate in bit/s, where packets waited lately.
    pub(crate) fn capacity(&self) -> Option<f64> {
        self.capacity
            .filter(|(_, at)| self.now - at < CAPACITY_AGE_US)
            .map(|(rate, _)| rate)
    }

    /// Whether the queue was long lately, so that losses are likely its overflow.
    pub(crate) fn was_long(&self) -> bool {
        self.long_at.is_some_and(|at| self.now - at < LONG_MEMORY_US)
    }

    /// Whether packets have waited lately.
    pub(crate) fn was_noticed(&self) -> bool {
        self.noticed_at.is_some_and(|at| self.now - at < NOTICED_MEMORY_US)
    }

    /// Whether the queue does not drain.
    pub(crate) fn is_standing(&self) -> bool {
        self.standing_since
            .is_some_and(|since| self.now - since >= STANDING_TIME_US)
    }

    /// Counts a standing queue from now on, after the rate was lowered for it.
    pub(crate) fn forgive_standing(&mut self) {
        self.standing_since = None;
    }

    /// The mean difference of the delays of packets in sequence, in microseconds (RFC 3550, section 6.4.1).
    pub(crate) fn jitter(&self) -> f64 {
        self.jitter
    }
}
