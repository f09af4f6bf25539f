//! A receive slot: one media section of a subscriber, and what it shows.

use std::time::{Duration, Instant};

use str0m::format::{Codec, CodecSpec};
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::Ssrc;

use crate::TrackId;
use crate::alteration::Alteration;
use crate::assign::Holder;
use crate::bandwidth::Wish;
use crate::codec::{self, PayloadTypes};
use crate::egress::Forward;
use crate::layers::LayerMask;
use crate::limit::Room;
use crate::redundancy;
use crate::rewriter::{Numbering, Place, Rewriter};
use crate::track::{TrackInfo, TrackPacket};
use crate::vp8::PictureIds;

/// How often a slot that waits asks again: the request or the keyframe may have been lost.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Whether packets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// Until a keyframe starts. Since when packets have been held back, and the frame of the last one.
    Waiting {
        held: Option<(Instant, u32)>,
        asked_at: Instant,
    },
}

/// What became of a packet at a slot.
#[derive(Debug)]
pub(crate) enum Plan {
    /// It goes out like this, behind its preface if it is the first of its layer. Then the slot takes no other any more.
    Forward(Forward),
    /// It is not for this slot's line any more.
    Drop,
    /// It is held back, and a keyframe should be asked for (again) if `ask`.
    Wait { ask: bool },
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    /// The one it sends with, for life.
    ssrc: Ssrc,
    /// What the viewer decodes in this media section.
    pub(crate) offered: Vec<(PayloadTypes, CodecSpec)>,
    pub(crate) track: Option<TrackId>,
    pub(crate) holder: Option<Holder>,
    /// What its viewer wants.
    pub(crate) wish: Wish,
    /// The layer that it is to show; `None` while it shows nothing of its track.
    target: Option<u8>,
    /// The layer that it shows, from a keyframe of that on.
    pub(crate) current: Option<u8>,
    /// There was no room for its track.
    pub(crate) is_left_out: bool,
    /// What of its track there is room for.
    pub(crate) room: Room,
    payload_types: Option<((TrackId, u32), Option<PayloadTypes>)>,
    gate: Gate,
    /// When a keyframe of the target was last asked for, while another layer is shown.
    asked_at: Instant,
    rewriter: Rewriter,
    picture_ids: PictureIds,
}

impl Slot {
    pub(crate) fn new((mid, ssrc): (Mid, Ssrc), kind: MediaKind, now: Instant) -> Self {
        Self {
            mid,
            kind,
            ssrc,
            offered: Vec::new(),
            track: None,
            holder: None,
            wish: Wish::default(),
            target: None,
            current: None,
            is_left_out: false,
            room: Room::NotNeeded,
            payload_types: None,
            gate: Gate::Waiting {
                held: None,
                asked_at: now,
            },
            asked_at: now,
            rewriter: Rewriter::default(),
            picture_ids: PictureIds::default(),
        }
    }

    /// Shows `track`: sound at once, a picture from the layer on that [`Self::aim`] names. Whether the viewer can decode
    /// it.
    pub(crate) fn show(&mut self, track: &TrackInfo, now: Instant) -> bool {
        self.track = Some(track.id);
        self.holder = Some((track.user.clone(), track.source));
        self.target = self.kind.is_audio().then_some(0);
        self.current = self.target;
        self.is_left_out = false;
        self.room = Room::NotNeeded;
        self.await_keyframe(now);
        self.payload_types_for(track).is_some()
    }

    /// Shows `layer` from its next keyframe on, and until then what it shows now, or nothing if it `is_cut`; with `None`,
    /// nothing from now on. Whether that keyframe is to be asked for.
    pub(crate) fn aim(&mut self, layer: Option<u8>, is_cut: bool, now: Instant) -> bool {
        if layer == self.target {
            return false;
        }
        self.target = layer;
        self.asked_at = now;
        if layer.is_none() || is_cut {
            self.await_keyframe(now);
        }
        layer.is_some() && layer != self.current
    }

    /// Whether its viewer decodes what it shows.
    pub(crate) fn is_decodable(&self) -> bool {
        self.payload_types.is_none_or(|(_, types)| types.is_some())
    }

    pub(crate) fn target(&self) -> Option<u8> {
        self.target
    }

    /// The layers whose packets it has a use for.
    pub(crate) fn takes(&self) -> LayerMask {
        LayerMask::of(self.target.into_iter().chain(self.current))
    }

