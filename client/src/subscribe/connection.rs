//! One WebRTC connection to the server that receives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::MediaKind;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::ReceiverReportBuilder;
use rtc::peer_connection::configuration::interceptor_registry::configure_twcc_receiver_only;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpHeaderExtensionCapability, RtpCodecKind};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use serde::Serialize;
use tokio::sync::watch;
use webrtc::error::{Error, Result};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder, Slot,
    StatsSelector,
};

use crate::clock::MediaClock;
use crate::subscribe::encoded::EncodedCodec;
use crate::subscribe::intake::{Intake, Streams, VIDEO_ORIENTATION};
use crate::subscribe::picture::frames::PictureCodec;
use crate::transport::candidates::{local_addresses, presentable, without_tcp};
use crate::transport::codecs;
use crate::transport::runtime::prompt_runtime;

/// What openh264 decodes, with the payload types of each and of its retransmissions: constrained baseline first, because it is
/// what everybody sends; baseline, main and high, which OBS and some phones send; and those who send single NAL units only.
/// Levels do not bind the sender (RFC 6184 §8.1, `level-asymmetry-allowed`).
const H264_FORMATS: [(u8, u8, &str); 7] = [
    (
        102,
        103,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ),
    (
        104,
        105,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
    ),
    (
        106,
        107,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
    ),
    (
        108,
        109,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
    ),
    (
        112,
        113,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
    ),
    (
        114,
        115,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f",
    ),
    (
        116,
        117,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f",
    ),
];

/// Of what is not decoded here, and of its retransmissions; the numbers that Chromium gives them.
const ENCODED_PAYLOAD_TYPES: [(EncodedCodec, u8, u8); 3] = [
    (EncodedCodec::Vp8, 96, 97),
    (EncodedCodec::Vp9, 98, 99),
    (EncodedCodec::Av1, 45, 46),
];

const OPUS_PAYLOAD_TYPE: u8 = 111;

/// Local addresses are read, not asked for over the network; this bounds a system call that hangs.
const GATHERING_TIMEOUT: Duration = Duration::from_secs(3);

/// Silence after which the path counts as interrupted, and after which it is given up. Whoever watches may be on a train: it
/// is worth waiting a little longer than a publisher does, whose audience waits with it.
const ICE_DISCONNECTED: Duration = Duration::from_secs(2);
const ICE_FAILED: Duration = Duration::from_secs(5);
const ICE_KEEPALIVE: Duration = Duration::from_millis(500);

/// After all that reports arrivals to the server, which has to see retransmissions as they came.
const INTAKE_SLOT: usize = 10_500;

/// The way of the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportState {
    /// Not there yet.
    Connecting,
    /// Media can flow.
    Connected,
    /// Nothing has come for a while; it may mend itself.
    Interrupted,
    /// Nothing will come any more.
    Failed,
}

impl TransportState {
    /// None for one that was closed on purpose.
    fn of(state: RTCPeerConnectionState) -> Option<Self> {
        match state {
            RTCPeerConnectionState::Connected => Some(Self::Connected),
            RTCPeerConnectionState::Disconnected => Some(Self::Interrupted),
            RTCPeerConnectionState::Failed => Some(Self::Failed),
            RTCPeerConnectionState::Closed => None,
            _ => Some(Self::Connecting),
        }
    }
}

struct Events {
    state: watch::Sender<TransportState>,
    gathered: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "subscription");
        if let Some(state) = TransportState::of(state) {
            self.state.send_replace(state);
        }
    }
}

/// The connection.
#[derive(Clone)]
pub(crate) struct Connection {
    peer: Arc<dyn PeerConnection>,
    pub(crate) state: watch::Receiver<TransportState>,
    gathered: watch::Receiver<bool>,
}

impl Connection {
    /// One for a server at `host`, whose packets go to `streams`. It offers `encoded` too.
    pub(crate) async fn new(host: &str, clock: MediaClock, streams: Streams, encoded: &[EncodedCodec]) -> Result<Self> {
        let mut media_engine = media_engine(encoded)?;
        let registry = configure_twcc_receiver_only(Registry::new(), &mut media_engine)?
            .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
            .with(Slot::from(INTAKE_SLOT), Intake::new(clock, streams));
        let (state_sender, state) = watch::channel(TransportState::Connecting);
        let (gathered_sender, gathered) = watch::channel(false);
        let addresses = local_addresses(host);
        let runtime = prompt_runtime().ok_or_else(|| Error::Other("webrtc-rs was built without tokio".to_owned()))?;
        let building = PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(
                SettingEngineBuilder::new()
                    .with_include_loopback_candidate(true)
                    // The server's addresses are no names, and asking for one fails where there is no IPv4.
                    .with_multicast_dns_mode(MulticastDnsMode::Disabled)
                    .with_ice_timeouts(Some(ICE_DISCONNECTED), Some(ICE_FAILED), Some(ICE_KEEPALIVE))
                    .build(),
            )
            .with_handler(Arc::new(Events {
                state: state_sender,
                gathered: gathered_sender,
            }))
            .with_runtime(runtime)
            .with_udp_addrs(addresses.clone())
            .with_tcp_addrs(addresses)
            .build();
        // Twenty kilobytes, which every future around it would carry about.
        let peer = Box::pin(building).await?;
        Ok(Self {
            peer: Arc::new(peer),
            state,
            gathered,
        })
    }

