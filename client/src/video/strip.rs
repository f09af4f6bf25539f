//! The machine-readable strip of the test pattern: frame number and capture time as blocks of black and white.
//!
//! It takes the bottom tenth of the picture, cut into [`CELLS`] equal cells: white and black markers at both ends, and between them two
//! 32-bit numbers, most significant bit first. Blocks of that size survive heavy H.264 compression, so that whoever decodes the picture,
//! in whatever language, can tell which frame it sees and how old it is.

use super::frame::{BLACK, Frame, WHITE};

/// Cells across the strip: two markers on either side of 64 bits.
pub const CELLS: usize = 68;
/// Luma from which on a cell counts as white: half way between black and white.
const THRESHOLD: u64 = 126;

/// What a strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripReading {
    /// Number of the frame, counted up by one for each frame interval; never zero.
    pub frame_number: u32,
    /// When it was captured: milliseconds of UNIX time modulo 2³².
    pub capture_unix_ms: u32,
}

/// Whether cell `cell` of a strip with this content is white.
fn is_white(reading: StripReading, cell: usize) -> bool {
    match cell {
        0 => true,
        1..=33 => cell > 1 && reading.frame_number >> (33 - cell) & 1 == 1,
        34..=65 => reading.capture_unix_ms >> (65 - cell) & 1 == 1,
        _ => cell == CELLS - 1,
    }
}

/// Draws the strip into the bottom tenth of `frame`.
pub fn draw(frame: &mut Frame, reading: StripReading) {
    let (width, height) = (frame.width(), frame.height());
    let top = height - height / 10;
    for cell in 0..CELLS {
        let (left, right) = (cell * width / CELLS, (cell + 1) * width / CELLS);
        let luma = if is_white(reading, cell) { WHITE } else { BLACK };
        frame.fill_grey(left, top, right - left, height - top, luma);
    }
}

/// Reads the strip from a luma plane. `None` when there is none: the markers do not match, the number is zero, or the plane is too small.
pub fn read(y: &[u8], stride: usize, width: usize, height: usize) -> Option<StripReading> {
    let strip = height / 10;
    let needed = stride.checked_mul(height.checked_sub(1)?)?.checked_add(width)?;
    // A cell's centre half must be at least one pixel wide, and half the strip at least one high.
    if stride < width || y.len() < needed || width < CELLS * 2 || strip < 2 {
        return None;
    }
    let rows = height - strip + strip / 4..height - strip / 4;
    let white = |cell: usize| {
        let (left, right) = (cell * width / CELLS, (cell + 1) * width / CELLS);
        let quarter = (right - left) / 4;
        let columns = left + quarter..right - quarter;
        let count = (rows.len() * columns.len()) as u64;
        let sum: u64 = rows
            .clone()
            .flat_map(|row| &y[row * stride..][columns.clone()])
            .map(|&luma| u64::from(luma))
            .sum();
        sum >= THRESHOLD * count
    };
    let number = |first: usize| (first..first + 32).fold(0, |bits, cell| bits << 1 | u32::from(white(cell)));
    let markers_match = white(0) && !white(1) && !white(CELLS - 2) && white(CELLS - 1);
    let reading = StripReading {
        frame_number: number(2),
        capture_unix_ms: number(34),
    };
    (markers_match && reading.frame_number != 0).then_some(reading)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::Resolution;

    fn read_frame(frame: &Frame) -> Option<StripReading> {
        read(&frame.y, frame.width(), frame.width(), frame.height())
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read_back(number in 1u32.., ms: u32, width in 136u32..2000, height in 20u32..1100) {
            let mut frame = Frame::black(Resolution::new(width, height));
            let reading = StripReading { frame_number: number, capture_unix_ms: ms };
            draw(&mut frame, reading);
            prop_assert_eq!(read_frame(&frame), Some(reading));
        }

        #[test]
        fn any_plane_is_read_without_panic(y in prop::collection::vec(any::<u8>(), 0..5000), stride in 0usize..400, width in 0usize..400, height in 0usize..400) {
            read(&y, stride, width, height);
        }
    }

    #[test]
    fn a_picture_without_a_strip_reads_as_none() {
        let mut frame = Frame::black(Resolution::HD);
        assert_eq!(read_frame(&frame), None);
        frame.y.fill(WHITE);
        assert_eq!(read_frame(&frame), None);
        draw(
            &mut frame,
            StripReading {
                frame_number: 0,
                capture_unix_ms: 5,
            },
        );
        assert_eq!(read_frame(&frame), None);
    }

    #[test]
    fn a_strip_with_an_inverted_marker_is_refused() {
        let mut frame = Frame::black(Resolution::HD);
        draw(
            &mut frame,
            StripReading {
                frame_number: 7,
                capture_unix_ms: 5,
            },
        );
        for cell in [0, 1, CELLS - 2, CELLS - 1] {
            let mut broken = frame.clone();
            let left = cell * frame.width() / CELLS;
            let luma = if matches!(cell, 0 | 67) { BLACK } else { WHITE };
            broken.fill_grey(
                left,
                frame.height() * 9 / 10,
                frame.width() / CELLS + 1,
                frame.height() / 10,
                luma,
            );
            assert_eq!(read_frame(&broken), None, "cell {cell}");
        }
    }
}
