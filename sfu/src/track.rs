//! What a publisher sends: a track, and its packets on their way through the core.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::CodecSpec;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid};
use str0m::rtp::{AbsCaptureTime, ExtensionValues, VideoOrientation};

use crate::codec::PayloadTypes;
use crate::layers::{LayerMask, LayerSet, Layers, MAX_LAYERS};
use crate::limit::{Limit, Room};
use crate::slot::Slot;
use crate::speech::Speech;
use crate::throttle::Throttle;
use crate::{PeerId, SessionId, Source, TrackId, UserId, WorkerId};

/// A published track as every worker knows it.
#[derive(Debug, Clone)]
pub struct TrackInfo {
    pub(crate) id: TrackId,
    pub(crate) peer: PeerId,
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) source: Source,
    pub(crate) kind: MediaKind,
    pub(crate) format: CodecSpec,
    /// How often the track has restarted its numbering or changed its format.
    pub(crate) epoch: u32,
    /// Tracks are shown in the order of this.
    pub(crate) opened_at: Instant,
}

/// The header extensions that are the publisher's own words and travel through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) audio_level: Option<i8>,
    pub(crate) voice_activity: Option<bool>,
    pub(crate) video_orientation: Option<VideoOrientation>,
    pub(crate) capture_time: Option<AbsCaptureTime>,
}

impl From<&ExtensionValues> for Extensions {
    fn from(values: &ExtensionValues) -> Self {
        Self {
            audio_level: values.audio_level,
            voice_activity: values.voice_activity,
            video_orientation: values.video_orientation,
            capture_time: values.abs_capture_time,
        }
    }
}

/// One packet of a track, the same for everybody who gets it. Cheap to clone: the payload is shared.
#[derive(Debug, Clone)]
pub struct TrackPacket {
    pub(crate) epoch: u32,
    /// Which of the track's layers: each has a numbering of its own.
    pub(crate) layer: u8,
    /// Extended by the ingest, so that it never wraps.
    pub(crate) sequence_number: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) starts_keyframe: bool,
    /// How long a viewer waits for a keyframe of its layer.
    pub(crate) patience: Duration,
    pub(crate) captured_at: Instant,
    pub(crate) extensions: Extensions,
    pub(crate) payload: Arc<[u8]>,
    /// The payload of a packet that goes before it to whoever starts with it: what a keyframe needs and does not bring.
    pub(crate) preface: Option<Arc<[u8]>>,
    /// Where its own sound begins in the payload, behind that of packets before it (RFC 2198); 0: it has no other.
    pub(crate) primary_at: u16,
}

/// A slot that shows a track: the media section of one of this worker's peers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer {
    pub(crate) peer: PeerId,
    pub(crate) mid: Mid,
    /// Where the slot stood among its peer's when it began to show the track. Slots before it may have gone since, so
    /// that this is where to look first, no more.
    pub(crate) index: usize,
    /// The layers of which it gets packets, or waits for a keyframe.
    pub(crate) takes: LayerMask,
    /// What of it the viewer's line has room for.
    pub(crate) room: Room,
}

impl Viewer {
    /// Its slot among those of its peer.
    pub(crate) fn slot<'a>(&self, slots: &'a mut [Slot]) -> Option<&'a mut Slot> {
        let is_there = slots.get(self.index).is_some_and(|slot| slot.mid == self.mid);
        if is_there {
            slots.get_mut(self.index)
        } else {
            slots.iter_mut().find(|slot| slot.mid == self.mid)
        }
    }
}

/// A track on a worker where it is published or watched.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) info: TrackInfo,
    pub(crate) layers: LayerSet,
    pub(crate) viewers: Vec<Viewer>,
    /// One for each layer.
    pub(crate) keyframes: [Throttle; MAX_LAYERS],
    /// On a worker that it is relayed to: the layers that it was asked for.
    pub(crate) subscribed: LayerMask,
    /// On a worker that it is relayed to: what was last said of its viewers' room.
    pub(crate) told_room: Room,
    /// What it took before its publisher was limited, in bits per second; 0: it is not. Viewers' lines are measured for that.
    pub(crate) wanted: u64,
    /// Where its packets come in, on the worker that it is published to.
    pub(crate) ingest: Option<Ingest>,
}

impl Track {
    /// The layers that somebody at this worker takes.
    pub(crate) fn taken(&self) -> LayerMask {
        let takes = self.viewers.iter().map(|viewer| viewer.takes);
        takes.fold(LayerMask::NONE, LayerMask::with)
    }

    /// What this worker's viewers have room for: the one with the most.
    pub(crate) fn room(&self) -> Room {
        let rooms = self.viewers.iter().map(|viewer| viewer.room);
        rooms.max().unwrap_or_default()
    }

    /// The layers that somebody at any worker takes, where it is published.
    pub(crate) fn wanted(&self) -> LayerMask {
        let relays = self.ingest.iter().flat_map(|ingest| &ingest.relays);
        relays.fold(self.taken(), |all, (_, takes)| all.with(*takes))
    }
}

/// The publisher's side of a track.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) mid: Mid,
    pub(crate) layers: Layers,
    pub(crate) types: PayloadTypes,
    /// How this publisher wants to be asked for a keyframe. `None`: it cannot be asked.
    pub(crate) request: Option<KeyframeRequestKind>,
    /// Other workers with viewers of this track, and the layers that these take.
    pub(crate) relays: Vec<(WorkerId, LayerMask)>,
    /// What the viewers of other workers have room for.
    pub(crate) rooms: Vec<(WorkerId, Room)>,
    pub(crate) limit: Limit,
    /// What the other workers were last told of the layers.
    pub(crate) told: LayerSet,
    pub(crate) speech: Speech,
}

/// How a track's packets came in, as the engine last reported.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reception {
    /// All that came, retransmissions included.
    pub(crate) packets: u64,
    /// Of these, the ones since the report before.
    pub(crate) recent: u64,
    /// Share of packets lost in the last reporting interval, 0 to 1.
    pub(crate) loss: f32,
    /// RFC 3550 §6.4.1.
    pub(crate) jitter: Duration,
}

/// Bits per second over the last whole second.
#[derive(Debug)]
pub(crate) struct Meter {
    window_start: Instant,
    bytes: u64,
    rate: u64,
}

impl Meter {
    pub(crate) const WINDOW: Duration = Duration::from_secs(1);

    pub(crate) fn new(now: Instant) -> Self {
        Self {
            window_start: now,
            bytes: 0,
            rate: 0,
        }
    }

    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.advance(now);
        self.bytes += bytes as u64;
    }

    pub(crate) fn bits_per_second(&mut self, now: Instant) -> u64 {
        self.advance(now);
        self.rate
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed < Self::WINDOW {
            return;
        }
        self.rate = (u128::from(self.bytes) * 8_000_000 / elapsed.as_micros().max(1)) as u64;
        self.bytes = 0;
        self.window_start = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_shows_the_last_second_and_falls_to_nothing() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for step in 0..100 {
            meter.add(1_250, start + Duration::from_millis(step * 10));
        }
        assert_eq!(meter.bits_per_second(start + Duration::from_secs(1)), 1_000_000);
        assert_eq!(meter.bits_per_second(start + Duration::from_secs(3)), 0);
    }
}