    /// Adds a slot to the next offer.
    pub(crate) async fn add_slot(&self, kind: MediaKind) -> Result<()> {
        let kind = match kind {
            MediaKind::Audio => RtpCodecKind::Audio,
            MediaKind::Video => RtpCodecKind::Video,
        };
        let receive = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Recvonly,
            streams: Vec::new(),
            send_encodings: Vec::new(),
        };
        self.peer.add_transceiver_from_kind(kind, Some(receive)).await?;
        Ok(())
    }

    /// The next offer, with all candidates.
    pub(crate) async fn offer(&self) -> Result<String> {
        let offer = self.peer.create_offer(None).await?;
        self.peer.set_local_description(offer).await?;
        let mut gathered = self.gathered.clone();
        // Whatever was found by then has to do.
        let _ = tokio::time::timeout(GATHERING_TIMEOUT, gathered.wait_for(|done| *done)).await;
        let local = self.peer.local_description().await;
        let local = local.ok_or_else(|| Error::Other("no local description".to_owned()))?;
        Ok(presentable(&local.sdp))
    }

    /// Takes an answer. TCP candidates are added one by one, since webrtc-rs connects to no others.
    pub(crate) async fn accept(&self, answer: &str) -> Result<()> {
        let (description, tcp) = without_tcp(answer);
        self.peer
            .set_remote_description(RTCSessionDescription::answer(description)?)
            .await?;
        for candidate in tcp {
            self.peer.add_ice_candidate(candidate).await?;
        }
        Ok(())
    }

    pub(crate) async fn add_candidate(&self, candidate: RTCIceCandidateInit) -> Result<()> {
        self.peer.add_ice_candidate(candidate).await
    }

    /// Of the path that is used, once it has been measured.
    pub(crate) async fn round_trip(&self) -> Option<Duration> {
        let report = self.peer.get_stats(Instant::now(), StatsSelector::None).await;
        let pair = report.candidate_pairs().find(|pair| pair.nominated)?;
        let seconds = pair.current_round_trip_time;
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(60.0)))
    }

    /// Stops the connection's tasks and closes its sockets.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.peer.close().await {
            tracing::debug!(%error, "subscription not closed");
        }
    }
}

/// What is sent under a payload type, of those that are offered.
pub(crate) fn picture_codec(payload_type: u8) -> PictureCodec {
    let encoded = ENCODED_PAYLOAD_TYPES
        .into_iter()
        .find(|(_, sent, repaired)| payload_type == *sent || payload_type == *repaired);
    encoded.map_or(PictureCodec::H264, |(codec, ..)| PictureCodec::Encoded(codec))
}

fn media_engine(encoded: &[EncodedCodec]) -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    for (payload_type, retransmitted, format) in H264_FORMATS {
        engine.register_codec(codecs::h264(payload_type, format), RtpCodecKind::Video)?;
        engine.register_codec(codecs::rtx(retransmitted, payload_type), RtpCodecKind::Video)?;
    }
    for (codec, payload_type, retransmitted) in ENCODED_PAYLOAD_TYPES {
        if !encoded.contains(&codec) {
            continue;
        }
        let parameters = match codec {
            EncodedCodec::Vp8 => codecs::vp8(payload_type),
            EncodedCodec::Vp9 => codecs::vp9(payload_type),
            EncodedCodec::Av1 => codecs::av1(payload_type),
        };
        engine.register_codec(parameters, RtpCodecKind::Video)?;
        engine.register_codec(codecs::rtx(retransmitted, payload_type), RtpCodecKind::Video)?;
    }
    engine.register_codec(codecs::opus(OPUS_PAYLOAD_TYPE), RtpCodecKind::Audio)?;
    let orientation = RTCRtpHeaderExtensionCapability {
        uri: VIDEO_ORIENTATION.to_owned(),
    };
    engine.register_header_extension(
        orientation,
        RtpCodecKind::Video,
        Some(RTCRtpTransceiverDirection::Recvonly),
    )?;
    Ok(engine)
}
