//! Loss-based control (draft-ietf-rmcat-gcc-02, section 6), which tells loss by congestion from the loss of the path.
//!
//! Loss along with a long queue is overflow. Other loss above 10 % is put to a trial: the rate is lowered until the sender
//! follows, and if the loss stays, it does not depend on the rate; it then is inherent, and only what exceeds it counts
//! (the idea of the inherent loss in libwebrtc's `LossBasedBweV2`). If it goes, the line loses what is above its rate
//! without queueing it: a policer (RFC 2475, section 2.3.3.4), which lets some of it through after a pause.

/// Length of a slot in microseconds of sending.
const SLOT_US: i64 = 250_000;
/// Slots that are kept: 3 s.
const SLOTS: i64 = 12;
/// Slots of the loss that is told, and that counts along with a queue: 1 s.
const SHORT: i64 = 4;
/// Slots that a trial for moderate loss is begun by: 2 s.
const MODERATE: i64 = 8;
/// Slots that a trial for heavy loss is begun by: 0.75 s.
const HEAVY: i64 = 3;
/// Loss above this lowers the rate (gcc-02, section 6).
const HIGH_LOSS: f64 = 0.10;
/// The same on a policed line, where it is not the path's.
const POLICED_LOSS: f64 = 0.04;
/// A trial on a policed line lowers the rate to this share at the least, so that little loss can be told from none.
const POLICED_DECREASE: f64 = 0.85;
/// A trial with less loss than this went no faster than the line.
const NO_LOSS: f64 = 0.02;
/// Loss above this cannot wait for a longer measurement.
const HEAVY_LOSS: f64 = 0.30;
/// Standard errors by which loss must be over its bound.
const CONFIDENCE: f64 = 2.0;
/// Fewest packets that loss is judged by.
const MIN_PACKETS: u32 = 30;
/// The factor of the loss in the decrease (gcc-02: 1 - 0.5 p).
const DECREASE: f64 = 0.5;
/// No limit goes below this share of the acknowledged bitrate.
const ACKED_SHARE: f64 = 0.5;
/// No limit goes below this, in bit/s: little is won by less than sound and the least video, and much loss is lived with
/// there (the bound of `LossBasedBweV2` on the inherent loss, 0.05 + 75 kb/s / rate, is 0.35 here).
const LEAST_LIMIT: f64 = 250_000.0;
/// The same for an encoder, which goes on to less: sound, and a picture that is hardly one.
const LEAST_LIMIT_OF_ENCODER: f64 = 60_000.0;
/// Time the sender has to follow the lower limit, in microseconds.
const FOLLOW_US: i64 = 250_000;
/// And at the most, as where there are layers, in microseconds.
const MAX_FOLLOW_US: i64 = 3_000_000;
/// A rate below so many times the limit follows it.
const FOLLOWED: f64 = 1.15;
/// Length of a trial in microseconds of sending.
const TRIAL_US: i64 = 1_000_000;
/// The same where it is not clear by then, as where few packets are sent.
const LONG_TRIAL_US: i64 = 3_000_000;
/// Shortest time that a rate is measured over, in microseconds.
const LEAST_TIME_US: i64 = 50_000;
/// A trial is given up after so long, in microseconds.
const MAX_TRIAL_US: i64 = 5_000_000;
/// A rate above this share of the one before the trial did not follow the limit.
const UNMOVED: f64 = 0.9;
/// A trial that tells nothing is followed by one of this share of its limit.
const LOWER: f64 = 0.7;
/// A trial may be mistaken. Heavy loss that was found to be inherent is put to another so long after the first, and each time so twice as
/// long after the last, in microseconds.
const CERTAINTY_US: i64 = 10_000_000;
/// And at the most.
const MAX_CERTAINTY_US: i64 = 300_000_000;
/// Most loss that is taken for inherent.
const MAX_INHERENT: f64 = 0.5;
/// Time in which inherent loss that is gone is forgotten, in seconds.
const FORGET_S: f64 = 2.0;
/// Time in which tolerable loss is taken for inherent, in seconds.
const LEARN_S: f64 = 10.0;

/// Packets of some time.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u32,
    lost: u32,
    /// Losses in sequence count as one event, for bursts are not independent.
    runs: u32,
    bytes: f64,
    lost_bytes: f64,
}

