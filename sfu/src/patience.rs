//! How long a viewer waits for a keyframe of a layer, by how often they come.
//!
//! Most publishers send one when asked. Those that do not, such as encoders behind an RTMP bridge, send one every few seconds
//! by themselves, and whoever starts before it sees rubbish until then.

use std::time::{Duration, Instant};

/// The least, and all where keyframes were never recognised: four times the interval at which they are asked for. Detection reads the
/// payload; should a publisher's packing defeat it, a viewer must not stay dark for ever.
pub(crate) const LEAST: Duration = Duration::from_secs(2);

/// The most: some encoders refresh their pictures bit by bit, and never send a keyframe after the first.
const MOST: Duration = Duration::from_secs(15);

/// Of the longest interval, what is waited: the next may be longer.
const MARGIN: (u32, u32) = (3, 2);

/// Intervals that are remembered. Where a scene changes, several short ones come in a row.
const REMEMBERED: usize = 8;

/// The keyframes of a layer.
#[derive(Debug, Default)]
pub(crate) struct Keyframes {
    /// The frame that is the newest of them, and when it came.
    newest: Option<(u32, Instant)>,
    intervals: [Duration; REMEMBERED],
    next: usize,
}

impl Keyframes {
    /// A packet of the frame `timestamp` says that it is a keyframe.
    pub(crate) fn observe(&mut self, timestamp: u32, now: Instant) {
        match &mut self.newest {
            // It may say so in each of its packets.
            Some((frame, _)) if *frame == timestamp => return,
            Some((_, at)) => {
                self.intervals[self.next] = now.saturating_duration_since(*at);
                self.next = (self.next + 1) % REMEMBERED;
            }
            None => {}
        }
        self.newest = Some((timestamp, now));
    }

    /// How long to wait for the next one.
    pub(crate) fn patience(&self, now: Instant) -> Duration {
        let Some((_, at)) = self.newest else { return LEAST };
        // The interval that is not over yet is one as well.
        let running = now.saturating_duration_since(at).min(MOST);
        let longest = self.intervals.iter().copied().fold(running, Duration::max).min(MOST);
        let (times, of) = MARGIN;
        (longest * times / of).clamp(LEAST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Keyframes at these seconds.
    fn seen(start: Instant, at: &[u64]) -> Keyframes {
        let mut keyframes = Keyframes::default();
        for second in at {
            keyframes.observe(*second as u32, start + seconds(*second));
            keyframes.observe(*second as u32, start + seconds(*second));
        }
        keyframes
    }

    #[test]
    fn it_is_half_as_long_again_as_the_longest_interval() {
        let start = Instant::now();
        let patience = |at: &[u64], now| seen(start, at).patience(start + seconds(now));
        assert_eq!(patience(&[0, 8, 16], 17), seconds(12));
        assert_eq!(patience(&[0, 8, 9, 10, 11], 11), seconds(12));
        assert_eq!(patience(&[0, 1, 2], 2), LEAST);
        assert_eq!(patience(&[0, 60], 61), MOST);
        assert_eq!(patience(&[0], 6), seconds(9), "the one that runs");
        assert_eq!(patience(&[0], 3_000_000_000), MOST);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let start = Instant::now();
        let at: Vec<_> = std::iter::once(0).chain(10..=18).collect();
        assert_eq!(seen(start, &at).patience(start + seconds(18)), LEAST);
    }

    #[test]
    fn it_is_the_least_where_none_was_ever_recognised() {
        assert_eq!(Keyframes::default().patience(Instant::now()), LEAST);
    }
}
