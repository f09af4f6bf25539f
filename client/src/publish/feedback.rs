//! What the server's RTCP says about the connection, as plain figures.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use footlight_protocol::TrackSource;
use rtc::rtcp::reception_report::ReceptionReport;
use tokio::sync::watch;

/// Share of the newest report in the smoothed loss: about the last four reports count.
const LOSS_WEIGHT: f32 = 0.25;

/// Figures of one connection, written by the packet path and read once a second.
pub(crate) struct Feedback {
    figures: Mutex<Figures>,
    limit: watch::Sender<f64>,
    on_keyframe_wanted: Box<dyn Fn(TrackSource, usize) + Send + Sync>,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    last_heard: Instant,
    loss: f32,
    round_trip: Option<Duration>,
}

impl Feedback {
    /// `on_keyframe_wanted` is called for each PLI and FIR (RFC 4585 §6.3.1, RFC 5104 §4.3.1) with the source and the simulcast layer
    /// that it is about, from the packet path.
    pub(crate) fn new(on_keyframe_wanted: impl Fn(TrackSource, usize) + Send + Sync + 'static) -> Self {
        Self {
            figures: Mutex::new(Figures {
                last_heard: Instant::now(),
                loss: 0.0,
                round_trip: None,
            }),
            limit: watch::Sender::new(f64::INFINITY),
            on_keyframe_wanted: Box::new(on_keyframe_wanted),
        }
    }

    pub(crate) fn heard(&self) {
        self.update(|figures| figures.last_heard = Instant::now());
    }

    pub(crate) fn keyframe_wanted(&self, source: TrackSource, layer: usize) {
        (self.on_keyframe_wanted)(source, layer);
    }

    /// The server says that more than this, in bits per second, is of use to nobody (REMB, draft-alvestrand-rmcat-remb-03).
    pub(crate) fn limited(&self, bits_per_second: f32) {
        if bits_per_second >= 0.0 {
            self.limit.send_replace(f64::from(bits_per_second));
        }
    }

    /// What is of use to somebody, in bits per second.
    pub(crate) fn limit(&self) -> watch::Receiver<f64> {
        self.limit.subscribe()
    }

    /// One report block, received when the clock that our sender reports run on showed `now` (NTP, 32.32).
    pub(crate) fn reception(&self, report: &ReceptionReport, now: u64) {
        let loss = f32::from(report.fraction_lost) / 256.0;
        let round_trip = round_trip(report, now);
        self.update(|figures| {
            figures.loss += (loss - figures.loss) * LOSS_WEIGHT;
            figures.round_trip = round_trip.or(figures.round_trip);
        });
    }

    /// Time since anything came back.
    pub(crate) fn silence(&self) -> Duration {
        self.read().last_heard.elapsed()
    }

    /// Share of packets lost on the way to the server, smoothed, 0 to 1.
    pub(crate) fn loss(&self) -> f32 {
        self.read().loss
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.read().round_trip
    }

    fn update(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.figures.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn read(&self) -> Figures {
        *self.figures.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// RFC 3550 §6.4.1: now − LSR − DLSR, in units of 1/65536 s. `None` where no sender report of ours had arrived, or the
/// figures contradict each other.
fn round_trip(report: &ReceptionReport, now: u64) -> Option<Duration> {
    if report.last_sender_report == 0 {
        return None;
    }
    let middle = (now >> 16) as u32;
    let units = middle
        .wrapping_sub(report.last_sender_report)
        .wrapping_sub(report.delay) as i32;
    // Rounding on both sides can make a round trip over loopback come out just below zero.
    let seconds = f64::from(units.max(0)) / 65536.0;
    (units > -65536).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(last_sender_report: u32, delay: u32, fraction_lost: u8) -> ReceptionReport {
        ReceptionReport {
            last_sender_report,
            delay,
            fraction_lost,
            ..Default::default()
        }
    }

    #[test]
    fn the_round_trip_is_computed_as_in_the_example_of_rfc_3550() {
        // §6.4.1, figure 2: A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000, round trip = 0x0006:2000.
        let trip = round_trip(&report(0xb705_2000, 0x0005_4000, 0), 0xb710_8000 << 16).expect("a round trip");
        assert_eq!(trip, Duration::from_millis(6125));
    }

    #[test]
    fn a_report_that_contradicts_itself_gives_no_round_trip() {
        assert_eq!(round_trip(&report(0, 5, 0), 1 << 40), None);
        assert_eq!(
            round_trip(&report(0x0001_0000, 0x7000_0000, 0), 0x0002_0000 << 16),
            None
        );
    }

    #[test]
    fn a_limit_holds_until_the_next_one() {
        let feedback = Feedback::new(|_, _| {});
        let limit = feedback.limit();
        assert!(limit.borrow().is_infinite());
        feedback.limited(500_000.0);
        feedback.limited(f32::NAN);
        feedback.limited(-1.0);
        assert!((*limit.borrow() - 500_000.0).abs() < 1.0);
        feedback.limited(1e10);
        assert!(*limit.borrow() > 9e9);
    }

    #[test]
    fn loss_follows_the_reports_smoothly() {
        let feedback = Feedback::new(|_, _| {});
        feedback.reception(&report(0, 0, 128), 0);
        assert!((feedback.loss() - 0.125).abs() < 1e-6);
        for _ in 0..40 {
            feedback.reception(&report(0, 0, 128), 0);
        }
        assert!((feedback.loss() - 0.5).abs() < 0.01);
    }
}
