//! Whether a microphone carries speech, from the audio levels that its publisher writes into the packets (RFC 6464).
//!
//! The flag for voice activity of the same extension is not used: not every publisher sets it, and some always do.

use std::time::{Duration, Instant};

/// Quietest speech, in dBov. Somebody who talks at arm's length from a laptop arrives at −20 to −40; the hiss of a
/// headset and the gain of a quiet room stay below −50.
const QUIETEST: f32 = -50.0;

/// How far speech stands above the noise of its room, in decibels: what one needs to be understood.
const ABOVE_NOISE: f32 = 10.0;

/// Loudest noise that is told from speech by its level, in dBov. Above it a sound that never ends (music, a test tone)
/// counts as speech, else it would fade from the stage while everybody hears it.
const LOUDEST_NOISE: f32 = -45.0;

/// Nothing is below it (RFC 6464 §3).
const SILENCE: f32 = -127.0;

/// Once somebody speaks, the level may fall this far below what it took to begin, in decibels: the ends of words are
/// quieter than their beginnings.
const HYSTERESIS: f32 = 6.0;

/// Time constant of the level that is compared: longer than a packet, shorter than a syllable.
const LEVEL_TIME: Duration = Duration::from_millis(50);

/// Time constant of the loudness that is told: some words.
const LOUDNESS_TIME: Duration = Duration::from_millis(500);

/// Time constant of the noise on its way down. It follows the pauses between words.
const NOISE_FALL_TIME: Duration = Duration::from_millis(200);

/// How fast the noise is believed to rise, in decibels per second: a minute of talk without a pause moves the threshold
/// by less than speech stands above it.
const NOISE_RISE: f32 = 0.1;

/// Speech that makes a speaker, pauses subtracted. A cough or a keystroke is shorter.
const SPEAKS_AFTER: Duration = Duration::from_millis(200);

/// Pause that makes a speaker silent. Those between words are shorter.
const SILENT_AFTER: Duration = Duration::from_millis(600);

/// What one packet can count for: more than the sound in it, which is 10 to 60 ms, would make one packet after a pause
/// speech.
const LONGEST_STEP: Duration = Duration::from_millis(60);

/// A change of loudness that is worth telling, in decibels: heard as about half as loud again.
const NEWS: i8 = 6;

/// The ear for one microphone, and what was last told about it.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    heard: Option<Heard>,
    /// How loud it was said to be, while it is said to speak.
    pub(crate) told: Option<i8>,
    /// Whether it is among those that are looked at again by a timer.
    pub(crate) is_watched: bool,
}

#[derive(Debug)]
struct Heard {
    at: Instant,
    level: f32,
    loudness: f32,
    noise: f32,
    /// Speech so far, until it is enough.
    voiced: Duration,
    /// Last time that it was loud enough, while it is speech.
    speaking: Option<Instant>,
}

/// How far a value with the time constant `constant` moves in `step`.
fn share(step: Duration, constant: Duration) -> f32 {
    1.0 - (-step.as_secs_f32() / constant.as_secs_f32()).exp()
}

impl Speech {
    /// Takes in the `level` of a packet in dBov, −127 to 0.
    pub(crate) fn hear(&mut self, level: i8, now: Instant) {
        let level = f32::from(level).clamp(SILENCE, 0.0);
        let heard = self.heard.get_or_insert(Heard {
            at: now,
            level: SILENCE,
            loudness: level,
            noise: level.min(QUIETEST - ABOVE_NOISE),
            voiced: Duration::ZERO,
            speaking: None,
        });
        let step = now.saturating_duration_since(heard.at).min(LONGEST_STEP);
        heard.at = now;
        heard.level += (level - heard.level) * share(step, LEVEL_TIME);
        if level < heard.noise {
            heard.noise += (level - heard.noise) * share(step, NOISE_FALL_TIME);
        } else {
            heard.noise = (heard.noise + NOISE_RISE * step.as_secs_f32()).min(LOUDEST_NOISE);
        }
        let begins_at = QUIETEST.max(heard.noise + ABOVE_NOISE);
        let ends_at = begins_at - HYSTERESIS;
        if heard.speaking.is_some() {
            if heard.level >= ends_at {
                heard.speaking = Some(now);
                heard.loudness += (level - heard.loudness) * share(step, LOUDNESS_TIME);
            }
        } else if heard.level >= begins_at {
            heard.voiced += step;
            if heard.voiced >= SPEAKS_AFTER {
                heard.speaking = Some(now);
                heard.loudness = heard.level;
            }
        } else {
            heard.voiced = heard.voiced.saturating_sub(step);
        }
        self.pass(now);
    }

