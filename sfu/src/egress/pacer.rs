//! When packets may go: pictures at a multiple of what the line is thought to carry, probes at theirs.

use std::time::{Duration, Instant};

use footlight_estimator::{LEAST_PACKETS, Probe};

/// How fast a packet goes, as a multiple of what the line is thought to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// Just that.
    None,
    /// A little more: a line that loses what is above its rate has no queue that a burst could wait in.
    Little,
    /// So much that a keyframe does not wait for what it would take on average, and estimates stay behind (libwebrtc's pacing
    /// factor is 2.5 as well).
    Much,
}

impl Haste {
    /// In quarters.
    fn factor(self) -> u64 {
        match self {
            Self::None => 4,
            Self::Little => 5,
            Self::Much => 10,
        }
    }
}

/// What may go at once ahead of its time: system calls and timers are no finer, and what leaves within it is one group to
/// the receiver's estimator (draft-ietf-rmcat-gcc-02 §5.2).
const BURST: Duration = Duration::from_millis(20);

/// A probe's packets are spread more evenly.
const PROBE_BURST: Duration = Duration::from_millis(2);

/// A probe that is not done so long after it could be has nothing to send.
const LONGEST_PROBE: Duration = Duration::from_millis(300);

/// Between the end of a probe and the next, so that the first is not taken for the second's congestion.
const BETWEEN_PROBES: Duration = Duration::from_millis(20);

#[derive(Debug)]
struct Running {
    probe: Probe,
    sent: u32,
    packets: u32,
    fillings: usize,
    until: Instant,
}

#[derive(Debug)]
pub(super) struct Pacer {
    /// When everything that was sent would be through.
    free_at: Instant,
    running: Option<Running>,
    probe_after: Instant,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            free_at: now,
            running: None,
            probe_after: now,
        }
    }

    fn burst(&self) -> Duration {
        if self.running.is_some() { PROBE_BURST } else { BURST }
    }

    pub(super) fn may_send(&self, now: Instant) -> bool {
        self.free_at <= now + self.burst()
    }

    /// When [`Self::may_send`] says yes.
    pub(super) fn next_at(&self) -> Instant {
        self.free_at.checked_sub(self.burst()).unwrap_or(self.free_at)
    }

    /// Counts a packet. The number of the probe that it belongs to; 0: none.
    pub(super) fn spend(&mut self, bytes: usize, estimate: u64, haste: Haste, now: Instant) -> u16 {
        let mut rate = estimate.saturating_mul(haste.factor()) / 4;
        let mut probe = 0;
        if let Some(running) = &mut self.running {
            rate = if running.probe.is_steady {
                running.probe.rate
            } else {
                rate.max(running.probe.rate)
            };
            running.sent = running.sent.saturating_add(bytes as u32);
            running.packets += 1;
            probe = running.probe.id;
            if running.sent >= running.probe.bytes && running.packets >= LEAST_PACKETS {
                self.end_probe();
                self.probe_after = now + BETWEEN_PROBES;
            }
        }
        let takes = Duration::from_micros(bytes as u64 * 8 * 1_000_000 / rate.max(1));
        self.free_at = self.free_at.max(now) + takes;
        probe
    }

    /// Whether a probe could begin.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        self.running.is_none() && self.probe_after <= now
    }

    pub(super) fn probe_after(&self) -> Instant {
        self.probe_after
    }

    pub(super) fn begin_probe(&mut self, probe: Probe, now: Instant) {
        let takes = Duration::from_micros(u64::from(probe.bytes) * 8_000_000 / probe.rate.max(1));
        self.running = Some(Running {
            probe,
            sent: 0,
            packets: 0,
            fillings: 0,
            until: now + takes + LONGEST_PROBE,
        });
    }

    pub(super) fn end_probe(&mut self) {
        self.running = None;
    }

    pub(super) fn is_probing(&self) -> bool {
        self.running.is_some()
    }

    /// Which packet is to fill the line up to a probe's rate, counted from the first of that probe; `None`: none.
    pub(super) fn filling(&mut self, now: Instant) -> Option<usize> {
        if self.running.as_ref()?.until < now {
            self.end_probe();
            return None;
        }
        let running = self.running.as_mut()?;
        running.fillings += 1;
        Some(running.fillings - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_without_haste_takes_as_long_as_the_line_is_thought_to_need_for_it() {
        let now = Instant::now();
        for (haste, millis) in [(Haste::None, 100), (Haste::Little, 80), (Haste::Much, 40)] {
            let mut pacer = Pacer::new(now);
            assert_eq!(pacer.spend(1_250, 100_000, haste, now), 0);
            assert_eq!(pacer.free_at, now + Duration::from_millis(millis));
        }
    }
}
