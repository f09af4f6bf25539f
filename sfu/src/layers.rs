//! Which of a publisher's simulcast layers (RFC 8853) is taken: the best of those that arrive.
//!
//! The layers' names say nothing of their order. The size of the picture does, which the first packet of a keyframe tells;
//! where the codec hides it, the rate has to: of one picture at one time, the one with more pixels takes more bits.

use std::time::{Duration, Instant};

use str0m::media::Rid;

use crate::track::Meter;

/// Layers that are looked at. Browsers send three.
const MAX_LAYERS: usize = 4;

/// A layer of unknown size is better than another where it takes this many times its bits. From one layer to the next it is
/// three or four times; less is the encoder's whim.
const CLEARLY_MORE: (u64, u64) = (3, 2);

/// A layer that nothing came of for this long is off: browsers turn the upper ones off where the way up is too narrow.
const OFF_AFTER: Duration = Duration::from_millis(700);

/// How often the layers are compared, and how long a keyframe that was asked for is waited for: as long as their rates are
/// measured over.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Layer {
    rid: Rid,
    /// Pixels of its last keyframe.
    size: Option<u32>,
    meter: Meter,
    heard_at: Instant,
}

/// What is to be done after a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Stay,
    /// Ask for a keyframe of this layer, with which it is taken.
    Ask(Rid),
    /// Take the layer of this packet from this packet on.
    Take,
}

/// A packet of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) rid: Rid,
    pub(crate) bytes: usize,
    /// Whether it starts a keyframe.
    pub(crate) starts_keyframe: bool,
    /// The pixels of that, where they can be read.
    pub(crate) size: Option<u32>,
}

/// The layers of one track.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    known: Vec<Layer>,
    /// The one that is taken with its next keyframe.
    next: Option<Rid>,
    compared_at: Option<Instant>,
}

impl Layers {
    /// Notes a packet, while the layer `taken` is taken.
    pub(crate) fn hear(&mut self, heard: Heard, taken: Rid, now: Instant) -> Step {
        self.note(heard, now);
        if self.next == Some(heard.rid) && heard.rid != taken && heard.starts_keyframe {
            self.next = None;
            return Step::Take;
        }
        let is_due = |at: Instant| now.saturating_duration_since(at) >= COMPARE_EVERY;
        if !is_due(*self.compared_at.get_or_insert(now)) {
            return Step::Stay;
        }
        self.compared_at = Some(now);
        self.next = self.better_than(taken, now);
        self.next.map_or(Step::Stay, Step::Ask)
    }

    fn note(&mut self, heard: Heard, now: Instant) {
        let at = self.known.iter().position(|layer| layer.rid == heard.rid);
        let layer = match at {
            Some(at) => &mut self.known[at],
            None if self.known.len() < MAX_LAYERS => {
                self.known.push(Layer {
                    rid: heard.rid,
                    size: None,
                    meter: Meter::new(now),
                    heard_at: now,
                });
                let last = self.known.len() - 1;
                &mut self.known[last]
            }
            None => return,
        };
        layer.meter.add(heard.bytes, now);
        layer.heard_at = now;
        if heard.starts_keyframe {
            layer.size = heard.size;
        }
    }

