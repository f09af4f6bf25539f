//! Letters drawn into a picture, from the public domain 8 × 8 font.

use font8x8::legacy::BASIC_LEGACY;

use super::frame::Frame;

/// Pixels across one letter at scale 1.
pub(crate) const LETTER: usize = 8;

/// Draws ASCII `text` with its top left corner at (`x`, `y`), each font pixel `scale` pixels wide. Other characters become a question
/// mark; what lies outside the picture is left out.
pub(crate) fn draw(frame: &mut Frame, text: &str, x: usize, y: usize, scale: usize, luma: u8) {
    for (index, letter) in text.chars().enumerate() {
        let code = if letter.is_ascii() {
            letter as usize
        } else {
            b'?' as usize
        };
        for (row, bits) in BASIC_LEGACY[code].iter().enumerate() {
            for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                frame.fill_grey(
                    x + (index * LETTER + column) * scale,
                    y + row * scale,
                    scale,
                    scale,
                    luma,
                );
            }
        }
    }
}

/// Draws `text` centred on (`centre_x`, `centre_y`).
pub(crate) fn draw_centred(frame: &mut Frame, text: &str, centre_x: usize, centre_y: usize, scale: usize, luma: u8) {
    let width = text.chars().count() * LETTER * scale;
    draw(
        frame,
        text,
        centre_x.saturating_sub(width / 2),
        centre_y.saturating_sub(LETTER * scale / 2),
        scale,
        luma,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        units::Resolution,
        video::frame::{BLACK, WHITE},
    };

    #[test]
    fn letters_are_legible_and_never_leave_the_picture() {
        let mut frame = Frame::black(Resolution::new(16, 8));
        draw(&mut frame, "I", 0, 0, 1, WHITE);
        let lit = |x: usize, y: usize| frame.y[y * 16 + x] == WHITE;
        assert!(lit(3, 3) && !lit(0, 3), "the stem of an I is in the middle");
        assert!(frame.y.chunks(16).all(|row| row[8..].iter().all(|&luma| luma == BLACK)));
        draw(&mut frame, "long text µ", 12, 6, 4, WHITE);
    }
}
