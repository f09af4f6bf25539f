//! A picture in I420: planar 4:2:0.

use openh264::formats::YUVSource;
use serde::Serialize;

use super::colours::Colours;
use crate::{clock::MediaTime, units::Resolution};

/// Luma of black in limited range (ITU-R BT.601).
pub const BLACK: u8 = 16;
/// Luma of white in limited range (ITU-R BT.601).
pub const WHITE: u8 = 235;
/// Chroma of every grey.
pub const NEUTRAL: u8 = 128;

/// What a picture shows, so that the encoder can be tuned for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// Natural pictures.
    #[default]
    Camera,
    /// Text and windows.
    Screen,
}

/// How far a picture is to be turned clockwise before it is shown: what a phone's camera saw while the phone was held upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// A quarter turn.
    Quarter,
    /// Upside down.
    Half,
    /// Three quarter turns.
    ThreeQuarters,
}

impl Rotation {
    /// Clockwise, in degrees.
    pub const fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }
}

/// One picture. Rows are stored without padding: the stride of a plane is its width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    size: Resolution,
    /// Luma, `width × height` bytes.
    pub y: Vec<u8>,
    /// Blue difference, a quarter of that.
    pub u: Vec<u8>,
    /// Red difference, a quarter of that.
    pub v: Vec<u8>,
    /// When it was captured.
    pub capture: MediaTime,
    /// How its planes become colours: what is captured here is in BT.601 with limited range.
    pub colours: Colours,
    /// What it shows.
    pub content: Content,
    /// How it is to be turned; what is captured here never needs it.
    pub rotation: Rotation,
}

impl Frame {
    /// A black picture; odd sides are made even by dropping one row or column.
    pub fn black(size: Resolution) -> Self {
        let size = size.even();
        let luma = size.pixels() as usize;
        Self {
            size,
            y: vec![BLACK; luma],
            u: vec![NEUTRAL; luma / 4],
            v: vec![NEUTRAL; luma / 4],
            capture: MediaTime::default(),
            colours: Colours::default(),
            content: Content::Camera,
            rotation: Rotation::None,
        }
    }

    /// Picture size; both sides are even.
    pub fn size(&self) -> Resolution {
        self.size
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.size.width as usize
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.size.height as usize
    }

    /// Makes every pixel black.
    pub fn clear(&mut self) {
        self.y.fill(BLACK);
        self.u.fill(NEUTRAL);
        self.v.fill(NEUTRAL);
    }

    /// Fills the part of a rectangle that lies inside the picture with a grey of luma `luma`.
    pub fn fill_grey(&mut self, x: usize, y: usize, width: usize, height: usize, luma: u8) {
        let (full_width, full_height) = (self.width(), self.height());
        let (right, bottom) = ((x + width).min(full_width), (y + height).min(full_height));
        if x >= right || y >= bottom {
            return;
        }
        for row in y..bottom {
            self.y[row * full_width + x..row * full_width + right].fill(luma);
        }
        let chroma_width = full_width / 2;
        for row in y / 2..bottom.div_ceil(2) {
            let span = row * chroma_width + x / 2..row * chroma_width + right.div_ceil(2);
            self.u[span.clone()].fill(NEUTRAL);
            self.v[span].fill(NEUTRAL);
        }
    }
}

impl YUVSource for Frame {
    fn dimensions(&self) -> (usize, usize) {
        (self.width(), self.height())
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width(), self.width() / 2, self.width() / 2)
    }

    fn y(&self) -> &[u8] {
        &self.y
    }

    fn u(&self) -> &[u8] {
        &self.u
    }

    fn v(&self) -> &[u8] {
        &self.v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_lose_a_row_or_column_so_that_chroma_fits() {
        let frame = Frame::black(Resolution::new(641, 361));
        assert_eq!(frame.size(), Resolution::new(640, 360));
        assert_eq!((frame.y.len(), frame.u.len()), (640 * 360, 320 * 180));
    }

    #[test]
    fn a_rectangle_is_clipped_to_the_picture() {
        let mut frame = Frame::black(Resolution::new(8, 8));
        frame.fill_grey(6, 6, 100, 100, WHITE);
        frame.fill_grey(100, 100, 4, 4, WHITE);
        let white: Vec<usize> = (0..64).filter(|&pixel| frame.y[pixel] == WHITE).collect();
        assert_eq!(white, [54, 55, 62, 63]);
    }
}
