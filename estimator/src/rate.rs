//! The delay-based rate control: additive or multiplicative increase, multiplicative decrease
//! (draft-ietf-rmcat-gcc-02, section 5.5).

use super::probe::End;

/// What is left of the line's rate after overuse, to drain the queue (gcc-02: `beta`).
const BETA: f64 = 0.85;
/// The same where the sender is on the mean below the line's rate, so that the queue drains by itself.
const BETA_DRAINING: f64 = 0.95;
/// A mean rate below this share of the line's leaves enough to drain the queue.
const DRAINING: f64 = 0.9;
/// Increase per second far from the line's rate (gcc-02: `eta` = 1.08).
const INCREASE: f64 = 1.08;
/// The increase counts no longer step than this, in seconds.
const MAX_STEP_S: f64 = 1.0;
/// The estimate rises no higher than this many times the acknowledged bitrate (gcc-02, section 5.5).
const ACKED_FACTOR: f64 = 1.5;
/// And so much more, in bit/s, for very low rates.
const ACKED_EXTRA: f64 = 10_000.0;
/// Time a response takes on top of the round trip, in seconds (gcc-02: 100 ms).
const RESPONSE_S: f64 = 0.1;
/// Frames per second that the mean packet is guessed from (gcc-02, section 5.5).
const FRAMES: f64 = 30.0;
/// A packet's payload in bits that the mean packet is guessed from (gcc-02: 1200 bytes).
const PACKET_BITS: f64 = 9_600.0;
/// The smallest additive increase, in bit/s per second (libwebrtc's practice).
const MIN_ADDITIVE: f64 = 4_000.0;
/// Weight of a new sample in the link capacity (gcc-02: 0.95 smoothing).
const CAPACITY_GAIN: f64 = 0.05;
/// Deviations around the link capacity that count as near (gcc-02, section 5.5).
const NEAR: f64 = 3.0;
/// Share of the rate that is used where a line loses what is above it.
const UTILISATION: f64 = 0.95;
/// Limits of the normalised variance, in kb/s.
const VARIANCE: (f64, f64) = (0.4, 2.5);

/// The line's rate as seen at overuse, with its deviation; in kb/s.
#[derive(Debug)]
struct LinkCapacity {
    mean: f64,
    variance: f64,
}

/// The delay-based estimate.
#[derive(Debug)]
pub(super) struct Aimd {
    estimate: f64,
    link: Option<LinkCapacity>,
    increased_at: Option<i64>,
}

impl LinkCapacity {
    /// Smooths a sample in.
    fn update(&mut self, sample: f64) {
        self.mean += CAPACITY_GAIN * (sample - self.mean);
        let error = self.mean - sample;
        let variance = (1.0 - CAPACITY_GAIN) * self.variance + CAPACITY_GAIN * error * error / self.mean.max(1.0);
        self.variance = variance.clamp(VARIANCE.0, VARIANCE.1);
    }

    /// How far off the mean a rate still is near it.
    fn span(&self) -> f64 {
        NEAR * (self.variance * self.mean).sqrt()
    }
}

impl Aimd {
    /// Begins with a guess in bit/s.
    pub(crate) fn new(start: f64) -> Self {
        Self {
            estimate: start,
            link: None,
            increased_at: None,
        }
    }

    /// The estimate in bit/s.
    pub(crate) fn estimate(&self) -> f64 {
        self.estimate
    }

    /// Takes a probe's result, or another measurement, as it is.
    pub(crate) fn set(&mut self, rate: f64) {
        self.leave_link(rate / 1e3);
        self.estimate = rate;
    }

    /// Lowers the estimate to what a line lets through of more, in bit/s; and takes that for its rate if it is policed, since no queue
    /// will tell.
    pub(crate) fn set_to_delivered(&mut self, rate: f64, policed: bool) {
        let free = UTILISATION * rate;
        self.set(self.estimate.min(free));
        if policed {
            self.link = Some(LinkCapacity {
                mean: free / 1e3,
                variance: VARIANCE.0,
            });
        }
    }

    /// No increase up to now, in microseconds.
    pub(crate) fn hold(&mut self, now: i64) {
        self.increased_at = Some(now);
    }

    /// Raises the estimate for the time since the last increase, to the link capacity where that is known, for more is
    /// not yet acknowledged; whether it rose.
    pub(crate) fn increase(&mut self, acked: f64, round_trip: f64, now: i64) -> bool {
        let last = self.increased_at.replace(now).unwrap_or(now);
        let step = ((now - last) as f64 / 1e6).clamp(0.0, MAX_STEP_S);
        self.leave_link(acked / 1e3);
        let raised = match &self.link {
            Some(link) => (self.estimate + self.additive(round_trip) * step).min(link.mean * 1e3),
            // A line that was never too narrow carries at the least what it is seen to carry.
            None => (self.estimate * INCREASE.powf(step)).max(acked),
        };
        let before = self.estimate;
        self.estimate = before.max(raised.min(ACKED_FACTOR * acked + ACKED_EXTRA));
        self.estimate > before
    }

    /// Where the increase comes to its end: there only a probe can tell that there is more.
    pub(crate) fn end(&self) -> End {
        match &self.link {
            None => End::Unknown,
            Some(link) if self.estimate >= link.mean * 1e3 => End::Reached,
            Some(_) => End::Ahead,
        }
    }

    /// Forgets the link capacity when an acknowledged or probed rate in kb/s goes beyond it.
    fn leave_link(&mut self, acked: f64) {
        if self.link.as_ref().is_some_and(|link| acked > link.mean + link.span()) {
            self.link = None;
        }
    }

    /// The additive increase in bit/s per second: one packet per response time.
    fn additive(&self, round_trip: f64) -> f64 {
        let frame = self.estimate / FRAMES;
        let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
        (packet / (round_trip + RESPONSE_S)).max(MIN_ADDITIVE)
    }

    /// Lowers the estimate at overuse to a share of the line's rate; `sent` is the sender's mean rate; all in bit/s.
    pub(crate) fn decrease(&mut self, delivered: f64, sent: f64, now: i64) {
        let beta = if sent < DRAINING * delivered {
            BETA_DRAINING
        } else {
            BETA
        };
        self.estimate = self.estimate.min(beta * delivered);
        self.hold(now);
        let sample = delivered / 1e3;
        let fresh = LinkCapacity {
            mean: sample,
            variance: VARIANCE.0,
        };
        match &mut self.link {
            Some(link) if (sample - link.mean).abs() <= link.span() => link.update(sample),
            link => *link = Some(fresh),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_is_seen_to_carry_is_believed_until_it_was_too_narrow() {
        let mut rate = Aimd::new(1e6);
        assert!(rate.increase(1.6e6, 0.05, 0));
        assert!((rate.estimate() - 1.6e6).abs() < 1.0);
        rate.decrease(1e6, 1.6e6, 100_000);
        let after = rate.estimate();
        rate.increase(1e6, 0.05, 200_000);
        assert!(rate.estimate() < 1e6 && rate.estimate() >= after, "{after}");
    }
}
