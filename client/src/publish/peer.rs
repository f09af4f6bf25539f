//! One WebRTC connection to the server: one H.264 and one Opus track, send only.

use std::sync::Arc;
use std::time::Duration;

use rtc::interceptor::{NackResponderBuilder, PacerBuilder};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS};
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::watch;
use webrtc::error::{Error, Result};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    CongestionFeedback, MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder, Slot,
    configure_congestion_control,
};
use webrtc::rtp_transceiver::RtpSender;

use crate::clock::MediaClock;
use crate::publish::bandwidth::{Budget, PACING_FACTOR, PacingHeadroom};
use crate::publish::feedback::Feedback;
use crate::publish::outlet::{Outlet, Outlets, SentCounters};
use crate::publish::reports::CaptureClockReports;
use crate::publish::rtp_clock::{AUDIO_RATE, RtpClock, VIDEO_RATE};
use crate::transport::candidates::{local_addresses, presentable, without_tcp};
use crate::transport::codecs;
use crate::transport::runtime::prompt_runtime;

/// When a capture happened, on the sender's NTP clock, with the media itself.
const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";

/// Payload types are the sender's choice within the dynamic range (RFC 3551 §6).
const VIDEO_PAYLOAD_TYPE: u8 = 102;
const RTX_PAYLOAD_TYPE: u8 = 103;
const AUDIO_PAYLOAD_TYPE: u8 = 111;

/// Constrained baseline at level 3.1, fragmented where needed (RFC 6184 §8.1).
const H264_FORMAT: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// Packets kept for retransmission: four seconds at 2.5 Mb/s. Must be a power of two.
const RETRANSMISSION_PACKETS: u16 = 1024;

/// Packets that may wait for their turn to leave: a keyframe of half a megabyte.
const PACER_QUEUE_PACKETS: usize = 512;

/// Local addresses are read, not asked for over the network; this bounds a system call that hangs.
const GATHERING_TIMEOUT: Duration = Duration::from_secs(3);

/// ICE gives a path up after this much silence. The server is heard every tenth of a second while media flows, so that
/// four seconds are a lot; a path that comes back after more is met again by a new connection.
const ICE_DISCONNECTED: Duration = Duration::from_secs(2);
const ICE_FAILED: Duration = Duration::from_secs(2);
const ICE_KEEPALIVE: Duration = Duration::from_millis(500);

/// Between the estimator, whose slot it leaves through, and [`Slot::Pacer`].
const HEADROOM_SLOT: usize = 2_500;

/// What a new connection is made of.
pub(crate) struct PeerSetup<'a> {
    /// Of the server, as in its URL.
    pub(crate) host: &'a str,
    pub(crate) clock: MediaClock,
    pub(crate) video: bool,
    pub(crate) audio: bool,
    pub(crate) budget: Budget,
    /// In bits per second, for the whole connection.
    pub(crate) start: f64,
    pub(crate) feedback: Arc<Feedback>,
}

/// A connection that has been offered, and then answered.
pub(crate) struct Peer {
    connection: Arc<dyn PeerConnection>,
    video: Option<LocalTrack>,
    audio: Option<LocalTrack>,
    clock: MediaClock,
    state: watch::Receiver<RTCPeerConnectionState>,
    /// What the path carries, in bits per second.
    pub(crate) estimate: watch::Receiver<f64>,
    pub(crate) feedback: Arc<Feedback>,
}

struct LocalTrack {
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
    ssrc: u32,
    clock: RtpClock,
}

struct Events {
    state: watch::Sender<RTCPeerConnectionState>,
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
        tracing::debug!(%state, "connection");
        self.state.send_replace(state);
    }
}

impl Peer {
    /// Makes a connection and the offer for it, with all its candidates: a WHIP server may not know PATCH (RFC 9725
    /// §4.3.1), and local candidates take no time to find.
    pub(crate) async fn offer(setup: PeerSetup<'_>) -> Result<(Self, String)> {
        let stream = format!("footlight-{:08x}", rand::random::<u32>());
        let plan = |wanted: bool, rate| wanted.then(|| (rand::random::<u32>(), RtpClock::new(rate)));
        let (video, audio) = (plan(setup.video, VIDEO_RATE), plan(setup.audio, AUDIO_RATE));
        let tracks: Vec<_> = video.iter().chain(&audio).copied().collect();

        let mut media_engine = media_engine()?;
        let (estimator, estimate) = setup.budget.estimator(setup.start);
        let registry =
            configure_congestion_control(Registry::new(), estimator, CongestionFeedback::Twcc, &mut media_engine)?
                .with(Slot::from(HEADROOM_SLOT), PacingHeadroom::default())
                .with(
                    Slot::Pacer,
                    PacerBuilder::new()
                        .with_target_bitrate(setup.start * PACING_FACTOR)
                        .with_queue_limit(PACER_QUEUE_PACKETS)
                        .build(),
                )
                .with(
                    Slot::NackResponder,
                    NackResponderBuilder::new().with_size(RETRANSMISSION_PACKETS).build(),
                )
                .with(
                    Slot::SenderReport,
                    CaptureClockReports::new(setup.clock, stream.clone(), &tracks, Arc::clone(&setup.feedback)),
                );

        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let (gathered_sender, mut gathered) = watch::channel(false);
        let addresses = local_addresses(setup.host);
        let runtime = prompt_runtime().ok_or_else(|| Error::Other("webrtc-rs was built without tokio".to_owned()))?;
        let building = PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(
                SettingEngineBuilder::new()
                    .with_include_loopback_candidate(true)
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
        let connection = Box::pin(building).await?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);

        let peer = Self {
            audio: match audio {
                Some((ssrc, clock)) => Some(add_track(&connection, &stream, opus(), ssrc, clock).await?),
                None => None,
            },
            video: match video {
                Some((ssrc, clock)) => Some(add_track(&connection, &stream, h264(), ssrc, clock).await?),
                None => None,
            },
            connection,
            clock: setup.clock,
            state,
            estimate,
            feedback: setup.feedback,
        };
        let offer = peer.connection.create_offer(None).await?;
        peer.connection.set_local_description(offer).await?;
        // Whatever was found by then has to do.
        let _ = tokio::time::timeout(GATHERING_TIMEOUT, gathered.wait_for(|done| *done)).await;
        let local = peer.connection.local_description().await;
        let local = local.ok_or_else(|| Error::Other("no local description".to_owned()))?;
        Ok((peer, presentable(&local.sdp)))
    }

