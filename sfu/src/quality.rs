//! How well a peer is connected, as people are shown it: 0 to 4 bars.

use std::time::{Duration, Instant};

use crate::peer::Role;
use crate::sfu::Sfu;
use crate::{PeerId, SfuEvent};

/// Nothing heard for so long means that the line is down. Whoever is there sends a STUN check every six seconds at the
/// most (RFC 7675 §5.1).
const LOST_AFTER: Duration = Duration::from_secs(7);

/// Least time between two changes of a peer's level: bars that flicker tell nothing.
const CHANGE_INTERVAL: Duration = Duration::from_secs(2);

/// Measurements in a row that must agree on a better level before it is told. A worse one is told as soon as it may.
const AGREEING: u32 = 3;

/// Share of each new measurement in the smoothed one: a single bad second does not cost a bar, three do.
const SHARE: f32 = 0.35;

/// The least that each level asks for, the best first: share of packets lost, round trip, jitter. Level 4 is what ITU-T
/// G.114 calls transparent for talk with room for the rest of the way, and a loss that retransmission hides; at 3 it is
/// noticed by those who listen for it; at 2 talk is a strain and pictures freeze; at 1 words are missing.
const LIMITS: [(u8, f32, Duration, Duration); 4] = [
    (4, 0.01, Duration::from_millis(150), Duration::from_millis(20)),
    (3, 0.03, Duration::from_millis(300), Duration::from_millis(40)),
    (2, 0.08, Duration::from_millis(500), Duration::from_millis(80)),
    (1, 0.30, Duration::from_secs(2), Duration::from_millis(500)),
];

/// What was measured of a line in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Line {
    /// Share of packets lost, 0 to 1.
    pub(crate) loss: f32,
    /// RFC 3550 §6.4.1.
    pub(crate) jitter: Duration,
    pub(crate) round_trip: Option<Duration>,
}

/// The level of a line: the best of which it keeps every limit; 0 where it keeps none.
fn level(line: &Line) -> u8 {
    let keeps = |(_, loss, round_trip, jitter): &&(u8, f32, Duration, Duration)| {
        line.loss < *loss && line.jitter < *jitter && line.round_trip.is_none_or(|measured| measured < *round_trip)
    };
    LIMITS.iter().find(keeps).map_or(0, |(level, ..)| *level)
}

/// One peer's level over time.
#[derive(Debug, Default)]
pub(crate) struct Grade {
    smoothed: Option<Line>,
    told: Option<(u8, Instant)>,
    /// Measurements in a row that were better than what was told.
    better: u32,
}

impl Grade {
    /// Takes in a second: what was measured (`None` where nothing flowed), and for how long nothing at all was heard.
    /// The level, if it is to be told.
    pub(crate) fn observe(&mut self, line: Option<Line>, silence: Duration, now: Instant) -> Option<u8> {
        if let Some(line) = line {
            self.smoothed = Some(self.smoothed.map_or(line, |before| before.towards(&line)));
        }
        let level = if silence >= LOST_AFTER {
            self.smoothed = None;
            0
        } else {
            level(self.smoothed.as_ref()?)
        };
        let Some((told, told_at)) = self.told else {
            self.told = Some((level, now));
            return Some(level);
        };
        self.better = if level > told { self.better + 1 } else { 0 };
        let is_due = now.saturating_duration_since(told_at) >= CHANGE_INTERVAL;
        if !is_due || level == told || (level > told && self.better < AGREEING) {
            return None;
        }
        self.better = 0;
        self.told = Some((level, now));
        Some(level)
    }
}

impl Line {
    fn towards(&self, newest: &Self) -> Self {
        let time = |before: Duration, newest: Duration| {
            let seconds = before.as_secs_f32() * (1.0 - SHARE) + newest.as_secs_f32() * SHARE;
            Duration::from_secs_f32(seconds)
        };
        Self {
            loss: self.loss * (1.0 - SHARE) + newest.loss * SHARE,
            jitter: time(self.jitter, newest.jitter),
            round_trip: match (self.round_trip, newest.round_trip) {
                (Some(before), Some(newest)) => Some(time(before, newest)),
                (before, newest) => newest.or(before),
            },
        }
    }
}

/// One stream of a line: packets of the last second, loss, jitter.
struct Stream {
    packets: u64,
    loss: Option<f32>,
    jitter: Option<Duration>,
}

