//! The seam on the way out: a packet whose every field is decided, and what sends it.
//!
//! [`Slot`](crate::slot::Slot) decides; an [`Egress`] encrypts, keeps what may be asked for again, and sends. Today it
//! is a str0m peer. Another one takes its place by implementing the trait.

use std::sync::Arc;
use std::time::Instant;

use str0m::Rtc;
use str0m::media::Pt;
use str0m::rtp::{ExtensionValues, RtpWrite, Ssrc};

use crate::track::Extensions;

/// One packet as one viewer is to get it.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The slot's own.
    pub(crate) ssrc: Ssrc,
    pub(crate) payload_type: Pt,
    /// Extended; only the low 16 bits travel.
    pub(crate) sequence_number: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// When it was captured, for the sender reports of this slot. Not in the future.
    pub(crate) captured_at: Instant,
    pub(crate) extensions: Extensions,
    /// Whether it is kept for retransmission.
    pub(crate) nackable: bool,
    pub(crate) payload: Arc<[u8]>,
}

/// Sends finished packets to one viewer.
pub(crate) trait Egress {
    /// Takes `forward` for sending. Whether it could.
    fn send(&mut self, forward: Forward) -> bool;
}

impl Egress for Rtc {
    fn send(&mut self, forward: Forward) -> bool {
        let mut direct = self.direct_api();
        let Some(stream) = direct.stream_tx(&forward.ssrc) else {
            return false;
        };
        // Hop-by-hop extensions (MID, TWCC, abs-send-time) are the engine's: it fills in its own.
        let extensions = ExtensionValues {
            audio_level: forward.extensions.audio_level,
            voice_activity: forward.extensions.voice_activity,
            video_orientation: forward.extensions.video_orientation,
            abs_capture_time: forward.extensions.capture_time,
            ..ExtensionValues::default()
        };
        let write = RtpWrite::new(
            forward.payload_type,
            forward.sequence_number.into(),
            forward.timestamp,
            forward.captured_at,
            forward.payload,
        );
        stream.write_rtp(
            write
                .marker(forward.marker)
                .ext_vals(extensions)
                .nackable(forward.nackable),
        );
        true
    }
}
