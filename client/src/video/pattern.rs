//! The test pattern: a source whose every frame tells what it is and when it was captured.
//!
//! Colour bars that move, a clock in words, a white flash during the first 100 ms of each second of UNIX time, and the
//! machine-readable [`strip`]. Frames sit on the grid of multiples of `1/fps` since the UNIX epoch, so that one falls
//! exactly on each full second, where the tone clicks.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    capture::{CaptureError, CaptureRequest, VideoCapture},
    frame::{BLACK, Content, Frame, WHITE},
    mailbox::Sender,
    strip::{self, StripReading},
    text,
};
use crate::{
    clock::{MediaClock, MediaTime},
    units::Resolution,
};

/// How long the flash is on at the start of each second.
const FLASH: Duration = Duration::from_millis(100);
const NANOS_PER_SEC: u128 = 1_000_000_000;
/// Time in which the bars move once across the picture.
const BAR_PERIOD_MS: u128 = 8_000;
/// Y, U, V of the eight 75 % colour bars (ITU-R BT.601, limited range): white, yellow, cyan, green, magenta, red, blue, black.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];

/// Draws the pattern's frames in time.
#[derive(Debug)]
pub struct Pattern {
    clock: MediaClock,
    fps: u32,
    /// Grid index of the clock's start: frame numbers count from it, so that they go on where a pipeline comes back to the pattern.
    first_index: u64,
    next_index: u64,
}

impl Pattern {
    /// A pattern of `fps` frames per second (at least one) on `clock`, beginning with the next frame that is due.
    pub fn new(clock: MediaClock, fps: u32) -> Self {
        let fps = fps.max(1);
        let index_of = |time| grid_index(clock.unix(time), fps);
        Self {
            clock,
            fps,
            first_index: index_of(MediaTime::default()),
            next_index: index_of(clock.now()) + 1,
        }
    }

    /// When the next frame is due.
    pub fn next_due(&self) -> Instant {
        self.clock.instant(self.time_of(self.next_index))
    }

    /// Draws the frame that is due, which is the last one whose time has come: frames that were slept through are left out, and their
    /// numbers with them.
    pub fn draw(&mut self, frame: &mut Frame) {
        let due = grid_index(self.clock.unix(self.clock.now()), self.fps).max(self.next_index);
        self.next_index = due + 1;
        let capture = self.time_of(due);
        draw(frame, &self.clock, capture, (due - self.first_index) as u32);
    }

    fn time_of(&self, index: u64) -> MediaTime {
        // Rounded up, so that rounding down in `grid_index` is the inverse.
        let unix = Duration::from_nanos((u128::from(index) * NANOS_PER_SEC).div_ceil(u128::from(self.fps)) as u64);
        MediaTime::from_duration(unix.saturating_sub(self.clock.unix(MediaTime::default())))
    }
}

/// Index of the last grid point at or before `unix`.
fn grid_index(unix: Duration, fps: u32) -> u64 {
    (unix.as_nanos() * u128::from(fps) / NANOS_PER_SEC) as u64
}

/// Draws the frame captured at `capture` with the number `number`.
pub fn draw(frame: &mut Frame, clock: &MediaClock, capture: MediaTime, number: u32) {
    let unix = clock.unix(capture);
    draw_bars(frame, unix);
    draw_flash(frame, unix);
    draw_clock(frame, unix, number);
    strip::draw(
        frame,
        StripReading {
            frame_number: number,
            capture_unix_ms: clock.unix_ms(capture),
        },
    );
    frame.capture = capture;
    frame.content = Content::Camera;
}

/// The pattern as a source of pictures.
pub(crate) struct PatternCapture {
    pattern: Pattern,
    size: Resolution,
}

impl PatternCapture {
    pub(crate) fn new(request: &CaptureRequest) -> Self {
        Self {
            pattern: Pattern::new(request.clock, request.fps),
            size: request.size,
        }
    }
}

impl VideoCapture for PatternCapture {
    fn name(&self) -> &'static str {
        "test pattern"
    }

    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError> {
        thread::sleep(self.pattern.next_due().saturating_duration_since(Instant::now()));
        let mut frame = sink.buffer(self.size);
        self.pattern.draw(&mut frame);
        sink.send(frame);
        Ok(())
    }
}

fn draw_bars(frame: &mut Frame, unix: Duration) {
    let width = frame.width();
    // Even, so that chroma moves in step with luma.
    let shift = (unix.as_millis() % BAR_PERIOD_MS * width as u128 / BAR_PERIOD_MS) as usize & !1;
    let bar = |x: usize| BARS[(x + shift) % width * BARS.len() / width];
    let (luma, chroma) = (width, width / 2);
    for x in 0..luma {
        frame.y[x] = bar(x)[0];
    }
    for x in 0..chroma {
        frame.u[x] = bar(x * 2)[1];
        frame.v[x] = bar(x * 2)[2];
    }
    // All rows are alike: copy the first one down.
    for (plane, stride) in [(&mut frame.y, luma), (&mut frame.u, chroma), (&mut frame.v, chroma)] {
        let (first, rest) = plane.split_at_mut(stride);
        rest.chunks_exact_mut(stride).for_each(|row| row.copy_from_slice(first));
    }
}

