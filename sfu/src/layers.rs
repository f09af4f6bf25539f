//! A publisher's simulcast layers (RFC 8853): which there are, in which order, and what each costs.
//!
//! The layers' names say nothing of their order. The size of the picture does, which the first packet of a keyframe tells;
//! where the codec hides it, the rate has to: of one picture at one time, the one with more pixels takes more bits.

use std::time::{Duration, Instant};

use str0m::media::{MediaKind, Pt, Rid};
use str0m::rtp::Ssrc;

use crate::clock::StreamClock;
use crate::parameter_sets::ParameterSets;
use crate::patience::Keyframes;
use crate::picture_size::Size;
use crate::track::{Meter, Reception};

/// Layers of one track that are looked at. Browsers send three.
pub(crate) const MAX_LAYERS: usize = 4;

/// A layer of unknown size is better than another where it takes this many times its bits. From one layer to the next it is
/// three or four times; less is the encoder's whim.
const CLEARLY_MORE: (u64, u64) = (3, 2);

/// A layer that nothing came of for this long is off: browsers turn the upper ones off where the way up is too narrow.
const OFF_AFTER: Duration = Duration::from_millis(700);

/// Frames of other layers in the meantime without which it is not off: where a picture stands still, all layers pause.
const OFF_AFTER_FRAMES: u32 = 8;

/// How often the layers are compared.
const COMPARE_EVERY: Duration = Duration::from_millis(500);

/// What is left of a rate at the next comparison where less came: encoders save where nothing moves, and spend again at
/// once when it does.
const FADE: (u64, u64) = (7, 8);

/// A change of rate that is worth telling to the other workers, as one part in so many. Sound takes next to nothing
/// where somebody is silent.
const NEWS: u64 = 16;
const SOUND_NEWS: u64 = 2;

/// What is assumed of a layer before its rate was measured: bits per second of a pixel, and of a picture of unknown size.
const BITS_PER_PIXEL: u64 = 2;
const UNKNOWN_RATE: u64 = 300_000;
const UNKNOWN_SOUND: u64 = 48_000;

/// Some of a track's layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerMask(u8);

impl LayerMask {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn of(layers: impl IntoIterator<Item = u8>) -> Self {
        Self(layers.into_iter().fold(0, |mask, layer| mask | 1 << (layer & 7)))
    }

    pub(crate) fn has(self, layer: u8) -> bool {
        self.0 & (1 << (layer & 7)) != 0
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn layers(self) -> impl Iterator<Item = u8> {
        (0..MAX_LAYERS as u8).filter(move |layer| self.has(*layer))
    }
}

/// A layer as every worker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerInfo {
    /// What its packets are marked with, for as long as the track lives.
    pub(crate) index: u8,
    pub(crate) rid: Option<Rid>,
    pub(crate) size: Option<Size>,
    /// What it takes.
    pub(crate) bits_per_second: u64,
}

/// The layers of a track that are on, the worst first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerSet(pub(crate) Vec<LayerInfo>);

impl LayerSet {
    /// How many of them, from the worst on, are of use in a tile of `height` pixels: up to the first that fills it. A
    /// picture that is enlarged by a tenth looks no worse.
    pub(crate) fn useful(&self, height: Option<u32>) -> usize {
        let Some(height) = height else { return self.0.len() };
        let fills = |layer: &LayerInfo| {
            layer
                .size
                .is_some_and(|size| u64::from(size.height) * 11 >= u64::from(height) * 10)
        };
        self.0.iter().position(fills).map_or(self.0.len(), |at| at + 1)
    }

    /// The one that there is, where there were never others: of several the viewers choose, and of one that is left of several
    /// its publisher knows why.
    pub(crate) fn single(&self) -> Option<&LayerInfo> {
        match self.0.as_slice() {
            [layer] if layer.rid.is_none() => Some(layer),
            _ => None,
        }
    }

