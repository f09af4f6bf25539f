//! When to probe, and how fast (the practice of libwebrtc's `ProbeController`).

use super::Probe;

/// Rates of the first probes, in first estimates.
const FIRST: [f64; 2] = [3.0, 6.0];
/// Rate of later probes, in estimates.
const FACTOR: f64 = 2.0;
/// No probe is faster than this many times what is desired.
const DESIRED_FACTOR: f64 = 2.0;
/// An estimate this many times what is desired carries it comfortably.
const COMFORT: f64 = 1.15;
/// An estimate this many times what is desired carries it, so that a probe is not urgent.
const CARRIES: f64 = 1.06;
/// Length of a steady probe in seconds.
const STEADY_SECONDS: f64 = 1.0;
/// Time between probes while application-limited, in microseconds.
const INTERVAL_US: i64 = 5_000_000;
/// The longest time between probes, after raises that were soon followed by falls, in microseconds: a line that is wide again
/// is to be used within 15 s, with the time that the probe and the keyframe take.
const MAX_INTERVAL_US: i64 = 10_000_000;
/// Time between probes where there is no urgency, in intervals.
const CALM: i64 = 4;
/// The same where the sender fills what is known of the line, in intervals: a probe is felt there, and a layer that it brings may
/// be too much.
const STALLED: i64 = 2;
/// A fall so soon after a raise says that the raise was wrong, in microseconds.
const REGRET_US: i64 = 10_000_000;
/// The same for a small fall, which is rather a raise by too much than a line that changed, in microseconds.
const SMALL_REGRET_US: i64 = 30_000_000;
/// The longest time without probes after those that let loss follow, in microseconds.
const MAX_CALM_US: i64 = 30_000_000;
/// A raise that lasts so long was right, in microseconds.
const PROVEN_US: i64 = 60_000_000;
/// A probe that reaches so many times the regretted rate shows a line that has changed.
const BETTER: f64 = 1.25;
/// Time after a raise until a rate of the last second is one that came through since, in microseconds.
const SINCE_RAISE_US: i64 = 1_000_000;
/// A line that carried so many times what an estimate is lowered to has become narrower: the raise was right.
const CARRIED: f64 = 1.5;
/// A sender above this share of the lowered estimate must send less, as some room is left for the sound and headers.
const FORCED: f64 = 0.95;
/// A probe is in the mean rate for so long, in microseconds.
const RATE_MEMORY_US: i64 = 1_200_000;
/// Time from a fall to the probe that asks whether the line has recovered, in microseconds.
const RECOVERY_US: i64 = 3_000_000;
/// An estimate below this share of the one before is a fall.
const FALL: f64 = 0.66;
/// A probe that reaches this share of its rate is followed by a faster one.
const FURTHER: f64 = 0.7;
/// A result is waited for no longer than this, in microseconds.
const PATIENCE_US: i64 = 1_500_000;
/// A probe without a result, as where its feedback was lost, is repeated so many times.
const RETRIES: u8 = 2;
/// A probe that is due but not opportune is put off by this, in microseconds.
const RETRY_US: i64 = 100_000;
/// Shortest probe in seconds (libwebrtc has 15 ms; some more for jitter).
const SECONDS: f64 = 0.02;
/// The jitter must be a small part of a probe: so many times the jitter, up to the longest probe in seconds.
const JITTERS: f64 = 8.0;
/// Longest probe in seconds.
const MAX_SECONDS: f64 = 0.06;
/// Time for which a probe may occupy a line of the estimate's rate on account of jitter, in seconds.
const MAX_QUEUE_SECONDS: f64 = 0.15;
/// A probe has at least so many packets (libwebrtc's practice).
pub const LEAST_PACKETS: u32 = 5;
/// The bytes of a packet by which the least size is reckoned at first.
const PACKET: f64 = 1_100.0;
/// Time after a probe until the next may begin, in microseconds, so that two do not run into one.
const GAP_US: i64 = 10_000;

/// What is known of the rate at which the line is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing: the estimate rises by itself, and slowly.
    Unknown,
    /// The estimate is below it, and rises to it by itself.
    Ahead,
    /// The estimate has come to it, above which it does not rise by itself.
    Reached,
}

/// What the decision to probe needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// The estimate in bit/s.
    pub(crate) estimate: f64,
    /// Whether the sender is application-limited.
    pub(crate) limited: bool,
    /// What is known of where the line ends.
    pub(crate) end: End,
    /// Whether the path shows congestion or unexplained loss.
    pub(crate) congested: bool,
    /// The jitter in microseconds.
    pub(crate) jitter: f64,
    /// Of a steady probe, in bit/s, where the line loses what is above its rate and queues nothing.
    pub(crate) steady: Option<f64>,
}

