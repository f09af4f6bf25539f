//! H.264 to pictures, by openh264.

use openh264::formats::YUVSource as _;

use super::colours::Colours;
use super::frame::Frame;
use crate::units::Resolution;

/// Pictures that are larger are not decoded: 4096 × 2304, the largest frame of H.264 level 5.1 (ITU-T H.264 table A-1), which
/// is 14 MB. A stream that says otherwise is meant to use up memory.
const MOST_PIXELS: u64 = 4_096 * 2_304;

/// Why an access unit gave no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Damaged, or of a profile that openh264 does not decode, or it refers to a picture that is missing.
    #[error("the H.264 decoder failed: {0}")]
    OpenH264(#[from] openh264::Error),
    /// Too large or without any pixels.
    #[error("a picture of {0} cannot be shown")]
    Size(Resolution),
}

/// Decodes one stream. Every picture comes out as soon as it went in: streams for conversations have no B pictures.
pub struct Decoder {
    openh264: openh264::decoder::Decoder,
    /// As the stream told it last.
    colours: Colours,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder, which waits for a keyframe.
    pub fn new() -> Result<Self, DecodeError> {
        let openh264 = openh264::decoder::Decoder::new()?;
        Ok(Self {
            openh264,
            colours: Colours::default(),
        })
    }

    /// Decodes one access unit (ITU-T H.264 annex B). The picture is drawn into what `buffer` gives for its size, with odd
    /// sides made even, where it gives anything. None where the access unit held no picture or nobody wanted it.
    ///
    /// After an error, what follows makes no sense before the next keyframe.
    pub fn decode(
        &mut self,
        access_unit: &[u8],
        buffer: impl FnOnce(Resolution) -> Option<Frame>,
    ) -> Result<Option<Frame>, DecodeError> {
        if let Some(colours) = Colours::of_access_unit(access_unit) {
            self.colours = colours;
        }
        let Some(picture) = self.openh264.decode(access_unit)? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let coded = Resolution::new(width as u32, height as u32);
        let size = coded.even();
        if size.pixels() == 0 || coded.pixels() > MOST_PIXELS {
            return Err(DecodeError::Size(coded));
        }
        let Some(mut frame) = buffer(size) else {
            return Ok(None);
        };
        frame.colours = self.colours;
        let (width, height) = (frame.width(), frame.height());
        let strides = picture.strides();
        copy_rows(&mut frame.y, width, picture.y(), strides.0);
        copy_rows(&mut frame.u, width / 2, picture.u(), strides.1);
        copy_rows(&mut frame.v, width / 2, picture.v(), strides.2);
        debug_assert_eq!(frame.y.len(), width * height);
        Ok(Some(frame))
    }
}

fn copy_rows(to: &mut [u8], width: usize, from: &[u8], stride: usize) {
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(stride)) {
        to.copy_from_slice(&from[..width]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{MediaClock, MediaTime};
    use crate::units::Bitrate;
    use crate::video::encoder::{Encoder, EncoderTarget};
    use crate::video::{pattern, strip};

    fn encoded(numbers: std::ops::Range<u32>, size: Resolution) -> Vec<bytes::Bytes> {
        let clock = MediaClock::start();
        let target = EncoderTarget {
            bitrate: Bitrate::from_kbps(2_000),
            fps: 30.0,
        };
        let mut encoder = Encoder::new(target);
        let mut frame = Frame::black(size);
        let units = numbers.filter_map(|number| {
            let time = MediaTime::from_duration(Duration::from_secs(1) * number / 30);
            pattern::draw(&mut frame, &clock, time, number);
            encoder.encode(&frame).expect("encodes")
        });
        units.map(|unit| unit.data).collect()
    }

    fn number(frame: &Frame) -> u32 {
        let reading = strip::read(&frame.y, frame.width(), frame.width(), frame.height());
        reading.expect("a strip").frame_number
    }

    #[test]
    fn pictures_come_out_at_once_and_as_they_were() {
        let mut decoder = Decoder::new().expect("a decoder");
        // A width whose rows openh264 pads.
        let size = Resolution::new(328, 184);
        for (place, unit) in encoded(1..20, size).iter().enumerate() {
            let frame = decoder
                .decode(unit, |size| Some(Frame::black(size)))
                .expect("decodes")
                .expect("a picture");
            assert_eq!(frame.size(), size);
            assert_eq!(number(&frame), place as u32 + 1);
        }
    }

    #[test]
    fn a_change_of_size_is_followed() {
        let mut decoder = Decoder::new().expect("a decoder");
        for size in [
            Resolution::new(320, 180),
            Resolution::new(640, 360),
            Resolution::new(320, 180),
        ] {
            let units = encoded(1..4, size);
            let frames = units
                .iter()
                .filter_map(|unit| decoder.decode(unit, |size| Some(Frame::black(size))).expect("decodes"));
            assert!(frames.map(|frame| frame.size()).eq([size; 3]));
        }
    }

    #[test]
    fn a_picture_that_nobody_wants_is_not_drawn_and_the_next_one_is_right() {
        let mut decoder = Decoder::new().expect("a decoder");
        let units = encoded(1..4, Resolution::new(320, 180));
        assert!(decoder.decode(&units[0], |_| None).expect("decodes").is_none());
        assert!(decoder.decode(&units[1], |_| None).expect("decodes").is_none());
        let frame = decoder
            .decode(&units[2], |size| Some(Frame::black(size)))
            .expect("decodes");
        assert_eq!(number(&frame.expect("a picture")), 3);
    }

    #[test]
    fn rubbish_and_a_missing_keyframe_are_errors_and_no_end() {
        let mut decoder = Decoder::new().expect("a decoder");
        let units = encoded(1..4, Resolution::new(320, 180));
        assert!(
            decoder.decode(&units[1], |size| Some(Frame::black(size))).is_err(),
            "it refers to nothing"
        );
        let _ = decoder.decode(&[0, 0, 0, 1, 0x67, 1, 2, 3], |size| Some(Frame::black(size)));
        let frame = decoder
            .decode(&units[0], |size| Some(Frame::black(size)))
            .expect("decodes");
        assert_eq!(number(&frame.expect("a picture")), 1);
    }
}
