//! The server's end of one WebRTC connection, on a thread of its own.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, MediaData, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// How often reader threads look whether they should end.
const LOOK: Duration = Duration::from_millis(50);

/// A test tells the server one thing at a time.
const COMMANDS: usize = 4;

/// Packets between the readers and the engine.
const PACKETS: usize = 1024;

/// By which transport the server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaPath {
    Udp,
    /// As behind a firewall that lets no UDP through.
    TcpOnly,
}

/// A unit of media, put together from its packets.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The media section that it came in by.
    pub(crate) mid: String,
    /// Of its simulcast layer.
    pub(crate) rid: Option<String>,
    pub(crate) kind: MediaKind,
    /// As a decoder takes it: Annex B for pictures.
    pub(crate) data: Vec<u8>,
    pub(crate) keyframe: bool,
    /// When it was captured, by the RTP timestamp and the last sender report.
    pub(crate) captured: Option<SystemTime>,
    pub(crate) arrived: SystemTime,
}

/// The server's end of one connection. Dropping it silences it, as a kill would.
pub(crate) struct Peer {
    pub(crate) media: tokio::sync::mpsc::Receiver<Received>,
    over: Arc<AtomicBool>,
    commands: SyncSender<Command>,
}

/// What a test has the server do.
enum Command {
    /// Ask for a keyframe, of the first picture or of this section's, or of one of its layers.
    Keyframe(Option<String>, Option<String>),
    /// Say what is to be sent at the most, in bits per second.
    Limit(u64),
    /// Answer another offer.
    Answer(String, SyncSender<String>),
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

struct Datagram {
    protocol: Protocol,
    source: SocketAddr,
    destination: SocketAddr,
    data: Vec<u8>,
    /// The way back, for TCP.
    stream: Option<TcpStream>,
}

impl Peer {
    /// Answers `offer`, and goes on from there.
    pub(crate) fn answer(offer: &str, path: MediaPath, unread: usize) -> (Self, String) {
        let mut rtc = Rtc::builder()
            .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()))
            .set_ice_lite(true)
            .build(Instant::now());
        let (packets, incoming) = sync_channel(PACKETS);
        let over = Arc::new(AtomicBool::new(false));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        match path {
            MediaPath::Udp => {
                let at = udp.local_addr().expect("its address");
                rtc.add_local_candidate(Candidate::host(at, "udp").expect("a candidate"));
                read_udp(udp.try_clone().expect("a second handle"), packets, Arc::clone(&over));
            }
            MediaPath::TcpOnly => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a TCP port");
                let at = listener.local_addr().expect("its address");
                let candidate = Candidate::builder().tcp().host(at).tcptype(TcpType::Passive).build();
                rtc.add_local_candidate(candidate.expect("a candidate"));
                accept_tcp(listener, packets, Arc::clone(&over));
            }
        }
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer that str0m reads");
        let answer = rtc.sdp_api().accept_offer(offer).expect("an offer that str0m takes");
        let (media_sender, media) = tokio::sync::mpsc::channel(unread);
        let (commands, commanded) = sync_channel(COMMANDS);
        let peer = Self {
            media,
            over: Arc::clone(&over),
            commands,
        };
        std::thread::spawn(move || {
            run(rtc, &udp, &incoming, &media_sender, &commanded, &over);
            over.store(true, Ordering::SeqCst);
        });
        (peer, answer.to_sdp_string())
    }

    /// Sends a PLI.
    pub(crate) fn ask_for_keyframe(&self) {
        self.commands
            .send(Command::Keyframe(None, None))
            .expect("a running server");
    }

    /// Sends a PLI for the picture of one section.
    pub(crate) fn ask_for_keyframe_of(&self, mid: &str) {
        let command = Command::Keyframe(Some(mid.to_owned()), None);
        self.commands.send(command).expect("a running server");
    }

    /// Sends a PLI for one simulcast layer.
    pub(crate) fn ask_for_keyframe_of_layer(&self, rid: &str) {
        let command = Command::Keyframe(None, Some(rid.to_owned()));
        self.commands.send(command).expect("a running server");
    }

    /// Sends a REMB: in bits per second.
    pub(crate) fn limit(&self, most: u64) {
        self.commands.send(Command::Limit(most)).expect("a running server");
    }

    /// Answers another offer on the same connection.
    pub(crate) fn answer_again(&self, offer: &str) -> String {
        let (sender, answer) = sync_channel(1);
        let command = Command::Answer(offer.to_owned(), sender);
        self.commands.send(command).expect("a running server");
        answer.recv_timeout(super::PATIENCE).expect("an answer")
    }
}

