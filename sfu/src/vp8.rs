//! The picture ids of VP8 (RFC 7741 §4.2), which must run on when what a slot shows changes: a decoder takes one that
//! jumps back for a picture of before.

use std::sync::Arc;

/// Where the numbers of a payload descriptor stand, and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    picture_id: Option<PictureId>,
    /// `TL0PICIDX`, and where.
    base_layer: Option<(usize, u8)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PictureId {
    at: usize,
    value: u16,
    is_long: bool,
}

fn read(payload: &[u8]) -> Option<Numbers> {
    let mut numbers = Numbers {
        picture_id: None,
        base_layer: None,
    };
    if payload.first()? & 0x80 == 0 {
        return Some(numbers);
    }
    let extension = *payload.get(1)?;
    let mut at = 2;
    if extension & 0x80 != 0 {
        let high = *payload.get(at)?;
        let is_long = high & 0x80 != 0;
        let value = if is_long {
            u16::from_be_bytes([high & 0x7f, *payload.get(at + 1)?])
        } else {
            u16::from(high)
        };
        numbers.picture_id = Some(PictureId { at, value, is_long });
        at += if is_long { 2 } else { 1 };
    }
    if extension & 0x40 != 0 {
        numbers.base_layer = Some((at, *payload.get(at)?));
    }
    Some(numbers)
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
        let first_base = numbers.base_layer.map_or(0, |(_, value)| value);
        self.offset = (
            picture_id.wrapping_add(1).wrapping_sub(first_id),
            base_layer.wrapping_add(1).wrapping_sub(first_base),
        );
    }

    /// The payload with its numbers on the slot's line: a copy only where they differ.
    pub(crate) fn rewrite(&mut self, payload: &Arc<[u8]>) -> Arc<[u8]> {
        let Some(numbers) = read(payload) else {
            return payload.clone();
        };
        let picture_id = numbers
            .picture_id
            .map(|id| (id, id.value.wrapping_add(self.offset.0) & id.circle()));
        let base_layer = numbers
            .base_layer
            .map(|(at, value)| (at, value.wrapping_add(self.offset.1)));
        self.note(picture_id, base_layer.map(|(_, value)| value));
        let is_same =
            picture_id.is_none_or(|(id, value)| id.value == value) && base_layer.is_none_or(|_| self.offset.1 == 0);
        if is_same {
            return payload.clone();
        }
        let mut copy: Arc<[u8]> = Arc::from(&payload[..]);
        if let Some(bytes) = Arc::get_mut(&mut copy) {
            if let Some((id, value)) = picture_id {
                let [high, low] = value.to_be_bytes();
                if id.is_long {
                    bytes[id.at] = high | 0x80;
                    bytes[id.at + 1] = low;
                } else {
                    bytes[id.at] = low;
                }
            }
            if let Some((at, value)) = base_layer {
                bytes[at] = value;
            }
        }
        copy
    }

    fn note(&mut self, picture_id: Option<(PictureId, u16)>, base_layer: Option<u8>) {
        let Some((id, value)) = picture_id else { return };
        let (_, newest_base) = self.newest.unwrap_or_default();
        if self
            .newest
            .is_none_or(|(newest, _)| is_newer(value, newest, id.circle()))
        {
            self.newest = Some((value, base_layer.unwrap_or(newest_base)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(picture_id: u16, base_layer: u8) -> Arc<[u8]> {
        let [high, low] = picture_id.to_be_bytes();
        Arc::from([0x90, 0xe0, high | 0x80, low, base_layer, 0x20, 0x01, 7])
    }

    fn ids(payload: &[u8]) -> (u16, u8) {
        let numbers = read(payload).expect("a descriptor");
        (
            numbers.picture_id.expect("an id").value,
            numbers.base_layer.expect("a base layer").1,
        )
    }

    #[test]
    fn short_ids_run_on_a_circle_of_their_own() {
        let short = |id: u8| -> Arc<[u8]> { Arc::from([0x90, 0x80, id, 7]) };
        let mut line = PictureIds::default();
        for id in [126, 127, 0, 1] {
            assert_eq!(line.rewrite(&short(id)), short(id));
        }
        line.begin(&short(100));
        for (id, out) in [(100, 2), (101, 3), (127, 29), (0, 30)] {
            assert_eq!(line.rewrite(&short(id)), short(out));
        }
    }

    #[test]
    fn a_change_leaves_no_gap_and_what_follows_keeps_its_distance() {
        let mut line = PictureIds::default();
        line.begin(&payload(32_766, 250));
        let first = payload(32_766, 250);
        assert!(Arc::ptr_eq(&line.rewrite(&first), &first), "nothing is copied");
        assert_eq!(ids(&line.rewrite(&payload(32_767, 251))), (32_767, 251));
        line.begin(&payload(100, 9));
        assert_eq!(ids(&line.rewrite(&payload(100, 9))), (0, 252));
        assert_eq!(ids(&line.rewrite(&payload(102, 10))), (2, 253));
        assert_eq!(ids(&line.rewrite(&payload(101, 9))), (1, 252), "late");
        line.begin(&payload(5, 5));
        assert_eq!(ids(&line.rewrite(&payload(5, 5))), (3, 254));
        assert_eq!(line.rewrite(&payload(5, 5))[5..], [0x20, 0x01, 7]);
    }

    proptest! {
        #[test]
        fn no_payload_panics_or_changes_its_length(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 1..12)
        ) {
            let mut line = PictureIds::default();
            for (at, payload) in payloads.into_iter().enumerate() {
                let payload: Arc<[u8]> = payload.into();
                if at % 3 == 0 {
                    line.begin(&payload);
                }
                prop_assert_eq!(line.rewrite(&payload).len(), payload.len());
            }
        }
    }
}
