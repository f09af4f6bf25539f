//! Lip sync: what belongs together is heard and seen together (RFC 3550 §6.4.1).
//!
//! The server's sender reports put the timestamps of all slots on one clock, the server's. For each slot there is then one
//! figure, its *offset*: our time at which something is heard or seen, less the server's time at which it was captured.
//! Sound and picture match where their offsets are equal. The picture follows the sound's; and where pictures take longer
//! than the sound would wait, the sound is told to wait for them.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::subscribe::micros::{MILLISECOND, Micros, SECOND, from_ntp, from_ticks};

/// No picture waits longer for its sound, and no sound for its picture: beyond that the reports are wrong, or the two do
/// not belong together, and being late is worse.
const MOST_WAIT: Micros = 500 * MILLISECOND;

/// A figure that is older says nothing any more: the slot is silent or dark.
const FRESH: Micros = 2 * SECOND;

/// From timestamps of one slot to the server's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReportClock {
    /// What to add to media time.
    shift: Option<Micros>,
}

impl ReportClock {
    /// Takes in a sender report: NTP time and extended timestamp of one moment, of an RTP clock of `rate` hertz.
    pub(crate) fn report(&mut self, ntp: u64, timestamp: i64, rate: u32) {
        self.shift = Some(from_ntp(ntp) - from_ticks(timestamp, rate));
    }

    /// The server's time at which that was captured which has the media time `media`.
    pub(crate) fn captured(&self, media: Micros) -> Option<Micros> {
        self.shift.map(|shift| media + shift)
    }
}

/// A figure that another thread reads, with the time of writing.
#[derive(Debug)]
struct Figure {
    value: AtomicI64,
    at: AtomicI64,
}

impl Default for Figure {
    fn default() -> Self {
        Self {
            value: AtomicI64::new(0),
            at: AtomicI64::new(Micros::MIN / 2),
        }
    }
}

impl Figure {
    fn set(&self, value: Micros, now: Micros) {
        self.value.store(value, Ordering::Release);
        self.at.store(now, Ordering::Release);
    }

    fn get(&self, now: Micros) -> Option<Micros> {
        let at = self.at.load(Ordering::Acquire);
        (now - at <= FRESH).then(|| self.value.load(Ordering::Acquire))
    }
}

/// A sound slot and a picture slot of one person, as their threads tell each other how they are doing.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    /// At which sound is heard.
    sound: Figure,
    /// At which pictures could be shown.
    picture: Figure,
}

impl Pair {
    /// The sound of now is heard at `offset`.
    pub(crate) fn sound_plays(&self, offset: Micros, now: Micros) {
        self.sound.set(offset, now);
    }

    /// Pictures are ready at `offset`. The one at which to show them.
    pub(crate) fn picture_ready(&self, offset: Micros, now: Micros) -> Micros {
        self.picture.set(offset, now);
        let wait = self.sound.get(now).map_or(0, |sound| sound - offset);
        // Pictures that come after their sound are shown at once, and the sound learns that it should wait.
        offset + if wait > MOST_WAIT { 0 } else { wait.max(0) }
    }

    /// How much longer than it needs the sound should wait, when by itself it would be heard at `offset`.
    pub(crate) fn sound_waits(&self, offset: Micros, now: Micros) -> Micros {
        let wait = self.picture.get(now).map_or(0, |picture| picture - offset);
        if wait > MOST_WAIT { 0 } else { wait.max(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 100 * SECOND;

    #[test]
    fn reports_put_both_kinds_on_one_clock() {
        // Example: at 1000 s of the server's clock audio stands at 48,000 and video at 7.
        let (mut audio, mut video) = (ReportClock::default(), ReportClock::default());
        assert_eq!(audio.captured(0), None);
        audio.report(1_000 << 32, 48_000, 48_000);
        video.report(1_000 << 32, 7, 90_000);
        let heard = audio.captured(from_ticks(72_000, 48_000));
        let seen = video.captured(from_ticks(7 + 45_000, 90_000));
        assert_eq!(heard, Some(1_000 * SECOND + 500 * MILLISECOND));
        assert!(seen.zip(heard).is_some_and(|(seen, heard)| (seen - heard).abs() <= 1));
    }

    #[test]
    fn pictures_wait_for_the_sound() {
        let pair = Pair::default();
        pair.sound_plays(90 * MILLISECOND, NOW);
        assert_eq!(pair.picture_ready(30 * MILLISECOND, NOW), 90 * MILLISECOND);
        assert_eq!(pair.sound_waits(80 * MILLISECOND, NOW), 0);
    }

    #[test]
    fn sound_waits_for_pictures_that_take_longer() {
        let pair = Pair::default();
        pair.sound_plays(60 * MILLISECOND, NOW);
        assert_eq!(pair.picture_ready(200 * MILLISECOND, NOW), 200 * MILLISECOND);
        assert_eq!(pair.sound_waits(60 * MILLISECOND, NOW), 140 * MILLISECOND);
        // When it does, both are at one offset.
        pair.sound_plays(200 * MILLISECOND, NOW);
        assert_eq!(pair.picture_ready(190 * MILLISECOND, NOW), 200 * MILLISECOND);
    }

    #[test]
    fn nobody_waits_for_what_is_absurd_or_gone() {
        let pair = Pair::default();
        pair.sound_plays(10 * SECOND, NOW);
        assert_eq!(pair.picture_ready(30 * MILLISECOND, NOW), 30 * MILLISECOND);
        pair.picture_ready(10 * SECOND, NOW);
        assert_eq!(pair.sound_waits(30 * MILLISECOND, NOW), 0);

        pair.sound_plays(100 * MILLISECOND, NOW);
        let later = NOW + FRESH + 1;
        assert_eq!(
            pair.picture_ready(30 * MILLISECOND, later),
            30 * MILLISECOND,
            "muted meanwhile"
        );
    }
}
