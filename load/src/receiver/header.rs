//! RTP headers as they are read (RFC 3550 §5.1, RFC 8285).

/// Fixed part of a header without contributing sources.
const FIXED: usize = 12;

/// The one-byte form, and the two-byte form with its four bits that say nothing (RFC 8285 §4.2, §4.3).
const SHORT_FORM: u16 = 0xBEDE;
const LONG_FORM: u16 = 0x1000;

/// In the one-byte form, this number ends the elements (RFC 8285 §4.2).
const END: u8 = 15;

/// What of a header a receiver needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) has_padding: bool,
    /// The number that all packets of the connection share.
    pub(super) transport_number: Option<u16>,
    /// Bytes before the payload.
    pub(super) length: usize,
}

impl Header {
    /// `transport_id` is what the transport-wide number is negotiated as; 0 where it is not.
    pub(super) fn read(datagram: &[u8], transport_id: u8) -> Option<Self> {
        let fixed = datagram.first_chunk::<FIXED>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let sources = FIXED + 4 * usize::from(fixed[0] & 0x0f);
        let mut length = sources;
        let mut transport_number = None;
        if fixed[0] & 0x10 != 0 {
            let rest = datagram.get(sources..)?;
            let (form, words) = (half(rest, 0)?, usize::from(half(rest, 2)?));
            let elements = rest.get(4..4 + 4 * words)?;
            length += 4 + elements.len();
            transport_number = find(form, elements, transport_id).and_then(|value| half(value, 0));
        }
        (datagram.len() >= length).then_some(Self {
            payload_type: fixed[1] & 0x7f,
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            has_padding: fixed[0] & 0x20 != 0,
            transport_number,
            length,
        })
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The value of element `id`.
fn find(form: u16, mut elements: &[u8], id: u8) -> Option<&[u8]> {
    let is_short = form == SHORT_FORM;
    if id == 0 || !(is_short || form & 0xfff0 == LONG_FORM) {
        return None;
    }
    loop {
        let (first, rest) = elements.split_first()?;
        if *first == 0 {
            // Padding between elements.
            elements = rest;
            continue;
        }
        let (number, length, rest) = if is_short {
            (first >> 4, usize::from(first & 0x0f) + 1, rest)
        } else {
            let (length, rest) = rest.split_first()?;
            (*first, usize::from(*length), rest)
        };
        if is_short && number == END {
            return None;
        }
        let (value, rest) = rest.split_at_checked(length)?;
        if number == id {
            return Some(value);
        }
        elements = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: [u8; 12] = [0x90, 0xE0, 0x12, 0x34, 5, 6, 7, 8, 0xA1, 0xA2, 0xA3, 0xA4];

    #[test]
    fn the_number_is_found_in_the_short_form() {
        let elements = [0xBE, 0xDE, 0, 2, 0x52, 1, 2, 3, 0, 0x31, 0xBE, 0xEF];
        let packet = [&FIRST[..], &elements, &[9; 3]].concat();
        let header = Header::read(&packet, 3).expect("a header");
        let expected = Header {
            payload_type: 96,
            sequence_number: 0x1234,
            timestamp: 0x0506_0708,
            ssrc: 0xA1A2_A3A4,
            has_padding: false,
            transport_number: Some(0xBEEF),
            length: 24,
        };
        assert_eq!(header, expected);
        for other in [0, 4, 15] {
            assert_eq!(
                Header::read(&packet, other).and_then(|found| found.transport_number),
                None
            );
        }
    }

    #[test]
    fn the_number_is_found_in_the_long_form() {
        let elements = [0x10, 0, 0, 2, 4, 0, 15, 2, 0xBE, 0xEF, 0, 0];
        let packet = [&FIRST[..], &elements].concat();
        let header = Header::read(&packet, 15).expect("a header");
        assert_eq!((header.transport_number, header.length), (Some(0xBEEF), 24));
    }

    #[test]
    fn contributing_sources_and_padding_are_seen() {
        let mut packet = [&FIRST[..], &[0; 9]].concat();
        packet[0] = 0xA2;
        let header = Header::read(&packet, 3).expect("a header");
        assert_eq!((header.length, header.has_padding), (20, true));
        assert_eq!(Header::read(&packet[..19], 3), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_to_its_end(mut bytes: Vec<u8>, form in prop::sample::select(vec![0xBE_u8, 0x10])) {
            if let [first, ..] = &mut bytes[..] {
                *first = *first & 0x3f | 0x80;
            }
            if bytes.len() > 13 {
                (bytes[12], bytes[13]) = (form, if form == 0xBE { 0xDE } else { 0 });
            }
            if let Some(header) = Header::read(&bytes, 3) {
                prop_assert!(header.length <= bytes.len());
            }
        }
    }
}
