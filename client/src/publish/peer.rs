//! One WebRTC connection to the server, send only: an H.264 track for each source of pictures, an Opus track for each of sound.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::{Duration, Instant};

use bytes::Bytes;
use footlight_protocol::TrackSource;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{NackResponderBuilder, PacerBuilder};
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::runtime::Handle;
use tokio::sync::watch;
use webrtc::error::{Error, Result};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder, Slot,
};
use webrtc::rtp_transceiver::{RtpSender, RtpTransceiver};

use crate::clock::MediaClock;
use crate::pipeline::simulcast::MOST_LAYERS;
use crate::publish::bandwidth::{Budget, PacingHeadroom};
use crate::publish::congestion::{self, Congestion, Estimates};
use crate::publish::feedback::Feedback;
use crate::publish::outlet::{Outlet, Stream};
use crate::publish::pacing_gate::PacingGate;
use crate::publish::probes::Probes;
use crate::publish::reports::CaptureClockReports;
use crate::publish::rtp_clock::{AUDIO_RATE, RtpClock, VIDEO_RATE};
use crate::publish::stream_names::{KnownStreams, MID, REPAIRED_RID, RID, StreamNames};
use crate::transport::candidates::{local_addresses, presentable, without_tcp};
use crate::transport::codecs;
use crate::transport::runtime::prompt_runtime;

/// When a capture happened, on the sender's NTP clock, with the media itself.
const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";

/// The number that all packets of a connection share, by which the server says what arrived.
const TRANSPORT_WIDE_NUMBER: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

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

/// Beside it: what the pacer lets go, retransmissions included.
const NAMES_SLOT: usize = 2_600;

/// What browsers call the layers, the largest picture first: full, half, quarter.
const RIDS: [&str; MOST_LAYERS] = ["f", "h", "q"];

/// What a new connection is made of.
pub(crate) struct PeerSetup<'a> {
    /// Of the server, as in its URL.
    pub(crate) host: &'a str,
    pub(crate) clock: MediaClock,
    /// What is sent from the start.
    pub(crate) sources: &'a [TrackSource],
    /// Simulcast layers of the camera; 1 for none.
    pub(crate) layers: usize,
    pub(crate) budget: Budget,
    /// In bits per second, for the whole connection.
    pub(crate) start: f64,
    pub(crate) feedback: Arc<Feedback>,
}

/// Every source that a connection can have, in the order in which they are offered.
const SOURCES: [TrackSource; 4] = [
    TrackSource::Microphone,
    TrackSource::Camera,
    TrackSource::Screen,
    TrackSource::ScreenAudio,
];

/// What a source's track is known by for as long as the connection lasts, whether it is sent or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) source: TrackSource,
    /// Of each simulcast layer that there may be, the largest picture first.
    pub(super) ssrcs: [u32; MOST_LAYERS],
    /// Of their retransmissions (RFC 4588 §4).
    pub(super) repair_ssrcs: [u32; MOST_LAYERS],
    pub(super) clock: RtpClock,
}

impl Plan {
    fn new(source: TrackSource) -> Self {
        let rate = match source {
            TrackSource::Camera | TrackSource::Screen => VIDEO_RATE,
            TrackSource::Microphone | TrackSource::ScreenAudio => AUDIO_RATE,
        };
        Self {
            source,
            ssrcs: rand::random(),
            repair_ssrcs: rand::random(),
            clock: RtpClock::new(rate),
        }
    }

    fn codec(&self) -> RTCRtpCodecParameters {
        match self.source {
            TrackSource::Camera | TrackSource::Screen => h264(),
            TrackSource::Microphone | TrackSource::ScreenAudio => opus(),
        }
    }
}

/// A connection that has been offered, and then answered; perhaps several times. Dropping it, on whatever thread, closes it.
pub(crate) struct Peer {
    connection: Arc<dyn PeerConnection>,
    /// Names the media stream that all tracks belong to.
    stream: String,
    plans: [Plan; SOURCES.len()],
    layers: usize,
    known: KnownStreams,
    tracks: HashMap<TrackSource, LocalTrack>,
    clock: MediaClock,
    state: watch::Receiver<RTCPeerConnectionState>,
    gathered: watch::Receiver<bool>,
    pub(crate) congestion: Congestion,
    /// What the path carries, in bits per second.
    pub(crate) estimate: watch::Receiver<f64>,
    pub(crate) feedback: Arc<Feedback>,
    /// Where it is closed when it is dropped.
    runtime: Handle,
}

struct LocalTrack {
    plan: Plan,
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    sender: Arc<dyn RtpSender>,
    /// Whether the last offer was to send it.
    wanted: bool,
    streams: Vec<Stream>,
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
        let plans = SOURCES.map(Plan::new);

