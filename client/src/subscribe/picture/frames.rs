//! Packets of one video slot, put together to frames in the order of sending.
//!
//! A frame is let out when all of it is there and all before it was let out: nothing that refers to a missing picture
//! ever reaches the decoder. What is missing is waited for, since the server sends it again; when that takes too long, or
//! a keyframe is there that makes it needless, what is held is given up and the next keyframe awaited.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{av1, h264, vp8, vp9};
use crate::subscribe::encoded::EncodedCodec;
use crate::subscribe::micros::{MILLISECOND, Micros};
use crate::units::Resolution;
use crate::video::frame::Rotation;

/// How long a retransmission may take. Two round trips of a bad line; a keyframe takes one as well, and more bytes.
const REPAIR_PATIENCE: Micros = 300 * MILLISECOND;

/// The same when a whole keyframe is held already: only so long that mere reordering does not cost pictures.
const SHORTCUT_PATIENCE: Micros = 60 * MILLISECOND;

/// Packets that are held: a second of 10 Mb/s.
const MOST_PACKETS: usize = 1_024;

/// What a picture is encoded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PictureCodec {
    /// Decoded here.
    #[default]
    H264,
    /// Handed on.
    Encoded(EncodedCodec),
}

/// A packet as it came.
#[derive(Debug, Clone)]
pub(crate) struct PicturePacket {
    /// Extended.
    pub(crate) sequence: i64,
    /// Extended, in ticks of 90 kHz.
    pub(crate) timestamp: i64,
    /// The last one of its frame.
    pub(crate) marker: bool,
    pub(crate) codec: PictureCodec,
    /// On our clock.
    pub(crate) arrival: Micros,
    /// How the picture is to be turned, where the packet says so.
    pub(crate) rotation: Option<Rotation>,
    pub(crate) payload: Bytes,
}

impl PicturePacket {
    fn begins_keyframe(&self) -> bool {
        match self.codec {
            PictureCodec::H264 => h264::begins_keyframe(&self.payload),
            PictureCodec::Encoded(EncodedCodec::Vp8) => vp8::begins_keyframe(&self.payload),
            PictureCodec::Encoded(EncodedCodec::Vp9) => vp9::begins_keyframe(&self.payload),
            PictureCodec::Encoded(EncodedCodec::Av1) => av1::begins_keyframe(&self.payload),
        }
    }
}

/// A frame, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    pub(crate) timestamp: i64,
    pub(crate) codec: PictureCodec,
    /// H.264 as annex B.
    pub(crate) data: Vec<u8>,
    pub(crate) keyframe: bool,
    /// Of a keyframe that is handed on; those in H.264 tell it to their decoder.
    pub(crate) size: Option<Resolution>,
    pub(crate) rotation: Option<Rotation>,
    /// When the last of its packets came.
    pub(crate) arrival: Micros,
}

#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    packets: BTreeMap<i64, PicturePacket>,
    /// The number after the frame that was let out last; none while a keyframe is awaited.
    next: Option<i64>,
    /// Frames that were given up.
    dropped: u64,
    has_begun: bool,
}

impl FrameBuffer {
    pub(crate) fn insert(&mut self, packet: PicturePacket) {
        if self.next.is_some_and(|next| packet.sequence < next) {
            return;
        }
        self.has_begun = true;
        self.packets.entry(packet.sequence).or_insert(packet);
        if self.packets.len() > MOST_PACKETS {
            self.give_up();
        }
    }

    /// The next frame, if it can be decoded at `now`.
    pub(crate) fn pop(&mut self, now: Micros) -> Option<AccessUnit> {
        loop {
            let range = match self.next {
                Some(next) => self.whole_frame(next).or_else(|| self.keyframe_instead(now)),
                None => self.whole_keyframe(),
            };
            let (first, last) = match range {
                Some(range) => range,
                None if self.stalled_since().is_some_and(|since| now - since >= REPAIR_PATIENCE) => {
                    self.give_up();
                    continue;
                }
                None => return None,
            };
            // Padding is no frame, and what makes no sense neither.
            if let Some(unit) = self.let_out(first, last) {
                return Some(unit);
            }
        }
    }

    /// Whether a whole frame waits.
    pub(crate) fn has_more(&self) -> bool {
        self.next.and_then(|next| self.whole_frame(next)).is_some()
    }

    /// Whether packets come that cannot be decoded before a keyframe.
    pub(crate) fn awaits_keyframe(&self) -> bool {
        self.next.is_none()
    }

    /// Whether anything has come yet.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether a keyframe has begun to come.
    pub(crate) fn has_keyframe_begun(&self) -> bool {
        self.keyframe_starts().next().is_some()
    }

    /// Forgets what is held: the next picture is a keyframe.
    pub(crate) fn give_up(&mut self) {
        self.dropped += self.packets.values().filter(|packet| packet.marker).count() as u64;
        // A keyframe that has begun to come may still be completed.
        let keyframe = self.keyframe_starts().last();
        self.packets = keyframe.map_or_else(BTreeMap::new, |start| self.packets.split_off(&start));
        if self.packets.len() > MOST_PACKETS {
            self.packets.clear();
        }
        self.next = None;
    }

