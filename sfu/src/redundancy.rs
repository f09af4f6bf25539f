//! Redundant sound (RFC 2198): a packet that carries those before it once more, so that one that is lost comes with the next.
//!
//! It travels through to viewers that offer it. The others get the packet's own sound alone.

use str0m::media::Pt;

/// The bit of a block's header that says that another follows (RFC 2198 §3).
const FOLLOWS: u8 = 0x80;

/// Bytes of a header that another follows; the last one's is one byte.
const HEADER: usize = 4;

/// How many packets before its own one can carry: it says in 14 bits how many ticks each is behind (RFC 2198 §3), and the shortest of Opus
/// lasts 120 (RFC 7587 §4.1).
pub(crate) const MOST_BEHIND: u64 = (1 << 14) / 120;

/// Where a payload's own sound begins, behind the headers and the blocks of packets before it. `None` where it is none of redundant
/// sound, or has a block of another payload type than `payload_type`.
pub(crate) fn primary_at(payload: &[u8], payload_type: Pt) -> Option<u16> {
    let mut rest = payload;
    let mut redundant = 0_usize;
    loop {
        let &first = rest.first()?;
        if first & !FOLLOWS != *payload_type {
            return None;
        }
        if first & FOLLOWS == 0 {
            break;
        }
        let (header, after) = rest.split_first_chunk::<HEADER>()?;
        redundant += usize::from(u16::from_be_bytes([header[2] & 0x03, header[3]]));
        rest = after;
    }
    let headers = payload.len() - rest.len() + 1;
    let at = headers + redundant;
    u16::try_from(at).ok().filter(|_| at <= payload.len())
}

/// Names all blocks by another payload type, as far as there are headers.
pub(crate) fn rename(payload: &mut [u8], payload_type: Pt) {
    let mut rest = payload;
    while let [first, after @ ..] = rest {
        let follows = *first & FOLLOWS;
        *first = follows | (*payload_type & !FOLLOWS);
        if follows == 0 {
            return;
        }
        rest = after.get_mut(HEADER - 1..).unwrap_or_default();
    }
}

/// The payload type that the first block is named by.
pub(crate) fn named(payload: &[u8]) -> Option<Pt> {
    payload.first().map(|first| Pt::from(first & !FOLLOWS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPUS: u8 = 111;

    /// Three packets, of two, one and three bytes, as libwebrtc writes them.
    fn payload() -> Vec<u8> {
        let header = |behind: u16, length: u16| {
            let [high, low] = length.to_be_bytes();
            let behind = (behind << 2).to_be_bytes();
            [FOLLOWS | OPUS, behind[0], behind[1] | high, low]
        };
        [
            &header(1_920, 2)[..],
            &header(960, 1),
            &[OPUS],
            &[1, 2],
            &[3],
            &[4, 5, 6],
        ]
        .concat()
    }

    #[test]
    fn a_packets_own_sound_is_found_behind_all_others() {
        let payload = payload();
        let at = primary_at(&payload, Pt::from(OPUS)).expect("redundant sound");
        assert_eq!(payload[usize::from(at)..], [4, 5, 6]);
        assert_eq!(primary_at(&[OPUS, 7, 8], Pt::from(OPUS)), Some(1), "nothing redundant");
        assert_eq!(primary_at(&[OPUS], Pt::from(OPUS)), Some(1), "nothing at all");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let good = payload();
        assert_eq!(primary_at(&good, Pt::from(109)), None, "of another payload type");
        for end in 0..12 {
            assert_eq!(primary_at(&good[..end], Pt::from(OPUS)), None, "cut off after {end}");
        }
        let mut long = good;
        long[3] = 0xff;
        assert_eq!(
            primary_at(&long, Pt::from(OPUS)),
            None,
            "a block longer than the packet"
        );
    }

    #[test]
    fn all_blocks_are_named_anew_and_nothing_else_changes() {
        let (before, mut after) = (payload(), payload());
        rename(&mut after, Pt::from(96));
        let differ: Vec<_> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
        assert_eq!(differ, [0, 4, 8]);
        assert_eq!(primary_at(&after, Pt::from(96)), primary_at(&before, Pt::from(OPUS)));
    }

    proptest! {
        #[test]
        fn any_payload_can_be_looked_at(payload: Vec<u8>, payload_type in 0_u8..128) {
            let at = primary_at(&payload, Pt::from(payload_type));
            prop_assert!(at.is_none_or(|at| usize::from(at) <= payload.len()));
            let mut renamed = payload.clone();
            rename(&mut renamed, Pt::from(payload_type));
            prop_assert_eq!(renamed.len(), payload.len());
        }
    }
}
