//! The rate at which the sender really sends, and whether it is application-limited.

/// Length of a slot in microseconds.
const SLOT_US: i64 = 100_000;
/// Slots in the window of one second: long enough for the mean of frames, short enough to follow a change of layer.
const SLOTS: i64 = 10;
/// Newest slots in which a burst is looked for.
const BURST_SLOTS: i64 = 2;
/// A sender below this share of the estimate is application-limited (libwebrtc's `AlrDetector` starts at 0.80).
const LIMITED: f64 = 0.8;

/// Bytes sent over the last second.
#[derive(Debug, Default)]
pub(super) struct SendRate {
    slots: [u64; SLOTS as usize],
    index: i64,
    first: Option<i64>,
}

impl SendRate {
    /// Drops what is older than the window; `now` in microseconds.
    fn advance(&mut self, now: i64) {
        let index = now.div_euclid(SLOT_US);
        let steps = (index - self.index).clamp(0, SLOTS);
        for step in 1..=steps {
            self.slots[(index - steps + step).rem_euclid(SLOTS) as usize] = 0;
        }
        self.index = self.index.max(index);
    }

    /// Counts sent bytes.
    pub(crate) fn on_sent(&mut self, bytes: u32, now: i64) {
        self.advance(now);
        self.first.get_or_insert(now);
        let slot = &mut self.slots[self.index.rem_euclid(SLOTS) as usize];
        *slot = slot.saturating_add(u64::from(bytes));
    }

    /// The mean rate in bit/s.
    pub(crate) fn rate(&mut self, now: i64) -> f64 {
        self.advance(now);
        let window = SLOTS * SLOT_US;
        let elapsed = now - self.first.unwrap_or(now);
        let full = (SLOTS - 1) * SLOT_US + now.rem_euclid(SLOT_US);
        let time = elapsed.min(full).clamp(window / 4, window);
        let bytes: u64 = self.slots.iter().fold(0, |sum, slot| sum.saturating_add(*slot));
        bytes as f64 * 8e6 / time as f64
    }

    /// Whether a burst, as of a keyframe, has just been sent, that a probe would only lengthen.
    pub(crate) fn is_bursting(&mut self, estimate: f64, now: i64) -> bool {
        self.advance(now);
        let slots = (0..BURST_SLOTS).map(|back| (self.index - back).rem_euclid(SLOTS) as usize);
        let bytes = slots.fold(0_u64, |sum, slot| sum.saturating_add(self.slots[slot]));
        bytes as f64 * 8e6 > estimate * (BURST_SLOTS * SLOT_US) as f64
    }

    /// Whether the application, not the estimate, sets the rate.
    pub(crate) fn is_limited(&mut self, estimate: f64, now: i64) -> bool {
        self.rate(now) < LIMITED * estimate
    }
}
