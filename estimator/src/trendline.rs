//! Trendline filter and overuse detector (draft-ietf-rmcat-gcc-02, section 5.4; the trendline is libwebrtc's practice).

use super::arrival::Delta;

/// Groups in the regression (libwebrtc's window).
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Gain that makes a slope comparable with the threshold in milliseconds.
const THRESHOLD_GAIN: f64 = 4.0;
/// More groups than this do not raise the gain further.
const MAX_DELTAS: u32 = 60;
/// Threshold at the start, in milliseconds (gcc-02, section 5.4: `del_var_th(0)` = 12.5 ms).
const START_THRESHOLD_MS: f64 = 12.5;
/// How fast the threshold rises to a trend outside of it, per millisecond (gcc-02: `K_u`, libwebrtc's value).
const K_UP: f64 = 0.0087;
/// How fast the threshold falls to a trend within it, per millisecond (gcc-02: `K_d`, libwebrtc's value).
const K_DOWN: f64 = 0.039;
/// Limits of the threshold, in milliseconds (gcc-02, section 5.4).
const THRESHOLD_MS: (f64, f64) = (6.0, 600.0);
/// A trend so far outside the threshold is a spike that must not move it, in milliseconds (gcc-02, section 5.4).
const SPIKE_MS: f64 = 15.0;
/// The threshold adapts for no longer step than this, in milliseconds.
const MAX_STEP_MS: f64 = 100.0;
/// A trend over the threshold for so long is overuse, in milliseconds (gcc-02: `overuse_time_th`).
const OVERUSE_MS: f64 = 10.0;
/// After a pause so long between groups the history says nothing about the path any more, in microseconds.
const STALE_US: i64 = 2_000_000;

/// What the delay says of the path (gcc-02, section 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    /// The queues neither grow nor shrink.
    #[default]
    Normal,
    /// A queue grows.
    Over,
    /// A queue drains.
    Under,
}

/// One point of the regression, both in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    at: f64,
    delay: f64,
}

/// The slope of the queueing delay and what it means.
#[derive(Debug)]
pub(super) struct Trendline {
    points: [Point; WINDOW],
    count: usize,
    oldest: usize,
    deltas: u32,
    first_at: i64,
    accumulated: f64,
    smoothed: f64,
    threshold: f64,
    last_update: Option<i64>,
    previous_trend: f64,
    over_ms: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Trendline {
    /// A detector that knows nothing.
    pub(crate) fn new() -> Self {
        Self {
            points: [Point::default(); WINDOW],
            count: 0,
            oldest: 0,
            deltas: 0,
            first_at: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            threshold: START_THRESHOLD_MS,
            last_update: None,
            previous_trend: 0.0,
            over_ms: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    /// Forgets the history, but keeps the threshold that was adapted to the path.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            threshold: self.threshold,
            ..Self::new()
        };
    }

    /// The present state.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes the difference of two groups.
    pub(crate) fn on_delta(&mut self, delta: Delta) {
        if delta.sent > STALE_US || delta.arrived > STALE_US {
            self.reset();
        }
        if self.deltas == 0 {
            self.first_at = delta.at;
        }
        self.deltas = (self.deltas + 1).min(MAX_DELTAS);
        self.accumulated += (delta.arrived - delta.sent) as f64 / 1e3;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.push(Point {
            at: (delta.at - self.first_at) as f64 / 1e3,
            delay: self.smoothed,
        });
        let trend = if self.count == WINDOW { self.slope() } else { None };
        let trend = trend.unwrap_or(self.previous_trend);
        self.detect(trend, delta.sent as f64 / 1e3, delta.at);
    }

    /// Puts a point in, over the oldest where full.
    fn push(&mut self, point: Point) {
        if self.count < WINDOW {
            self.points[self.count] = point;
            self.count += 1;
        } else {
            self.points[self.oldest] = point;
            self.oldest = (self.oldest + 1) % WINDOW;
        }
    }

    /// The least-squares slope of delay over time; none where all points are of one time.
    fn slope(&self) -> Option<f64> {
        let points = &self.points[..self.count];
        let count = points.len() as f64;
        let mean_at = points.iter().map(|point| point.at).sum::<f64>() / count;
        let mean_delay = points.iter().map(|point| point.delay).sum::<f64>() / count;
        let (mut numerator, mut denominator) = (0.0, 0.0);
        for point in points {
            numerator += (point.at - mean_at) * (point.delay - mean_delay);
            denominator += (point.at - mean_at).powi(2);
        }
        (denominator > 0.0).then(|| numerator / denominator)
    }

    /// Compares the trend with the threshold (gcc-02, section 5.4).
    fn detect(&mut self, trend: f64, sent_ms: f64, at: i64) {
        let modified = f64::from(self.deltas) * trend * THRESHOLD_GAIN;
        if modified > self.threshold {
            let over = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
            self.over_ms = Some(over);
            self.over_count += 1;
            if over > OVERUSE_MS && self.over_count > 1 && trend >= self.previous_trend {
                self.over_ms = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_ms = None;
            self.over_count = 0;
            self.usage = if modified < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.previous_trend = trend;
        self.adapt(modified.abs(), at);
    }

    /// Moves the threshold towards the trend, so that neither jitter nor competing flows starve the stream.
    fn adapt(&mut self, modified: f64, at: i64) {
        let step = self
            .last_update
            .map_or(0.0, |last| ((at - last) as f64 / 1e3).clamp(0.0, MAX_STEP_MS));
        self.last_update = Some(at);
        if modified > self.threshold + SPIKE_MS {
            return;
        }
        let gain = if modified < self.threshold { K_DOWN } else { K_UP };
        let moved = self.threshold + gain * (modified - self.threshold) * step;
        self.threshold = moved.clamp(THRESHOLD_MS.0, THRESHOLD_MS.1);
    }
}
