//! What publishers send: VP8 in name and framing, with the facts that a test wants to know inside.

use std::time::{Duration, Instant};

use footlight_sfu::Source;
use str0m::media::{Mid, Rid};

use super::Chance;

const FRAME: Duration = Duration::from_micros(33_333);
const PACKET: usize = 1_100;

/// A keyframe takes so many times an ordinary frame.
const KEYFRAME: usize = 5;

/// Where the facts stand: behind the payload descriptor and the header of a keyframe.
const FACTS_AT: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct LayerShape {
    pub(crate) rid: &'static str,
    pub(crate) height: u16,
    pub(crate) rate: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) source: Source,
    pub(crate) layers: Vec<LayerShape>,
}

/// What somebody publishes beside the microphone.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) sections: Vec<Section>,
}

impl Stage {
    /// A camera in three layers, whose names are no help, or in one.
    pub(crate) fn camera(layers: usize) -> Self {
        let shapes = [("c", 180, 130_000), ("a", 360, 450_000), ("b", 720, 1_500_000)];
        let shapes = shapes.map(|(rid, height, rate)| LayerShape { rid, height, rate });
        Self {
            sections: vec![Section {
                source: Source::Camera,
                layers: shapes[3 - layers..].to_vec(),
            }],
        }
    }

    /// And a screen in one.
    pub(crate) fn with_screen(mut self) -> Self {
        self.sections.push(Section {
            source: Source::Screen,
            layers: vec![LayerShape {
                rid: "s",
                height: 1080,
                rate: 1_000_000,
            }],
        });
        self
    }
}

pub(crate) struct Packet {
    pub(crate) number: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

/// One layer of a section, as it is sent.
pub(crate) struct Picture {
    pub(crate) mid: Mid,
    pub(crate) rid: Option<Rid>,
    pub(crate) asked: Vec<Instant>,
    pub(crate) packets: u64,
    /// In bits per second.
    pub(crate) most: u64,
    shape: LayerShape,
    answered: usize,
    next_at: Option<Duration>,
    frame: u32,
    number: u64,
    timestamp: u32,
    id: u16,
    base_layer: u8,
}

impl Picture {
    pub(crate) fn new(mid: Mid, shape: &LayerShape, is_layer: bool, chance: &mut Chance) -> Self {
        Self {
            mid,
            rid: is_layer.then(|| Rid::from(shape.rid)),
            asked: Vec::new(),
            packets: 0,
            most: u64::MAX,
            shape: shape.clone(),
            answered: 0,
            next_at: None,
            frame: 0,
            number: chance.number() & 0x7fff,
            timestamp: chance.number() as u32,
            id: chance.number() as u16 & 0x7fff,
            base_layer: chance.number() as u8,
        }
    }

    /// The packets of the frame that is due, if one is.
    pub(crate) fn due(&mut self, elapsed: Duration, chance: &mut Chance) -> Vec<Packet> {
        let next_at = *self.next_at.get_or_insert(elapsed);
        if elapsed < next_at {
            return Vec::new();
        }
        self.next_at = Some(next_at + FRAME);
        let is_keyframe = self.frame == 0 || self.asked.len() > self.answered;
        self.answered = self.asked.len();
        let usual = self.shape.rate.min(self.most) as f64 / 8.0 * FRAME.as_secs_f64() * (0.8 + 0.4 * chance.share());
        let bytes = usual as usize * if is_keyframe { KEYFRAME } else { 1 };
        let parts = bytes.div_ceil(PACKET).clamp(1, 255);
        let size = (bytes / parts).max(FACTS_AT + 16);
        let packets = (0..parts).map(|part| {
            let mut payload = vec![0; size];
            let [high, low] = self.id.to_be_bytes();
            payload[..6].copy_from_slice(&[
                if part == 0 { 0x90 } else { 0x80 },
                0xe0,
                high | 0x80,
                low,
                self.base_layer,
                0x20,
            ]);
            if part == 0 && is_keyframe {
                let [h0, h1] = self.shape.height.to_le_bytes();
                let [w0, w1] = (self.shape.height / 9 * 16).to_le_bytes();
                payload[6..16].copy_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]);
            } else {
                payload[6] = 0x11;
            }
            let facts = Facts {
                height: self.shape.height,
                frame: self.frame,
                part: part as u8,
                parts: parts as u8,
                is_keyframe,
            };
            payload[FACTS_AT..FACTS_AT + 9].copy_from_slice(&facts.write());
            Packet {
                number: self.number + part as u64,
                timestamp: self.timestamp,
                marker: part + 1 == parts,
                payload,
            }
        });
        let packets: Vec<_> = packets.collect();
        self.number += parts as u64;
        self.packets += parts as u64;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.id = self.id.wrapping_add(1) & 0x7fff;
        self.base_layer = self.base_layer.wrapping_add(1);
        self.frame += 1;
        packets
    }
}

/// What a packet says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) height: u16,
    pub(crate) frame: u32,
    pub(crate) part: u8,
    pub(crate) parts: u8,
    pub(crate) is_keyframe: bool,
}

impl Facts {
    fn write(self) -> [u8; 9] {
        let [h0, h1] = self.height.to_be_bytes();
        let [f0, f1, f2, f3] = self.frame.to_be_bytes();
        [
            h0,
            h1,
            f0,
            f1,
            f2,
            f3,
            self.part,
            self.parts,
            u8::from(self.is_keyframe),
        ]
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let [h0, h1, f0, f1, f2, f3, part, parts, key] = *payload.get(FACTS_AT..FACTS_AT + 9)? else {
            return None;
        };
        Some(Self {
            height: u16::from_be_bytes([h0, h1]),
            frame: u32::from_be_bytes([f0, f1, f2, f3]),
            part,
            parts,
            is_keyframe: key != 0,
        })
    }
}