        let media_engine = media_engine(setup.layers > 1)?;
        let known = KnownStreams::default();
        let congestion = Congestion::new(setup.start, Instant::now());
        let (estimates, estimate) = Estimates::new(congestion.clone(), setup.budget.range());
        let pacer = PacerBuilder::new()
            .with_target_bitrate(setup.budget.pace(setup.start))
            .with_queue_limit(PACER_QUEUE_PACKETS)
            .build();
        let registry = Registry::new()
            .with(Slot::CongestionControl, congestion::history(estimates))
            .with(Slot::TwccSender, congestion::numbering())
            .with(Slot::from(HEADROOM_SLOT), PacingHeadroom::new(setup.budget))
            .with(Slot::from(NAMES_SLOT), StreamNames::new(known.clone()))
            .with(Slot::Pacer, PacingGate::new(pacer, Probes::new(congestion.clone())))
            .with(
                Slot::NackResponder,
                NackResponderBuilder::new().with_size(RETRANSMISSION_PACKETS).build(),
            )
            .with(
                Slot::SenderReport,
                CaptureClockReports::new(setup.clock, stream.clone(), &plans, Arc::clone(&setup.feedback)),
            );

        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let (gathered_sender, gathered) = watch::channel(false);
        let addresses = local_addresses(setup.host);
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
        let connection = Box::pin(building).await?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);

        let mut peer = Self {
            connection,
            stream,
            plans,
            layers: setup.layers.clamp(1, MOST_LAYERS),
            known,
            tracks: HashMap::new(),
            clock: setup.clock,
            state,
            gathered,
            congestion,
            estimate,
            feedback: setup.feedback,
            runtime: Handle::current(),
        };
        let offer = peer.reoffer(setup.sources).await?;
        Ok((peer, offer))
    }

    /// Makes the next offer on the same connection, to send from exactly these sources. Not before the last one was answered.
    pub(crate) async fn reoffer(&mut self, sources: &[TrackSource]) -> Result<String> {
        for plan in self.plans {
            let wanted = sources.contains(&plan.source);
            match self.tracks.get_mut(&plan.source) {
                Some(local) => {
                    local.wanted = wanted;
                    let direction = if wanted {
                        RTCRtpTransceiverDirection::Sendonly
                    } else {
                        RTCRtpTransceiverDirection::Inactive
                    };
                    local.transceiver.set_direction(direction).await?;
                }
                None if wanted => {
                    let layers = if plan.source == TrackSource::Camera {
                        self.layers
                    } else {
                        1
                    };
                    let local = add_track(&self.connection, &self.stream, plan, layers).await?;
                    self.tracks.insert(plan.source, local);
                }
                None => {}
            }
        }
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        // Whatever was found by then has to do.
        let _ = tokio::time::timeout(GATHERING_TIMEOUT, self.gathered.wait_for(|done| *done)).await;
        let local = self.connection.local_description().await;
        let local = local.ok_or_else(|| Error::Other("no local description".to_owned()))?;
        Ok(presentable(&local.sdp))
    }

    /// The media section of each source (RFC 8829 §5.2.1), known once it was offered.
    pub(crate) async fn sections(&self) -> Result<BTreeMap<String, TrackSource>> {
        let mut sections = BTreeMap::new();
        for (source, local) in &self.tracks {
            if let Some(mid) = local.transceiver.mid().await? {
                sections.insert(mid, *source);
            }
        }
        Ok(sections)
    }

    /// Takes the server's answer, and says where packets go, for each track that was offered.
    ///
    /// webrtc-rs opens TCP connections for candidates that are added one by one, and not for those in a description;
    /// so TCP's are taken out of it and added.
    pub(crate) async fn accept(&self, answer: &str) -> Result<Vec<Outlet>> {
        let (description, tcp) = without_tcp(answer);
        let description = RTCSessionDescription::answer(description)?;
        self.connection.set_remote_description(description).await?;
        for candidate in tcp {
            self.connection.add_ice_candidate(candidate).await?;
        }
        let mut outlets = Vec::new();
        for local in self.tracks.values().filter(|local| local.wanted) {
            outlets.push(outlet(local, self.clock, &self.known).await?);
        }
        Ok(outlets)
    }

    /// Takes one candidate of the server's that was not in its answer.
    pub(crate) async fn add_candidate(&self, candidate: &str) -> Result<()> {
        let candidate = RTCIceCandidateInit {
            candidate: candidate.to_owned(),
            // All media is bundled into the first section.
            sdp_mline_index: Some(0),
            ..Default::default()
        };
        self.connection.add_ice_candidate(candidate).await
    }

    /// How far the transport is.
    pub(crate) fn state(&self) -> watch::Receiver<RTCPeerConnectionState> {
        self.state.clone()
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

impl Drop for Peer {
    /// By itself webrtc-rs goes on for ever with a connection that nobody holds any more.
    fn drop(&mut self) {
        let connection = Arc::clone(&self.connection);
        self.runtime.spawn(async move { connection.close().await });
    }
}

fn is_over(state: RTCPeerConnectionState) -> bool {
    matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
}

async fn outlet(local: &LocalTrack, media_clock: MediaClock, known: &KnownStreams) -> Result<Outlet> {
    let mime = local.plan.codec().rtp_codec.mime_type;
    let parameters = local.sender.get_parameters().await?.rtp_parameters;
    let codec = parameters
        .codecs
        .iter()
        .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(&mime))
        .ok_or_else(|| Error::Other(format!("the server does not take {mime}")))?;
    let extension = |uri: &str| {
        let mut extensions = parameters.header_extensions.iter();
        extensions
            .find(|extension| extension.uri == uri)
            .map(|extension| extension.id as u8)
    };
    if local.streams.len() > 1 {
        let mid = local.transceiver.mid().await?;
        let (Some(mid), Some(mid_id), Some(rid_id), Some(repaired_id)) =
            (mid, extension(MID), extension(RID), extension(REPAIRED_RID))
        else {
            return Err(Error::Other(
                "the server takes no simulcast: publish without it".to_owned(),
            ));
        };
        let ssrcs = local.plan.ssrcs.into_iter().zip(local.plan.repair_ssrcs);
        for ((ssrc, repair_ssrc), rid) in ssrcs.zip(RIDS) {
            let names = |id| {
                vec![
                    (mid_id, Bytes::copy_from_slice(mid.as_bytes())),
                    (id, Bytes::from_static(rid.as_bytes())),
                ]
            };
            known.name(ssrc, names(rid_id));
            known.name(repair_ssrc, names(repaired_id));
        }
    }
    Ok(Outlet {
        source: local.plan.source,
        track: Arc::clone(&local.track),
        streams: local.streams.clone(),
        payload_type: codec.payload_type,
        rtp_clock: local.plan.clock,
        media_clock,
        capture_time_extension: extension(ABS_CAPTURE_TIME),
    })
}

