//! The picture ids of VP8 (RFC 7741 §4.2), which must run on when what a slot shows changes: a decoder takes one that
//! jumps back for a picture of before.

use crate::alteration::{Alteration, MOST_NUMBERS, NUMBERS_AT};

/// The numbers of a payload descriptor, which stand one behind the other at [`NUMBERS_AT`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    picture_id: Option<PictureId>,
    /// `TL0PICIDX`.
    base_layer: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PictureId {
    value: u16,
    is_long: bool,
}

fn read(payload: &[u8]) -> Option<Numbers> {
    let mut numbers = Numbers::default();
    if payload.first()? & 0x80 == 0 {
        return Some(numbers);
    }
    let extension = *payload.get(1)?;
    let mut at = NUMBERS_AT;
    if extension & 0x80 != 0 {
        let high = *payload.get(at)?;
        let is_long = high & 0x80 != 0;
        let value = if is_long {
            u16::from_be_bytes([high & 0x7f, *payload.get(at + 1)?])
        } else {
            u16::from(high)
        };
        numbers.picture_id = Some(PictureId { value, is_long });
        at += if is_long { 2 } else { 1 };
    }
    if extension & 0x40 != 0 {
        numbers.base_layer = Some(*payload.get(at)?);
    }
    Some(numbers)
}

impl Numbers {
    /// Puts them where they stand.
    fn alteration(self) -> Alteration {
        let (mut bytes, mut length) = ([0; MOST_NUMBERS], 0);
        let mut push = |byte| {
            bytes[length] = byte;
            length += 1;
        };
        if let Some(id) = self.picture_id {
            let [high, low] = id.value.to_be_bytes();
            if id.is_long {
                push(high | 0x80);
            }
            push(low);
        }
        self.base_layer.into_iter().for_each(push);
        Alteration::Numbers {
            bytes,
            length: length as u8,
        }
    }
}

impl PictureId {
    /// The largest number that it can be: the circle that it runs on.
    fn circle(self) -> u16 {
        if self.is_long { 0x7fff } else { 0x7f }
    }
}

fn is_newer(a: u16, b: u16, circle: u16) -> bool {
    let ahead = a.wrapping_sub(b) & circle;
    ahead != 0 && ahead <= circle / 2
}

/// The picture ids of one slot.
#[derive(Debug, Default)]
pub(crate) struct PictureIds {
    /// The newest that were given out.
    newest: Option<(u16, u8)>,
    /// What is added to those that come in.
    offset: (u16, u8),
}

impl PictureIds {
    /// The next packet is the first of something else.
    pub(crate) fn begin(&mut self, payload: &[u8]) {
        let Some(numbers) = read(payload) else { return };
        let Some((picture_id, base_layer)) = self.newest else {
            return;
        };
        let first_id = numbers.picture_id.map_or(0, |id| id.value);
        let first_base = numbers.base_layer.unwrap_or(0);
        self.offset = (
            picture_id.wrapping_add(1).wrapping_sub(first_id),
            base_layer.wrapping_add(1).wrapping_sub(first_base),
        );
    }

    /// What the payload's numbers become on the slot's line.
    pub(crate) fn run_on(&mut self, payload: &[u8]) -> Alteration {
        let Some(before) = read(payload) else {
            return Alteration::None;
        };
        let after = Numbers {
            picture_id: before.picture_id.map(|id| PictureId {
                value: id.value.wrapping_add(self.offset.0) & id.circle(),
                ..id
            }),
            base_layer: before.base_layer.map(|value| value.wrapping_add(self.offset.1)),
        };
        self.note(after);
        if after == before {
            Alteration::None
        } else {
            after.alteration()
        }
    }

    fn note(&mut self, given: Numbers) {
        let Some(id) = given.picture_id else { return };
        let (_, newest_base) = self.newest.unwrap_or_default();
        if self
            .newest
            .is_none_or(|(newest, _)| is_newer(id.value, newest, id.circle()))
        {
            self.newest = Some((id.value, given.base_layer.unwrap_or(newest_base)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(picture_id: u16, base_layer: u8) -> [u8; 8] {
        let [high, low] = picture_id.to_be_bytes();
        [0x90, 0xe0, high | 0x80, low, base_layer, 0x20, 0x01, 7]
    }

    /// As it goes out.
    fn rewritten(line: &mut PictureIds, payload: &[u8]) -> Vec<u8> {
        line.run_on(payload).apply(payload, &mut Vec::new()).to_vec()
    }

    fn ids(payload: &[u8]) -> (u16, u8) {
        let numbers = read(payload).expect("a descriptor");
        (
            numbers.picture_id.expect("an id").value,
            numbers.base_layer.expect("a base layer"),
        )
    }

    #[test]
    fn short_ids_run_on_a_circle_of_their_own() {
        let short = |id: u8| [0x90, 0x80, id, 7];
        let mut line = PictureIds::default();
        for id in [126, 127, 0, 1] {
            assert_eq!(rewritten(&mut line, &short(id)), short(id));
        }
        line.begin(&short(100));
        for (id, out) in [(100, 2), (101, 3), (127, 29), (0, 30)] {
            assert_eq!(rewritten(&mut line, &short(id)), short(out));
        }
    }

    #[test]
    fn a_change_leaves_no_gap_and_what_follows_keeps_its_distance() {
        let mut line = PictureIds::default();
        line.begin(&payload(32_766, 250));
        assert_eq!(line.run_on(&payload(32_766, 250)), Alteration::None);
        assert_eq!(ids(&rewritten(&mut line, &payload(32_767, 251))), (32_767, 251));
        line.begin(&payload(100, 9));
        assert_eq!(ids(&rewritten(&mut line, &payload(100, 9))), (0, 252));
        assert_eq!(ids(&rewritten(&mut line, &payload(102, 10))), (2, 253));
        assert_eq!(ids(&rewritten(&mut line, &payload(101, 9))), (1, 252), "late");
        line.begin(&payload(5, 5));
        assert_eq!(ids(&rewritten(&mut line, &payload(5, 5))), (3, 254));
        assert_eq!(rewritten(&mut line, &payload(5, 5))[5..], [0x20, 0x01, 7]);
    }

    proptest! {
        #[test]
        fn no_payload_panics_or_changes_its_length(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 1..12)
        ) {
            let mut line = PictureIds::default();
            for (at, payload) in payloads.into_iter().enumerate() {
                if at % 3 == 0 {
                    line.begin(&payload);
                }
                prop_assert_eq!(rewritten(&mut line, &payload).len(), payload.len());
            }
        }
    }
}