/// The rate was lowered to see whether the loss follows.
#[derive(Debug)]
struct Trial {
    limit: f64,
    /// No limit below this.
    least: f64,
    /// Before it, as is the rate.
    loss: f64,
    rate: f64,
    begun: i64,
    from: i64,
    until: i64,
    counts: Counts,
}

/// What the loss says of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing new.
    Fine,
    /// The loss does not depend on the rate.
    Inherent,
    /// The queue overflows.
    Overflow,
    /// The loss depends on the rate: so many bit/s get through.
    Congested(f64),
}

/// What else is known of the path; rates in bit/s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(crate) estimate: f64,
    /// Acknowledged.
    pub(crate) acked: f64,
    /// Whether packets waited so lately that loss is overflow.
    pub(crate) queue_was_long: bool,
    /// What a policed line was seen to let through, where the estimate was raised beyond it lately.
    pub(crate) known: Option<f64>,
}

/// The loss-based control.
#[derive(Debug)]
pub(super) struct LossControl {
    slots: [Counts; SLOTS as usize],
    index: Option<i64>,
    first: i64,
    last: i64,
    last_lost: bool,
    inherent: f64,
    trial: Option<Trial>,
    /// Whether the line is known to lose what is above its rate, and not to queue it.
    policed: bool,
    /// No limit goes below this, in bit/s.
    least: f64,
    /// When heavy loss that was found to be inherent is put to another trial, and how long after the next.
    doubted_at: i64,
    certainty: i64,
    updated: i64,
}

impl Trial {
    /// One that begins now, at a limit which is no less than that.
    fn new(limit: f64, least: f64, (loss, rate): (f64, f64), now: i64) -> Self {
        let from = now + FOLLOW_US;
        Self {
            limit: limit.max(least),
            least,
            loss,
            rate,
            begun: now,
            from,
            until: from,
            counts: Counts::default(),
        }
    }
}

impl Counts {
    /// Counts a packet.
    fn add(&mut self, bytes: u32, lost: bool, after_lost: bool) {
        self.packets = self.packets.saturating_add(1);
        self.lost += u32::from(lost && self.packets > self.lost);
        self.runs += u32::from(lost && !after_lost && self.runs < self.lost);
        self.bytes += f64::from(bytes);
        self.lost_bytes += if lost { f64::from(bytes) } else { 0.0 };
    }

    /// The share of bytes lost. A policed line loses large packets before small ones.
    fn byte_loss(&self) -> f64 {
        self.lost_bytes / self.bytes.max(1.0)
    }

    /// The share of packets lost.
    fn loss(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.packets.max(1))
    }

    /// The share lost, less what may be chance.
    fn certain_loss(&self) -> f64 {
        self.loss() - self.chance()
    }

    /// How far chance may have brought the share that is lost.
    fn chance(&self) -> f64 {
        let loss = self.loss();
        let run = f64::from(self.lost) / f64::from(self.runs.max(1));
        CONFIDENCE * (loss * (1.0 - loss) * run / f64::from(self.packets.max(1))).sqrt()
    }
}

impl LossControl {
    /// A control that knows of no loss.
    pub(crate) fn new() -> Self {
        Self {
            slots: [Counts::default(); SLOTS as usize],
            index: None,
            first: 0,
            last: 0,
            last_lost: false,
            inherent: 0.0,
            trial: None,
            policed: false,
            least: LEAST_LIMIT,
            doubted_at: 0,
            certainty: CERTAINTY_US,
            updated: 0,
        }
    }

    /// For an encoder, which follows any limit.
    pub(crate) fn for_encoder(&mut self) {
        self.least = LEAST_LIMIT_OF_ENCODER;
    }

    /// Sets whether the line is known to lose what is above its rate, and not to queue it.
    pub(crate) fn set_policed(&mut self, policed: bool) {
        self.policed = policed;
    }

    /// Takes a reported packet; `sent` in microseconds.
    pub(crate) fn on_packet(&mut self, sent: i64, bytes: u32, lost: bool) {
        let newest = sent.div_euclid(SLOT_US);
        let index = *self.index.get_or_insert_with(|| {
            self.first = sent;
            newest
        });
        let steps = (newest - index).clamp(0, SLOTS);
        for step in 1..=steps {
            self.slots[(newest - steps + step).rem_euclid(SLOTS) as usize] = Counts::default();
        }
        self.index = Some(index.max(newest));
        self.last = self.last.max(sent);
        let slot = index.max(newest).rem_euclid(SLOTS) as usize;
        if sent >= self.first {
            self.slots[slot].add(bytes, lost, self.last_lost);
        }
        if let Some(trial) = self.trial.as_mut().filter(|trial| sent >= trial.from) {
            trial.counts.add(bytes, lost, self.last_lost);
            trial.until = trial.until.max(sent);
        }
        self.last_lost = lost;
    }

