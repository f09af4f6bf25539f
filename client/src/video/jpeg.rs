//! JPEG: where one ends, and one of a picture.

use turbojpeg::{Subsamp, YuvImage};

use super::frame::Frame;

/// Of a picture that is looked at once, and small.
const QUALITY: i32 = 80;

/// Start of image, end of image, start of scan (ITU-T T.81, table B.1).
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// `frame` as JPEG; none where there is no memory for it.
pub(super) fn of(frame: &Frame) -> Option<Vec<u8>> {
    let planes = [&frame.y[..], &frame.u, &frame.v].concat();
    let image = YuvImage {
        pixels: &planes[..],
        width: frame.width(),
        align: 1,
        height: frame.size().height as usize,
        subsamp: Subsamp::Sub2x2,
    };
    turbojpeg::compress_yuv(image, QUALITY).ok().map(|data| data.to_vec())
}

/// The picture at the start of `data`, up to and with its end marker; none when it is no JPEG or has no end.
///
/// A camera's buffer is as large as its largest picture: behind a smaller one stands what is left of older ones.
///
/// Segments are skipped by their length, since a thumbnail in one of them has an end marker of its own.
pub(super) fn trim(data: &[u8]) -> Option<&[u8]> {
    if !data.starts_with(&[0xff, SOI]) {
        return None;
    }
    let mut at = 2;
    loop {
        let (&[0xff, marker], rest) = data.get(at..)?.split_first_chunk()? else {
            return None;
        };
        match marker {
            // A fill byte before the marker (T.81 §B.1.1.2).
            0xff => at += 1,
            EOI => return Some(&data[..at + 2]),
            // Markers that stand alone.
            0x01 | 0xd0..=0xd7 => at += 2,
            _ => {
                let (length, _) = rest.split_first_chunk()?;
                at += 2 + usize::from(u16::from_be_bytes(*length));
                if marker == SOS {
                    at += coded_length(data.get(at..)?)?;
                }
            }
        }
    }
}

/// Length of the entropy-coded data up to the next marker. A 0xff in it is followed by a zero or is a restart marker (T.81 §F.1.2.3, §B.1.1.3).
fn coded_length(data: &[u8]) -> Option<usize> {
    data.windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A comment that holds an end marker, a scan with a stuffed byte and a restart marker, and the end.
    const PICTURE: [u8; 20] = [
        0xff, SOI, 0xff, 0xfe, 0, 4, 0xff, EOI, 0xff, SOS, 0, 2, 7, 0xff, 0, 0xff, 0xd0, 9, 0xff, EOI,
    ];

    #[test]
    fn what_stands_behind_the_end_is_cut_off() {
        let mut data = PICTURE.to_vec();
        data.extend_from_slice(&PICTURE);
        assert_eq!(trim(&data), Some(&PICTURE[..]));
    }

    #[test]
    fn a_picture_without_an_end_is_none() {
        for length in 0..PICTURE.len() {
            assert_eq!(trim(&PICTURE[..length]), None, "{length} bytes");
        }
        assert_eq!(trim(b"not a picture"), None);
    }

    proptest! {
        #[test]
        fn no_input_panics(tail: Vec<u8>) {
            let mut data = PICTURE[..8].to_vec();
            data.extend(tail);
            trim(&data);
        }
    }
}
