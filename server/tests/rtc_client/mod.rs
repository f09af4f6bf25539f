//! A WebRTC client on real sockets: publishes a synthetic picture and tone, or watches.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use footlight_protocol::{Connection, TrackSource};
use footlight_server::media::{Media, Muted, PeerId, PeerRequest};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::{TcpStream, UdpSocket};

/// The first byte of an H.264 keyframe (IDR) and of an ordinary frame.
pub(crate) const IDR: u8 = 0x65;
pub(crate) const SLICE: u8 = 0x41;

/// What a publisher in layers sends: their names and heights.
pub(crate) const LAYERS: [(&str, u16); 2] = [("small", 180), ("large", 720)];

/// The tag of a VP8 keyframe and its start code (RFC 6386 §9.1).
const VP8_KEYFRAME: [u8; 6] = [0x10, 0, 0, 0x9d, 0x01, 0x2a];

/// Where the height stands in the first packet of a VP8 keyframe, behind its payload descriptor (RFC 7741 §4.2, §4.3).
const VP8_HEIGHT_AT: usize = 14;

/// How loud the tone is said to be, in dBov: as somebody who speaks.
const TONE_LEVEL: i8 = -30;

/// A test that takes longer has failed; nothing is asserted about how fast it is.
const PATIENCE: Duration = Duration::from_mins(1);

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream, SocketAddr, Vec<u8>),
}

pub(crate) struct Client {
    rtc: Rtc,
    link: Link,
    local: SocketAddr,
    mids: Vec<(Mid, MediaKind)>,
    /// Of the picture, by name; none where it is sent in one.
    layers: Vec<(Rid, u16)>,
    /// Known of those that joined at the media engine.
    peer: Option<PeerId>,
    pub(crate) is_connected: bool,
    pub(crate) received: Vec<RtpPacket>,
    asked: usize,
    answered: usize,
    pictures_sent: u64,
    tones_sent: u64,
    frame: u32,
}

/// How a client reaches the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// An offer that waits for its answer.
pub(crate) struct Offered {
    rtc: Rtc,
    link: Link,
    local: SocketAddr,
    mids: Vec<(Mid, MediaKind)>,
    layers: Vec<(Rid, u16)>,
    pending: SdpPendingOffer,
    /// SDP.
    pub(crate) offer: String,
}

impl Offered {
    /// To the media port of this machine. `in_layers` is for pictures of [`LAYERS`], in VP8; otherwise they are H.264 in one.
    pub(crate) async fn new(port: u16, connection: Connection, over: Over, in_layers: bool) -> Self {
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let (link, local, candidate) = match over {
            Over::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
                let local = socket.local_addr().expect("bound");
                (Link::Udp(socket), local, Candidate::host(local, "udp"))
            }
            Over::Tcp => {
                let stream = TcpStream::connect(server).await.expect("a connection");
                let local = stream.local_addr().expect("bound");
                let candidate = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
                (Link::Tcp(stream, server, Vec::new()), local, candidate)
            }
        };
        let config = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false);
        let config = config.enable_h264(!in_layers).enable_vp8(in_layers);
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(candidate.expect("a candidate"));
        let direction = match connection {
            Connection::Publish => Direction::SendOnly,
            Connection::Subscribe => Direction::RecvOnly,
        };
        let is_simulcast = in_layers && connection == Connection::Publish;
        let simulcast = is_simulcast.then(|| Simulcast {
            send: LAYERS.iter().map(|(rid, _)| SimulcastLayer::new(rid)).collect(),
            recv: Vec::new(),
        });
        let mut api = rtc.sdp_api();
        let sections = [(MediaKind::Audio, None), (MediaKind::Video, simulcast)];
        let mids = sections.map(|(kind, simulcast)| (api.add_media(kind, direction, None, None, simulcast), kind));
        let (offer, pending) = api.apply().expect("changes");
        let layers = LAYERS.iter().filter(|_| is_simulcast);
        Self {
            rtc,
            link,
            local,
            mids: mids.to_vec(),
            layers: layers.map(|(rid, height)| (Rid::from(*rid), *height)).collect(),
            pending,
            offer: offer.to_sdp_string(),
        }
    }

    /// Begins to connect.
    pub(crate) fn accept(self, answer: &str) -> Client {
        let mut rtc = self.rtc;
        let answer = SdpAnswer::from_sdp_string(answer).expect("SDP");
        rtc.sdp_api()
            .accept_answer(self.pending, answer)
            .expect("an answer to the offer");
        Client {
            rtc,
            link: self.link,
            local: self.local,
            mids: self.mids,
            layers: self.layers,
            peer: None,
            is_connected: false,
            received: Vec::new(),
            asked: 0,
            answered: 0,
            pictures_sent: 0,
            tones_sent: 0,
            frame: 0,
        }
    }
}

