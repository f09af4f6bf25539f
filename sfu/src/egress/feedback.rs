//! What a viewer reports by RTCP (RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3).

/// Packet types, and formats of feedback messages.
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const GENERIC_NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA: u8 = 4;

/// Of one report block (RFC 3550 §6.4.1).
const BLOCK: usize = 24;

/// What one packet of a compound says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feedback<'a> {
    Report(Block),
    /// Packets of `ssrc` that did not come.
    Nack {
        ssrc: u32,
        entries: &'a [u8],
    },
    /// A picture cannot be decoded until a keyframe comes.
    Keyframe {
        ssrc: u32,
    },
    Arrivals(Arrivals<'a>),
}

/// How one of our streams is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    /// Of 256, since the last report.
    pub(super) fraction_lost: u8,
    /// In ticks of the stream's clock.
    pub(super) jitter: u32,
    /// The middle of the NTP time of the last sender report, and how long ago that came, in 1/65,536 s.
    pub(super) last_report: u32,
    pub(super) delay: u32,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Calls `handle` for everything in a compound packet that is understood, up to the first thing that is malformed.
pub(super) fn read<'a>(mut compound: &'a [u8], mut handle: impl FnMut(Feedback<'a>)) {
    while let Some((packet, rest)) = split(compound) {
        compound = rest;
        read_one(packet, &mut handle);
    }
}

/// The first packet of a compound, and the others.
fn split(compound: &[u8]) -> Option<(&[u8], &[u8])> {
    let words = usize::from(half(compound, 2)?);
    compound.split_at_checked(4 * (words + 1))
}

