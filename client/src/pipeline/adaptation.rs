//! What a picture is made of at a bitrate: first fewer bits, then fewer pictures, then smaller ones, and at last none.
//!
//! A ladder of sizes and frame rates, each with the least bitrate at which it is better than the next one down. Going down follows the
//! bitrate at once, or nearly so where it costs a keyframe. It goes one down as well where the encoder makes far more than it may: on a
//! picture that moves too much for it, or where keyframes are asked for again and again. Going up is damped: there has to be more than the
//! least, for a while, and a rise that did not hold makes the next one wait longer, as does an encoder that made too much, until there is
//! twice the bitrate that was not enough for it.

use std::time::Duration;

use crate::{
    clock::MediaTime,
    units::{Bitrate, Resolution},
    video::frame::Content,
};

/// Bits per pixel below which H.264 at low complexity turns to mush on moving pictures of [`REFERENCE`] size (2.5 Mb/s at 720p30 is 0.09).
const MIN_BITS_PER_PIXEL: f64 = 0.025;
/// The size that [`MIN_BITS_PER_PIXEL`] is said of.
const REFERENCE: Resolution = Resolution::HD;
/// A pixel of a smaller picture carries more detail, and costs more: its bits grow with the ratio of areas to this power.
const DETAIL_EXPONENT: f64 = 0.35;

/// Sides of the pictures, as shares of the full size.
const SCALES: [(u32, u32); 4] = [(1, 1), (3, 4), (1, 2), (1, 4)];
/// No picture is made smaller than this on its shorter side, in pixels.
const SHORTEST_SIDE: u32 = 180;
/// The full frame rate is divided by one of these. Whole divisors keep the intervals even.
const FEWER: u32 = 2;
const FEWEST: u32 = 4;

/// How much more than its least bitrate there must be before a rung is climbed to, so that it does not flap.
const RISE_MARGIN: f64 = 1.3;
/// For how long there must be as much.
const RISE_AFTER: Duration = Duration::from_secs(2);
/// The same, at most, after rises that did not hold: each doubles it.
const RISE_AFTER_MOST: Duration = Duration::from_secs(32);
/// A rise that was taken back within this time did not hold.
const RELAPSE: Duration = Duration::from_secs(10);
/// A keyframe is worth many pictures: the size falls only when the bitrate has been too low for this long.
const SHRINK_AFTER: Duration = Duration::from_millis(500);
/// An encoder that makes less than this share of its bitrate, as of a screen on which nothing moves, does not want for bits.
const PRESSED: f64 = 0.7;
/// One that is ahead of its bitrate by so much cannot do with so little at this size and frame rate.
const AHEAD_MOST: Duration = Duration::from_secs(2);
/// At so many times the bitrate at which it was ahead, that says nothing any more.
const AHEAD_FORGOTTEN_AT: f64 = 2.0;
/// No picture counts for more, so that it takes several: a keyframe of a screen is large, and costs nothing where nothing moves.
const AHEAD_BY_ONE: Duration = Duration::from_secs(1);

/// What is captured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Full {
    pub(crate) size: Resolution,
    pub(crate) fps: u32,
    pub(crate) content: Content,
}

/// How it is encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Form {
    pub(crate) size: Resolution,
    pub(crate) fps: f32,
}

/// A form and the least bitrate for it, in bits per second.
#[derive(Debug, Clone, Copy)]
struct Rung {
    form: Form,
    least: f64,
}

/// Chooses the form, picture by picture.
#[derive(Debug)]
pub(crate) struct Adaptation {
    /// Of a simulcast layer with smaller ones below it: it is sent as it is, or not at all.
    is_spared: bool,
    full: Option<Full>,
    rungs: Vec<Rung>,
    /// As many as there are rungs: no picture at all.
    at: usize,
    too_little_since: Option<MediaTime>,
    /// How long the bitrate takes for what the encoder has made beyond it.
    ahead: Duration,
    /// The bitrate that was last exceeded for too long.
    exceeded: Option<Bitrate>,
    chosen: Option<MediaTime>,
    bitrate: Bitrate,
    enough_since: Option<MediaTime>,
    rise_after: Duration,
    risen: Option<MediaTime>,
}

impl Adaptation {
    pub(crate) fn new() -> Self {
        Self {
            is_spared: false,
            full: None,
            rungs: Vec::new(),
            at: 0,
            too_little_since: None,
            ahead: Duration::ZERO,
            exceeded: None,
            chosen: None,
            bitrate: Bitrate::from_bps(0),
            enough_since: None,
            rise_after: RISE_AFTER,
            risen: None,
        }
    }

    /// For a picture that is left out rather than made worse, as smaller ones are sent beside it.
    pub(crate) fn all_or_nothing() -> Self {
        Self {
            is_spared: true,
            ..Self::new()
        }
    }

