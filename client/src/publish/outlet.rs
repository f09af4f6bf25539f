//! From encoded media to RTP packets on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use bytes::Bytes;
use footlight_protocol::TrackSource;
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
use crate::record::Kept;

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

/// One track of one connection, negotiated. A copy goes on where the other one is.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(super) source: TrackSource,
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) sequence: Arc<AtomicU16>,
    pub(super) rtp_clock: RtpClock,
    pub(super) media_clock: MediaClock,
    /// The id of `abs-capture-time`, where the server takes it.
    pub(super) capture_time_extension: Option<u8>,
}

impl Outlet {
    pub(crate) fn source(&self) -> TrackSource {
        self.source
    }

    async fn send(&mut self, payload: Bytes, capture: MediaTime, first: bool, marker: bool) -> Result<()> {
        let mut header = Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence.fetch_add(1, Ordering::Relaxed),
            timestamp: self.rtp_clock.timestamp(capture),
            ssrc: self.ssrc,
            ..Default::default()
        };
        if let Some(id) = self.capture_time_extension.filter(|_| first) {
            let ntp = self.media_clock.ntp(capture).to_be_bytes();
            header.set_extension(id, Bytes::copy_from_slice(&ntp))?;
        }
        self.track.write_rtp(Packet { header, payload }).await
    }
}

/// Media that travels on a track.
pub(crate) trait Payload: Send + Sync + 'static {
    /// Where it goes on one connection.
    type Way: Send;

    /// The way of this media out of `outlet`.
    fn way(outlet: Outlet, sent: Arc<SentCounters>) -> Self::Way;

    /// The same, to be kept on this machine.
    fn kept(&self) -> Kept;

    /// Sends it.
    fn send(&self, way: &mut Self::Way) -> impl Future<Output = Result<()>> + Send;
}

/// Where pictures go on one connection.
pub(crate) struct VideoWay {
    outlet: Outlet,
    payloader: H264Payloader,
    /// Nothing can be decoded before a keyframe, so nothing is sent before one.
    keyframe_sent: bool,
    sent: Arc<SentCounters>,
}

/// Where sound goes on one connection.
pub(crate) struct AudioWay {
    outlet: Outlet,
    sent: Arc<SentCounters>,
}

impl Payload for EncodedVideo {
    type Way = VideoWay;

    fn way(outlet: Outlet, sent: Arc<SentCounters>) -> VideoWay {
        VideoWay {
            outlet,
            payloader: H264Payloader::default(),
            keyframe_sent: false,
            sent,
        }
    }

    fn kept(&self) -> Kept {
        Kept::Picture(self.clone())
    }

    /// Sends one access unit: all its packets under one timestamp, the last one marked (RFC 6184 §5.1).
    async fn send(&self, way: &mut VideoWay) -> Result<()> {
        if !self.keyframe && !way.keyframe_sent {
            return Ok(());
        }
        let payloads = way.payloader.payload(MAX_PAYLOAD_BYTES, &self.data)?;
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            way.sent.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            way.outlet
                .send(payload, self.capture, index == 0, index == last)
                .await?;
        }
        way.keyframe_sent = true;
        way.sent.frames.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Payload for EncodedAudio {
    type Way = AudioWay;

    fn way(outlet: Outlet, sent: Arc<SentCounters>) -> AudioWay {
        AudioWay { outlet, sent }
    }

    fn kept(&self) -> Kept {
        Kept::Sound(self.clone())
    }

    /// Sends one Opus packet (RFC 7587 §4.2).
    async fn send(&self, way: &mut AudioWay) -> Result<()> {
        way.sent.bytes.fetch_add(self.data.len() as u64, Ordering::Relaxed);
        way.outlet.send(self.data.clone(), self.capture, true, false).await
    }
}
