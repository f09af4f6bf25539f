//! RTP headers with their extensions (RFC 3550 §5.1, RFC 8285).

use std::time::Duration;

use str0m::media::{Mid, Pt};
use str0m::rtp::{Extension, ExtensionMap};

use super::arena::Arena;
use super::wall::ntp;
use crate::track::Extensions;

/// Fixed part of a header without contributing sources.
const FIXED: usize = 12;

/// Room for the extensions below in the longer form: profile and length, six elements of two bytes and their values (16 of
/// the MID, 2, 3, 1, 1 and 16), and padding.
const MOST_EXTENSIONS: usize = 4 + 6 * 2 + 16 + 2 + 3 + 1 + 1 + 16 + 3;

/// The highest number that the one-byte form can say (RFC 8285 §4.2).
const HIGHEST_SHORT: u8 = 14;

/// The one-byte form, and the two-byte form (RFC 8285 §4.2, §4.3).
const SHORT_FORM: u16 = 0xBEDE;
const LONG_FORM: u16 = 0x1000;

/// How one viewer numbers the extensions of one media section; 0 where it does not take one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ExtensionIds {
    transport_sequence_number: u8,
    send_time: u8,
    mid: u8,
    audio_level: u8,
    video_orientation: u8,
    capture_time: u8,
}

impl ExtensionIds {
    pub(super) fn new(map: &ExtensionMap) -> Self {
        let of = |extension| map.id_of(extension).unwrap_or(0);
        Self {
            transport_sequence_number: of(Extension::TransportSequenceNumber),
            send_time: of(Extension::AbsoluteSendTime),
            mid: of(Extension::RtpMid),
            audio_level: of(Extension::AudioLevel),
            video_orientation: of(Extension::VideoOrientation),
            capture_time: of(Extension::AbsoluteCaptureTime),
        }
    }

    /// Whether packets of the section are reported by their arrival (transport-wide congestion control).
    pub(super) fn has_feedback(self) -> bool {
        self.transport_sequence_number != 0
    }

    fn is_long(self) -> bool {
        let all = [
            self.transport_sequence_number,
            self.send_time,
            self.mid,
            self.audio_level,
            self.video_orientation,
            self.capture_time,
        ];
        all.into_iter().any(|id| id > HIGHEST_SHORT)
    }
}

/// A header as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) payload_type: Pt,
    pub(super) marker: bool,
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) transport_sequence_number: Option<u16>,
    /// Since the Unix epoch.
    pub(super) sent_at: Duration,
    pub(super) mid: Option<&'a Mid>,
    pub(super) extensions: Extensions,
}

/// Extension elements as they are put together.
struct Elements {
    bytes: [u8; MOST_EXTENSIONS],
    length: usize,
    is_long: bool,
}

impl Elements {
    fn push(&mut self, id: u8, value: &[u8]) {
        let length = value.len();
        if id == 0 || length == 0 || length > 16 {
            return;
        }
        let head = if self.is_long {
            [id, length as u8]
        } else {
            [id << 4 | (length - 1) as u8, 0]
        };
        let head = &head[..if self.is_long { 2 } else { 1 }];
        for part in [head, value] {
            self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
            self.length += part.len();
        }
    }
}

