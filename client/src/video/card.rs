//! What viewers see while a source is lost.

use super::{
    frame::{Content, Frame, WHITE},
    text,
};

/// Luma of the card's background: dark, yet not the black of a dead picture.
pub(crate) const BACKGROUND: u8 = 40;

/// Draws the card over `frame`. `tick` counts the cards: the dots at the end move, so that viewers see that the stream is alive.
pub(crate) fn draw(frame: &mut Frame, title: &str, tick: u64) {
    let (width, height) = (frame.width(), frame.height());
    frame.fill_grey(0, 0, width, height, BACKGROUND);
    let line = format!("reconnecting{:<3}", ".".repeat(tick as usize % 4));
    let letters = title.chars().count().max(line.len()) + 2;
    let scale = (width / letters / text::LETTER).clamp(1, 6);
    let step = text::LETTER * scale;
    text::draw_centred(frame, title, width / 2, (height / 2).saturating_sub(step), scale, WHITE);
    text::draw_centred(frame, &line, width / 2, height / 2 + step, scale, WHITE);
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
            draw(card, "Camera lost", tick as u64);
        }
        assert!(cards[0].y.contains(&WHITE));
        assert_ne!(cards[0].y, cards[1].y);
    }
}
