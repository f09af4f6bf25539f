//! Which of a publisher's simulcast layers (RFC 8853) is taken: the best of those that arrive.
//!
//! The layers' names say nothing of their order, so that the rate tells: of one picture at one time, the one with more
//! pixels takes more bits.

use std::time::{Duration, Instant};

use str0m::media::Rid;

use crate::track::Meter;

/// Layers that are looked at. Browsers send three.
const MAX_LAYERS: usize = 4;

/// A layer is better than another where it takes this many times its bits. From one layer to the next it is three or four
/// times; less is the encoder's whim.
const CLEARLY_MORE: (u64, u64) = (3, 2);

/// A layer that nothing came of for this long is off: browsers turn the upper ones off where the way up is too narrow.
const OFF_AFTER: Duration = Duration::from_millis(700);

/// How often the layers are compared, and how long a keyframe that was asked for is waited for: as long as their rates are
/// measured over.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Layer {
    rid: Rid,
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

/// The layers of one track.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    layers: Vec<Layer>,
    /// The one that is taken with its next keyframe.
    next: Option<Rid>,
    compared_at: Option<Instant>,
}

impl Layers {
    /// Notes a packet of the layer `rid`, while `taken` is taken.
    pub(crate) fn hear(
        &mut self,
        rid: Rid,
        taken: Rid,
        bytes: usize,
        starts_keyframe: impl FnOnce() -> bool,
        now: Instant,
    ) -> Step {
        self.note(rid, bytes, now);
        if self.next == Some(rid) && rid != taken && starts_keyframe() {
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

    fn note(&mut self, rid: Rid, bytes: usize, now: Instant) {
        if let Some(layer) = self.layers.iter_mut().find(|layer| layer.rid == rid) {
            layer.meter.add(bytes, now);
            layer.heard_at = now;
        } else if self.layers.len() < MAX_LAYERS {
            let mut meter = Meter::new(now);
            meter.add(bytes, now);
            self.layers.push(Layer {
                rid,
                meter,
                heard_at: now,
            });
        }
    }

    fn better_than(&mut self, taken: Rid, now: Instant) -> Option<Rid> {
        let is_on = |layer: &Layer| now.saturating_duration_since(layer.heard_at) < OFF_AFTER;
        let mut rate_of_taken = 0;
        let mut best: Option<(u64, Rid)> = None;
        for layer in self.layers.iter_mut().filter(|layer| is_on(layer)) {
            let rate = layer.meter.bits_per_second(now);
            if layer.rid == taken {
                rate_of_taken = rate;
            } else if best.is_none_or(|(most, _)| rate > most) {
                best = Some((rate, layer.rid));
            }
        }
        let (times, of) = CLEARLY_MORE;
        best.filter(|(rate, _)| rate * of > rate_of_taken * times)
            .map(|(_, rid)| rid)
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
                let step = layers.hear(rid, *taken, *size, || keyframes, now);
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
    fn more_names_than_anybody_has_are_not_kept() {
        let now = Instant::now();
        let mut layers = Layers::default();
        for n in 0..1000 {
            let name = format!("r{n}");
            layers.hear(Rid::from(&name[..]), Rid::from("q"), 100, || true, now);
        }
        assert_eq!(layers.layers.len(), MAX_LAYERS);
    }
}