    /// The counts of the newest slots.
    fn newest(&self, slots: i64) -> Counts {
        let index = self.index.unwrap_or(0);
        let mut sum = Counts::default();
        for back in 0..slots.min(SLOTS) {
            let slot = self.slots[(index - back).rem_euclid(SLOTS) as usize];
            sum.packets = sum.packets.saturating_add(slot.packets);
            sum.lost = sum.lost.saturating_add(slot.lost);
            sum.runs = sum.runs.saturating_add(slot.runs);
            sum.bytes += slot.bytes;
            sum.lost_bytes += slot.lost_bytes;
        }
        sum
    }

    /// The rate at which the packets of the newest slots were sent, in bit/s.
    fn sent_rate(&self, slots: i64) -> f64 {
        let start = (self.index.unwrap_or(0) - slots + 1) * SLOT_US;
        let time = (self.last - start.max(self.first)).max(LEAST_TIME_US);
        self.newest(slots).bytes * 8e6 / time as f64
    }

    /// Of so many of the newest slots how many have loss from their beginning on: a policed line lets some of what is too much through
    /// before.
    fn since_first_loss(&self, slots: i64) -> i64 {
        let has_lost = |slots: i64| self.newest(slots).lost > self.newest(slots - 1).lost;
        let first = (1..=slots).rev().find(|slots| has_lost(*slots)).unwrap_or(slots);
        let has_enough = self.newest(first - 1).packets >= MIN_PACKETS;
        if has_enough { first - 1 } else { first }
    }

    /// The share lost of the newest slots since it began, in bytes, and the rate sent at in bit/s.
    fn since_loss(&self, slots: i64) -> (f64, f64) {
        let since = self.since_first_loss(slots);
        (self.newest(since).byte_loss(), self.sent_rate(since))
    }

    /// Forgets what is sent until then, and until the sender has followed.
    pub(crate) fn forget(&mut self, now: i64) {
        self.slots = [Counts::default(); SLOTS as usize];
        let from = now + FOLLOW_US;
        (self.first, self.last) = (from, self.last.max(from));
    }