impl Header<'_> {
    /// Writes it onto `out`. Its length in bytes.
    pub(super) fn write(&self, ids: ExtensionIds, out: &mut Arena) -> usize {
        let mut elements = Elements {
            bytes: [0; MOST_EXTENSIONS],
            length: 4,
            is_long: ids.is_long(),
        };
        if let Some(number) = self.transport_sequence_number {
            elements.push(ids.transport_sequence_number, &number.to_be_bytes());
        }
        // Seconds in 6.18 bits, of which 64 go around.
        let send_time = (ntp(self.sent_at) >> 14) as u32;
        elements.push(ids.send_time, &send_time.to_be_bytes()[1..]);
        if let Some(mid) = self.mid {
            elements.push(ids.mid, mid.as_bytes());
        }
        if let Some(level) = self.extensions.audio_level {
            let voice = self.extensions.voice_activity.unwrap_or(false);
            elements.push(ids.audio_level, &[u8::from(voice) << 7 | level.unsigned_abs() & 0x7f]);
        }
        if let Some(orientation) = self.extensions.video_orientation {
            elements.push(ids.video_orientation, &[orientation as u8]);
        }
        if let Some(capture) = self.extensions.capture_time {
            let since = capture.capture_time.duration_since(std::time::UNIX_EPOCH);
            let mut value = [0; 16];
            value[..8].copy_from_slice(&ntp(since.unwrap_or_default()).to_be_bytes());
            value[8..].copy_from_slice(&capture.clock_offset.unwrap_or(0).to_be_bytes());
            let length = if capture.clock_offset.is_some() { 16 } else { 8 };
            elements.push(ids.capture_time, &value[..length]);
        }
        let words = (elements.length - 4).div_ceil(4);
        let extension = if words == 0 { 0 } else { 4 + 4 * words };
        let form = if elements.is_long { LONG_FORM } else { SHORT_FORM };
        elements.bytes[..2].copy_from_slice(&form.to_be_bytes());
        elements.bytes[2..4].copy_from_slice(&(words as u16).to_be_bytes());

        let (_, room) = out.grow(FIXED + extension);
        room[0] = 2 << 6 | u8::from(extension > 0) << 4;
        room[1] = u8::from(self.marker) << 7 | *self.payload_type & 0x7f;
        room[2..4].copy_from_slice(&self.sequence_number.to_be_bytes());
        room[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        room[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        room[FIXED..].copy_from_slice(&elements.bytes[..extension]);
        FIXED + extension
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::rtp::VideoOrientation;

    fn header(extensions: Extensions) -> Header<'static> {
        Header {
            payload_type: Pt::from(96),
            marker: true,
            sequence_number: 0x1234,
            timestamp: 0x0506_0708,
            ssrc: 0xA1A2_A3A4,
            transport_sequence_number: Some(0xBEEF),
            sent_at: Duration::from_secs(3),
            mid: None,
            extensions,
        }
    }

    fn written(header: &Header<'_>, ids: ExtensionIds) -> Vec<u8> {
        let mut out = Arena::default();
        let length = header.write(ids, &mut out);
        assert_eq!(length, out.len());
        out.grow(0).0.to_vec()
    }

    #[test]
    fn the_short_form_is_written_as_rfc_8285_says() {
        let ids = ExtensionIds {
            transport_sequence_number: 3,
            video_orientation: 13,
            ..ExtensionIds::default()
        };
        let extensions = Extensions {
            video_orientation: Some(VideoOrientation::Deg90),
            ..Extensions::default()
        };
        let fixed = [0x90, 0xE0, 0x12, 0x34, 5, 6, 7, 8, 0xA1, 0xA2, 0xA3, 0xA4];
        let elements = [0xBE, 0xDE, 0, 2, 0x31, 0xBE, 0xEF, 0xD0, 3, 0, 0, 0];
        assert_eq!(written(&header(extensions), ids), [fixed, elements].concat());
    }

    #[test]
    fn numbers_above_fourteen_take_the_long_form() {
        let ids = ExtensionIds {
            transport_sequence_number: 15,
            ..ExtensionIds::default()
        };
        let elements = [0x10, 0, 0, 1, 15, 2, 0xBE, 0xEF];
        assert_eq!(written(&header(Extensions::default()), ids)[FIXED..], elements);
    }

    #[test]
    fn what_the_viewer_does_not_take_is_left_out() {
        let mid = Mid::from("0");
        let plain = Header {
            mid: Some(&mid),
            ..header(Extensions::default())
        };
        let bytes = written(&plain, ExtensionIds::default());
        assert_eq!((bytes.len(), bytes[0]), (FIXED, 0x80));
    }

    #[test]
    fn everything_at_once_fits() {
        let ids = ExtensionIds {
            transport_sequence_number: 200,
            send_time: 201,
            mid: 202,
            audio_level: 203,
            video_orientation: 204,
            capture_time: 205,
        };
        let mid = Mid::from("0123456789abcdef");
        let full = Header {
            mid: Some(&mid),
            ..header(Extensions {
                audio_level: Some(-127),
                voice_activity: Some(true),
                video_orientation: Some(VideoOrientation::Deg270),
                capture_time: Some(str0m::rtp::AbsCaptureTime {
                    capture_time: std::time::SystemTime::now(),
                    clock_offset: Some(-1),
                }),
            })
        };
        assert!(written(&full, ids).len() <= FIXED + MOST_EXTENSIONS);
    }
}
