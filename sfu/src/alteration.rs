//! What one viewer gets differently of a payload that all viewers share.
//!
//! It is done while the packet is sealed, in a buffer that is there anyway: nobody needs a copy of a payload.

use str0m::media::Pt;

use crate::redundancy;

/// How a payload differs for one viewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Alteration {
    /// Not at all.
    #[default]
    None,
    /// The first `length` of these bytes stand at [`NUMBERS_AT`]: VP8's numbers of pictures.
    Numbers { bytes: [u8; MOST_NUMBERS], length: u8 },
    /// The payload type that blocks of redundant sound are named by.
    Blocks(Pt),
    /// What comes after so many bytes: a packet's own sound without that of packets before it.
    Primary(u16),
}

/// Where the numbers of a VP8 payload descriptor stand that has any (RFC 7741 §4.2).
pub(crate) const NUMBERS_AT: usize = 2;

/// Two of a long picture id, and one of `TL0PICIDX`.
pub(crate) const MOST_NUMBERS: usize = 3;

impl Alteration {
    /// Writes `payload`, altered, onto `out`.
    pub(crate) fn append(self, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::None => out.extend_from_slice(payload),
            Self::Primary(at) => out.extend_from_slice(payload.get(usize::from(at)..).unwrap_or_default()),
            Self::Numbers { bytes, length } => {
                out.extend_from_slice(payload);
                let from = start + NUMBERS_AT;
                let bytes = bytes.get(..usize::from(length)).unwrap_or_default();
                if let Some(place) = out.get_mut(from..from + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Blocks(payload_type) => {
                out.extend_from_slice(payload);
                redundancy::rename(&mut out[start..], payload_type);
            }
        }
    }

    /// `payload` altered: itself where it does not differ, and else in `room`.
    pub(crate) fn apply<'a>(self, payload: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
        if self == Self::None {
            return payload;
        }
        room.clear();
        self.append(payload, room);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_payload_can_be_altered_in_any_way(payload: Vec<u8>, bytes: [u8; MOST_NUMBERS], length: u8, at: u16) {
            let mut room = vec![9; 4];
            prop_assert_eq!(Alteration::None.apply(&payload, &mut room), &payload[..]);
            for alteration in [Alteration::Numbers { bytes, length }, Alteration::Blocks(Pt::from(111))] {
                prop_assert_eq!(alteration.apply(&payload, &mut room).len(), payload.len());
            }
            let rest = payload.len().saturating_sub(usize::from(at));
            prop_assert_eq!(Alteration::Primary(at).apply(&payload, &mut room), &payload[payload.len() - rest..]);
        }
    }
}