    /// The form for the picture that is captured at `now`; none while the bitrate carries no picture.
    ///
    /// `bitrate` is what the encoder may make, and `made` what it made over the last second.
    pub(crate) fn choose(&mut self, now: MediaTime, full: Full, bitrate: Bitrate, made: Bitrate) -> Option<Form> {
        if self.full != Some(full) {
            self.full = Some(full);
            self.rungs = ladder(full);
            if self.is_spared {
                self.rungs.truncate(1);
            }
            self.at = self.at.min(self.rungs.len());
        }
        let (bits, made) = (f64::from(bitrate.bps()), f64::from(made.bps()));
        let carried = self.first_within(bits);
        let pressed = made >= bits * PRESSED;
        if carried > self.at && pressed {
            self.fall(now, carried);
        } else {
            self.too_little_since = None;
        }
        let passed = self
            .chosen
            .map_or(Duration::ZERO, |chosen| now.saturating_since(chosen));
        (self.chosen, self.bitrate) = (Some(now), bitrate);
        self.ahead = self.ahead.saturating_sub(passed);
        if self.ahead > AHEAD_MOST {
            self.exceed();
        }
        if self
            .exceeded
            .is_some_and(|exceeded| bits >= f64::from(exceeded.bps()) * AHEAD_FORGOTTEN_AT)
        {
            self.exceeded = None;
            self.rise_after = RISE_AFTER;
        }
        let comfortable = self.first_within(bits / RISE_MARGIN);
        if comfortable < self.at {
            self.rise(now, comfortable);
        } else {
            self.enough_since = None;
        }
        self.rungs.get(self.at).map(|rung| rung.form)
    }

    /// The encoder made a picture of so many bytes.
    pub(crate) fn made(&mut self, bytes: usize) {
        let seconds = bytes as f64 * 8.0 / f64::from(self.bitrate.bps().max(1));
        self.ahead += Duration::from_secs_f64(seconds.min(AHEAD_BY_ONE.as_secs_f64()));
    }

    /// The best rung that `bits` per second are enough for.
    fn first_within(&self, bits: f64) -> usize {
        self.rungs.iter().take_while(|rung| rung.least > bits).count()
    }

    fn fall(&mut self, now: MediaTime, to: usize) {
        let size = self.rungs[self.at].form.size;
        let of_same_size = |rung: &Rung| rung.form.size == size;
        let slowest = self.at
            + self.rungs[self.at..]
                .iter()
                .take_while(|rung| of_same_size(rung))
                .count()
            - 1;
        let since = *self.too_little_since.get_or_insert(now);
        let to = if now.saturating_since(since) >= SHRINK_AFTER {
            to
        } else {
            to.min(slowest)
        };
        if to == self.at {
            return;
        }
        match self.risen.take() {
            Some(risen) if now.saturating_since(risen) < RELAPSE => self.wait_longer(),
            Some(_) => self.rise_after = RISE_AFTER,
            None => {}
        }
        self.at = to;
    }

    /// The encoder makes too much: one down, but for the last picture, which is better than none.
    fn exceed(&mut self) {
        self.ahead = Duration::ZERO;
        if self.at + 1 >= self.rungs.len() {
            return;
        }
        self.at += 1;
        self.exceeded = Some(self.bitrate);
        // The ladder would have it back at once, since by its bitrate it could be.
        self.risen = None;
        self.enough_since = None;
        self.wait_longer();
    }

    fn wait_longer(&mut self) {
        self.rise_after = (self.rise_after * 2).min(RISE_AFTER_MOST);
    }

    fn rise(&mut self, now: MediaTime, to: usize) {
        let since = *self.enough_since.get_or_insert(now);
        if now.saturating_since(since) >= self.rise_after {
            self.at = to;
            self.risen = Some(now);
            self.enough_since = None;
        }
    }
}

/// From the full picture down. Text has to stay readable and need not move, so that a screen gives up pictures before pixels.
fn ladder(full: Full) -> Vec<Rung> {
    let (divisors, of_smaller): (&[u32], u32) = match full.content {
        Content::Camera => (&[1, FEWER], FEWER),
        Content::Screen => (&[1, FEWER, FEWEST], FEWEST),
    };
    let mut rungs: Vec<Rung> = divisors.iter().map(|divisor| rung(full, (1, 1), *divisor)).collect();
    let smaller = SCALES[1..].iter().filter(|scale| {
        let Resolution { width, height } = scaled(full.size, **scale);
        width.min(height) >= SHORTEST_SIDE
    });
    let mut smallest = SCALES[0];
    for scale in smaller {
        smallest = *scale;
        rungs.push(rung(full, smallest, of_smaller));
    }
    if full.content == Content::Camera {
        rungs.push(rung(full, smallest, FEWEST));
    }
    rungs
}

fn rung(full: Full, scale: (u32, u32), divisor: u32) -> Rung {
    let size = scaled(full.size, scale);
    let fps = f64::from(full.fps) / f64::from(divisor);
    let pixels = (size.pixels() as f64).max(1.0);
    let detail = (REFERENCE.pixels() as f64 / pixels).powf(DETAIL_EXPONENT);
    Rung {
        form: Form { size, fps: fps as f32 },
        least: MIN_BITS_PER_PIXEL * detail * pixels * fps,
    }
}

fn scaled(size: Resolution, (part, whole): (u32, u32)) -> Resolution {
    Resolution::new(size.width * part / whole, size.height * part / whole).even()
}

#[cfg(test)]
mod tests;