    /// The share lost at any rate.
    pub(crate) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// The limit in bit/s, while a trial is under way.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.trial.as_ref().map(|trial| trial.limit)
    }

    /// What exceeds the inherent loss.
    fn excess(&self, loss: f64) -> f64 {
        ((loss - self.inherent) / (1.0 - self.inherent)).max(0.0)
    }

    /// Judges by what was reported; `now` in microseconds.
    pub(crate) fn update(&mut self, path: Path, now: i64) -> Verdict {
        let elapsed = ((now - self.updated) as f64 / 1e6).clamp(0.0, 1.0);
        self.updated = now;
        if self.trial.is_some() {
            return self.judge(now);
        }
        if path.queue_was_long {
            let short = self.newest(SHORT);
            let overflows = short.packets >= MIN_PACKETS && self.excess(short.loss()) > HIGH_LOSS;
            return if overflows { Verdict::Overflow } else { Verdict::Fine };
        }
        if let Some(delivered) = self.delivered(path.known) {
            self.forget(now);
            return Verdict::Congested(delivered);
        }
        if self.inherent > HIGH_LOSS && now >= self.doubted_at {
            self.inherent = 0.0;
        }
        let bound = if self.policed { POLICED_LOSS } else { HIGH_LOSS };
        if !self.begin_trial(HEAVY, HEAVY_LOSS, path, now) && !self.begin_trial(MODERATE, bound, path, now) {
            self.learn(elapsed);
        }
        Verdict::Fine
    }

    /// What the line lets through, in bit/s, where no trial is needed to tell that more is too much: it loses more than can be lived
    /// with, or it is `known` what it lets through and the rate was raised beyond that.
    fn delivered(&self, known: Option<f64>) -> Option<f64> {
        let [short, heavy] = [SHORT, HEAVY].map(|slots| self.newest(slots));
        let is_certain = |counts: Counts, bound: f64| counts.packets >= MIN_PACKETS && counts.certain_loss() > bound;
        let delivered = |slots: i64| {
            let (loss, rate) = self.since_loss(slots);
            rate * (1.0 - loss)
        };
        // No harm is done by going back to it, so that there is no need to be certain.
        let is_back = short.packets >= MIN_PACKETS && self.excess(short.loss()) > HIGH_LOSS;
        let is_beyond = is_back || is_certain(short, self.inherent + POLICED_LOSS);
        if let Some(known) = known.filter(|_| is_beyond) {
            return Some(delivered(SHORT).max(known));
        }
        is_certain(heavy, MAX_INHERENT).then(|| delivered(HEAVY))
    }

    /// Begins a trial where the loss of so many slots is for certain above a bound.
    fn begin_trial(&mut self, slots: i64, bound: f64, path: Path, now: i64) -> bool {
        let counts = self.newest(slots);
        if counts.packets < MIN_PACKETS || self.excess(counts.certain_loss()) <= bound {
            return false;
        }
        let (loss, rate) = self.since_loss(slots);
        let capacity = rate * (1.0 - loss);
        let lowered = rate.min(path.estimate) * (1.0 - DECREASE * self.excess(loss));
        let clear = if self.policed { POLICED_DECREASE * rate } else { rate };
        let least = (ACKED_SHARE * path.acked).min(capacity).max(self.least);
        // At what it seems to let through, a line that loses the rest loses nothing.
        let limit = lowered.min(capacity).min(clear);
        self.trial = Some(Trial::new(limit, least, (loss, rate), now));
        true
    }

    /// Ends a trial that is long enough: did the loss follow the rate?
    fn judge(&mut self, now: i64) -> Verdict {
        let Some(trial) = &self.trial else { return Verdict::Fine };
        let length = trial.until - trial.from;
        let counts = trial.counts;
        if length < TRIAL_US || counts.packets < MIN_PACKETS {
            if now - trial.from > MAX_TRIAL_US {
                self.trial = None;
            }
            return Verdict::Fine;
        }
        let rate = counts.bytes * 8e6 / length as f64;
        let capacity = trial.rate * (1.0 - trial.loss);
        let by_capacity = (1.0 - capacity / rate.max(1.0)).max(self.inherent);
        let (before, loss) = (trial.loss, counts.byte_loss());
        let from_inherent = (loss - before).abs();
        let from_capacity = (loss - by_capacity).abs();
        if rate > FOLLOWED * trial.limit && now - trial.begun < MAX_FOLLOW_US {
            self.trial = Some(Trial {
                from: now,
                until: now,
                counts: Counts::default(),
                ..*trial
            });
            return Verdict::Fine;
        }
        let unmoved = rate > UNMOVED * trial.rate;
        let alike = before - by_capacity < counts.chance();
        let is_long = length >= LONG_TRIAL_US;
        if (unmoved || (alike && is_long)) && trial.limit > trial.least {
            self.trial = Some(Trial::new(LOWER * trial.limit, trial.least, (before, trial.rate), now));
            return Verdict::Fine;
        }
        let unclear = (from_inherent - from_capacity).abs() < counts.chance();
        if (alike || unclear) && !is_long {
            return Verdict::Fine;
        }
        self.trial = None;
        self.forget(now);
        if unmoved || from_inherent <= from_capacity {
            self.inherent = loss.min(MAX_INHERENT);
            self.doubted_at = now + self.certainty;
            self.certainty = (self.certainty * 2).min(MAX_CERTAINTY_US);
            return Verdict::Inherent;
        }
        self.certainty = CERTAINTY_US;
        self.inherent = self.inherent.min(loss);
        let was_full = counts.certain_loss() > self.inherent.max(NO_LOSS);
        let delivered = if was_full { rate * (1.0 - loss) } else { f64::INFINITY };
        Verdict::Congested(capacity.min(delivered))
    }

    /// Lets the inherent loss follow: soon where loss is gone, slowly where it is tolerable.
    fn learn(&mut self, elapsed: f64) {
        let counts = self.newest(SLOTS);
        if counts.packets < MIN_PACKETS {
            return;
        }
        let loss = counts.loss().min(MAX_INHERENT);
        if loss < self.inherent {
            self.inherent += (loss - self.inherent) * (elapsed / FORGET_S).min(1.0);
        } else if self.excess(loss) <= HIGH_LOSS && !self.policed {
            self.inherent += (loss - self.inherent) * (elapsed / LEARN_S).min(1.0);
        }
    }
}