impl Client {
    pub(crate) async fn join(media: &Media, session: &str, user: &str, connection: Connection, over: Over) -> Self {
        Self::join_as(media, session, user, connection, over, None).await
    }

    /// Joins with names for its sound and its picture.
    pub(crate) async fn join_as(
        media: &Media,
        session: &str,
        user: &str,
        connection: Connection,
        over: Over,
        sources: Option<[TrackSource; 2]>,
    ) -> Self {
        let offered = Offered::new(media.port(), connection, over, false).await;
        let named = sources.map(|sources| {
            let mids = offered.mids.iter().map(|(mid, _)| mid.to_string());
            mids.zip(sources).collect()
        });
        let request = PeerRequest {
            session: session.parse().expect("an id"),
            user: user.parse().expect("an id"),
            connection,
            offer: offered.offer.clone(),
            sources: named,
            muted: Muted::default(),
        };
        let accepted = media.accept(request).await.expect("a good offer");
        let mut client = offered.accept(&accepted.answer);
        client.peer = Some(accepted.peer);
        client
    }

    /// The name of its connection at the media engine that it joined.
    pub(crate) fn peer(&self) -> PeerId {
        self.peer.expect("it joined at the engine")
    }

    /// Takes part until `done`.
    pub(crate) async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let run = async {
            while !done(self) {
                self.step().await;
            }
        };
        tokio::time::timeout(PATIENCE, run).await.expect("it happens in time");
    }

    /// Publishes for as long as it is polled: 50 pictures and tones a second, each picture `packets` packets.
    pub(crate) async fn publish(&mut self, packets: usize) {
        let mut frames = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                () = self.step() => {}
                _ = frames.tick() => {
                    if self.is_connected {
                        self.send_frame(packets);
                        self.write(MediaKind::Audio, self.frame * 960, vec![7; 60], true);
                    }
                }
            }
        }
    }

    fn send_frame(&mut self, packets: usize) {
        let is_keyframe = self.frame == 0 || self.asked > self.answered;
        self.answered = self.asked;
        self.frame += 1;
        for (rid, height) in self.layers.clone() {
            let payload = vp8(self.frame, height, is_keyframe);
            self.write_numbered(
                MediaKind::Video,
                Some(rid),
                self.frame.into(),
                self.frame * 1_800,
                payload,
                true,
            );
        }
        if !self.layers.is_empty() {
            return;
        }
        for packet in 0..packets {
            let mut payload = vec![if is_keyframe && packet == 0 { IDR } else { SLICE }; 1_000];
            payload[1..5].copy_from_slice(&self.frame.to_be_bytes());
            self.write(MediaKind::Video, self.frame * 1_800, payload, packet + 1 == packets);
        }
    }

    fn write(&mut self, kind: MediaKind, timestamp: u32, payload: Vec<u8>, marker: bool) {
        let number = if kind.is_video() {
            &mut self.pictures_sent
        } else {
            &mut self.tones_sent
        };
        *number += 1;
        let number = *number;
        self.write_numbered(kind, None, number, timestamp, payload, marker);
    }

    fn write_numbered(
        &mut self,
        kind: MediaKind,
        rid: Option<Rid>,
        number: u64,
        timestamp: u32,
        payload: Vec<u8>,
        marker: bool,
    ) {
        let mid = self.mids.iter().find(|(_, k)| *k == kind).expect("a section").0;
        let pt = self.payload_type(kind);
        let write = RtpWrite::new(pt, number.into(), timestamp, Instant::now(), payload);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, rid).expect("a stream");
        let extensions = ExtensionValues {
            audio_level: kind.is_audio().then_some(TONE_LEVEL),
            voice_activity: kind.is_audio().then_some(true),
            ..ExtensionValues::default()
        };
        stream.write_rtp(write.marker(marker).ext_vals(extensions).nackable(kind.is_video()));
        self.drain();
        self.rtc
            .handle_input(Input::Timeout(Instant::now()))
            .expect("a client's timeout");
        self.drain();
    }

    fn payload_type(&self, kind: MediaKind) -> Pt {
        let params = self.rtc.codec_config().find(|p| {
            let is_mode_one = p.spec().codec != Codec::H264 || p.spec().format.packetization_mode == Some(1);
            p.spec().codec.kind() == kind && is_mode_one
        });
        params.expect("a codec of the kind").pt()
    }

    /// Waits for a datagram or a deadline, whichever is first. Nothing is lost when it is cancelled.
    async fn step(&mut self) {
        let deadline = self.drain();
        let mut buffer = vec![0; 2_000];
        let frame = tokio::time::timeout_at(deadline.into(), self.link.receive(&mut buffer)).await;
        let now = Instant::now();
        let input = match frame {
            Err(_) => Input::Timeout(now),
            Ok((source, length)) => {
                let protocol = match self.link {
                    Link::Udp(_) => Protocol::Udp,
                    Link::Tcp(..) => Protocol::Tcp,
                };
                match Receive::new(protocol, source, self.local, &buffer[..length]) {
                    Ok(received) => Input::Receive(now, received),
                    Err(_) => return,
                }
            }
        };
        self.rtc.handle_input(input).expect("the server sends nothing wrong");
        self.drain();
    }

    fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().expect("a client without errors") {
                Output::Timeout(at) => return at,
                Output::Transmit(transmit) => self.link.send(transmit.destination, &transmit.contents),
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.received.push(packet),
                Output::Event(Event::KeyframeRequest(_)) => self.asked += 1,
                Output::Event(_) => {}
            }
        }
    }

    pub(crate) fn pictures(&self) -> Vec<&RtpPacket> {
        self.received
            .iter()
            .filter(|packet| packet.payload.len() > 100)
            .collect()
    }

    /// Of the layers whose keyframes have come, each as often as one came.
    pub(crate) fn heights(&self) -> Vec<u16> {
        let payloads = self.pictures().into_iter().map(|packet| &packet.payload);
        let keyframes = payloads.filter(|payload| payload[9..12] == VP8_KEYFRAME[3..]);
        keyframes
            .map(|payload| u16::from_le_bytes([payload[VP8_HEIGHT_AT], payload[VP8_HEIGHT_AT + 1]]))
            .collect()
    }

    pub(crate) fn tones(&self) -> usize {
        self.received.iter().filter(|packet| packet.payload.len() == 60).count()
    }

    /// Keeps the connection but takes nothing from it any more.
    pub(crate) fn stall(self) -> Option<TcpStream> {
        match self.link {
            Link::Tcp(stream, ..) => Some(stream),
            Link::Udp(_) => None,
        }
    }
}