    /// Holds video back until a keyframe, which the caller asks for.
    pub(crate) fn await_keyframe(&mut self, now: Instant) {
        if self.kind.is_video() {
            self.current = None;
        }
        self.gate = Gate::Waiting {
            held: None,
            asked_at: now,
        };
    }

    fn payload_types_for(&mut self, track: &TrackInfo) -> Option<PayloadTypes> {
        let format = (track.id, track.epoch);
        match self.payload_types {
            Some((known, types)) if known == format => types,
            _ => {
                let types = codec::payload_types(&track.format, &self.offered);
                self.payload_types = Some((format, types));
                types
            }
        }
    }

    /// The viewer renegotiated: what was matched before may no longer hold.
    pub(crate) fn set_offered(&mut self, offered: Vec<(PayloadTypes, CodecSpec)>) {
        if self.offered != offered {
            self.offered = offered;
            self.payload_types = None;
        }
    }

    /// Decides what this slot's viewer gets of `packet`.
    pub(crate) fn plan(&mut self, track: &TrackInfo, packet: &TrackPacket, now: Instant) -> Plan {
        let Some(types) = self.payload_types_for(track) else {
            return Plan::Drop;
        };
        let numbering = Numbering {
            track: track.id,
            epoch: packet.epoch,
            layer: packet.layer,
        };
        if packet.epoch != track.epoch {
            return Plan::Drop;
        }
        let place = Place {
            sequence_number: packet.sequence_number,
            timestamp: packet.timestamp,
        };
        let clock_rate = track.format.clock_rate.get();
        let is_target = self.target == Some(packet.layer);
        let mut has_switched = false;
        if self.kind.is_video() {
            if self.gate == Gate::Open && self.current == Some(packet.layer) && !self.rewriter.follows(numbering) {
                self.await_keyframe(now);
            }
            let is_shown = self.gate == Gate::Open && self.current == Some(packet.layer);
            if !is_shown {
                if !is_target {
                    return Plan::Drop;
                }
                if let Some(ask) = self.holds_back(packet, now) {
                    return Plan::Wait { ask };
                }
                has_switched = true;
                self.current = self.target;
                self.gate = Gate::Open;
                self.rewriter.begin(numbering, place, clock_rate, now);
                if packet.preface.is_some() {
                    self.rewriter.leave_room();
                }
                if track.format.codec == Codec::Vp8 {
                    self.picture_ids.begin(&packet.payload);
                }
            }
        } else if !self.rewriter.follows(numbering) {
            self.rewriter.begin(numbering, place, clock_rate, now);
        }
        let Some(place) = self.rewriter.rewrite(place, now) else {
            return Plan::Drop;
        };
        let (payload_type, alteration) = match packet.primary_at {
            0 if track.format.codec == Codec::Vp8 => (types.plain, self.picture_ids.run_on(&packet.payload)),
            0 => (types.plain, Alteration::None),
            at => redundant(types, at, &packet.payload),
        };
        let forward = Forward {
            ssrc: self.ssrc,
            payload_type,
            sequence_number: place.sequence_number,
            timestamp: place.timestamp,
            marker: packet.marker,
            captured_at: packet.captured_at.min(now),
            extensions: packet.extensions,
            nackable: self.kind.is_video(),
            has_switched,
            payload: packet.payload.clone(),
            alteration,
        };
        Plan::Forward(forward)
    }

    /// Whether a slot that waits lets `packet` pass; if not, whether to ask for a keyframe again.
    fn holds_back(&mut self, packet: &TrackPacket, now: Instant) -> Option<bool> {
        if packet.starts_keyframe {
            return None;
        }
        let Gate::Waiting { held, asked_at } = &mut self.gate else {
            // Another layer is shown meanwhile: there is time.
            let ask = now.saturating_duration_since(self.asked_at) >= ASK_AGAIN;
            if ask {
                self.asked_at = now;
            }
            return Some(ask);
        };
        let since = match *held {
            Some((since, frame)) => {
                let begins_frame = frame != packet.timestamp;
                if begins_frame && now.saturating_duration_since(since) >= packet.patience {
                    return None;
                }
                since
            }
            None => now,
        };
        *held = Some((since, packet.timestamp));
        let ask = now.saturating_duration_since(*asked_at) >= ASK_AGAIN;
        if ask {
            *asked_at = now;
        }
        Some(ask)
    }
}

