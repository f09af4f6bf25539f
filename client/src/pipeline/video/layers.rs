//! The encoders of a picture: one, or one for each simulcast layer.

use super::encoding::{Conditions, Encoding, EncodingError};
use crate::{
    clock::MediaTime,
    pipeline::{adaptation::Adaptation, simulcast},
    units::{Bitrate, Resolution},
    video::{convert::Converter, encoder::AccessUnit, frame::Frame},
};

/// All layers, as bits.
pub(super) const ALL: u8 = u8::MAX;

/// Encodes each picture in the sizes that are wanted and that the bitrate carries, the largest first.
#[derive(Debug)]
pub(super) struct Layers {
    encodings: Vec<Encoding>,
    ceiling: Bitrate,
    converter: Converter,
    /// The picture as each layer after the first has it, scaled once from the one before.
    smaller: Vec<Frame>,
}

impl Layers {
    pub(super) fn new(size: Resolution, fps: u32, ceiling: Bitrate, is_simulcast: bool) -> Self {
        let count = if is_simulcast { simulcast::sizes(size).len() } else { 1 };
        let bitrates = simulcast::bitrates(ceiling, ceiling, count);
        let encoding = |(layer, bitrate): (usize, Bitrate)| {
            // The smallest one is what is left to those whose line is worst: it has nothing below it.
            let adaptation = if layer + 1 == count {
                Adaptation::new()
            } else {
                Adaptation::all_or_nothing()
            };
            Encoding::new(fps, bitrate, adaptation)
        };
        Self {
            encodings: bitrates.into_iter().enumerate().map(encoding).collect(),
            ceiling,
            converter: Converter::default(),
            smaller: Vec::new(),
        }
    }

    /// Brings all encoders to what `conditions` allow for pictures like `frame`. Returns the frame rate of the largest that is sent, 0
    /// while none is.
    pub(super) fn adapt(&mut self, frame: &Frame, conditions: Conditions) -> f32 {
        let bitrates = simulcast::bitrates(conditions.bitrate, self.ceiling, self.encodings.len());
        let sizes = simulcast::sizes(frame.size());
        let mut best = None;
        for ((encoding, bitrate), size) in self.encodings.iter_mut().zip(bitrates).zip(sizes) {
            let fps = encoding.adapt(size, frame.content, Conditions { bitrate, ..conditions });
            best = best.or(fps);
        }
        best.unwrap_or_default()
    }

    /// Those that are sent at all.
    pub(super) fn sent(&self) -> u8 {
        self.mask(Encoding::sends)
    }

    /// Those whose turn it is at the picture captured at `capture`.
    pub(super) fn due(&mut self, capture: MediaTime) -> u8 {
        let due = |(layer, encoding): (usize, &mut Encoding)| u8::from(encoding.admits(capture)) << layer;
        self.encodings.iter_mut().enumerate().map(due).sum()
    }

    pub(super) fn request_keyframes(&mut self, layers: u8) {
        let mut encodings = self.encodings.iter_mut().enumerate();
        encodings.by_ref().for_each(|(layer, encoding)| {
            if layers >> layer & 1 == 1 {
                encoding.request_keyframe();
            }
        });
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.encodings.len()
    }

    /// Makes the smaller pictures of the layers in `layers`, before they are encoded.
    pub(super) fn scale(&mut self, frame: &Frame, layers: u8) -> Result<(), EncodingError> {
        let last = (1..self.encodings.len()).rev().find(|layer| layers >> layer & 1 == 1);
        let sizes = simulcast::sizes(frame.size());
        for (at, size) in sizes.into_iter().skip(1).take(last.unwrap_or(0)).enumerate() {
            if self.smaller.get(at).is_none_or(|smaller| smaller.size() != size) {
                self.smaller.truncate(at);
                self.smaller.push(Frame::black(size));
            }
            let (before, rest) = self.smaller.split_at_mut(at);
            if let Some(to) = rest.first_mut() {
                self.converter.shrink(before.last().unwrap_or(frame), to)?;
            }
        }
        Ok(())
    }

    /// Encodes the picture for one layer, after [`Self::scale`]; tells the size that it has become. `None` when rate control left it
    /// out.
    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        layer: usize,
        now: MediaTime,
    ) -> Result<Option<(AccessUnit, Resolution)>, EncodingError> {
        let picture = match layer.checked_sub(1) {
            None => Some(frame),
            Some(at) => self.smaller.get(at),
        };
        match (self.encodings.get_mut(layer), picture) {
            (Some(encoding), Some(picture)) => encoding.encode(picture, now),
            _ => Ok(None),
        }
    }

    /// Begins with new encoders, after one that failed.
    pub(super) fn renew(&mut self) {
        self.encodings.iter_mut().for_each(Encoding::renew);
    }

    fn mask(&self, is_meant: impl Fn(&Encoding) -> bool) -> u8 {
        let bit = |(layer, encoding): (usize, &Encoding)| u8::from(is_meant(encoding)) << layer;
        self.encodings.iter().enumerate().map(bit).sum()
    }
}