    /// When it will be too late for what is missing.
    pub(crate) fn gives_up_at(&self) -> Option<Micros> {
        self.next?;
        self.stalled_since().map(|since| since + REPAIR_PATIENCE)
    }

    /// The first number that is of any use still.
    pub(crate) fn needed_from(&self) -> Option<i64> {
        self.next.or_else(|| self.keyframe_starts().next())
    }

    /// Frames that were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the first packet after a missing one came.
    fn stalled_since(&self) -> Option<Micros> {
        let next = self.next?;
        let mut expected = next;
        let mut after_gap = self.packets.range(next..).filter_map(|(sequence, packet)| {
            let contiguous = *sequence == expected;
            expected = if contiguous { expected + 1 } else { i64::MIN };
            (!contiguous).then_some(packet.arrival)
        });
        let first = after_gap.next()?;
        Some(after_gap.fold(first, Micros::min))
    }

    /// The numbers of the frame that begins with `first`, if all of it is there.
    fn whole_frame(&self, first: i64) -> Option<(i64, i64)> {
        let timestamp = self.packets.get(&first)?.timestamp;
        let mut last = first;
        loop {
            let packet = self.packets.get(&last)?;
            if packet.timestamp != timestamp {
                // Its last packet was not marked, or padding came between.
                return Some((first, last - 1));
            }
            let is_padding = last == first && packet.payload.is_empty();
            if packet.marker || is_padding {
                return Some((first, last));
            }
            last += 1;
        }
    }

    /// First numbers of frames that look like keyframes. Others may stand in front of what tells so: delimiters, SEI.
    fn keyframe_starts(&self) -> impl Iterator<Item = i64> {
        let mut frame: Option<(i64, i64, bool)> = None;
        self.packets.iter().filter_map(move |(sequence, packet)| {
            let (timestamp, start, known) = match frame {
                Some(current) if current.0 == packet.timestamp => current,
                _ => (packet.timestamp, *sequence, false),
            };
            let tells = !known && packet.begins_keyframe();
            frame = Some((timestamp, start, known || tells));
            tells.then_some(start)
        })
    }

    fn whole_keyframe(&self) -> Option<(i64, i64)> {
        self.keyframe_starts().find_map(|start| self.whole_frame(start))
    }

    /// A keyframe in place of what is missing, when that has been waited for a little.
    fn keyframe_instead(&mut self, now: Micros) -> Option<(i64, i64)> {
        let since = self.stalled_since()?;
        let keyframe = self.whole_keyframe().filter(|_| now - since >= SHORTCUT_PATIENCE)?;
        let passed = self.packets.range(..keyframe.0);
        self.dropped += passed.filter(|(_, packet)| packet.marker).count() as u64;
        Some(keyframe)
    }

    fn let_out(&mut self, first: i64, last: i64) -> Option<AccessUnit> {
        let after = self.packets.split_off(&(last + 1));
        let frame = std::mem::replace(&mut self.packets, after);
        self.next = Some(last + 1);
        let frame: Vec<_> = frame.into_values().filter(|packet| packet.sequence >= first).collect();
        let head = frame.first()?;
        let Some((data, keyframe, size)) = depacketized(head.codec, &frame) else {
            self.dropped += 1;
            self.give_up();
            return None;
        };
        (!data.is_empty()).then(|| AccessUnit {
            timestamp: head.timestamp,
            codec: head.codec,
            data,
            keyframe,
            size,
            rotation: frame.iter().rev().find_map(|packet| packet.rotation),
            arrival: frame.iter().map(|packet| packet.arrival).max().unwrap_or(head.arrival),
        })
    }
}

/// A frame's bytes, whether it is a keyframe, and the size that it tells; none where it makes no sense.
fn depacketized(codec: PictureCodec, frame: &[PicturePacket]) -> Option<(Vec<u8>, bool, Option<Resolution>)> {
    let payloads = frame.iter().map(|packet| packet.payload.as_ref());
    let depacketized = match codec {
        PictureCodec::H264 => h264::depacketize(payloads)
            .map(|stream| (stream.data, stream.keyframe, None))
            .map_err(|error| error.to_string()),
        PictureCodec::Encoded(codec) => match codec {
            EncodedCodec::Vp8 => vp8::depacketize(payloads),
            EncodedCodec::Vp9 => vp9::depacketize(payloads),
            EncodedCodec::Av1 => av1::depacketize(payloads),
        }
        .map(|frame| (frame.data, frame.keyframe.is_some(), frame.keyframe))
        .map_err(|error| error.to_string()),
    };
    depacketized
        .inspect_err(|error| tracing::debug!(%error, ?codec, "frame cannot be put together"))
        .ok()
}

#[cfg(test)]
mod tests;