impl Link {
    fn send(&mut self, destination: SocketAddr, datagram: &[u8]) {
        match self {
            // A full socket buffer drops, as a network would.
            Self::Udp(socket) => drop(socket.try_send_to(datagram, destination)),
            Self::Tcp(stream, ..) => {
                let mut frame = (datagram.len() as u16).to_be_bytes().to_vec();
                frame.extend_from_slice(datagram);
                // What a viewer says is far less than a socket's buffer: it goes whole.
                let sent = stream.try_write(&frame).expect("room in the socket's buffer");
                assert_eq!(sent, frame.len());
            }
        }
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> (SocketAddr, usize) {
        match self {
            Self::Udp(socket) => {
                let (length, source) = socket.recv_from(buffer).await.expect("a datagram");
                (source, length)
            }
            Self::Tcp(stream, server, read) => loop {
                if let [high, low, rest @ ..] = read.as_slice() {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if let Some(frame) = rest.get(..length) {
                        buffer[..length].copy_from_slice(frame);
                        read.drain(..2 + length);
                        return (*server, length);
                    }
                }
                stream.readable().await.expect("an open connection");
                let mut chunk = [0; 4_096];
                match stream.try_read(&mut chunk) {
                    Ok(0) => panic!("the server closed the connection"),
                    Ok(count) => read.extend_from_slice(&chunk[..count]),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            },
        }
    }
}

/// A picture of one packet, as libwebrtc describes them (RFC 7741 §4.2): begins a partition, with a picture ID and the index
/// of its base layer.
fn vp8(frame: u32, height: u16, is_keyframe: bool) -> Vec<u8> {
    let [high, low] = (frame as u16 & 0x7fff).to_be_bytes();
    let mut payload = vec![0x90, 0xe0, high | 0x80, low, frame as u8, 0x20];
    if is_keyframe {
        payload.extend(VP8_KEYFRAME);
        payload.extend((height / 9 * 16).to_le_bytes());
        payload.extend(height.to_le_bytes());
    } else {
        payload.push(0x11);
    }
    // The larger, the more bytes.
    payload.resize(150 + usize::from(height), 0);
    payload
}

/// Writes raw bytes over a new connection to `address` and keeps it.
pub(crate) async fn raw_tcp(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    if !bytes.is_empty() {
        stream.writable().await.expect("an open connection");
        stream.try_write(bytes).expect("room in a new socket's buffer");
    }
    stream
}
