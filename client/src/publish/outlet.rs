//! From encoded media to RTP packets on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rtc::rtp::Packet;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::header::Header;
use rtc::rtp::packetizer::Payloader;
use webrtc::error::Result;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use crate::clock::{MediaClock, MediaTime};
use crate::pipeline::{EncodedAudio, EncodedVideo};
use crate::publish::rtp_clock::RtpClock;

/// Largest RTP payload, in bytes. With 20 of IPv6's 40, 8 of UDP, 12 of RTP, up to 28 of header extensions, 2 of RTX
/// and 16 of SRTP tag, the packet stays within 1,280 bytes, which every IPv6 path carries (RFC 8200 §5).
const MAX_PAYLOAD_BYTES: usize = 1140;

/// What went out, counted for the whole life of a publisher.
#[derive(Debug, Default)]
pub(crate) struct SentCounters {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl SentCounters {
    /// Video frames.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Payload of both tracks, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One track of one connection, negotiated.
pub(crate) struct Outlet {
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) rtp_clock: RtpClock,
    pub(super) media_clock: MediaClock,
    /// The id of `abs-capture-time`, where the server takes it.
    pub(super) capture_time_extension: Option<u8>,
}

impl Outlet {
    async fn send(&mut self, payload: Bytes, capture: MediaTime, first: bool, marker: bool) -> Result<()> {
        let mut header = Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: self.rtp_clock.timestamp(capture),
            ssrc: self.ssrc,
            ..Default::default()
        };
        if let Some(id) = self.capture_time_extension.filter(|_| first) {
            let ntp = self.media_clock.ntp(capture).to_be_bytes();
            header.set_extension(id, Bytes::copy_from_slice(&ntp))?;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.track.write_rtp(Packet { header, payload }).await
    }
}

/// Both tracks of one connection.
pub(crate) struct Outlets {
    pub(super) video: Option<Outlet>,
    pub(super) audio: Option<Outlet>,
    pub(super) payloader: H264Payloader,
    /// Nothing can be decoded before a keyframe, so nothing is sent before one.
    pub(super) keyframe_sent: bool,
    pub(super) sent: Arc<SentCounters>,
}

impl Outlets {
    /// Sends one access unit: all its packets under one timestamp, the last one marked (RFC 6184 §5.1).
    pub(crate) async fn send_video(&mut self, unit: &EncodedVideo) -> Result<()> {
        let Some(outlet) = &mut self.video else {
            return Ok(());
        };
        if !unit.keyframe && !self.keyframe_sent {
            return Ok(());
        }
        let payloads = self.payloader.payload(MAX_PAYLOAD_BYTES, &unit.data)?;
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            self.sent.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            outlet.send(payload, unit.capture, index == 0, index == last).await?;
        }
        self.keyframe_sent = true;
        self.sent.frames.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Sends one Opus packet (RFC 7587 §4.2).
    pub(crate) async fn send_audio(&mut self, packet: &EncodedAudio) -> Result<()> {
        let Some(outlet) = &mut self.audio else {
            return Ok(());
        };
        self.sent.bytes.fetch_add(packet.data.len() as u64, Ordering::Relaxed);
        outlet.send(packet.data.clone(), packet.capture, true, false).await
    }
}