async fn add_track(
    connection: &Arc<dyn PeerConnection>,
    stream: &str,
    plan: Plan,
    layers: usize,
) -> Result<LocalTrack> {
    let codec = plan.codec();
    let is_video = codec.rtp_codec.clock_rate == VIDEO_RATE;
    let kind = if is_video {
        RtpCodecKind::Video
    } else {
        RtpCodecKind::Audio
    };
    let encoding = |layer: usize| RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            rid: if layers > 1 {
                RIDS[layer].to_owned()
            } else {
                String::new()
            },
            ssrc: Some(plan.ssrcs[layer]),
            rtx: is_video.then(|| RTCRtpRtxParameters {
                ssrc: plan.repair_ssrcs[layer],
            }),
            ..Default::default()
        },
        active: true,
        codec: codec.rtp_codec.clone(),
        ..Default::default()
    };
    let encodings: Vec<_> = (0..layers).map(encoding).collect();
    let media_track = MediaStreamTrack::new(
        stream.to_owned(),
        format!("{stream}-{:08x}", plan.ssrcs[0]),
        kind.to_string(),
        kind,
        encodings.clone(),
    );
    let track = Arc::new(TrackLocalStaticRTP::new(media_track));
    let transceiver = connection
        .add_transceiver_from_track(
            Arc::clone(&track) as Arc<dyn TrackLocal>,
            Some(RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendonly,
                streams: vec![stream.to_owned()],
                send_encodings: encodings,
            }),
        )
        .await?;
    let sender = transceiver.sender().await?;
    let sender = sender.ok_or_else(|| Error::Other("a sending transceiver without a sender".to_owned()))?;
    Ok(LocalTrack {
        plan,
        track,
        transceiver,
        sender,
        wanted: true,
        streams: plan.ssrcs[..layers]
            .iter()
            .map(|ssrc| Stream {
                ssrc: *ssrc,
                sequence: Arc::new(AtomicU16::new(rand::random())),
            })
            .collect(),
    })
}

fn media_engine(is_simulcast: bool) -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    engine.register_codec(h264(), RtpCodecKind::Video)?;
    engine.register_codec(rtx(), RtpCodecKind::Video)?;
    engine.register_codec(opus(), RtpCodecKind::Audio)?;
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        for uri in [ABS_CAPTURE_TIME, TRANSPORT_WIDE_NUMBER] {
            let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
            engine.register_header_extension(extension, kind, Some(RTCRtpTransceiverDirection::Sendonly))?;
        }
        let feedback = RTCPFeedback {
            typ: "transport-cc".to_owned(),
            parameter: String::new(),
        };
        engine.register_feedback(feedback, kind);
    }
    for uri in [MID, RID, REPAIRED_RID].into_iter().filter(|_| is_simulcast) {
        let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
        let direction = Some(RTCRtpTransceiverDirection::Sendonly);
        engine.register_header_extension(extension, RtpCodecKind::Video, direction)?;
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

#[cfg(test)]
mod tests;