    fn better_than(&mut self, taken: Rid, now: Instant) -> Option<Rid> {
        let mut on: Vec<_> = self
            .known
            .iter_mut()
            .filter(|layer| now.saturating_duration_since(layer.heard_at) < OFF_AFTER)
            .map(|layer| (layer.rid, layer.size, layer.meter.bits_per_second(now)))
            .collect();
        let current = on
            .iter()
            .position(|(rid, ..)| *rid == taken)
            .map(|at| on.swap_remove(at));
        let (rid, size, rate) = on.into_iter().max_by_key(|(_, size, rate)| (*size, *rate))?;
        let is_better = match current {
            None => true,
            Some((_, current_size, current_rate)) => {
                let (times, of) = CLEARLY_MORE;
                size.zip(current_size)
                    .map_or(rate * of > current_rate * times, |(size, current)| size > current)
            }
        };
        is_better.then_some(rid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three layers at 30 packets a second, of which `sizes` says how large they are; a second's worth, from `start` on.
    fn second(
        layers: &mut Layers,
        taken: &mut Rid,
        sizes: &[(&str, usize)],
        keyframes: bool,
        start: Instant,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        for packet in 0..30 {
            let now = start + Duration::from_millis(packet * 33);
            for (rid, size) in sizes {
                let rid = Rid::from(*rid);
                let heard = Heard {
                    rid,
                    bytes: *size,
                    starts_keyframe: keyframes,
                    size: None,
                };
                let step = layers.hear(heard, *taken, now);
                if step == Step::Take {
                    *taken = rid;
                }
                if step != Step::Stay {
                    steps.push(step);
                }
            }
        }
        steps
    }

    const ALL: [(&str, usize); 3] = [("q", 100), ("h", 400), ("f", 1_200)];

    #[test]
    fn the_best_is_taken_from_its_keyframe_on() {
        let start = Instant::now();
        let (mut layers, mut taken) = (Layers::default(), Rid::from("q"));
        assert_eq!(second(&mut layers, &mut taken, &ALL, false, start), []);
        let steps = second(&mut layers, &mut taken, &ALL, false, start + Duration::from_secs(1));
        assert_eq!(steps, [Step::Ask(Rid::from("f"))]);
        assert_eq!(taken, Rid::from("q"), "not without a keyframe");
        let steps = second(&mut layers, &mut taken, &ALL, true, start + Duration::from_secs(2));
        assert!(steps.contains(&Step::Take));
        assert_eq!(taken, Rid::from("f"));
        let steps = second(&mut layers, &mut taken, &ALL, true, start + Duration::from_secs(3));
        assert_eq!(steps, [], "the best is not left");
    }

    #[test]
    fn a_layer_that_is_turned_off_gives_way_to_the_next_and_gets_its_place_back() {
        let start = Instant::now();
        let (mut layers, mut taken) = (Layers::default(), Rid::from("f"));
        let mut at = start;
        let mut pass = |layers: &mut Layers, taken: &mut Rid, sizes: &[(&str, usize)]| {
            for _ in 0..4 {
                second(layers, taken, sizes, true, at);
                at += Duration::from_secs(1);
            }
        };
        pass(&mut layers, &mut taken, &ALL);
        assert_eq!(taken, Rid::from("f"));
        pass(&mut layers, &mut taken, &ALL[..2]);
        assert_eq!(taken, Rid::from("h"));
        pass(&mut layers, &mut taken, &ALL);
        assert_eq!(taken, Rid::from("f"));
    }

    #[test]
    fn a_rate_that_wavers_changes_nothing() {
        let start = Instant::now();
        let (mut layers, mut taken) = (Layers::default(), Rid::from("a"));
        for pass in 0..6 {
            let sizes = if pass % 2 == 0 {
                [("a", 500), ("b", 700)]
            } else {
                [("a", 700), ("b", 500)]
            };
            let steps = second(&mut layers, &mut taken, &sizes, true, start + Duration::from_secs(pass));
            assert_eq!(steps, []);
        }
    }

    #[test]
    fn the_larger_picture_is_better_even_where_it_takes_fewer_bits() {
        let start = Instant::now();
        let mut layers = Layers::default();
        let mut steps = Vec::new();
        for packet in 0..60 {
            let now = start + Duration::from_millis(packet * 33);
            for (name, pixels, bytes) in [("q", 320 * 180, 900), ("f", 1280 * 720, 500)] {
                let heard = Heard {
                    rid: Rid::from(name),
                    bytes,
                    starts_keyframe: packet == 0,
                    size: Some(pixels),
                };
                steps.push(layers.hear(heard, Rid::from("q"), now));
            }
        }
        steps.retain(|step| *step != Step::Stay);
        assert_eq!(steps, [Step::Ask(Rid::from("f"))]);
    }

    #[test]
    fn more_names_than_anybody_has_are_not_kept() {
        let now = Instant::now();
        let mut layers = Layers::default();
        for n in 0..1000 {
            let name = format!("r{n}");
            let heard = Heard {
                rid: Rid::from(&name[..]),
                bytes: 100,
                starts_keyframe: true,
                size: None,
            };
            layers.hear(heard, Rid::from("q"), now);
        }
        assert_eq!(layers.known.len(), MAX_LAYERS);
    }
}