/// Decides on probes.
#[derive(Debug)]
pub(super) struct Prober {
    start: f64,
    desired: f64,
    begun: usize,
    next_id: u16,
    last_at: i64,
    busy_until: i64,
    waiting_until: Option<i64>,
    unanswered: Option<(f64, i64)>,
    retries: u8,
    further: Option<f64>,
    recovery: Option<(f64, i64)>,
    interval: i64,
    raised_at: Option<i64>,
    /// The best rate of a second that came through since the raise.
    carried: f64,
    regretted: f64,
    last_bytes: f64,
    /// Whether the sender takes any rate, and has no layers of which one too many is too much.
    follows: bool,
    /// Time without probes after the last one that let loss follow, in microseconds.
    calm: i64,
    calm_until: i64,
    /// Of the packets that probes are made of, in bytes.
    filling: f64,
}

impl Prober {
    /// A prober whose first probes are multiples of a rate in bit/s.
    pub(crate) fn new(start: f64) -> Self {
        Self {
            start,
            desired: 0.0,
            begun: 0,
            next_id: 1,
            last_at: 0,
            busy_until: 0,
            waiting_until: None,
            unanswered: None,
            retries: 0,
            further: None,
            recovery: None,
            interval: INTERVAL_US,
            raised_at: None,
            carried: 0.0,
            regretted: 0.0,
            last_bytes: 0.0,
            follows: false,
            calm: INTERVAL_US,
            calm_until: 0,
            filling: PACKET,
        }
    }

    /// For an encoder that begins with a rate that there is reason to believe, and follows the estimate.
    pub(crate) fn for_encoder(&mut self) {
        self.begun = FIRST.len();
        self.follows = true;
    }

    /// Whether it probes for an encoder.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Sets the size of the packets that probes are made of, in bytes.
    pub(crate) fn set_filling(&mut self, bytes: f64) {
        self.filling = bytes;
    }

    /// Sets what would be sent if the line carried it, in bit/s.
    pub(crate) fn set_desired(&mut self, desired: f64) {
        self.desired = desired;
    }

    /// When the next probe may come, in microseconds; none where none is wanted.
    pub(crate) fn next_at(&self, estimate: f64) -> Option<i64> {
        if estimate >= COMFORT * self.desired {
            return None;
        }
        if self.begun < FIRST.len() {
            return Some(self.busy_until);
        }
        let recovery = self.recovery.map(|(_, at)| at + RECOVERY_US);
        let further = self.further.map(|_| self.busy_until);
        let calm = if estimate >= CARRIES * self.desired { CALM } else { 1 };
        let regular = self.last_at + self.interval() * calm;
        let repeat = self.unanswered.map(|(_, at)| at + PATIENCE_US);
        let at = [recovery, further, repeat]
            .into_iter()
            .flatten()
            .fold(regular, i64::min);
        Some(
            at.max(self.busy_until)
                .max(self.waiting_until.unwrap_or(0))
                .max(self.calm_until),
        )
    }

    /// A probe to start now, in microseconds, if any.
    pub(crate) fn poll(&mut self, now: i64, situation: Situation) -> Option<Probe> {
        if self.next_at(situation.estimate).is_none_or(|at| now < at) {
            return None;
        }
        self.waiting_until = None;
        let Some(rate) = self.take_rate(now, situation) else {
            self.waiting_until = Some(now + RETRY_US);
            return None;
        };
        // A policed line lets any probe through that is short. An encoder is told to send more, and less at once if it was too much;
        // where there are layers, a raise may bring one more, and what it is to be worth is filled up for as long as loss takes to show.
        if let Some(rate) = situation.steady.filter(|_| !self.follows) {
            return Some(self.begin_steady(rate.min(DESIRED_FACTOR * self.desired), now));
        }
        Some(self.begin(rate.min(DESIRED_FACTOR * self.desired), now, situation))
    }

    /// Time between probes, in microseconds. For an encoder a rate that was too much is no reason to wait longer: it takes what it can
    /// get at once, and gives it back as soon.
    fn interval(&self) -> i64 {
        if self.follows { INTERVAL_US } else { self.interval }
    }

    /// The rate of the probe that is due, taking it off the list.
    fn take_rate(&mut self, now: i64, situation: Situation) -> Option<f64> {
        if let Some(factor) = FIRST.get(self.begun) {
            let reaches_top = factor * self.start >= DESIRED_FACTOR * self.desired;
            self.begun = if reaches_top { FIRST.len() } else { self.begun + 1 };
            return Some(factor * self.start);
        }
        if situation.congested {
            return None;
        }
        if let Some(further) = self.further.take() {
            return Some(further);
        }
        if let Some((rate, _)) = self.unanswered.filter(|(_, at)| now >= at + PATIENCE_US) {
            self.retries += 1;
            return Some(rate);
        }
        if let Some((before, _)) = self.recovery.filter(|(_, at)| now >= at + RECOVERY_US) {
            self.recovery = None;
            return Some(before.max(situation.estimate));
        }
        let is_felt = !situation.limited && !self.follows;
        let interval = match situation.end {
            End::Ahead if is_felt => return None,
            End::Reached if is_felt => self.interval * STALLED,
            _ => self.interval(),
        };
        (now >= self.last_at + interval).then_some(FACTOR * situation.estimate)
    }

