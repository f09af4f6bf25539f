//! The acknowledged bitrate: what the receiver got, smoothed (draft-ietf-rmcat-gcc-02, section 5.5, `R_hat`).

/// First window, in microseconds: long, for the first value has nothing to be smoothed with.
const FIRST_WINDOW_US: i64 = 500_000;
/// Later windows, in microseconds.
const WINDOW_US: i64 = 150_000;
/// How much a sample's distance from the estimate makes it doubtful (libwebrtc's practice).
const UNCERTAINTY: f64 = 10.0;
/// The same while application-limited, where a low sample says little of the path.
const UNCERTAINTY_LIMITED: f64 = 20.0;
/// Growth of the estimate's variance per sample, in (kb/s)^2.
const PROCESS_NOISE: f64 = 5.0;
/// Variance of the first sample, in (kb/s)^2.
const START_VARIANCE: f64 = 50.0;

/// Estimator of the acknowledged bitrate.
#[derive(Debug)]
pub(super) struct Acked {
    window_start: Option<i64>,
    bytes: u64,
    kbps: Option<f64>,
    variance: f64,
}

impl Acked {
    /// An estimator that knows nothing.
    pub(crate) fn new() -> Self {
        Self {
            window_start: None,
            bytes: 0,
            kbps: None,
            variance: START_VARIANCE,
        }
    }

    /// Begins a new window, keeping the estimate: the receiver's clock jumped.
    pub(crate) fn reset_window(&mut self) {
        self.window_start = None;
        self.bytes = 0;
    }

    /// The estimate in bit/s; none before the first window is full.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.kbps.map(|kbps| kbps * 1e3)
    }

    /// Takes a packet that arrived, with its arrival in microseconds.
    pub(crate) fn on_packet(&mut self, arrived: i64, bytes: u32, limited: bool) {
        let start = *self.window_start.get_or_insert(arrived);
        let window = if self.kbps.is_some() {
            WINDOW_US
        } else {
            FIRST_WINDOW_US
        };
        let elapsed = arrived - start;
        if elapsed >= window {
            if elapsed < 2 * window {
                self.on_sample((self.bytes * 8) as f64 * 1e3 / elapsed as f64, limited);
            }
            self.window_start = Some(arrived);
            self.bytes = 0;
        }
        self.bytes += u64::from(bytes);
    }

    /// Smooths a sample in kb/s in, the less the farther it is off.
    fn on_sample(&mut self, sample: f64, limited: bool) {
        let Some(kbps) = self.kbps else {
            self.kbps = Some(sample);
            return;
        };
        let scale = if limited && sample < kbps {
            UNCERTAINTY_LIMITED
        } else {
            UNCERTAINTY
        };
        let doubt = (scale * (kbps - sample).abs() / kbps.max(1.0)).powi(2).max(1e-6);
        let predicted = self.variance + PROCESS_NOISE;
        self.kbps = Some((doubt * kbps + predicted * sample) / (doubt + predicted));
        self.variance = doubt * predicted / (doubt + predicted);
    }
}
