//! H.264 out of RTP payloads (RFC 6184 §5.6 to §5.8), into the byte stream that decoders read (ITU-T H.264 annex B).

/// In front of each NAL unit.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// NAL unit types (ITU-T H.264 table 7-1) and those of RTP's own (RFC 6184 table 1).
const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Why payloads are no access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DepacketizeError {
    /// Shorter than it says.
    #[error("a packet ends too early")]
    Truncated,
    /// A fragment without the one before or after it.
    #[error("fragments do not fit together")]
    Fragment,
    /// Packet types that need packetization mode 2, which is not offered.
    #[error("packet type {0} was not negotiated")]
    Type(u8),
}

/// One access unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ByteStream {
    pub(crate) data: Vec<u8>,
    /// Whether it can be decoded without any picture before it.
    pub(crate) keyframe: bool,
}

/// Whether a keyframe begins with `payload`: a sequence parameter set, or the first part of an IDR slice.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    match payload {
        [first, rest @ ..] if first & 0x1f == STAP_A => {
            units(rest).any(|unit| unit.is_ok_and(|unit| matches!(kind(unit), Some(IDR | SPS))))
        }
        [first, header, ..] if first & 0x1f == FU_A => header & 0x80 != 0 && matches!(header & 0x1f, IDR | SPS),
        [first, ..] => matches!(first & 0x1f, IDR | SPS),
        [] => false,
    }
}

/// Puts an access unit together from all its payloads in order.
pub(crate) fn depacketize<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Result<ByteStream, DepacketizeError> {
    let mut stream = ByteStream::default();
    let mut in_fragment = false;
    for payload in payloads {
        let [first, rest @ ..] = payload else {
            continue;
        };
        let fragment = first & 0x1f == FU_A;
        if in_fragment && !fragment {
            return Err(DepacketizeError::Fragment);
        }
        match first & 0x1f {
            1..=23 => stream.push(payload),
            STAP_A => {
                for unit in units(rest) {
                    stream.push(unit?);
                }
            }
            FU_A => {
                let [header, data @ ..] = rest else {
                    return Err(DepacketizeError::Truncated);
                };
                let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
                if start == in_fragment {
                    return Err(DepacketizeError::Fragment);
                }
                if start {
                    stream.push(&[first & 0xe0 | header & 0x1f]);
                }
                stream.data.extend_from_slice(data);
                in_fragment = !end;
            }
            other => return Err(DepacketizeError::Type(other)),
        }
    }
    if in_fragment {
        return Err(DepacketizeError::Fragment);
    }
    Ok(stream)
}

impl ByteStream {
    fn push(&mut self, unit: &[u8]) {
        self.keyframe |= kind(unit) == Some(IDR);
        self.data.extend_from_slice(&START_CODE);
        self.data.extend_from_slice(unit);
    }
}

fn kind(unit: &[u8]) -> Option<u8> {
    unit.first().map(|first| first & 0x1f)
}

/// The units of an aggregation packet, after its own first byte.
fn units(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8], DepacketizeError>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let unit = rest
            .split_at_checked(2)
            .and_then(|(size, after)| after.split_at_checked(usize::from(u16::from_be_bytes([size[0], size[1]]))));
        let Some((unit, after)) = unit else {
            rest = &[];
            return Some(Err(DepacketizeError::Truncated));
        };
        rest = after;
        Some(Ok(unit))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtp::codec::h264::H264Payloader;
    use rtc::rtp::packetizer::Payloader as _;

    use super::*;

    fn unit(kind: u8, length: usize) -> Vec<u8> {
        std::iter::once(0x60 | kind)
            .chain((1..length).map(|n| (n % 200 + 2) as u8))
            .collect()
    }

    fn byte_stream(units: &[Vec<u8>]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|unit| [&START_CODE, unit.as_slice()].concat())
            .collect()
    }

    fn payloads(units: &[Vec<u8>]) -> Vec<Bytes> {
        let stream = Bytes::from(byte_stream(units));
        H264Payloader::default().payload(100, &stream).expect("it can be cut")
    }

    fn joined(payloads: &[Bytes]) -> Result<ByteStream, DepacketizeError> {
        depacketize(payloads.iter().map(AsRef::as_ref))
    }

    #[test]
    fn aggregated_and_fragmented_units_come_back_as_they_were() {
        let units = [unit(SPS, 12), unit(8, 5), unit(IDR, 950), unit(1, 90)];
        let payloads = payloads(&units);
        assert_eq!(payloads[0][0] & 0x1f, STAP_A);
        assert!(payloads.iter().any(|payload| payload[0] & 0x1f == FU_A));
        let stream = joined(&payloads).expect("whole");
        assert_eq!(stream.data, byte_stream(&units));
        assert!(stream.keyframe);
    }

    #[test]
    fn a_keyframe_is_known_by_its_first_packet() {
        let keyframe = payloads(&[unit(SPS, 12), unit(8, 5), unit(IDR, 950)]);
        assert!(begins_keyframe(&keyframe[0]));
        let bare = payloads(&[unit(IDR, 950)]);
        assert!(begins_keyframe(&bare[0]) && !begins_keyframe(&bare[1]));
        assert!(!begins_keyframe(&payloads(&[unit(1, 950)])[0]));
        assert!(!begins_keyframe(&[]));
        assert!(!joined(&payloads(&[unit(1, 950)])).expect("whole").keyframe);
    }

    #[test]
    fn a_missing_fragment_is_noticed_wherever_it_was() {
        let payloads = payloads(&[unit(1, 950), unit(1, 50)]);
        assert!(joined(&payloads).is_ok());
        let fragments = payloads.iter().filter(|payload| payload[0] & 0x1f == FU_A).count();
        for first_or_last in [0, fragments - 1] {
            let mut rest = payloads.clone();
            rest.remove(first_or_last);
            assert_eq!(joined(&rest), Err(DepacketizeError::Fragment));
        }
    }

    #[test]
    fn what_is_too_short_or_was_not_negotiated_is_refused() {
        assert_eq!(
            joined(&[Bytes::from_static(&[STAP_A, 0, 9, 1])]),
            Err(DepacketizeError::Truncated)
        );
        assert_eq!(joined(&[Bytes::from_static(&[FU_A])]), Err(DepacketizeError::Truncated));
        assert_eq!(
            joined(&[Bytes::from_static(&[25, 1, 2])]),
            Err(DepacketizeError::Type(25))
        );
    }

    proptest! {
        #[test]
        fn any_units_survive(units in prop::collection::vec((1u8..7, 3usize..400), 1..8)) {
            // Parameter sets are held back and repeated by the payloader: the test above has those.
            let units: Vec<_> = units.into_iter().map(|(kind, length)| unit(kind, length)).collect();
            prop_assert_eq!(joined(&payloads(&units)).expect("whole").data, byte_stream(&units));
        }

        #[test]
        fn any_bytes_are_taken_without_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            for payload in &payloads {
                begins_keyframe(payload);
            }
            let _ = depacketize(payloads.iter().map(Vec::as_slice));
        }
    }
}
