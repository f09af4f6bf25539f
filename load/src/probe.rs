//! What each packet carries: the publisher's count of packets and the time it was sent.
//!
//! Seven bits go into a byte and the eighth is always set, so that no byte is zero and the stamp can stand inside a NAL
//! unit without an emulation prevention byte (ITU-T H.264 §7.4.1).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes that a stamp takes.
pub const STAMP_LEN: usize = MAGIC.len() + NUMBER_LEN + TIME_LEN;

const MAGIC: [u8; 4] = *b"\xf0\x9f\x94\xa6";
/// ⌈32 / 7⌉.
const NUMBER_LEN: usize = 5;
/// ⌈64 / 7⌉.
const TIME_LEN: usize = 10;

/// Bytes of slice header that stand between a NAL unit's own header and the stamp where a slice begins.
pub(crate) const SLICE_HEADER_LEN: usize = 2;

/// One packet's number and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// How many stamped packets the publisher had sent before this one, modulo 2³².
    pub number: u32,
    /// When it was sent, in nanoseconds of UNIX time. The kernel stamps arriving datagrams by the same clock.
    pub sent_unix_ns: u64,
}

impl Stamp {
    /// Writes the stamp to the front of `out`.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        put(out, u64::from(self.number), NUMBER_LEN);
        put(out, self.sent_unix_ns, TIME_LEN);
    }

    /// Finds the stamp in an RTP payload of H.264 (RFC 6184): a single NAL unit of a slice, or a fragment (FU-A).
    pub fn read(payload: &[u8]) -> Option<Self> {
        let start = Self::start(payload)?;
        let (magic, rest) = payload.get(start..start + STAMP_LEN)?.split_at(MAGIC.len());
        let (number, sent) = rest.split_at(NUMBER_LEN);
        (magic == MAGIC).then(|| Self {
            number: get(number) as u32,
            sent_unix_ns: get(sent),
        })
    }

    /// Writes another time into a payload that has a stamp. Whether it has one.
    pub(crate) fn renew(payload: &mut [u8], sent_unix_ns: u64) -> bool {
        let (Some(stamp), Some(start)) = (Self::read(payload), Self::start(payload)) else {
            return false;
        };
        let mut bytes = Vec::with_capacity(STAMP_LEN);
        Self { sent_unix_ns, ..stamp }.write(&mut bytes);
        payload[start..start + STAMP_LEN].copy_from_slice(&bytes);
        true
    }

    /// Where it stands.
    fn start(payload: &[u8]) -> Option<usize> {
        const SLICE: u8 = 1;
        const IDR: u8 = 5;
        const FU_A: u8 = 28;
        let first = *payload.first()?;
        match first & 0x1f {
            SLICE | IDR => Some(1 + SLICE_HEADER_LEN),
            FU_A if payload.get(1)? & 0x80 != 0 => Some(2 + SLICE_HEADER_LEN),
            FU_A => Some(2),
            _ => None,
        }
    }
}

fn put(out: &mut Vec<u8>, value: u64, bytes: usize) {
    for index in (0..bytes).rev() {
        out.push(0x80 | (value >> (7 * index)) as u8);
    }
}

fn get(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
}

/// Now, in nanoseconds of UNIX time.
pub(crate) fn unix_ns() -> u64 {
    as_ns(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Saturates in the year 2554.
pub(crate) fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_is_read_as_it_was_written(number: u32, sent_unix_ns: u64, begins: bool) {
            let stamp = Stamp { number, sent_unix_ns };
            let mut payload = if begins { vec![0x7c, 0x85, 1, 1] } else { vec![0x7c, 0x05] };
            stamp.write(&mut payload);
            prop_assert!(!payload.contains(&0), "a zero byte could imitate a start code");
            prop_assert_eq!(Stamp::read(&payload), Some(stamp));
            for end in 0..payload.len() {
                prop_assert_eq!(Stamp::read(&payload[..end]), None);
                prop_assert!(!Stamp::renew(&mut payload[..end], 1));
            }
            prop_assert!(Stamp::renew(&mut payload, 1));
            prop_assert_eq!(Stamp::read(&payload), Some(Stamp { number, sent_unix_ns: 1 }));
        }

        #[test]
        fn any_payload_can_be_looked_at(payload: Vec<u8>) {
            let _ = Stamp::read(&payload);
        }
    }
}