fn run(
    mut rtc: Rtc,
    udp: &UdpSocket,
    incoming: &Receiver<Datagram>,
    media: &tokio::sync::mpsc::Sender<Received>,
    commands: &Receiver<Command>,
    over: &AtomicBool,
) {
    let mut streams: HashMap<SocketAddr, TcpStream> = HashMap::new();
    let mut kinds: HashMap<Mid, MediaKind> = HashMap::new();
    while !over.load(Ordering::SeqCst) {
        let deadline = loop {
            match rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => break deadline,
                Ok(Output::Transmit(out)) if out.proto == Protocol::Tcp => {
                    if let Some(stream) = streams.get_mut(&out.destination) {
                        let _ = stream.write_all(&framed(&out.contents));
                    }
                }
                Ok(Output::Transmit(out)) => {
                    let _ = udp.send_to(&out.contents, out.destination);
                }
                Ok(Output::Event(Event::MediaAdded(added))) => {
                    kinds.insert(added.mid, added.kind);
                }
                Ok(Output::Event(Event::MediaData(data))) => {
                    // A test that has seen enough reads no more.
                    let _ = media.try_send(received(data.mid, kinds[&data.mid], &data));
                }
                Ok(Output::Event(_)) => {}
                Err(_) => return,
            }
        };
        if let Ok(command) = commands.try_recv() {
            obey(&mut rtc, command, &kinds);
            continue;
        }
        let wait = deadline.saturating_duration_since(Instant::now()).min(LOOK);
        let datagram = match incoming.recv_timeout(wait) {
            Ok(datagram) => Some(datagram),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = Instant::now();
        let taken = match &datagram {
            Some(datagram) => {
                if let Some(stream) = &datagram.stream {
                    let clone = || stream.try_clone().expect("a second handle");
                    streams.entry(datagram.source).or_insert_with(clone);
                }
                let Ok(contents) = datagram.data.as_slice().try_into() else {
                    continue;
                };
                let receive = Receive {
                    proto: datagram.protocol,
                    source: datagram.source,
                    destination: datagram.destination,
                    contents,
                };
                rtc.handle_input(Input::Receive(now, receive))
            }
            None => rtc.handle_input(Input::Timeout(now)),
        };
        if taken.is_err() {
            return;
        }
    }
}

fn obey(rtc: &mut Rtc, command: Command, kinds: &HashMap<Mid, MediaKind>) {
    match command {
        Command::Limit(most) => {
            let pictures = kinds.iter().find(|(_, kind)| kind.is_video());
            let (mid, _) = pictures.expect("a picture");
            let mut direct = rtc.direct_api();
            let stream = direct.stream_rx_by_mid(*mid, None).expect("a picture that has come");
            stream.request_remb(most.into());
        }
        Command::Keyframe(of, layer) => {
            let is_meant = |mid: &Mid, kind: MediaKind| match &of {
                Some(of) => **mid == **of,
                None => kind == MediaKind::Video,
            };
            let video = kinds.iter().find(|(mid, kind)| is_meant(mid, **kind));
            let mut writer = video.and_then(|(mid, _)| rtc.writer(*mid)).expect("a video track");
            writer
                .request_keyframe(layer.as_deref().map(Into::into), KeyframeRequestKind::Pli)
                .expect("PLI is negotiated");
        }
        Command::Answer(offer, answer) => {
            let offer = SdpOffer::from_sdp_string(&offer).expect("an offer that str0m reads");
            let accepted = rtc.sdp_api().accept_offer(offer).expect("an offer that str0m takes");
            let _ = answer.send(accepted.to_sdp_string());
        }
    }
}

fn received(mid: Mid, kind: MediaKind, data: &MediaData) -> Received {
    let captured = data.last_sender_info.map(|report| {
        let rate = data.time.frequency().get();
        let ticks = (data.time.numer() as u32).wrapping_sub(report.rtp_time.numer() as u32) as i32;
        let offset = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(rate));
        if ticks < 0 {
            report.ntp_time - offset
        } else {
            report.ntp_time + offset
        }
    });
    Received {
        mid: mid.to_string(),
        rid: data.rid.map(|rid| rid.to_string()),
        kind,
        data: data.data.to_vec(),
        keyframe: data.is_keyframe(),
        captured,
        arrived: SystemTime::now(),
    }
}

fn read_udp(socket: UdpSocket, packets: SyncSender<Datagram>, over: Arc<AtomicBool>) {
    socket.set_read_timeout(Some(LOOK)).expect("a timeout");
    let destination = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !over.load(Ordering::SeqCst) {
            let Ok((length, source)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = Datagram {
                protocol: Protocol::Udp,
                source,
                destination,
                data: buffer[..length].to_vec(),
                stream: None,
            };
            if packets.send(datagram).is_err() {
                return;
            }
        }
    });
}

fn accept_tcp(listener: TcpListener, packets: SyncSender<Datagram>, over: Arc<AtomicBool>) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    std::thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, source)) => read_tcp(stream, source, packets.clone()),
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    });
}

/// Ends when the client closes its end.
fn read_tcp(mut stream: TcpStream, source: SocketAddr, packets: SyncSender<Datagram>) {
    stream.set_nonblocking(false).expect("a stream that blocks");
    let destination = stream.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut data = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut data).is_err() {
                return;
            }
            let datagram = Datagram {
                protocol: Protocol::Tcp,
                source,
                destination,
                data,
                stream: stream.try_clone().ok(),
            };
            if packets.send(datagram).is_err() {
                return;
            }
        }
    });
}

/// RFC 4571 §2.
fn framed(packet: &[u8]) -> Vec<u8> {
    let mut framed = (packet.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(packet);
    framed
}