fn read_one<'a>(packet: &'a [u8], handle: &mut impl FnMut(Feedback<'a>)) -> Option<()> {
    let count = packet.first()? & 0x1f;
    match (*packet.get(1)?, count) {
        (kind @ (SENDER_REPORT | RECEIVER_REPORT), blocks) => {
            let start = if kind == SENDER_REPORT { 28 } else { 8 };
            let bytes = packet.get(start..)?;
            for block in bytes.chunks_exact(BLOCK).take(usize::from(blocks)) {
                handle(Feedback::Report(Block {
                    ssrc: word(block, 0)?,
                    fraction_lost: block[4],
                    jitter: word(block, 12)?,
                    last_report: word(block, 16)?,
                    delay: word(block, 20)?,
                }));
            }
        }
        (TRANSPORT_FEEDBACK, GENERIC_NACK) => handle(Feedback::Nack {
            ssrc: word(packet, 8)?,
            entries: packet.get(12..)?,
        }),
        (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => handle(Feedback::Arrivals(Arrivals::new(packet)?)),
        (PAYLOAD_FEEDBACK, PICTURE_LOSS) => handle(Feedback::Keyframe { ssrc: word(packet, 8)? }),
        (PAYLOAD_FEEDBACK, FULL_INTRA) => {
            for entry in packet.get(12..)?.chunks_exact(8) {
                handle(Feedback::Keyframe { ssrc: word(entry, 0)? });
            }
        }
        _ => {}
    }
    Some(())
}

/// The sequence numbers that a generic NACK names (RFC 4585 §6.2.1).
pub(super) fn lost(entries: &[u8]) -> impl Iterator<Item = u16> {
    entries.chunks_exact(4).flat_map(|entry| {
        let first = u16::from_be_bytes([entry[0], entry[1]]);
        let more = u16::from_be_bytes([entry[2], entry[3]]);
        let following = (0..16).filter(move |bit| more >> bit & 1 == 1);
        std::iter::once(first).chain(following.map(move |bit| first.wrapping_add(bit + 1)))
    })
}

/// Which packets arrived, and when (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrivals<'a> {
    pub(super) first: u16,
    pub(super) count: u16,
    /// In 64 ms; 24 bits, signed.
    pub(super) reference: i32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// How far a packet's status goes: no arrival, a short step of time, or a long one of either sign.
fn delta_length(status: u8) -> usize {
    match status {
        1 => 1,
        2 => 2,
        _ => 0,
    }
}

/// The statuses that a chunk tells.
fn statuses(chunk: u16) -> impl Iterator<Item = u8> {
    let is_vector = chunk >> 15 == 1;
    let has_two_bits = chunk >> 14 & 1 == 1;
    let length = match (is_vector, has_two_bits) {
        (false, _) => chunk & 0x1fff,
        (true, false) => 14,
        (true, true) => 7,
    };
    (0..length).map(move |at| match (is_vector, has_two_bits) {
        (false, _) => (chunk >> 13 & 3) as u8,
        (true, false) => (chunk >> (13 - at) & 1) as u8,
        (true, true) => (chunk >> (12 - 2 * at) & 3) as u8,
    })
}

impl<'a> Arrivals<'a> {
    fn new(packet: &'a [u8]) -> Option<Self> {
        let (first, count) = (half(packet, 12)?, half(packet, 14)?);
        let reference = (word(packet, 16)? as i32) >> 8;
        let body = packet.get(20..)?;
        // A chunk tells of at least one packet: so many chunks at the most, and then the deltas.
        let (mut told, mut chunks) = (0, 0);
        while told < usize::from(count) {
            let chunk = half(body, 2 * chunks)?;
            chunks += 1;
            let length = statuses(chunk).count();
            if length == 0 {
                return None;
            }
            told += length;
        }
        let (chunks, deltas) = body.split_at_checked(2 * chunks)?;
        Some(Self {
            first,
            count,
            reference,
            chunks,
            deltas,
        })
    }

    /// Of each packet from the first on, when it arrived, in 250 µs since [`Self::reference`]; `None`: it did not.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<i64>> + use<'a> {
        let mut deltas = self.deltas;
        let mut at = 0_i64;
        let chunks = self.chunks.chunks_exact(2);
        chunks
            .flat_map(|chunk| statuses(u16::from_be_bytes([chunk[0], chunk[1]])))
            .take(usize::from(self.count))
            .map_while(move |status| {
                let (delta, rest) = deltas.split_at_checked(delta_length(status))?;
                deltas = rest;
                at += match delta {
                    [short] => i64::from(*short),
                    [high, low] => i64::from(i16::from_be_bytes([*high, *low])),
                    _ => return Some(None),
                };
                Some(Some(at))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Vec<Feedback<'_>> {
        let mut found = Vec::new();
        read(bytes, |feedback| found.push(feedback));
        found
    }

    #[test]
    fn a_compound_of_report_nack_and_picture_loss_is_read() {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        report.extend([0, 0, 0, 9, 64, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 90, 0, 1, 0, 2, 0, 0, 0, 3]);
        let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0x80, 0x01];
        let loss = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9];
        let compound = [&report[..], &nack, &loss].concat();
        let found = all(&compound);
        let block = Block {
            ssrc: 9,
            fraction_lost: 64,
            jitter: 90,
            last_report: 0x1_0002,
            delay: 3,
        };
        assert_eq!(found[0], Feedback::Report(block));
        let Feedback::Nack { ssrc: 9, entries } = found[1] else {
            panic!("{:?}", found[1])
        };
        assert_eq!(lost(entries).collect::<Vec<_>>(), [0xffff, 0, 15]);
        assert_eq!(found[2], Feedback::Keyframe { ssrc: 9 });
    }

    #[test]
    fn arrivals_are_read_in_all_forms() {
        // A run of two short steps, a vector of one-bit and one of two-bit symbols.
        let chunks = [0x2002_u16, 0b1010_0000_0000_0000, 0b1110_0100_0000_0000];
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xfe, 0, 18];
        packet.extend([0xff, 0xff, 0xff, 7]);
        packet.extend(chunks.iter().flat_map(|chunk| chunk.to_be_bytes()));
        packet.extend([4, 8, 12, 0xff, 0xf0, 1]);
        packet.resize(packet.len().next_multiple_of(4), 0);
        packet[3] = (packet.len() / 4 - 1) as u8;
        let found = all(&packet);
        let Feedback::Arrivals(arrivals) = found[0] else {
            panic!("{found:?}")
        };
        assert_eq!((arrivals.first, arrivals.count, arrivals.reference), (0xfffe, 18, -1));
        let mut expected = vec![Some(4), Some(12), Some(24)];
        expected.extend([None; 13]);
        expected.extend([Some(8), Some(9)]);
        assert_eq!(arrivals.iter().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_to_its_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for feedback in all(&bytes) {
                match feedback {
                    Feedback::Nack { entries, .. } => prop_assert!(lost(entries).count() <= 17 * entries.len() / 4),
                    Feedback::Arrivals(arrivals) => {
                        prop_assert!(arrivals.iter().count() <= usize::from(arrivals.count));
                    }
                    Feedback::Report(_) | Feedback::Keyframe { .. } => {}
                }
            }
        }
    }
}