    /// Takes the server's answer, and says where packets go.
    ///
    /// webrtc-rs opens TCP connections for candidates that are added one by one, and not for those in a description;
    /// so TCP's are taken out of it and added.
    pub(crate) async fn accept(&self, answer: &str, sent: Arc<SentCounters>) -> Result<Outlets> {
        let (description, tcp) = without_tcp(answer);
        let description = RTCSessionDescription::answer(description)?;
        self.connection.set_remote_description(description).await?;
        for candidate in tcp {
            self.connection.add_ice_candidate(candidate).await?;
        }
        Ok(Outlets {
            video: self.outlet(self.video.as_ref(), MIME_TYPE_H264).await?,
            audio: self.outlet(self.audio.as_ref(), MIME_TYPE_OPUS).await?,
            payloader: H264Payloader::default(),
            keyframe_sent: false,
            sent,
        })
    }

    async fn outlet(&self, track: Option<&LocalTrack>, mime: &str) -> Result<Option<Outlet>> {
        let Some(local) = track else {
            return Ok(None);
        };
        let parameters = local.sender.get_parameters().await?.rtp_parameters;
        let codec = parameters
            .codecs
            .iter()
            .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime))
            .ok_or_else(|| Error::Other(format!("the server does not take {mime}")))?;
        let extension = parameters
            .header_extensions
            .iter()
            .find(|extension| extension.uri == ABS_CAPTURE_TIME);
        Ok(Some(Outlet {
            track: Arc::clone(&local.track),
            ssrc: local.ssrc,
            payload_type: codec.payload_type,
            sequence: rand::random(),
            rtp_clock: local.clock,
            media_clock: self.clock,
            capture_time_extension: extension.map(|extension| extension.id as u8),
        }))
    }

    /// Resolves when media can flow, or with the state that says that it never will.
    pub(crate) async fn established(&self) -> RTCPeerConnectionState {
        self.reached(|state| state == RTCPeerConnectionState::Connected || is_over(state))
            .await
    }

    /// Resolves when this connection will carry nothing any more.
    pub(crate) async fn lost(&self) -> RTCPeerConnectionState {
        self.reached(is_over).await
    }

    async fn reached(&self, wanted: impl Fn(RTCPeerConnectionState) -> bool) -> RTCPeerConnectionState {
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| wanted(*state)).await.map(|state| *state);
        // The sender lives in the connection's driver.
        reached.unwrap_or(RTCPeerConnectionState::Closed)
    }

    /// Stops the connection's tasks and closes its sockets.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "connection not closed");
        }
    }
}

fn is_over(state: RTCPeerConnectionState) -> bool {
    matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
}

async fn add_track(
    connection: &Arc<dyn PeerConnection>,
    stream: &str,
    codec: RTCRtpCodecParameters,
    ssrc: u32,
    clock: RtpClock,
) -> Result<LocalTrack> {
    let is_video = codec.rtp_codec.clock_rate == VIDEO_RATE;
    let kind = if is_video {
        RtpCodecKind::Video
    } else {
        RtpCodecKind::Audio
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            rtx: is_video.then(|| RTCRtpRtxParameters { ssrc: rand::random() }),
            ..Default::default()
        },
        active: true,
        codec: codec.rtp_codec,
        ..Default::default()
    };
    let media_track = MediaStreamTrack::new(
        stream.to_owned(),
        format!("{stream}-{kind}"),
        kind.to_string(),
        kind,
        vec![encoding.clone()],
    );
    let track = Arc::new(TrackLocalStaticRTP::new(media_track));
    let transceiver = connection
        .add_transceiver_from_track(
            Arc::clone(&track) as Arc<dyn TrackLocal>,
            Some(RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendonly,
                streams: vec![stream.to_owned()],
                send_encodings: vec![encoding],
            }),
        )
        .await?;
    let sender = transceiver.sender().await?;
    let sender = sender.ok_or_else(|| Error::Other("a sending transceiver without a sender".to_owned()))?;
    Ok(LocalTrack {
        track,
        sender,
        ssrc,
        clock,
    })
}

fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    engine.register_codec(h264(), RtpCodecKind::Video)?;
    engine.register_codec(rtx(), RtpCodecKind::Video)?;
    engine.register_codec(opus(), RtpCodecKind::Audio)?;
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        let extension = RTCRtpHeaderExtensionCapability {
            uri: ABS_CAPTURE_TIME.to_owned(),
        };
        engine.register_header_extension(extension, kind, Some(RTCRtpTransceiverDirection::Sendonly))?;
    }
    Ok(engine)
}

fn h264() -> RTCRtpCodecParameters {
    codecs::h264(VIDEO_PAYLOAD_TYPE, H264_FORMAT)
}

fn rtx() -> RTCRtpCodecParameters {
    codecs::rtx(RTX_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE)
}

fn opus() -> RTCRtpCodecParameters {
    codecs::opus(AUDIO_PAYLOAD_TYPE)
}