/// How a viewer gets redundant sound, whose own begins at `primary_at`: as it is where it takes that, under its name for it.
fn redundant(types: PayloadTypes, primary_at: u16, payload: &[u8]) -> (Pt, Alteration) {
    match types.redundant {
        Some(payload_type) if redundancy::named(payload) == Some(types.plain) => (payload_type, Alteration::None),
        Some(payload_type) => (payload_type, Alteration::Blocks(types.plain)),
        None => (types.plain, Alteration::Primary(primary_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience;
    use crate::track::Extensions;
    use crate::{PeerId, Source, WorkerId};
    use str0m::format::{Codec, FormatParams};
    use str0m::media::Frequency;

    fn track(id: u64, codec: Codec) -> TrackInfo {
        TrackInfo {
            id: TrackId::new(WorkerId(0), id),
            peer: PeerId::new(WorkerId(0), id),
            session: "s".into(),
            user: "u".into(),
            source: Source::Camera,
            kind: MediaKind::Video,
            format: format(codec),
            epoch: 0,
            opened_at: Instant::now(),
        }
    }

    fn format(codec: Codec) -> CodecSpec {
        CodecSpec {
            codec,
            clock_rate: Frequency::NINETY_KHZ,
            channels: None,
            format: FormatParams::default(),
        }
    }

    fn packet(sequence_number: u64, starts_keyframe: bool) -> TrackPacket {
        TrackPacket {
            epoch: 0,
            layer: 0,
            sequence_number,
            timestamp: sequence_number as u32 * 3_000,
            marker: true,
            starts_keyframe,
            patience: patience::LEAST,
            captured_at: Instant::now(),
            extensions: Extensions::default(),
            payload: vec![1].into(),
            preface: None,
            primary_at: 0,
        }
    }

    fn slot(now: Instant) -> Slot {
        let mut slot = Slot::new(("0".into(), 1.into()), MediaKind::Video, now);
        let types = PayloadTypes {
            plain: 96.into(),
            redundant: None,
        };
        slot.set_offered(vec![(types, format(Codec::Vp8))]);
        slot
    }

    fn sent(plan: Plan) -> Option<u64> {
        match plan {
            Plan::Forward(forward) => Some(forward.sequence_number),
            Plan::Drop | Plan::Wait { .. } => None,
        }
    }

    #[test]
    fn video_starts_on_a_keyframe_and_not_before() {
        let now = Instant::now();
        let (mut slot, track) = (slot(now), track(1, Codec::Vp8));
        assert!(slot.show(&track, now));
        slot.aim(Some(0), false, now);
        assert_eq!(sent(slot.plan(&track, &packet(500, false), now)), None);
        assert_eq!(sent(slot.plan(&track, &packet(501, true), now)), Some(1));
        assert_eq!(sent(slot.plan(&track, &packet(502, false), now)), Some(2));
        assert_eq!(sent(slot.plan(&track, &packet(500, false), now)), None);
    }

    #[test]
    fn a_slot_that_waits_asks_again_and_in_the_end_starts_anyway() {
        let start = Instant::now();
        let (mut slot, track) = (slot(start), track(1, Codec::Vp8));
        slot.show(&track, start);
        slot.aim(Some(0), false, start);
        let mut asked = 0;
        let mut first = None;
        for frame in 0..100_u64 {
            let now = start + Duration::from_millis(frame * 40);
            match slot.plan(&track, &packet(frame, false), now) {
                Plan::Wait { ask } => asked += u32::from(ask),
                Plan::Forward(_) => {
                    first = Some(now);
                    break;
                }
                Plan::Drop => panic!("not for this slot"),
            }
        }
        assert_eq!(asked, 1);
        assert_eq!(first, Some(start + patience::LEAST));
    }

    #[test]
    fn a_change_of_track_waits_for_its_keyframe_and_the_line_goes_on() {
        let now = Instant::now();
        let mut slot = slot(now);
        let (first, second) = (track(1, Codec::Vp8), track(2, Codec::Vp8));
        slot.show(&first, now);
        slot.aim(Some(0), false, now);
        slot.plan(&first, &packet(9, true), now);
        slot.show(&second, now);
        slot.aim(Some(0), false, now);
        assert_eq!(sent(slot.plan(&second, &packet(70, false), now)), None);
        assert_eq!(sent(slot.plan(&second, &packet(71, true), now)), Some(2));
    }

    #[test]
    fn a_codec_that_was_not_offered_is_reported_and_not_sent() {
        let now = Instant::now();
        let (mut slot, track) = (slot(now), track(1, Codec::H264));
        assert!(!slot.show(&track, now));
        assert!(matches!(slot.plan(&track, &packet(1, true), now), Plan::Drop));
    }
}