    /// Makes the probe.
    fn begin(&mut self, rate: f64, now: i64, situation: Situation) -> Probe {
        let bearable = (MAX_QUEUE_SECONDS * situation.estimate / rate.max(1.0)).clamp(SECONDS, MAX_SECONDS);
        let seconds = (JITTERS * situation.jitter / 1e6).clamp(SECONDS, bearable);
        let bytes = (rate * seconds / 8.0).max(f64::from(LEAST_PACKETS) * self.filling);
        let probe = self.make((rate, bytes), false, now);
        self.unanswered = (self.retries < RETRIES).then_some((rate, now));
        if self.begun == FIRST.len() {
            self.waiting_until = Some(now + PATIENCE_US);
        }
        probe
    }

    /// Makes a probe that goes no faster than its rate.
    fn begin_steady(&mut self, rate: f64, now: i64) -> Probe {
        let probe = self.make((rate, rate * STEADY_SECONDS / 8.0), true, now);
        self.unanswered = None;
        self.recovery = None;
        self.waiting_until = Some(self.busy_until + PATIENCE_US);
        probe
    }

    /// The next probe, of a rate in bit/s and so many bytes.
    fn make(&mut self, (rate, bytes): (f64, f64), is_steady: bool, now: i64) -> Probe {
        let id = self.next_id;
        self.next_id = id.checked_add(1).unwrap_or(1);
        self.last_at = now;
        self.last_bytes = bytes;
        self.busy_until = now + (bytes * 8e6 / rate.max(1.0)) as i64 + GAP_US;
        Probe {
            id,
            rate: rate as u64,
            bytes: bytes as u32,
            is_steady,
        }
    }

    /// Takes a probe's result: the rate asked, the rate reached, both in bit/s, whether the estimate rose much by it, and whether a
    /// faster one may follow at once.
    pub(crate) fn on_result(&mut self, asked: f64, reached: f64, (rose, goes_on): (bool, bool), now: i64) {
        self.waiting_until = None;
        self.unanswered = None;
        self.retries = 0;
        if rose {
            self.raised_at = Some(now);
            self.carried = 0.0;
        }
        if reached > BETTER * self.regretted {
            self.interval = INTERVAL_US;
        }
        let top = DESIRED_FACTOR * self.desired;
        self.further = (goes_on && reached >= FURTHER * asked && asked < top).then_some(FACTOR * reached);
    }

    /// Learns of the mean rate that came through over the last second, in bit/s.
    pub(crate) fn on_delivered(&mut self, rate: f64, now: i64) {
        if self.raised_at.is_some_and(|raised| now - raised >= SINCE_RAISE_US) {
            self.carried = self.carried.max(rate);
        }
    }

    /// Learns of an estimate that was lowered, before and after, and of the mean rate of the last second; all in bit/s.
    pub(crate) fn on_decrease(&mut self, (before, after): (f64, f64), sent: f64, now: i64) {
        self.further = None;
        self.unanswered = None;
        let time = if after < FALL * before {
            REGRET_US
        } else {
            SMALL_REGRET_US
        };
        let regretted = self.raised_at.is_some_and(|raised| now - raised < time) && self.carried < CARRIED * after;
        let probed = if now - self.last_at < RATE_MEMORY_US {
            self.last_bytes * 8.0
        } else {
            0.0
        };
        if regretted && sent - probed > FORCED * after {
            self.raised_at = None;
            self.regretted = before;
            self.interval = (self.interval * 2).min(MAX_INTERVAL_US);
        } else if after < FALL * before {
            self.recovery = Some((before, now));
        }
    }

    /// Learns that loss shows too high a rate, as the line lets through so many bit/s. If a probe has raised the estimate lately, that
    /// was its mistake: a line that loses what is above its rate lets some of it through at once. Each doubles the time until the next.
    pub(crate) fn take_fall(&mut self, line: f64, now: i64) {
        if self.was_raised(now) && self.carried < CARRIED * line {
            self.raised_at = None;
            self.calm = (self.calm * 2).min(MAX_CALM_US);
            self.calm_until = now + self.calm;
        }
    }

    /// Learns that a steady probe was too much.
    pub(crate) fn take_failure(&mut self, now: i64) {
        self.waiting_until = None;
        self.calm_until = now + MAX_INTERVAL_US;
    }

    /// Whether a probe has raised the estimate lately.
    pub(crate) fn was_raised(&self, now: i64) -> bool {
        self.raised_at.is_some_and(|raised| now - raised < REGRET_US)
    }

    /// Learns that the line carries far more than that.
    pub(crate) fn forget_mistakes(&mut self) {
        (self.calm, self.calm_until) = (INTERVAL_US, 0);
    }

    /// Whether a raise proved too much lately, or is followed at once and leaves no time for what it queues to drain.
    pub(crate) fn is_wary(&self) -> bool {
        self.interval > INTERVAL_US || self.follows
    }

    /// Returns to the usual interval once a raise has proven right.
    pub(crate) fn on_time(&mut self, now: i64) {
        if self.raised_at.is_some_and(|raised| now - raised > PROVEN_US) {
            self.raised_at = None;
            self.interval = INTERVAL_US;
        }
    }
}
