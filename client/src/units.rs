//! Quantities with their units in the type.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a quantity given as text was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseUnitError {
    /// Not of the form `1280x720`.
    #[error("'{0}' is not a picture size: write it like 1280x720")]
    Resolution(String),
    /// Not a number with an optional `k` or `M`.
    #[error("'{0}' is not a bitrate: write it like 2.5M, 800k or 2500000")]
    Bitrate(String),
}

/// A picture's size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resolution {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Resolution {
    /// 1280 × 720.
    pub const HD: Self = Self::new(1280, 720);

    /// A size of `width` × `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Pixels in one picture.
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The next smaller size that 4:2:0 chroma can represent: both sides even.
    #[must_use]
    pub const fn even(self) -> Self {
        Self::new(self.width & !1, self.height & !1)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Resolution {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(['x', 'X', '×'])
            .and_then(|(width, height)| Some(Self::new(width.trim().parse().ok()?, height.trim().parse().ok()?)))
            .ok_or_else(|| ParseUnitError::Resolution(text.to_owned()))
    }
}

/// A bitrate in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bitrate(u32);

impl Bitrate {
    /// `bps` bits per second.
    pub const fn from_bps(bps: u32) -> Self {
        Self(bps)
    }

    /// `kbps` thousand bits per second.
    pub const fn from_kbps(kbps: u32) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// Bits per second.
    pub const fn bps(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bps = f64::from(self.0);
        if self.0 >= 1_000_000 {
            write!(f, "{:.2} Mb/s", bps / 1e6)
        } else {
            write!(f, "{:.0} kb/s", bps / 1e3)
        }
    }
}

impl FromStr for Bitrate {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let (number, factor) = match trimmed.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&trimmed[..at], 1e3),
            Some((at, 'M' | 'm')) => (&trimmed[..at], 1e6),
            _ => (trimmed, 1.0),
        };
        let bps = number.parse::<f64>().ok().map(|value| (value * factor).round());
        match bps {
            Some(bps) if bps >= 1.0 && bps <= f64::from(u32::MAX) => Ok(Self(bps as u32)),
            _ => Err(ParseUnitError::Bitrate(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_bitrates_are_read_as_people_write_them() {
        assert_eq!("1280x720".parse(), Ok(Resolution::HD));
        assert_eq!("2.5M".parse(), Ok(Bitrate::from_kbps(2500)));
        assert_eq!("800k".parse(), Ok(Bitrate::from_bps(800_000)));
        assert_eq!("64000".parse(), Ok(Bitrate::from_bps(64_000)));
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for text in ["", "x", "1280", "-1x5", "axb"] {
            assert!(text.parse::<Resolution>().is_err(), "{text}");
        }
        for text in ["", "k", "-5k", "0", "NaN", "inf", "9e99M", "5µ"] {
            assert!(text.parse::<Bitrate>().is_err(), "{text}");
        }
    }
}
