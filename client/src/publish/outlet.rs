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
use crate::pipeline::simulcast::MOST_LAYERS;
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

/// One RTP stream of a track.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(super) ssrc: u32,
    /// Of the next packet, for whoever sends it: a receiver's SRTP follows it (RFC 3711 §3.3.1).
    pub(super) sequence: Arc<AtomicU16>,
}

/// One track of one connection, negotiated. A copy goes on where the other one is.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(super) source: TrackSource,
    pub(super) track: Arc<TrackLocalStaticRTP>,
    /// One for each simulcast layer, the largest picture first; or just one.
    pub(super) streams: Vec<Stream>,
    pub(super) payload_type: u8,
    pub(super) rtp_clock: RtpClock,
    pub(super) media_clock: MediaClock,
    /// The id of `abs-capture-time`, where the server takes it.
    pub(super) capture_time_extension: Option<u8>,
}

impl Outlet {
    pub(crate) fn source(&self) -> TrackSource {
        self.source
    }

    /// Sends one packet of stream `layer`; nothing where there is no such stream.
    async fn send(
        &mut self,
        layer: usize,
        payload: Bytes,
        capture: MediaTime,
        first: bool,
        marker: bool,
    ) -> Result<()> {
        let Some(stream) = self.streams.get(layer) else {
            return Ok(());
        };
        let mut header = Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: stream.sequence.fetch_add(1, Ordering::Relaxed),
            timestamp: self.rtp_clock.timestamp(capture),
            ssrc: stream.ssrc,
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
    /// Of each layer: nothing can be decoded before a keyframe, so nothing is sent before one.
    keyframes_sent: [bool; MOST_LAYERS],
    last_capture: Option<MediaTime>,
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
            keyframes_sent: [false; MOST_LAYERS],
            last_capture: None,
            sent,
        }
    }

    fn kept(&self) -> Kept {
        Kept::Picture(self.clone())
    }

    /// Sends one access unit: all its packets under one timestamp, the last one marked (RFC 6184 §5.1).
    async fn send(&self, way: &mut VideoWay) -> Result<()> {
        let Some(keyframe_sent) = way.keyframes_sent.get_mut(self.layer) else {
            return Ok(());
        };
        if !self.keyframe && !*keyframe_sent {
            return Ok(());
        }
        *keyframe_sent = true;
        let payloads = way.payloader.payload(MAX_PAYLOAD_BYTES, &self.data)?;
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            way.sent.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            way.outlet
                .send(self.layer, payload, self.capture, index == 0, index == last)
                .await?;
        }
        // One picture, in however many sizes.
        let is_another = way.last_capture.replace(self.capture) != Some(self.capture);
        way.sent.frames.fetch_add(u64::from(is_another), Ordering::Relaxed);
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
        way.outlet.send(0, self.data.clone(), self.capture, true, false).await
    }
}
