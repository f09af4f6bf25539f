//! Sender-side bandwidth estimation by Google congestion control (draft-ietf-rmcat-gcc-02), for a sender that is mostly
//! application-limited, so that the estimate is raised by probes.
//!
//! Sans-IO: the caller gives reports of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) and
//! what was sent, and takes the estimate and the probes to send. Times within are microseconds from the creation.

mod acked;
mod arrival;
mod cluster;
mod loss;
mod probe;
mod queue;
mod rate;
mod sender;
#[cfg(test)]
mod tests;
mod trendline;

use std::time::{Duration, Instant};

use acked::Acked;
use arrival::InterArrival;
use cluster::{Clusters, Outcome};
use loss::{LossControl, Path, Verdict};
pub use probe::LEAST_PACKETS;
use probe::{Prober, Situation};
use queue::Queue;
use rate::Aimd;
use sender::SendRate;
use trendline::{Trendline, Usage};

/// Smallest estimate in bit/s: sound alone.
const MIN_RATE: f64 = 30_000.0;
/// Largest estimate in bit/s.
const MAX_RATE: f64 = 100_000_000.0;
/// Times are held within this, in microseconds (about 73,000 years), so that their differences do not overflow.
const MAX_US: i64 = i64::MAX / 4;
/// Packets are no larger than this (the largest UDP datagram), in bytes.
const MAX_BYTES: u32 = 65_535;
/// A delay that changes so much from packet to packet is a clock that jumped, in microseconds (libwebrtc's practice).
const JUMP_US: i64 = 3_000_000;
/// A growing delay is overuse only once packets wait so long, in microseconds: below it, it is jitter.
const OVERUSE_QUEUE_US: i64 = 20_000;
/// A shorter queue than this is no congestion, in microseconds.
const CONGESTED_QUEUE_US: i64 = 50_000;
/// The queue that a probe makes by intent is no overuse for so long, in microseconds.
const PROBE_QUEUE_US: i64 = 500_000;
/// A raise by less than so many times is no raise that could be too much.
const RAISE: f64 = 1.05;
/// A probe that went out at less than this share of its rate, and came through, says nothing of what the path carries beyond:
/// the sender was held up.
const TRIED: f64 = 0.7;
/// Share of a line's measured limit that is used after a raise to it proved too much: what a decrease leaves of it.
const WARY: f64 = 0.9;
/// A policed line may let a probe through that is above its rate: so many times the estimate are believed at once.
const POLICED_STEP: f64 = 1.5;
/// A line that carries so many times what a policer let through is policed no more. Steady probes are such a load as well, of which a
/// policer lets some through that has saved up.
const UNPOLICED: f64 = 1.5;
const UNPOLICED_BY_STEADY: f64 = 2.0;
/// Rate of a steady probe, as a multiple of what is known to come through: of what is above a line's rate no more is to be lost than
/// retransmissions bring back.
const STEADY_STEP: f64 = 1.25;
/// Time a decrease takes to show on top of the round trip, in microseconds (gcc-02, section 5.5: response time).
const RESPONSE_US: i64 = 100_000;
/// The same for loss, which is measured over a longer time (gcc-02, section 6).
const LOSS_RESPONSE_US: i64 = 300_000;
/// No probe so soon after a decrease, in microseconds.
const CALM_US: i64 = 1_000_000;
/// Round trip assumed before the first, and the limits, in microseconds.
const ROUND_TRIP_US: i64 = 200_000;
/// Limits of the round trip, in microseconds.
const ROUND_TRIPS_US: (i64, i64) = (1_000, 2_000_000);

/// One sent packet that the receiver's transport-wide feedback
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01) spoke of.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// When it was sent.
    pub sent_at: Instant,
    /// Its size on the wire.
    pub bytes: u32,
    /// The receiver's clock since an arbitrary epoch, unwrapped; none: lost.
    pub arrived_at: Option<Duration>,
    /// The probe it is part of.
    pub probe: Option<u16>,
}

