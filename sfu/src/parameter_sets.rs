//! The parameter sets of an H.264 stream, for viewers who come after them.
//!
//! Some publishers send them once, at the beginning. A viewer whose picture starts later decodes nothing without.

use std::sync::Arc;

use crate::keyframe::nal;
use crate::picture_size::first_number;

/// Most that are kept of a layer. Encoders have one of each kind, few have more.
const MOST: usize = 8;

/// Longest that is kept, in bytes. They have some twenty, and a few hundred with scaling lists.
const LONGEST: usize = 512;

/// Most that goes before a picture, in bytes: what fits into one packet.
const ROOM: usize = 1_100;

/// Of `profile_idc`, the constraint flags and `level_idc`, which come before a sequence parameter set's number.
const BEFORE_NUMBER: usize = 3;

/// What has come in of one layer, bounded.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    /// In the order of their kinds: sequence before picture.
    kept: Vec<Kept>,
    /// All of them as one packet, made anew where one has changed.
    packed: Option<Arc<[u8]>>,
    /// The frame that had a sequence parameter set last.
    frame: Option<u32>,
}

#[derive(Debug)]
struct Kept {
    kind: u8,
    number: u32,
    unit: Box<[u8]>,
}

impl ParameterSets {
    /// Takes in a packet of the frame `timestamp`. What goes before it to whoever starts with it: the payload of a packet with what was
    /// kept (STAP-A, RFC 6184 §5.7.1), where it starts a keyframe that has no parameter sets of its own.
    pub(crate) fn observe(&mut self, payload: &[u8], timestamp: u32, starts_keyframe: bool) -> Option<Arc<[u8]>> {
        let mut has_changed = false;
        for unit in nal::units(payload) {
            let kind = unit.first().map_or(0, |header| header & 0x1f);
            if kind == nal::SPS {
                self.frame = Some(timestamp);
            }
            has_changed |= self.keep(kind, unit);
        }
        if has_changed {
            self.packed = self.pack();
        }
        let is_bare = starts_keyframe && self.frame != Some(timestamp);
        self.packed.as_ref().filter(|_| is_bare).cloned()
    }

    /// Whether it was not known as it is.
    fn keep(&mut self, kind: u8, unit: &[u8]) -> bool {
        let Some(number) = number(kind, unit).filter(|_| unit.len() <= LONGEST) else {
            return false;
        };
        let known = self
            .kept
            .iter_mut()
            .find(|kept| (kept.kind, kept.number) == (kind, number));
        if let Some(known) = known {
            let has_changed = *known.unit != *unit;
            if has_changed {
                known.unit = unit.into();
            }
            return has_changed;
        }
        if self.kept.len() >= MOST {
            return false;
        }
        let at = self.kept.partition_point(|kept| kept.kind <= kind);
        let unit = unit.into();
        self.kept.insert(at, Kept { kind, number, unit });
        true
    }

    /// `None` where nothing could be decoded with them.
    fn pack(&self) -> Option<Arc<[u8]>> {
        let has = |kind| self.kept.iter().any(|kept| kept.kind == kind);
        if !has(nal::SPS) || !has(nal::PPS) {
            return None;
        }
        // The importance is that of the most important unit (RFC 6184 §5.3).
        let importance = self.kept.iter().filter_map(|kept| kept.unit.first());
        let importance = importance.map(|header| header & 0x60).max().unwrap_or(0);
        let mut packed = vec![importance | nal::STAP_A];
        for unit in self.kept.iter().map(|kept| &kept.unit) {
            if packed.len() + 2 + unit.len() <= ROOM {
                packed.extend((unit.len() as u16).to_be_bytes());
                packed.extend_from_slice(unit);
            }
        }
        Some(packed.into())
    }
}

/// By which number slices call a parameter set (ITU-T H.264 §7.3.2.1.1, §7.3.2.2). `None`: it is none.
fn number(kind: u8, unit: &[u8]) -> Option<u32> {
    match kind {
        nal::SPS => first_number(unit.get(1 + BEFORE_NUMBER..)?),
        nal::PPS => first_number(unit.get(1..)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPS: [u8; 6] = [0x67, 0x42, 0xe0, 0x1f, 0x80, 1];
    const PPS: [u8; 3] = [0x68, 0x80, 2];
    const IDR: [u8; 3] = [0x65, 1, 2];

    #[test]
    fn a_keyframe_without_them_gets_the_newest_of_each() {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.observe(&IDR, 1, true), None, "none is known");
        let newer = [0x67, 0x42, 0xe0, 0x28, 0x80, 3];
        for unit in [&PPS[..], &SPS, &newer] {
            assert_eq!(sets.observe(unit, 2, true), None);
        }
        assert_eq!(sets.observe(&IDR, 2, true), None, "they came with it");
        assert_eq!(sets.observe(&[0x41, 1], 3, false), None);
        let expected = [&[0x78, 0, 6][..], &newer, &[0, 3], &PPS].concat();
        assert_eq!(sets.observe(&IDR, 4, true).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn they_are_found_in_a_packet_of_several() {
        let mut sets = ParameterSets::default();
        let together = [&[0x78, 0, 6][..], &SPS, &[0, 3], &PPS, &[0, 3], &IDR].concat();
        assert_eq!(sets.observe(&together, 1, true), None);
        assert_eq!(
            sets.observe(&IDR, 2, true).as_deref(),
            Some(&together[..together.len() - 5])
        );
    }

    #[test]
    fn no_more_are_kept_than_fit_into_a_packet() {
        let mut sets = ParameterSets::default();
        sets.observe(&SPS, 0, true);
        for number in 0..200_u32 {
            // Each begins with another number: `1`, `010`, `011` and so on, then what makes it long.
            let bits = (number % 7 + 1) << (7 - 2 * (number % 7 + 1).ilog2());
            let unit = [&[0x68, bits as u8][..], &vec![1; 300 + number as usize]].concat();
            sets.observe(&unit, 0, false);
        }
        assert!(sets.kept.len() <= MOST);
        assert!(sets.kept.iter().all(|kept| kept.unit.len() <= LONGEST));
        assert!(sets.observe(&IDR, 1, true).is_some_and(|packed| packed.len() <= ROOM));
    }

    proptest! {
        #[test]
        fn no_payload_panics(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..32)) {
            let mut sets = ParameterSets::default();
            for (at, payload) in payloads.iter().enumerate() {
                sets.observe(payload, at as u32 / 2, at % 2 == 0);
            }
            prop_assert!(sets.kept.len() <= MOST);
        }
    }
}
