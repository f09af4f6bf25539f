//! Everything that is played here, as one signal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::reference::{Reference, ReferenceBlock};
use crate::audio::playback::BLOCK_VALUES;

/// Blocks that one subscription may be ahead of the one that sets the pace. Two of them jitter against each other by what
/// their devices take at once; more than this is a machine that was frozen.
const MOST_AHEAD: usize = 8;

/// What comes out of the loudspeaker at this end of the line: the sum of what some subscriptions play.
///
/// Clones are the same. It has one reader, which the thread that hears the microphone is.
#[derive(Clone, Default)]
pub struct FarEnd(Arc<Mutex<Vec<Reference>>>);

impl std::fmt::Debug for FarEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FarEnd").field(&self.lock().len()).finish()
    }
}

/// 10 ms of it.
#[derive(Debug, Clone, Copy)]
pub struct FarEndBlock {
    /// When its first sample is heard.
    pub heard: Instant,
    /// Interleaved stereo at 48 kHz.
    pub samples: [f32; BLOCK_VALUES],
}

impl FarEnd {
    /// Adds what one more subscription plays, for as long as that lasts.
    pub fn add(&self, reference: Reference) {
        let mut references = self.lock();
        // Where nobody reads, nobody else takes out those that have ended.
        references.retain(|known| !known.ended());
        references.push(reference);
    }

    /// Forgets what was played so far.
    pub fn skip(&self) {
        for reference in self.lock().iter_mut() {
            while reference.read().is_some() {}
        }
    }

    /// Hands over what was played since the last time.
    ///
    /// The first subscription sets the pace: an echo canceller takes the number of blocks for the time.
    pub fn drain(&self, mut take: impl FnMut(&FarEndBlock)) {
        let mut references = self.lock();
        references.retain(|reference| !reference.ended() || reference.waiting() > 0);
        // One that stands still, because its thread does, gives way.
        if let Some(playing) = references.iter().position(|reference| reference.waiting() > 0)
            && references.iter().any(|reference| reference.waiting() > MOST_AHEAD)
        {
            references.swap(0, playing);
        }
        let Some((first, others)) = references.split_first_mut() else {
            return;
        };
        while let Some(ReferenceBlock { heard, samples }) = first.read() {
            let mut block = FarEndBlock {
                heard: first.clock().instant(heard),
                samples,
            };
            for other in others.iter_mut() {
                while other.waiting() > MOST_AHEAD {
                    other.read();
                }
                if let Some(more) = other.read() {
                    let sums = block.samples.iter_mut();
                    sums.zip(more.samples).for_each(|(sum, value)| *sum += value);
                }
            }
            take(&block);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reference>> {
        // A list of readers is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
// What is expected is exact.
#[allow(clippy::float_cmp)]
mod tests {
    use std::time::Duration;

    use super::super::reference::{Tap, tap};
    use super::*;
    use crate::clock::{MediaClock, MediaTime};

    fn play(tap: &mut Tap, blocks: u64, level: f32) {
        for number in 0..blocks {
            tap.write(&ReferenceBlock {
                heard: MediaTime::from_duration(Duration::from_millis(10 * number)),
                samples: [level; BLOCK_VALUES],
            });
        }
    }

    fn levels(far_end: &FarEnd) -> Vec<f32> {
        let mut levels = Vec::new();
        far_end.drain(|block| levels.push(block.samples[0]));
        levels
    }

    #[test]
    fn subscriptions_add_up_at_the_pace_of_the_first() {
        let far_end = FarEnd::default();
        far_end.drain(|_| panic!("nobody plays"));
        let (mut first, reference) = tap(MediaClock::start());
        far_end.add(reference);
        let (mut second, reference) = tap(MediaClock::start());
        far_end.add(reference);
        play(&mut first, 2, 0.5);
        play(&mut second, 3, 0.25);
        assert_eq!(levels(&far_end), [0.75, 0.75]);
        play(&mut first, 2, 0.5);
        assert_eq!(
            levels(&far_end),
            [0.75, 0.5],
            "what was early is in time with the next block"
        );
        drop(second);
        play(&mut first, 1, 0.5);
        assert_eq!(levels(&far_end), [0.5]);
        drop(first);
        far_end.drain(|_| panic!("both have ended"));
        assert_eq!(format!("{far_end:?}"), "FarEnd(0)");
    }

    #[test]
    fn one_that_stands_still_gives_way() {
        let far_end = FarEnd::default();
        let (_frozen, reference) = tap(MediaClock::start());
        far_end.add(reference);
        let (mut second, reference) = tap(MediaClock::start());
        far_end.add(reference);
        play(&mut second, 2, 0.25);
        assert_eq!(levels(&far_end), [0.0; 0], "it may be a moment late");
        play(&mut second, 10, 0.25);
        assert_eq!(levels(&far_end).len(), 12);
        play(&mut second, 1, 0.25);
        assert_eq!(levels(&far_end), [0.25]);
    }

    #[test]
    fn what_was_played_before_anybody_listened_is_forgotten() {
        let far_end = FarEnd::default();
        let (mut tap, reference) = tap(MediaClock::start());
        far_end.add(reference);
        play(&mut tap, 30, 0.5);
        far_end.skip();
        far_end.drain(|_| panic!("it was forgotten"));
        play(&mut tap, 1, 0.5);
        assert_eq!(levels(&far_end), [0.5]);
    }
}