/// A probe cluster to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// To mark the reports of its packets with.
    pub id: u16,
    /// Bits per second.
    pub rate: u64,
    /// At least so many bytes, and at least [`LEAST_PACKETS`].
    pub bytes: u32,
    /// Whether all that is sent meanwhile goes at that rate, and no faster: what a line lets through for long is to be known, which
    /// loses what is above its rate but for what it has saved up.
    pub is_steady: bool,
}

/// Estimates what the path to one receiver carries.
#[derive(Debug)]
pub struct Estimator {
    origin: Instant,
    now: i64,
    round_trip: i64,
    inter_arrival: InterArrival,
    trendline: Trendline,
    queue: Queue,
    acked: Acked,
    aimd: Aimd,
    loss: LossControl,
    prober: Prober,
    clusters: Clusters,
    sender: SendRate,
    /// What is known to have arrived, by when that became known.
    delivered: SendRate,
    last_delay: Option<i64>,
    probe_queue_until: Option<i64>,
    decreased_at: Option<i64>,
    measured: bool,
    was_limit: bool,
    /// What a line was seen to let through, in bit/s, that loses what is above it and queues nothing.
    policed: Option<f64>,
    /// What came through of the last steady probe, in bit/s, while they go on: of what a line has saved up, some may be left.
    passed: Option<f64>,
}

impl Probe {
    /// How long it takes at its rate, in microseconds.
    fn micros(&self) -> i64 {
        (f64::from(self.bytes) * 8e6 / (self.rate as f64).max(1.0)) as i64
    }
}

impl Estimator {
    /// Begins with an assumption in bit/s.
    pub fn new(start: u64, now: Instant) -> Self {
        let start = (start as f64).clamp(MIN_RATE, MAX_RATE);
        Self {
            origin: now,
            now: 0,
            round_trip: ROUND_TRIP_US,
            inter_arrival: InterArrival::default(),
            trendline: Trendline::new(),
            queue: Queue::new(),
            acked: Acked::new(),
            aimd: Aimd::new(start),
            loss: LossControl::new(),
            prober: Prober::new(start),
            clusters: Clusters::default(),
            sender: SendRate::default(),
            delivered: SendRate::default(),
            last_delay: None,
            probe_queue_until: None,
            decreased_at: None,
            measured: false,
            was_limit: false,
            policed: None,
            passed: None,
        }
    }

    /// For an encoder that follows the estimate, and begins with a rate in bit/s that there is reason to believe: probes for more are
    /// no more urgent than later on, and come every five seconds, full as the line may be. The caller leaves those out that are too
    /// much for a slow one.
    pub fn for_encoder(start: u64, now: Instant) -> Self {
        let mut estimator = Self::new(start, now);
        estimator.prober.for_encoder();
        estimator.loss.for_encoder();
        estimator
    }

    /// Takes the reports of one feedback in order of sending; `round_trip` is the smallest seen in it.
    pub fn on_feedback(&mut self, reports: &[Report], round_trip: Option<Duration>, now: Instant) {
        let now = self.advance(now);
        if let Some(round_trip) = round_trip {
            self.on_round_trip(micros(round_trip));
        }
        let mut over = false;
        let limited = self.sender.is_limited(self.rate(), now);
        for report in reports {
            over |= self.on_report(report, limited, now);
        }
        let delivered = self.delivered.rate(now);
        self.prober.on_delivered(delivered, now);
        let unpoliced = if self.prober.follows() {
            UNPOLICED
        } else {
            UNPOLICED_BY_STEADY
        };
        if self.policed.is_some_and(|rate| delivered > unpoliced * rate) {
            self.forget_policer();
        }
        if let Some(outcome) = self.clusters.expire(self.loss.inherent(), now) {
            self.on_outcome(outcome, now);
        }
        let is_overusing = over || self.queue.is_standing();
        self.control_by_loss(now);
        self.control_by_delay(is_overusing, now);
        self.prober.on_time(now);
    }