    /// Whether `other` has the same layers in the same order and sizes.
    pub(crate) fn is_shaped_like(&self, other: &Self) -> bool {
        let shape = |layer: &LayerInfo| (layer.index, layer.size);
        self.0.iter().map(shape).eq(other.0.iter().map(shape))
    }

    /// Whether it differs from `told` in more than the whims of the encoder.
    pub(crate) fn is_news_after(&self, told: &Self, kind: MediaKind) -> bool {
        let part = if kind.is_video() { NEWS } else { SOUND_NEWS };
        let mut pairs = self.0.iter().zip(&told.0);
        !self.is_shaped_like(told)
            || pairs.any(|(a, b)| a.bits_per_second.abs_diff(b.bits_per_second) > b.bits_per_second / part)
    }
}

/// One layer where it comes in.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) rid: Option<Rid>,
    pub(crate) ssrc: Ssrc,
    pub(crate) payload_type: Pt,
    pub(crate) clock: StreamClock,
    /// The newest packet that came in while the track was muted, in its own numbering. What is older and comes after
    /// all, as a retransmission does, is muted as well.
    pub(crate) muted_until: Option<u64>,
    pub(crate) reception: Reception,
    pub(crate) keyframes: Keyframes,
    pub(crate) parameter_sets: ParameterSets,
    size: Option<Size>,
    meter: Meter,
    /// Of the last comparisons, fading.
    rate: u64,
    since: Instant,
    heard_at: Instant,
    /// Frames of other layers since.
    missed: u32,
}

impl Layer {
    fn is_on(&self, now: Instant) -> bool {
        self.missed < OFF_AFTER_FRAMES || now.saturating_duration_since(self.heard_at) < OFF_AFTER
    }
}

/// A packet of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) bytes: usize,
    /// Whether it is the last of its frame.
    pub(crate) ends_frame: bool,
    /// The size of the picture that it starts, where it starts one that can be read.
    pub(crate) size: Option<Size>,
}

/// The layers of one track where it comes in.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) known: Vec<Layer>,
    /// Indices into `known`, the worst first.
    order: Vec<u8>,
    compared_at: Option<Instant>,
}

impl Layers {
    /// The layer called `rid`, which is new where it was not known. `None` for one more than anybody has.
    pub(crate) fn index_of(&mut self, rid: Option<Rid>, (ssrc, payload_type): (Ssrc, Pt), now: Instant) -> Option<u8> {
        if let Some(at) = self.known.iter().position(|layer| layer.rid == rid) {
            return Some(at as u8);
        }
        if self.known.len() >= MAX_LAYERS {
            return None;
        }
        self.known.push(Layer {
            rid,
            ssrc,
            payload_type,
            clock: StreamClock::default(),
            muted_until: None,
            reception: Reception::default(),
            keyframes: Keyframes::default(),
            parameter_sets: ParameterSets::default(),
            size: None,
            meter: Meter::new(now),
            rate: 0,
            since: now,
            heard_at: now,
            missed: 0,
        });
        let index = (self.known.len() - 1) as u8;
        self.order.push(index);
        self.compared_at = None;
        Some(index)
    }

    pub(crate) fn get_mut(&mut self, index: u8) -> Option<&mut Layer> {
        self.known.get_mut(usize::from(index))
    }

    /// Notes a packet. Whether it is time to look at [`Self::set`].
    pub(crate) fn hear(&mut self, index: u8, heard: Heard, now: Instant) -> bool {
        let mut is_due = self
            .compared_at
            .is_none_or(|at| now.saturating_duration_since(at) >= COMPARE_EVERY);
        for (at, layer) in self.known.iter_mut().enumerate() {
            if at == usize::from(index) {
                layer.meter.add(heard.bytes, now);
                layer.heard_at = now;
                is_due |= layer.missed >= OFF_AFTER_FRAMES;
                layer.missed = 0;
                if heard.size.is_some() && layer.size != heard.size {
                    layer.size = heard.size;
                    is_due = true;
                }
            } else if heard.ends_frame {
                layer.missed = layer.missed.saturating_add(1);
            }
        }
        is_due
    }