    /// Moves time to `now`: packets that do not come end speech too.
    pub(crate) fn pass(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|at| at <= now)
            && let Some(heard) = &mut self.heard
        {
            heard.speaking = None;
            heard.voiced = Duration::ZERO;
        }
    }

    /// Forgets what was heard, as one who is muted is not listened to.
    pub(crate) fn reset(&mut self) {
        self.heard = None;
    }

    /// When it is silent unless more is heard, while it speaks.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        Some(self.heard.as_ref()?.speaking? + SILENT_AFTER)
    }

    /// How loud it speaks, in dBov; `None` while it does not.
    pub(crate) fn loudness(&self) -> Option<i8> {
        let heard = self.heard.as_ref()?;
        heard.speaking?;
        Some(heard.loudness.round() as i8)
    }

    /// Whether it is otherwise than was told.
    pub(crate) fn has_news(&self) -> bool {
        match (self.loudness(), self.told) {
            (Some(now), Some(told)) => now.abs_diff(told) >= NEWS.unsigned_abs(),
            (now, told) => now.is_some() != told.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKET: Duration = Duration::from_millis(20);

    /// Hears `level` for `time` from `now` on; when it began and when it ended to speak, in milliseconds.
    fn hear(speech: &mut Speech, now: &mut Instant, level: i8, time: Duration) -> (Option<u128>, Option<u128>) {
        let start = *now;
        let (mut began, mut ended) = (None, None);
        while *now < start + time {
            *now += PACKET;
            let was = speech.loudness().is_some();
            speech.hear(level, *now);
            let passed = (*now - start).as_millis();
            match (was, speech.loudness().is_some()) {
                (false, true) => began = began.or(Some(passed)),
                (true, false) => ended = ended.or(Some(passed)),
                _ => {}
            }
        }
        (began, ended)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn speech_is_noticed_after_some_time_and_its_end_after_a_longer_one() {
        let (mut speech, mut now) = (Speech::default(), Instant::now());
        assert_eq!(hear(&mut speech, &mut now, -80, SECOND), (None, None));
        let (began, _) = hear(&mut speech, &mut now, -30, SECOND);
        assert!(began.is_some_and(|after| (200..=320).contains(&after)), "{began:?}");
        assert!(speech.loudness().is_some_and(|level| (-36..=-29).contains(&level)));
        let (_, ended) = hear(&mut speech, &mut now, -80, SECOND);
        assert!(ended.is_some_and(|after| (600..=720).contains(&after)), "{ended:?}");
    }

    #[test]
    fn a_cough_is_no_speech_and_a_pause_between_words_no_end() {
        let (mut speech, mut now) = (Speech::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(hear(&mut speech, &mut now, -20, 2 * PACKET * 2), (None, None));
            assert_eq!(hear(&mut speech, &mut now, -80, 10 * PACKET), (None, None));
        }
        hear(&mut speech, &mut now, -30, SECOND);
        for _ in 0..10 {
            assert_eq!(hear(&mut speech, &mut now, -80, 20 * PACKET), (None, None));
            assert_eq!(hear(&mut speech, &mut now, -30, 10 * PACKET), (None, None));
        }
    }

    #[test]
    fn a_level_at_the_threshold_does_not_flutter() {
        let (mut speech, mut now) = (Speech::default(), Instant::now());
        hear(&mut speech, &mut now, -80, SECOND);
        hear(&mut speech, &mut now, -45, SECOND);
        for step in 0..300 {
            // Longer below the threshold than the pause that would end speech.
            let level = if step % 60 < 20 { -48 } else { -54 };
            assert_eq!(hear(&mut speech, &mut now, level, PACKET), (None, None), "step {step}");
        }
    }

    #[test]
    fn the_noise_of_a_room_is_learned_and_a_lasting_tone_stays() {
        let (mut speech, mut now) = (Speech::default(), Instant::now());
        // A fan at −47 counts at first.
        hear(&mut speech, &mut now, -47, 300 * SECOND);
        assert_eq!(speech.loudness(), None);
        assert!(
            hear(&mut speech, &mut now, -30, SECOND).0.is_some(),
            "speech above it counts"
        );
        hear(&mut speech, &mut now, -25, 600 * SECOND);
        assert!(speech.loudness().is_some());
    }

    #[test]
    fn packets_that_stop_end_speech() {
        let (mut speech, mut now) = (Speech::default(), Instant::now());
        hear(&mut speech, &mut now, -30, SECOND);
        let end = speech.silent_at().expect("it speaks");
        speech.pass(now + Duration::from_millis(1));
        assert!(speech.loudness().is_some());
        speech.pass(end);
        assert!(speech.loudness().is_none() && speech.silent_at().is_none());
    }

    proptest! {
        #[test]
        fn no_level_and_no_time_breaks_it(
            packets in proptest::collection::vec((any::<i8>(), 0_u64..100_000), 0..100)
        ) {
            let (mut speech, mut now) = (Speech::default(), Instant::now());
            for (level, pause) in packets {
                now += Duration::from_millis(pause);
                speech.hear(level, now);
                prop_assert!(speech.loudness().is_none_or(|level| (-127..=0).contains(&level)));
            }
        }
    }
}
