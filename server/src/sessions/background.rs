//! The background picture of camera mode.

use axum::body::Bytes;

/// The largest picture, in bytes: a photograph of 4K compressed as for the web.
pub const MAX_BACKGROUND_BYTES: usize = 2 * 1024 * 1024;

/// A picture as its host uploaded it.
#[derive(Debug, Clone)]
pub struct Background {
    /// The file.
    pub bytes: Bytes,
    /// What it is, by its first bytes.
    pub media_type: &'static str,
}

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackgroundRefusal {
    /// Something else, or a format that not every browser shows.
    #[error("a background is a JPEG, PNG or WebP picture")]
    NotAPicture,
    /// Over [`MAX_BACKGROUND_BYTES`].
    #[error("a background may have {MAX_BACKGROUND_BYTES} bytes")]
    TooLarge,
    /// Voice has no picture, studio fills the stage.
    #[error("only sessions in camera mode have a background")]
    NotCameraMode,
}

impl Background {
    /// Takes a file, whatever its sender calls it: browsers go by what is in it as well.
    pub fn new(bytes: Bytes) -> Result<Self, BackgroundRefusal> {
        if bytes.len() > MAX_BACKGROUND_BYTES {
            return Err(BackgroundRefusal::TooLarge);
        }
        let media_type = match &bytes[..] {
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return Err(BackgroundRefusal::NotAPicture),
        };
        Ok(Self { bytes, media_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_first_bytes() {
        let of = |bytes: &'static [u8]| Background::new(Bytes::from_static(bytes)).map(|b| b.media_type);
        assert_eq!(of(b"\xff\xd8\xff\xe0rest"), Ok("image/jpeg"));
        assert_eq!(of(b"\x89PNG\r\n\x1a\nrest"), Ok("image/png"));
        assert_eq!(of(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Ok("image/webp"));
        for other in [&b""[..], b"<svg onload=alert(1)>", b"GIF89a", b"RIFF"] {
            assert_eq!(of(other), Err(BackgroundRefusal::NotAPicture));
        }
        let large = Background::new(Bytes::from(vec![0xff; MAX_BACKGROUND_BYTES + 1]));
        assert_eq!(large.map(|b| b.media_type), Err(BackgroundRefusal::TooLarge));
    }
}
