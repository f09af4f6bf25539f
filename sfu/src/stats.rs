//! Figures.

use std::time::Duration;

use str0m::media::MediaKind;

use crate::{PeerId, SessionId, Source, TrackId, UserId};

/// What one worker has done since it started, and what it has now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Peers now.
    pub peers: u64,
    /// Tracks published to this worker now.
    pub tracks: u64,
    /// Slots that show a track now.
    pub slots: u64,
    /// Datagrams taken in for a peer.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Datagrams handed out for sending.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Track packets sent to a slot.
    pub forwarded: u64,
    /// Track packets that a slot did not take: before its first keyframe, while its viewer is too slow, or too late.
    pub dropped: u64,
    /// Track packets that came in while their publisher was muted.
    pub muted: u64,
    /// Keyframe requests, from viewers and from slots that were assigned.
    pub keyframes_received: u64,
    /// Of these, the ones that an earlier request answers too.
    pub keyframes_merged: u64,
    /// Requests sent to publishers.
    pub keyframes_sent: u64,
    /// Datagrams that belong to no peer.
    pub unknown_datagrams: u64,
}

/// A track as one worker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackStats {
    /// Unique among all workers.
    pub track: TrackId,
    /// Who publishes it.
    pub user: UserId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// As in SDP.
    pub codec: &'static str,
    /// Slots of this worker that show it.
    pub receivers: u32,
    /// The layers that are on, the worst first; one where it is not simulcast.
    pub layers: Vec<LayerStats>,
    /// Present on the worker that it is published to.
    pub ingest: Option<IngestStats>,
}

/// One layer of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerStats {
    /// As its publisher calls it; none where it sends one layer only.
    pub rid: Option<String>,
    /// Of the picture, in pixels, where the codec tells.
    pub height: Option<u32>,
    /// What it takes, in bits per second.
    pub bits_per_second: u64,
}

/// How a track comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IngestStats {
    /// Payload received in the last second, in bits per second.
    pub bits_per_second: u64,
    /// Share of packets lost in the last reporting interval, 0 to 1.
    pub loss: f32,
    /// Variation of the packets' delay (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// To the publisher and back, as last measured: by its answers to our reference times (RFC 3611 §4.5), which not
    /// every publisher gives.
    pub round_trip: Option<Duration>,
}

/// What one subscribe peer gets.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewerStats {
    /// Which.
    pub peer: PeerId,
    /// Its session.
    pub session: SessionId,
    /// Who watches.
    pub user: UserId,
    /// RTP packets sent, retransmissions included.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Share of packets lost in the last second, 0 to 1, where the viewer reports it.
    pub loss: Option<f32>,
    /// To the viewer and back, where it has been measured.
    pub round_trip: Option<Duration>,
    /// What its line is thought to carry, in bits per second, where it says what arrives.
    pub estimate: Option<u64>,
    /// Those of its slots that show a track.
    pub slots: Vec<SlotStats>,
}

/// What a slot shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStats {
    /// The slot.
    pub mid: String,
    /// What it shows.
    pub track: TrackId,
    /// Who publishes that.
    pub user: UserId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// The simulcast layer that passes, as its publisher calls it, where it sends several.
    pub rid: Option<String>,
    /// Of the picture, in pixels, where the codec tells.
    pub height: Option<u32>,
    /// The line has no room for it.
    pub is_left_out: bool,
}
