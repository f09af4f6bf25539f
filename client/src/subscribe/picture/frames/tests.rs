use proptest::prelude::*;

use super::*;

/// Ten milliseconds between packets, three packets to a frame.
fn packet(sequence: i64, keyframe: bool) -> PicturePacket {
    let frame = sequence.div_euclid(3);
    let first = sequence.rem_euclid(3) == 0;
    PicturePacket {
        sequence,
        timestamp: frame * 2_700,
        marker: sequence.rem_euclid(3) == 2,
        codec: PictureCodec::H264,
        arrival: sequence * 10 * MILLISECOND,
        rotation: None,
        payload: vec![if keyframe && first { 0x65 } else { 0x61 }, frame as u8].into(),
    }
}

fn is_keyframe(sequence: i64, every: i64) -> bool {
    sequence.div_euclid(3) % every == 0
}

fn frames(buffer: &mut FrameBuffer, now: Micros) -> Vec<i64> {
    std::iter::from_fn(|| buffer.pop(now))
        .map(|unit| unit.timestamp / 2_700)
        .collect()
}

#[test]
fn frames_come_out_whole_and_in_order_whatever_the_order_of_their_packets() {
    let mut buffer = FrameBuffer::default();
    for sequence in [1, 2, 0, 5, 3] {
        buffer.insert(packet(sequence, sequence < 3));
    }
    let first = buffer.pop(0).expect("whole");
    assert!(first.keyframe);
    assert_eq!(first.arrival, 20 * MILLISECOND, "it is there when the last packet is");
    assert_eq!(buffer.pop(0), None, "one packet is missing");
    buffer.insert(packet(4, false));
    assert_eq!(frames(&mut buffer, 0), [1]);
}

#[test]
fn nothing_is_let_out_before_a_keyframe() {
    let mut buffer = FrameBuffer::default();
    (0..9).for_each(|sequence| buffer.insert(packet(sequence, sequence >= 6)));
    assert!(buffer.awaits_keyframe());
    assert_eq!(frames(&mut buffer, 0), [2]);
    assert!(!buffer.awaits_keyframe());
}

#[test]
fn a_packet_that_is_never_repaired_costs_everything_up_to_the_next_keyframe() {
    let mut buffer = FrameBuffer::default();
    (0..30)
        .filter(|n| *n != 4)
        .for_each(|n| buffer.insert(packet(n, n < 3)));
    assert_eq!(frames(&mut buffer, 50 * MILLISECOND), [0]);
    let deadline = buffer.gives_up_at().expect("something is missing");
    assert_eq!(deadline, 50 * MILLISECOND + REPAIR_PATIENCE);
    assert_eq!(buffer.needed_from(), Some(3));
    assert!(frames(&mut buffer, deadline - 1).is_empty());
    assert!(!buffer.awaits_keyframe());
    assert!(frames(&mut buffer, deadline).is_empty());
    assert!(buffer.awaits_keyframe());
    assert_eq!(buffer.dropped(), 9);
    (30..36).for_each(|n| buffer.insert(packet(n, n < 33)));
    assert_eq!(frames(&mut buffer, deadline), [10, 11]);
}

#[test]
fn a_keyframe_that_is_there_ends_the_wait_for_what_it_makes_needless() {
    let mut buffer = FrameBuffer::default();
    (0..12)
        .filter(|n| *n != 4)
        .for_each(|n| buffer.insert(packet(n, is_keyframe(n, 3))));
    assert_eq!(frames(&mut buffer, 60 * MILLISECOND), [0]);
    assert_eq!(frames(&mut buffer, 50 * MILLISECOND + SHORTCUT_PATIENCE), [3]);
}

#[test]
fn what_comes_when_its_frame_is_over_is_not_kept() {
    let mut buffer = FrameBuffer::default();
    (0..3).for_each(|n| buffer.insert(packet(n, true)));
    assert_eq!(frames(&mut buffer, 0), [0]);
    buffer.insert(packet(1, true));
    assert!(buffer.packets.is_empty());
}

#[test]
fn padding_between_frames_is_passed_over() {
    let mut buffer = FrameBuffer::default();
    (0..3).for_each(|n| buffer.insert(packet(n, true)));
    buffer.insert(PicturePacket {
        payload: Bytes::new(),
        timestamp: 0,
        ..packet(3, false)
    });
    for n in 3..6 {
        let shifted = packet(n, false);
        buffer.insert(PicturePacket {
            sequence: n + 1,
            ..shifted
        });
    }
    assert_eq!(frames(&mut buffer, 0), [0, 1]);
}

#[test]
fn a_frame_that_makes_no_sense_is_followed_by_a_keyframe() {
    let mut buffer = FrameBuffer::default();
    (0..3).for_each(|n| buffer.insert(packet(n, true)));
    buffer.insert(PicturePacket {
        payload: vec![29, 0].into(),
        ..packet(3, false)
    });
    (4..9).for_each(|n| buffer.insert(packet(n, false)));
    assert_eq!(frames(&mut buffer, 0), [0]);
    assert!(buffer.awaits_keyframe());
}

proptest! {
    /// Loss and reordering of any kind: what comes out goes forward, begins with a keyframe, and leaves nothing out except
    /// in front of a keyframe.
    #[test]
    fn no_frame_is_let_out_without_those_it_refers_to(
        order in Just((0..90i64).collect::<Vec<_>>()).prop_shuffle(),
        lost in prop::collection::hash_set(0i64..90, 0..20),
        window in 1usize..20,
    ) {
        // Shuffled within a window, as networks do it.
        let mut sequences: Vec<i64> = (0..90).collect();
        sequences.chunks_mut(window).for_each(|chunk| chunk.sort_by_key(|n| order[*n as usize]));
        let mut buffer = FrameBuffer::default();
        let mut out = Vec::new();
        for (place, sequence) in sequences.into_iter().filter(|n| !lost.contains(n)).enumerate() {
            // A whole window is over before a keyframe would be taken in place of what is missing.
            let now = place as Micros * 2 * MILLISECOND;
            buffer.insert(PicturePacket { arrival: now, ..packet(sequence, is_keyframe(sequence, 5)) });
            out.extend(frames(&mut buffer, now));
        }
        prop_assert!(out.windows(2).all(|pair| pair[1] == pair[0] + 1 || (pair[1] > pair[0] && pair[1] % 5 == 0)), "{out:?}");
        prop_assert!(out.first().is_none_or(|first| first % 5 == 0));
        if lost.is_empty() {
            // A later keyframe may be the first that is whole.
            let first = *out.first().expect("a keyframe came");
            prop_assert_eq!(out, (first..30).collect::<Vec<_>>());
        }
    }
}