/// The line of which `streams` were measured. `None` where no packet flowed.
fn combine(streams: impl Iterator<Item = Stream>, round_trip: Option<Duration>) -> Option<Line> {
    let (mut packets, mut lost, mut jitter) = (0, 0.0, None::<Duration>);
    for stream in streams.filter(|stream| stream.packets > 0) {
        if let Some(loss) = stream.loss {
            packets += stream.packets;
            lost += f64::from(loss) * stream.packets as f64;
        }
        // The line delays all streams alike; what one has more than the other is its encoder's unevenness, of which
        // sound has least.
        jitter = match (jitter, stream.jitter) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    (packets > 0).then(|| Line {
        loss: (lost / packets as f64) as f32,
        jitter: jitter.unwrap_or_default(),
        round_trip,
    })
}

impl Sfu {
    /// Grades a peer by what its engine reported in the last second.
    pub(crate) fn grade(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_connected) else {
            return;
        };
        let line = match &peer.role {
            Role::Publish(publishing) => {
                let ingests = publishing
                    .tracks()
                    .filter_map(|id| self.tracks.get(&id)?.ingest.as_ref());
                let layers = ingests.flat_map(|ingest| &ingest.layers.known);
                let streams = layers.map(|layer| Stream {
                    packets: layer.reception.recent,
                    loss: Some(layer.reception.loss),
                    jitter: Some(layer.reception.jitter),
                });
                combine(streams, publishing.round_trip)
            }
            Role::Subscribe(_) => {
                let streams = peer.figures.values().map(|figures| Stream {
                    packets: figures.recent,
                    loss: figures.loss,
                    jitter: figures.jitter,
                });
                combine(
                    streams,
                    peer.figures.values().filter_map(|figures| figures.round_trip).max(),
                )
            }
        };
        let silence = now.saturating_duration_since(peer.heard_at);
        if let Some(level) = peer.grade.observe(line, silence, now) {
            self.events.push_back(SfuEvent::Quality {
                peer: id,
                session: peer.session.clone(),
                user: peer.user.clone(),
                level,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(loss: f32, round_trip: Option<u64>, jitter: u64) -> Line {
        Line {
            loss,
            jitter: Duration::from_millis(jitter),
            round_trip: round_trip.map(Duration::from_millis),
        }
    }

    #[test]
    fn every_limit_costs_its_bar() {
        for (measured, expected) in [
            (line(0.0, Some(1), 0), 4),
            (line(0.0, None, 5), 4),
            (line(0.009, Some(149), 19), 4),
            (line(0.01, Some(149), 19), 3),
            (line(0.009, Some(150), 19), 3),
            (line(0.009, Some(149), 20), 3),
            (line(0.029, Some(299), 39), 3),
            (line(0.03, Some(20), 1), 2),
            (line(0.0, Some(300), 1), 2),
            (line(0.0, Some(20), 40), 2),
            (line(0.08, Some(20), 1), 1),
            (line(0.0, Some(500), 1), 1),
            (line(0.0, Some(20), 80), 1),
            (line(0.3, Some(20), 1), 0),
            (line(0.0, Some(2_000), 1), 0),
            (line(1.0, None, 1_000), 0),
        ] {
            assert_eq!(level(&measured), expected, "{measured:?}");
        }
    }

    const GOOD: Line = Line {
        loss: 0.0,
        jitter: Duration::from_millis(2),
        round_trip: Some(Duration::from_millis(20)),
    };
    const BAD: Line = Line { loss: 0.15, ..GOOD };

    /// One measurement a second; what was told, and in which second.
    fn told(grade: &mut Grade, lines: &[Option<Line>], now: &mut Instant) -> Vec<(usize, u8)> {
        let mut told = Vec::new();
        for (second, line) in lines.iter().enumerate() {
            *now += Duration::from_secs(1);
            told.extend(grade.observe(*line, Duration::ZERO, *now).map(|level| (second, level)));
        }
        told
    }

    #[test]
    fn nothing_is_told_before_something_is_measured_and_then_only_changes() {
        let (mut grade, mut now) = (Grade::default(), Instant::now());
        assert_eq!(told(&mut grade, &[None, None], &mut now), []);
        assert_eq!(told(&mut grade, &[Some(GOOD); 20], &mut now), [(0, 4)]);
        assert_eq!(told(&mut grade, &[None; 20], &mut now), []);
    }

    #[test]
    fn levels_change_two_seconds_apart_at_the_least_and_rise_slower_than_they_fall() {
        let (mut grade, mut now) = (Grade::default(), Instant::now());
        told(&mut grade, &[Some(GOOD); 5], &mut now);
        let down = told(&mut grade, &[Some(BAD); 8], &mut now);
        assert_eq!(down.first().map(|(second, _)| *second), Some(0));
        assert_eq!(down.last().map(|(_, level)| *level), Some(1));
        assert!(down.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 2), "{down:?}");
        let up = told(&mut grade, &[Some(GOOD); 20], &mut now);
        assert!(up.first().is_some_and(|(second, _)| *second >= 2), "{up:?}");
        assert_eq!(up.last().map(|(_, level)| *level), Some(4));
    }

    #[test]
    fn a_line_that_swings_every_second_changes_little() {
        let (mut grade, mut now) = (Grade::default(), Instant::now());
        let swing: Vec<_> = (0..40).map(|n| Some(if n % 2 == 0 { GOOD } else { BAD })).collect();
        let changes = told(&mut grade, &swing, &mut now);
        assert!(changes.len() <= 3, "{changes:?}");
    }

    #[test]
    fn whoever_is_not_heard_has_no_bar_and_gets_them_back() {
        let (mut grade, mut now) = (Grade::default(), Instant::now());
        told(&mut grade, &[Some(GOOD); 5], &mut now);
        now += LOST_AFTER;
        assert_eq!(grade.observe(None, Duration::from_millis(6_999), now), None);
        assert_eq!(grade.observe(None, LOST_AFTER, now), Some(0));
        assert_eq!(told(&mut grade, &[Some(GOOD); 5], &mut now), [(2, 4)]);
    }

    #[test]
    fn loss_counts_by_packets_and_jitter_by_the_steadiest_stream() {
        let stream = |packets, loss, jitter| Stream {
            packets,
            loss: Some(loss),
            jitter: Some(Duration::from_millis(jitter)),
        };
        let line = combine(
            [stream(900, 0.0, 35), stream(100, 0.1, 3), stream(0, 1.0, 0)].into_iter(),
            None,
        );
        let line = line.expect("packets flowed");
        assert!(
            (line.loss - 0.01).abs() < 1e-6 && line.jitter == Duration::from_millis(3),
            "{line:?}"
        );
        assert_eq!(combine(std::iter::empty(), Some(Duration::ZERO)), None);
    }
}