    /// Compares the layers, of a track whose publisher was told to send `at_most` so many bits per second.
    pub(crate) fn set(&mut self, kind: MediaKind, at_most: Option<u64>, now: Instant) -> LayerSet {
        self.compared_at = Some(now);
        let unknown = if kind.is_video() { UNKNOWN_RATE } else { UNKNOWN_SOUND };
        for layer in &mut self.known {
            let measured = layer.meter.bits_per_second(now);
            let (left, of) = FADE;
            layer.rate = if now.saturating_duration_since(layer.since) < Meter::WINDOW {
                layer.size.map_or(unknown, |size| size.pixels() * BITS_PER_PIXEL)
            } else {
                let faded = layer.rate.min(measured.saturating_mul(4)) * left / of;
                // What it saves because it was told to, it will not spend again.
                measured.max(faded.min(at_most.unwrap_or(u64::MAX)))
            };
        }
        // From the order of before on, in which a layer only moves past another that it clearly beats.
        for _ in 0..self.order.len() {
            for at in 1..self.order.len() {
                let [worse, better] = [self.order[at - 1], self.order[at]].map(|index| &self.known[usize::from(index)]);
                if beats(worse, better) {
                    self.order.swap(at - 1, at);
                }
            }
        }
        let on = self.order.iter().filter_map(|index| {
            let layer = self.known.get(usize::from(*index)).filter(|layer| layer.is_on(now))?;
            Some(LayerInfo {
                index: *index,
                rid: layer.rid,
                size: layer.size,
                bits_per_second: layer.rate,
            })
        });
        LayerSet(on.collect())
    }

    /// Received in the last second, in bits per second of payload.
    pub(crate) fn bits_per_second(&mut self, now: Instant) -> u64 {
        self.known
            .iter_mut()
            .map(|layer| layer.meter.bits_per_second(now))
            .sum()
    }

    /// How all of them came in.
    pub(crate) fn reception(&self) -> Reception {
        let mut all = Reception::default();
        let mut lost = 0.0;
        for reception in self.known.iter().map(|layer| &layer.reception) {
            let had_none = all.recent == 0;
            all.packets += reception.packets;
            if reception.recent == 0 {
                continue;
            }
            all.recent += reception.recent;
            lost += f64::from(reception.loss) * reception.recent as f64;
            all.jitter = if had_none {
                reception.jitter
            } else {
                all.jitter.min(reception.jitter)
            };
        }
        all.loss = (lost / all.recent.max(1) as f64) as f32;
        all
    }
}

