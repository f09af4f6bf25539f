//! When a packet was captured, on the server's clock.
//!
//! A viewer lines up sound and picture by the sender reports of both (RFC 3550 §6.4.1): each maps the timestamps of one
//! stream to one wall clock. The server sends reports of its own for every slot, so it must know the capture time of
//! what it forwards; the arrival time would add to each stream its own delay on the way here, and lips would no longer
//! match.
//!
//! The publisher's reports map its timestamps to *its* wall clock. One offset per publisher, the same for all its
//! streams, moves that clock to ours. The offset may be wrong by the time a report travels, which shifts sound and
//! picture alike.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far the offset moves per report towards what that report says: enough for clocks that drift by 1 in 1000 at one
/// report a second, too little to be seen when a single report was delayed.
const SLEW_PER_REPORT: i64 = 1_000_000;

/// A difference beyond this is a clock that was set, not one that drifts.
const STEP_BEYOND: i64 = 1_000_000_000;

/// Oldest capture time that is believed. Nothing live is older; a publisher whose reports say otherwise is wrong.
const OLDEST_CAPTURE: Duration = Duration::from_secs(10);

/// Nanoseconds since 1970 on the publisher's wall clock. Signed: differences matter, not the origin.
pub(crate) type PublisherTime = i64;

/// Reads the wall clock of a sender report. `None` where it lies outside what 64 bits of nanoseconds hold.
pub(crate) fn publisher_time(wall: SystemTime) -> Option<PublisherTime> {
    let since = wall.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// Moves one publisher's wall clock to ours.
#[derive(Debug, Default)]
pub(crate) struct PublisherClock {
    anchor: Option<(PublisherTime, Instant)>,
}

impl PublisherClock {
    /// Takes in a sender report that says `theirs` and came in at `arrival`.
    pub(crate) fn observe(&mut self, theirs: PublisherTime, arrival: Instant) {
        let Some((anchor_theirs, anchor_ours)) = self.anchor else {
            self.anchor = Some((theirs, arrival));
            return;
        };
        let theirs_passed = theirs.saturating_sub(anchor_theirs);
        let ours_passed = i64::try_from(arrival.saturating_duration_since(anchor_ours).as_nanos()).unwrap_or(i64::MAX);
        let drift = theirs_passed.saturating_sub(ours_passed);
        self.anchor = Some(if drift.saturating_abs() > STEP_BEYOND {
            (theirs, arrival)
        } else {
            let corrected = anchor_theirs.saturating_add(drift.clamp(-SLEW_PER_REPORT, SLEW_PER_REPORT));
            (corrected, anchor_ours)
        });
    }

    /// `theirs` on our clock, never later than `now`: a report that claims the future would be refused by the engine.
    ///
    /// What is here was captured before now, so a time that comes out later shows that the offset is too large: the
    /// report that it was taken from was slow. It is put right for all streams of the publisher, else the one with the
    /// least delay would be out of step.
    fn ours(&mut self, theirs: PublisherTime, now: Instant) -> Option<Instant> {
        let (anchor_theirs, anchor_ours) = self.anchor?;
        let ours = offset(anchor_ours, theirs.saturating_sub(anchor_theirs))?;
        let early = i64::try_from(ours.saturating_duration_since(now).as_nanos()).unwrap_or(i64::MAX);
        if early > 0 && early <= STEP_BEYOND {
            self.anchor = Some((anchor_theirs.saturating_add(early), anchor_ours));
        }
        let oldest = now.checked_sub(OLDEST_CAPTURE).unwrap_or(ours);
        Some(ours.clamp(oldest.min(now), now))
    }
}

fn offset(from: Instant, nanos: i64) -> Option<Instant> {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos >= 0 {
        from.checked_add(distance)
    } else {
        from.checked_sub(distance)
    }
}

/// The newest sender report of one stream.
#[derive(Debug, Default)]
pub(crate) struct StreamClock {
    report: Option<(u32, PublisherTime)>,
}

impl StreamClock {
    /// Takes in a report: RTP `timestamp` and publisher's time of the same instant. Whether it is a new one.
    pub(crate) fn report(&mut self, timestamp: u32, theirs: PublisherTime) -> bool {
        let report = Some((timestamp, theirs));
        let is_new = self.report != report;
        self.report = report;
        is_new
    }

    /// Forgets the report, which says nothing about a new numbering of the stream.
    pub(crate) fn reset(&mut self) {
        self.report = None;
    }

    /// When the packet with `timestamp` was captured, on our clock; its arrival `now` where no report has come yet.
    /// `clock_rate` is in hertz.
    pub(crate) fn capture_time(
        &self,
        publisher: &mut PublisherClock,
        timestamp: u32,
        clock_rate: u32,
        now: Instant,
    ) -> Instant {
        let Some((reported, theirs)) = self.report else {
            return now;
        };
        let ticks = i64::from(timestamp.wrapping_sub(reported) as i32);
        let nanos = ticks * 1_000_000_000 / i64::from(clock_rate.max(1));
        publisher.ours(theirs.saturating_add(nanos), now).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: PublisherTime = 1_000_000_000;
    const AUDIO: u32 = 48_000;
    const VIDEO: u32 = 90_000;

    #[test]
    fn sound_and_picture_of_one_moment_get_one_time_whatever_their_delay() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut publisher = PublisherClock::default();
        let (mut audio, mut video) = (StreamClock::default(), StreamClock::default());
        // At 5000 s on the publisher's clock audio stands at 1000 and video at 77; the reports take 20 and 90 ms.
        assert!(audio.report(1_000, 5_000 * SECOND));
        publisher.observe(5_000 * SECOND, start + Duration::from_millis(20));
        assert!(video.report(77, 5_000 * SECOND));
        publisher.observe(5_000 * SECOND, start + Duration::from_millis(90));

        // Both captured 1 s later; sound comes after 30 ms, the picture after 400 ms.
        let heard = audio.capture_time(
            &mut publisher,
            1_000 + AUDIO,
            AUDIO,
            start + Duration::from_millis(1_030),
        );
        let seen = video.capture_time(&mut publisher, 77 + VIDEO, VIDEO, start + Duration::from_millis(1_400));
        let difference = seen.max(heard) - seen.min(heard);
        assert!(difference <= Duration::from_millis(2), "{difference:?}");
    }

    #[test]
    fn a_slow_first_report_puts_no_stream_out_of_step() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut publisher = PublisherClock::default();
        let (mut audio, mut video) = (StreamClock::default(), StreamClock::default());
        audio.report(0, 0);
        video.report(0, 0);
        publisher.observe(0, start + Duration::from_millis(80));
        // Sound comes at once, the picture after 200 ms.
        let second = start + Duration::from_secs(1);
        let heard = audio.capture_time(&mut publisher, AUDIO, AUDIO, second);
        let seen = video.capture_time(&mut publisher, VIDEO, VIDEO, second + Duration::from_millis(200));
        assert_eq!(heard, seen);
    }

    #[test]
    fn before_the_first_report_it_is_the_arrival() {
        let now = Instant::now();
        let clock = StreamClock::default();
        assert_eq!(clock.capture_time(&mut PublisherClock::default(), 1, VIDEO, now), now);
    }

    #[test]
    fn timestamps_wrap() {
        let base = Instant::now() + Duration::from_secs(100);
        let start = base + Duration::from_secs(1);
        let mut publisher = PublisherClock::default();
        let mut stream = StreamClock::default();
        stream.report(u32::MAX - 44_999, SECOND);
        publisher.observe(SECOND, start);
        let now = start + Duration::from_secs(2);
        assert_eq!(
            stream.capture_time(&mut publisher, 45_000, VIDEO, now),
            start + Duration::from_secs(1)
        );
        assert_eq!(
            stream.capture_time(&mut publisher, u32::MAX - 89_999, VIDEO, now),
            base + Duration::from_millis(500)
        );
    }

    #[test]
    fn a_drifting_clock_is_followed_slowly_and_a_set_clock_at_once() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut publisher = PublisherClock::default();
        publisher.observe(0, start);
        // 100 parts per million fast for 100 s: 10 ms. Uncorrected it would be in the future by then.
        for second in 1..=100_i64 {
            publisher.observe(
                second * (SECOND + SECOND / 10_000),
                start + Duration::from_secs(second as u64),
            );
        }
        let now = start + Duration::from_secs(101);
        let ours = publisher.ours(100 * (SECOND + SECOND / 10_000), now).expect("anchored");
        let error = ours.max(start + Duration::from_secs(100)) - ours.min(start + Duration::from_secs(100));
        assert!(error <= Duration::from_millis(1), "{error:?}");

        publisher.observe(1_000_000 * SECOND, now);
        assert_eq!(publisher.ours(1_000_000 * SECOND, now), Some(now));
    }

    #[test]
    fn absurd_reports_stay_within_bounds() {
        let now = Instant::now() + Duration::from_secs(100);
        let mut publisher = PublisherClock::default();
        for theirs in [i64::MIN, 0, i64::MAX, 1, i64::MAX - 1, i64::MIN + 1] {
            publisher.observe(theirs, now);
            for asked in [i64::MIN, -1, 0, i64::MAX] {
                if let Some(ours) = publisher.ours(asked, now) {
                    assert!(ours <= now && now.duration_since(ours) <= OLDEST_CAPTURE);
                }
            }
        }
    }
}