    /// Takes what was put on the wire, all packets, for knowing whether the sender is application-limited.
    pub fn on_sent(&mut self, bytes: u32, now: Instant) {
        let now = self.advance(now);
        self.sender.on_sent(bytes.min(MAX_BYTES), now);
    }

    /// The estimate in bit/s: the smaller of the delay-based and the loss-based.
    pub fn estimate(&self) -> u64 {
        self.rate() as u64
    }

    /// Sets what would be sent if the line carried it, in bit/s; probes go up to twice that, and there are none where
    /// the estimate carries it comfortably.
    pub fn set_desired(&mut self, desired: u64) {
        self.prober.set_desired((desired as f64).min(MAX_RATE));
    }

    /// Sets the size on the wire, in bytes, of the packets that probes are made of; 1,100 at first. A probe has five at the least.
    pub fn set_filling(&mut self, bytes: u32) {
        self.prober.set_filling(f64::from(bytes.clamp(1, MAX_BYTES)));
    }

    /// A probe to start now, if any.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let now = self.advance(now);
        let estimate = self.rate();
        let calm = self.decreased_at.is_none_or(|at| now - at >= CALM_US);
        let situation = Situation {
            estimate,
            limited: self.sender.is_limited(estimate, now),
            end: self.aimd.end(),
            congested: !calm || self.is_loaded(estimate, now),
            jitter: self.queue.jitter(),
            steady: self
                .policed
                .map(|_| STEADY_STEP * self.passed.unwrap_or(0.0).max(estimate)),
        };
        let probe = self.prober.poll(now, situation)?;
        self.clusters.on_probe(probe);
        if probe.is_steady {
            // Its result says what its loss means.
            self.loss.forget(now + probe.micros());
        }
        Some(probe)
    }

    /// When `poll_probe` may have something, for a timer: later than its last call.
    pub fn next_probe_at(&self) -> Option<Instant> {
        let at = self.prober.next_at(self.rate())?;
        self.origin.checked_add(Duration::from_micros(at.max(0) as u64))
    }

    /// Whether the estimate fell so lately that what was sent too much may still be on its way.
    pub fn fell_lately(&self) -> bool {
        self.is_recent(CALM_US, self.now)
    }

    /// Whether the line loses what is above its rate in place of queueing it, or may do so: bursts do not come through then.
    pub fn may_be_policed(&self) -> bool {
        self.policed.is_some() || self.loss.limit().is_some()
    }

    /// Whether the estimate is more than the first assumption.
    pub fn is_measured(&self) -> bool {
        self.measured || self.loss.limit().is_some()
    }

    /// Whether the path was ever seen to carry no more than it was given. Until then the estimate is a lower bound: that much
    /// was tried.
    pub fn was_limit(&self) -> bool {
        self.was_limit
    }

    /// The estimate in bit/s, within its limits.
    fn rate(&self) -> f64 {
        let estimate = self.aimd.estimate();
        self.loss
            .limit()
            .map_or(estimate, |limit| limit.min(estimate))
            .clamp(MIN_RATE, MAX_RATE)
    }

    /// Whether a probe would do harm or tell nothing at present.
    fn is_loaded(&mut self, estimate: f64, now: i64) -> bool {
        let queue = self.queue.exceeds(CONGESTED_QUEUE_US);
        queue || self.loss.limit().is_some() || self.sender.is_bursting(estimate, now)
    }

    /// The time in microseconds, which does not go back.
    fn advance(&mut self, now: Instant) -> i64 {
        self.now = self.now.max(self.since_origin(now));
        self.now
    }

    /// Microseconds from the creation to a time, negative before it.
    fn since_origin(&self, at: Instant) -> i64 {
        match at.checked_duration_since(self.origin) {
            Some(after) => micros(after),
            None => -micros(self.origin.saturating_duration_since(at)),
        }
    }

    /// Follows the round trip down at once and up slowly, for late feedback lengthens it.
    fn on_round_trip(&mut self, round_trip: i64) {
        let round_trip = round_trip.clamp(ROUND_TRIPS_US.0, ROUND_TRIPS_US.1);
        let rise = (round_trip - self.round_trip) / 8;
        self.round_trip = if rise > 0 { self.round_trip + rise } else { round_trip };
    }

    /// Takes one report; whether the delay shows overuse after it.
    fn on_report(&mut self, report: &Report, limited: bool, now: i64) -> bool {
        let sent = self.since_origin(report.sent_at).min(now);
        let bytes = report.bytes.min(MAX_BYTES);
        let arrived = report.arrived_at.map(micros);
        self.loss.on_packet(sent, bytes, arrived.is_none());
        if arrived.is_some() {
            self.delivered.on_sent(bytes, now);
        }
        let over =
            arrived.is_some_and(|arrived| self.on_arrival((sent, arrived), bytes, report.probe.is_some(), limited));
        let inherent = self.loss.inherent();
        if let Some(outcome) = self
            .clusters
            .on_packet((sent, arrived), bytes, report.probe, inherent, now)
        {
            self.on_outcome(outcome, now);
        }
        over
    }

    /// Takes a packet that arrived; whether the delay shows overuse after it.
    fn on_arrival(&mut self, (sent, arrived): (i64, i64), bytes: u32, of_probe: bool, limited: bool) -> bool {
        let delay = arrived - sent;
        if self
            .last_delay
            .replace(delay)
            .is_some_and(|last| (delay - last).abs() > JUMP_US)
        {
            self.on_jump();
        }
        self.acked.on_packet(arrived, bytes, limited);
        self.queue.on_packet(sent, arrived, bytes);
        if self.is_probe_queue(sent, of_probe) {
            self.inter_arrival.reset();
            return false;
        }
        if let Some(delta) = self.inter_arrival.on_packet(sent, arrived) {
            self.trendline.on_delta(delta);
        }
        self.trendline.usage() == Usage::Over && self.queue.exceeds(OVERUSE_QUEUE_US)
    }

    /// Whether the queue is one that a probe made.
    fn is_probe_queue(&mut self, sent: i64, of_probe: bool) -> bool {
        if of_probe {
            self.probe_queue_until = Some(sent.saturating_add(PROBE_QUEUE_US));
        }
        let drained = !of_probe && !self.clusters.is_current() && self.queue.is_drained();
        if drained || self.probe_queue_until.is_some_and(|until| sent > until) {
            self.probe_queue_until = None;
        }
        self.probe_queue_until.is_some()
    }

    /// Forgets delays: a clock jumped.
    fn on_jump(&mut self) {
        self.inter_arrival.reset();
        self.trendline.reset();
        self.queue = Queue::new();
        self.acked.reset_window();
    }

    /// Takes the result of a probe.
    fn on_outcome(&mut self, outcome: Outcome, now: i64) {
        self.was_limit |= outcome.limited;
        if outcome.is_steady && outcome.limited {
            let passed = self.passed.take().unwrap_or(0.0);
            self.policed = Some(outcome.reached);
            self.aimd.set(passed.max(self.aimd.estimate()));
            self.aimd.set_to_delivered(outcome.reached.max(MIN_RATE), true);
            self.prober.take_failure(now);
            return;
        }
        let confirmed = if outcome.is_steady {
            self.passed.replace(outcome.reached).unwrap_or(0.0)
        } else {
            outcome.reached
        };
        let wary = outcome.limited && self.prober.is_wary();
        let reached = confirmed * if wary { WARY } else { 1.0 };
        let believed = self
            .policed
            .map_or(f64::INFINITY, |_| POLICED_STEP * self.aimd.estimate());
        let reached = reached.min(believed).clamp(MIN_RATE, MAX_RATE);
        let rises = reached > self.aimd.estimate() && !self.is_recent(self.round_trip + RESPONSE_US, now);
        let much = rises && reached > RAISE * self.aimd.estimate();
        let corrects = !self.measured && outcome.limited;
        if rises || corrects {
            self.aimd.set(reached);
        }
        if !outcome.limited && outcome.reached < TRIED * outcome.asked {
            // It is asked again, and until then nothing is known.
            return;
        }
        self.measured |= rises || corrects;
        // A policed line is asked for more only once it has carried this.
        let goes_on = outcome.is_steady || self.policed.is_none();
        self.prober
            .on_result(outcome.asked, outcome.reached, (much, goes_on), now);
    }

    /// Whether the last decrease is no longer ago than this, in microseconds.
    fn is_recent(&self, time: i64, now: i64) -> bool {
        self.decreased_at.is_some_and(|at| now - at < time)
    }

    /// Lowers the estimate for overflow, and for loss that depends on the rate.
    fn control_by_loss(&mut self, now: i64) {
        let path = Path {
            estimate: self.rate(),
            acked: self.acked.rate().unwrap_or(0.0),
            queue_was_long: self.queue.was_long(),
            known: self.policed.filter(|_| self.prober.was_raised(now)),
        };
        match self.loss.update(path, now) {
            Verdict::Overflow if !self.is_recent(LOSS_RESPONSE_US + self.round_trip, now) => self.decrease(now),
            Verdict::Congested(rate) => self.decrease_to_delivered(rate.max(MIN_RATE), now),
            Verdict::Inherent => self.forget_policer(),
            Verdict::Overflow | Verdict::Fine => {}
        }
    }

    /// Lowers the estimate to what a line lets through, in bit/s, that loses more. Where no packet waited, it is policed.
    fn decrease_to_delivered(&mut self, rate: f64, now: i64) {
        let before = self.aimd.estimate();
        if !self.queue.was_noticed() {
            self.prober.take_fall(rate, now);
            self.policed = Some(rate);
            self.loss.set_policed(true);
        }
        self.aimd.set_to_delivered(rate, self.policed.is_some());
        self.measured = true;
        self.after_decrease(before, f64::MAX, now);
    }

    /// Takes back that the line loses what is above its rate: packets wait before it, or the loss has nothing to do with the rate.
    fn forget_policer(&mut self) {
        (self.policed, self.passed) = (None, None);
        self.loss.set_policed(false);
        self.prober.forget_mistakes();
    }

    /// Lowers the estimate at overuse, else raises it where the sender makes use of it.
    fn control_by_delay(&mut self, is_overusing: bool, now: i64) {
        if is_overusing {
            if !self.is_recent(RESPONSE_US + self.round_trip, now) {
                self.decrease(now);
            }
            self.aimd.hold(now);
            return;
        }
        let estimate = self.rate();
        // Where steady probes ask, they decide.
        let is_asked = self.policed.is_some() && !self.prober.follows();
        let usable = !is_asked && self.trendline.usage() == Usage::Normal && !self.queue.exceeds(CONGESTED_QUEUE_US);
        match self.acked.rate() {
            Some(acked) if usable && !self.sender.is_limited(estimate, now) && self.loss.limit().is_none() => {
                self.measured |= self.aimd.increase(acked, self.round_trip as f64 / 1e6, now);
            }
            _ => self.aimd.hold(now),
        }
    }

    /// Lowers the estimate to what the line delivers; without a measurement of it, the next feedback will tell.
    fn decrease(&mut self, now: i64) {
        let Some(line) = self.queue.capacity() else { return };
        let before = self.aimd.estimate();
        let sent = self.sender.rate(now);
        self.aimd.decrease(line, sent, now);
        self.after_decrease(before, sent, now);
        self.queue.forgive_standing();
        self.forget_policer();
        self.measured = true;
    }

    /// Notes a decrease from a rate in bit/s, and what the sender sent.
    fn after_decrease(&mut self, before: f64, sent: f64, now: i64) {
        let after = self.aimd.estimate().max(MIN_RATE);
        if after < before {
            self.passed = None;
            self.was_limit = true;
            self.decreased_at = Some(now);
            self.prober.on_decrease((before, after), sent, now);
        }
    }
}

/// A duration in microseconds, held within limits.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(MAX_US).min(MAX_US)
}