fn beats(a: &Layer, b: &Layer) -> bool {
    let (times, of) = CLEARLY_MORE;
    a.size
        .zip(b.size)
        .map_or(a.rate * of > b.rate * times, |(a, b)| a.pixels() > b.pixels())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers at 30 packets a second, of which `sizes` says how large they are; a second's worth, from `start` on.
    fn second(layers: &mut Layers, sizes: &[(&str, usize)], pixels: &[Option<Size>], start: Instant) {
        for packet in 0..30 {
            let now = start + Duration::from_millis(packet * 33);
            for (at, (rid, bytes)) in sizes.iter().enumerate() {
                let rid = Rid::from(*rid);
                let index = layers.index_of(Some(rid), (1.into(), 96.into()), now).expect("few");
                let heard = Heard {
                    bytes: *bytes,
                    ends_frame: true,
                    size: pixels.get(at).copied().flatten().filter(|_| packet == 0),
                };
                layers.hear(index, heard, now);
            }
        }
    }

    fn names(layers: &mut Layers, now: Instant) -> Vec<String> {
        let set = layers.set(MediaKind::Video, None, now).0.into_iter();
        set.map(|layer| layer.rid.expect("named").to_string()).collect()
    }

    const fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    const ALL: [(&str, usize); 3] = [("b", 1_200), ("c", 100), ("a", 400)];

    #[test]
    fn their_rates_tell_their_order_whatever_their_names() {
        let start = Instant::now();
        let mut layers = Layers::default();
        second(&mut layers, &ALL, &[], start);
        second(&mut layers, &ALL, &[], start + Duration::from_secs(1));
        assert_eq!(names(&mut layers, start + Duration::from_secs(2)), ["c", "a", "b"]);
    }

    #[test]
    fn the_larger_picture_is_better_even_where_it_takes_fewer_bits() {
        let start = Instant::now();
        let mut layers = Layers::default();
        let pixels = [Some(size(320, 180)), Some(size(1280, 720))];
        second(&mut layers, &[("x", 900), ("y", 500)], &pixels, start);
        assert_eq!(names(&mut layers, start + Duration::from_millis(990)), ["x", "y"]);
        second(
            &mut layers,
            &[("x", 900), ("y", 500)],
            &pixels,
            start + Duration::from_secs(1),
        );
        assert_eq!(names(&mut layers, start + Duration::from_secs(2)), ["x", "y"]);
    }

    #[test]
    fn a_rate_that_wavers_changes_no_order() {
        let start = Instant::now();
        let mut layers = Layers::default();
        for pass in 0..6 {
            let sizes = if pass % 2 == 0 {
                [("a", 500), ("b", 700)]
            } else {
                [("a", 700), ("b", 500)]
            };
            second(&mut layers, &sizes, &[], start + Duration::from_secs(pass));
            assert_eq!(names(&mut layers, start + Duration::from_secs(pass + 1)), ["a", "b"]);
        }
    }

    #[test]
    fn what_was_taken_before_fades_and_at_once_where_it_may_not_be_taken_again() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        for (at_most, least) in [(None, 252_000), (Some(100_000), 100_000)] {
            let mut layers = Layers::default();
            second(&mut layers, &[("a", 2_000)], &[], at(0));
            second(&mut layers, &[("a", 2_000)], &[], at(1_000));
            let mut rate = |now| layers.set(MediaKind::Video, at_most, now).0[0].bits_per_second;
            assert!((470_000..490_000).contains(&rate(at(2_000))));
            second(&mut layers, &[("a", 300)], &[], at(2_000));
            let rate = layers.set(MediaKind::Video, at_most, at(3_000)).0[0].bits_per_second;
            assert!((least..least + 2_000).contains(&rate), "{rate}");
        }
    }

    #[test]
    fn a_layer_that_is_turned_off_is_not_offered_until_it_is_back() {
        let start = Instant::now();
        let mut layers = Layers::default();
        let at = |second: u64| start + Duration::from_secs(second);
        for pass in 0..2 {
            second(&mut layers, &ALL, &[], at(pass));
        }
        second(&mut layers, &ALL[1..], &[], at(2));
        assert_eq!(names(&mut layers, at(3)), ["c", "a"]);
        second(&mut layers, &ALL, &[], at(3));
        assert_eq!(names(&mut layers, at(4)), ["c", "a", "b"]);
        // All of them pause: nothing is off.
        assert_eq!(names(&mut layers, at(60)), ["c", "a", "b"]);
    }

    #[test]
    fn a_tile_has_no_use_for_more_than_fills_it() {
        let layer = |index: u8, height: u32| LayerInfo {
            index,
            rid: None,
            size: Some(size(height * 16 / 9, height)),
            bits_per_second: 1,
        };
        let set = LayerSet(vec![layer(2, 180), layer(0, 360), layer(1, 720)]);
        for (height, useful) in [(100, 1), (180, 1), (195, 1), (200, 2), (360, 2), (500, 3), (4000, 3)] {
            assert_eq!(set.useful(Some(height)), useful, "{height}");
        }
        assert_eq!(set.useful(None), 3);
    }

    #[test]
    fn more_names_than_anybody_has_are_not_kept() {
        let now = Instant::now();
        let mut layers = Layers::default();
        for n in 0..1000 {
            layers.index_of(Some(Rid::from(&format!("r{n}")[..])), (1.into(), 96.into()), now);
        }
        assert_eq!(layers.known.len(), MAX_LAYERS);
    }
}
