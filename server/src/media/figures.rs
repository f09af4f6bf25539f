//! What the workers know of one session, put together for those who ask over HTTP.

use footlight_protocol::{LayerStats, SlotStats, TrackStats, ViewerStats};
use footlight_sfu::TrackId;

use super::event;

/// One worker's part.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Of the session, in the order of publishing.
    pub(super) tracks: Vec<footlight_sfu::TrackStats>,
    /// Connections that were asked for and are this worker's.
    pub(super) viewers: Vec<footlight_sfu::ViewerStats>,
}

/// The live figures of one session.
#[derive(Debug, Default)]
pub struct SessionFigures {
    /// What is published, each track once.
    pub tracks: Vec<TrackStats>,
    /// What the connections receive that were asked for.
    pub viewers: Vec<ViewerStats>,
}

impl SessionFigures {
    /// Of all workers' parts, in any order.
    pub(super) fn of(parts: &[Part]) -> Self {
        let seen: Vec<_> = parts.iter().flat_map(|part| &part.tracks).collect();
        let mut tracks: Vec<_> = seen.iter().filter_map(|track| published(track, &seen)).collect();
        // Workers answer in any order, the same tracks shall be shown in the same.
        tracks.sort_by_key(|(track, _)| *track);
        let mut viewers: Vec<_> = parts.iter().flat_map(|part| &part.viewers).collect();
        viewers.sort_by_key(|viewer| viewer.peer);
        Self {
            tracks: tracks.into_iter().map(|(_, stats)| stats).collect(),
            viewers: viewers.into_iter().filter_map(viewer).collect(),
        }
    }
}

/// A track as the worker that it is published to tells of it, with the receivers of all.
fn published(track: &footlight_sfu::TrackStats, seen: &[&footlight_sfu::TrackStats]) -> Option<(TrackId, TrackStats)> {
    let ingest = track.ingest?;
    let everywhere = seen.iter().filter(|other| other.track == track.track);
    let layers = track.layers.iter().map(|layer| LayerStats {
        rid: layer.rid.clone(),
        height: layer.height,
        bitrate_bps: layer.bits_per_second,
    });
    let stats = TrackStats {
        user_id: track.user.as_str().parse().ok()?,
        kind: event::kind(track.kind),
        source: event::source(track.source),
        codec: track.codec.to_owned(),
        bitrate_bps: ingest.bits_per_second,
        loss: ingest.loss,
        round_trip_ms: ingest.round_trip.map(|time| time.as_secs_f32() * 1000.0),
        receivers: everywhere.map(|other| other.receivers).sum(),
        layers: layers.collect(),
    };
    Some((track.track, stats))
}

fn viewer(viewer: &footlight_sfu::ViewerStats) -> Option<ViewerStats> {
    let slots = viewer.slots.iter().filter_map(|slot| {
        Some(SlotStats {
            mid: slot.mid.clone(),
            user_id: slot.user.as_str().parse().ok()?,
            kind: event::kind(slot.kind),
            source: event::source(slot.source),
            rid: slot.rid.clone(),
            height: slot.height,
            left_out: slot.is_left_out,
        })
    });
    Some(ViewerStats {
        user_id: viewer.user.as_str().parse().ok()?,
        estimate_bps: viewer.estimate,
        loss: viewer.loss,
        round_trip_ms: viewer.round_trip.map(|time| time.as_secs_f32() * 1000.0),
        slots: slots.collect(),
    })
}