fn draw_flash(frame: &mut Frame, unix: Duration) {
    let side = frame.height() / 6;
    let luma = if Duration::from_nanos(unix.subsec_nanos().into()) < FLASH {
        WHITE
    } else {
        BLACK
    };
    frame.fill_grey(frame.width() - side, 0, side, side, luma);
}

fn draw_clock(frame: &mut Frame, unix: Duration, number: u32) {
    let seconds = unix.as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    let time = format!(
        "{hours:02}:{minutes:02}:{:02}.{:03} UTC",
        seconds % 60,
        unix.subsec_millis()
    );
    let count = format!("frame {number}");
    let (width, height) = (frame.width(), frame.height());
    let scale = (width / (time.len() + 2) / text::LETTER).max(1);
    let line = text::LETTER * scale * 3 / 2;
    frame.fill_grey(0, (height / 2).saturating_sub(line * 2), width, line * 3, BLACK);
    text::draw_centred(frame, &time, width / 2, (height / 2).saturating_sub(line), scale, WHITE);
    text::draw_centred(frame, &count, width / 2, height / 2 + line / 4, scale, WHITE);
}

/// Size of the smallest picture whose strip can be read: two pixels to a cell, two rows of strip.
pub const SMALLEST: Resolution = Resolution::new(136, 20);

#[cfg(test)]
mod tests {
    use super::*;

    fn luma_at(frame: &Frame, x: usize, y: usize) -> u8 {
        frame.y[y * frame.width() + x]
    }

    #[test]
    fn a_frame_falls_on_every_full_second() {
        for fps in [7, 10, 15, 24, 25, 30, 60] {
            for second in [1_700_000_000u64, 1_700_000_001] {
                let index = grid_index(Duration::from_secs(second), fps);
                assert_eq!(index, second * u64::from(fps));
                assert_eq!(grid_index(Duration::new(second - 1, 999_999_999), fps), index - 1);
            }
        }
    }

    #[test]
    fn frame_numbers_and_times_go_forward_and_are_on_the_grid() {
        let clock = MediaClock::start();
        let mut pattern = Pattern::new(clock, 30);
        let mut frame = Frame::black(Resolution::new(320, 180));
        let mut last = 0;
        for _ in 0..4 {
            pattern.draw(&mut frame);
            let reading = strip::read(&frame.y, 320, 320, 180).expect("the strip can be read");
            assert!(reading.frame_number > last);
            assert_eq!(reading.capture_unix_ms, clock.unix_ms(frame.capture));
            let index = u64::from(reading.frame_number) + pattern.first_index;
            assert_eq!(pattern.time_of(index), frame.capture);
            last = reading.frame_number;
        }
    }

    #[test]
    fn coming_back_to_the_pattern_never_repeats_a_number() {
        let clock = MediaClock::start();
        let mut frame = Frame::black(Resolution::new(320, 180));
        let mut number = |pattern: &mut Pattern| {
            pattern.draw(&mut frame);
            strip::read(&frame.y, 320, 320, 180)
                .expect("the strip can be read")
                .frame_number
        };
        let first = number(&mut Pattern::new(clock, 30));
        std::thread::sleep(Duration::from_millis(100));
        assert!(number(&mut Pattern::new(clock, 30)) > first);
    }

    #[test]
    fn the_corner_flashes_in_the_first_tenth_of_each_second() {
        let clock = MediaClock::start();
        let mut frame = Frame::black(Resolution::new(320, 180));
        let into_second = u64::from(clock.unix(MediaTime::default()).subsec_nanos());
        let second = Duration::from_nanos(2_000_000_000 - into_second);
        for (offset_ms, expected) in [(0, WHITE), (99, WHITE), (100, BLACK), (999, BLACK), (1000, WHITE)] {
            let capture = MediaTime::from_duration(second + Duration::from_millis(offset_ms));
            draw(&mut frame, &clock, capture, 1);
            assert_eq!(luma_at(&frame, 318, 2), expected, "{offset_ms} ms into the second");
        }
    }

    #[test]
    fn bars_move() {
        let clock = MediaClock::start();
        let (mut a, mut b) = (Frame::black(Resolution::HD), Frame::black(Resolution::HD));
        draw(&mut a, &clock, MediaTime::default(), 1);
        draw(&mut b, &clock, MediaTime::from_duration(Duration::from_millis(200)), 1);
        assert_ne!(a.y[..600], b.y[..600]);
    }

    #[test]
    fn the_smallest_picture_still_carries_a_strip() {
        let mut frame = Frame::black(SMALLEST);
        draw(&mut frame, &MediaClock::start(), MediaTime::default(), 9);
        let reading = strip::read(&frame.y, frame.width(), frame.width(), frame.height());
        assert_eq!(reading.map(|reading| reading.frame_number), Some(9));
    }
}
