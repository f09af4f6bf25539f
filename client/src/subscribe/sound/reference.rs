//! What is played, for whoever has to take it out of what a microphone hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::audio::playback::BLOCK_VALUES;
use crate::clock::{MediaClock, MediaTime};

/// Blocks that wait for their reader: half a second. An echo canceller takes one every 10 ms.
const BLOCKS: usize = 50;

/// 10 ms of the mix as it goes to the loudspeaker: interleaved stereo at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceBlock {
    /// When its first sample is heard, on the subscription's clock.
    pub heard: MediaTime,
    /// Between −1 and 1.
    pub samples: [f32; BLOCK_VALUES],
}

/// Reads the mix. Blocks that find no room, because they were not read, are left out and counted.
pub struct Reference {
    blocks: HeapCons<ReferenceBlock>,
    clock: MediaClock,
    missed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference")
            .field("missed", &self.missed())
            .finish_non_exhaustive()
    }
}

impl Reference {
    /// The next block, if one was played since. Neither waits nor takes a lock.
    pub fn read(&mut self) -> Option<ReferenceBlock> {
        self.blocks.try_pop()
    }

    /// Blocks that wait to be read.
    pub fn waiting(&self) -> usize {
        self.blocks.occupied_len()
    }

    /// Whether the subscription has ended, after which nothing more comes.
    pub fn ended(&self) -> bool {
        !self.blocks.write_is_held()
    }

    /// What [`ReferenceBlock::heard`] is told by.
    pub fn clock(&self) -> MediaClock {
        self.clock
    }

    /// Blocks that were left out so far.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// The mixing thread's end.
pub(crate) struct Tap {
    blocks: HeapProd<ReferenceBlock>,
    missed: Arc<AtomicU64>,
}

impl Tap {
    pub(crate) fn write(&mut self, block: &ReferenceBlock) {
        if self.blocks.try_push(*block).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Both ends.
pub(crate) fn tap(clock: MediaClock) -> (Tap, Reference) {
    let (producer, consumer) = HeapRb::new(BLOCKS).split();
    let missed = Arc::new(AtomicU64::new(0));
    let tap = Tap {
        blocks: producer,
        missed: Arc::clone(&missed),
    };
    (
        tap,
        Reference {
            blocks: consumer,
            clock,
            missed,
        },
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reader_that_sleeps_misses_the_newest_and_knows_it() {
        let (mut tap, mut reference) = tap(MediaClock::start());
        for number in 0..BLOCKS as u64 + 3 {
            let heard = MediaTime::from_duration(Duration::from_millis(10 * number));
            tap.write(&ReferenceBlock {
                heard,
                samples: [0.0; BLOCK_VALUES],
            });
        }
        assert_eq!(reference.missed(), 3);
        assert_eq!(reference.read().map(|block| block.heard), Some(MediaTime::default()));
        assert_eq!(reference.waiting(), BLOCKS - 1);
        assert_eq!(std::iter::from_fn(|| reference.read()).count(), BLOCKS - 1);
        assert!(!reference.ended());
        drop(tap);
        assert!(reference.ended());
    }
}
