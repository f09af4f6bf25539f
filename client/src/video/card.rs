//! What viewers see while a source is lost, or turned off.

use super::{
    frame::{Content, Frame, WHITE},
    text,
};

/// Luma of the card's background: dark, yet not the black of a dead picture.
pub(crate) const BACKGROUND: u8 = 40;

/// Draws the card of a source that is to come back over `frame`. `tick` counts the cards: the dots at the end move, so that
/// viewers see that the stream is alive.
pub(crate) fn draw_lost(frame: &mut Frame, title: &str, tick: u64) {
    draw(
        frame,
        title,
        &format!("reconnecting{:<3}", ".".repeat(tick as usize % 4)),
    );
}

/// Draws the card of a picture that somebody turned off.
pub(crate) fn draw_off(frame: &mut Frame) {
    draw(frame, "Camera off", "");
}

fn draw(frame: &mut Frame, title: &str, line: &str) {
    let (width, height) = (frame.width(), frame.height());
    frame.fill_grey(0, 0, width, height, BACKGROUND);
    let letters = title.chars().count().max(line.len()) + 2;
    let scale = (width / letters / text::LETTER).clamp(1, 6);
    let step = text::LETTER * scale;
    text::draw_centred(frame, title, width / 2, (height / 2).saturating_sub(step), scale, WHITE);
    text::draw_centred(frame, line, width / 2, height / 2 + step, scale, WHITE);
    frame.content = Content::Camera;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Resolution;

    #[test]
    fn the_card_has_text_and_its_dots_move() {
        let mut cards = [
            Frame::black(Resolution::new(320, 180)),
            Frame::black(Resolution::new(320, 180)),
        ];
        for (tick, card) in cards.iter_mut().enumerate() {
            draw_lost(card, "Camera lost", tick as u64);
        }
        assert!(cards[0].y.contains(&WHITE));
        assert_ne!(cards[0].y, cards[1].y);
    }
}
