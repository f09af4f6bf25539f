//! Both connections of the server, on one thread and one socket each, and packets from one to the other.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use str0m::change::SdpOffer;
use str0m::format::Codec;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// How long the thread waits for a datagram at most.
const LOOK: Duration = Duration::from_millis(2);

/// Payload types that are no picture: RTCP's (RFC 5761 §4), and sound's in our offers.
const RTCP: std::ops::RangeInclusive<u8> = 64..=95;
const SOUND: u8 = 111;

/// What happens to datagrams on the way to the viewer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Network {
    /// Of so many packets of pictures one is lost; retransmissions too.
    pub(crate) loses_every: Option<usize>,
    /// Whether the server sends again what is asked for.
    pub(crate) forgets: bool,
}

/// What the viewer has told the server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) keyframes_asked: usize,
    pub(crate) lost: usize,
    /// Bandwidth estimates, which come from transport-wide feedback alone.
    pub(crate) estimates: usize,
}

enum Command {
    Publish(String, SyncSender<String>),
    Subscribe(String, SyncSender<String>),
    /// Says nothing any more.
    Silence,
}

/// The server's media half.
pub(crate) struct Relay {
    commands: SyncSender<Command>,
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

impl Relay {
    pub(crate) fn start(network: Network) -> Self {
        let (commands, incoming) = sync_channel(8);
        let (seen, over) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (figures, flag) = (Arc::clone(&seen), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut engine = Engine {
                publisher: None,
                viewer: None,
                network,
                seen: figures,
                anchor: (Instant::now(), SystemTime::now()),
            };
            while !flag.load(Ordering::SeqCst) {
                engine.run(&incoming);
            }
        });
        Self { commands, seen, over }
    }

    /// The answer to whoever publishes.
    pub(crate) fn publish(&self, offer: &str) -> String {
        self.ask(|answer| Command::Publish(offer.to_owned(), answer))
    }

    /// The answer to whoever watches; a later offer goes on on the same connection.
    pub(crate) fn subscribe(&self, offer: &str) -> String {
        self.ask(|answer| Command::Subscribe(offer.to_owned(), answer))
    }

    /// Falls silent, as a server that was killed.
    pub(crate) fn silence(&self) {
        self.commands.send(Command::Silence).expect("it runs");
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().expect("no panic")
    }

    fn ask(&self, command: impl FnOnce(SyncSender<String>) -> Command) -> String {
        let (sender, answer) = sync_channel(1);
        self.commands.send(command(sender)).expect("it runs");
        answer.recv().expect("an answer")
    }
}

/// Whether it is RTP (RFC 7983 §7) and a picture, as far as its unencrypted header tells.
fn is_picture(datagram: &[u8]) -> bool {
    let [first, second, ..] = datagram else {
        return false;
    };
    let payload_type = second & 0x7f;
    (128..=191).contains(first) && payload_type != SOUND && !RTCP.contains(&payload_type)
}

struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    mids: Vec<(Mid, MediaKind)>,
    /// Packets of pictures that were sent.
    pictures: usize,
    /// Sections whose packets are kept as the network wants it.
    prepared: Vec<Mid>,
}

impl Peer {
    fn new() -> Self {
        let mut rtc = Rtc::builder()
            .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()))
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .enable_bwe(Some(str0m::bwe::Bitrate::kbps(2_000)))
            .set_rtcp_report_interval_audio(Duration::from_secs(1))
            .set_rtcp_report_interval_video(Duration::from_secs(1))
            .build(Instant::now());
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket that does not block");
        let at = socket.local_addr().expect("its address");
        rtc.add_local_candidate(Candidate::host(at, "udp").expect("a candidate"));
        Self {
            rtc,
            socket,
            mids: Vec::new(),
            pictures: 0,
            prepared: Vec::new(),
        }
    }

    fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer that str0m reads");
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .expect("an offer that str0m takes");
        answer.to_sdp_string()
    }

    /// Takes the next datagram in, if there is one. The engine has to be drained before the next.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 2_048];
        let Ok((length, source)) = self.socket.recv_from(&mut buffer) else {
            return false;
        };
        if let Ok(contents) = buffer[..length].try_into() {
            let receive = Receive {
                proto: Protocol::Udp,
                source,
                destination: self.socket.local_addr().expect("its address"),
                contents,
            };
            let _ = self.rtc.handle_input(Input::Receive(Instant::now(), receive));
        }
        true
    }

    fn wake(&mut self) {
        let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
    }

    /// The first section of a kind.
    fn first(&self, kind: MediaKind) -> Option<Mid> {
        self.mids.iter().find(|(_, of)| *of == kind).map(|(mid, _)| *mid)
    }

    fn payload_type(&self, mid: Mid, kind: MediaKind) -> Option<Pt> {
        let codec = if kind.is_audio() { Codec::Opus } else { Codec::H264 };
        let offered = self.rtc.media(mid)?.remote_pts();
        let known = self.rtc.codec_config().params();
        let is_it = |pt: &&Pt| {
            known
                .iter()
                .any(|params| params.pt() == **pt && params.spec().codec == codec)
        };
        offered.iter().find(is_it).copied()
    }
}

struct Engine {
    publisher: Option<Peer>,
    viewer: Option<Peer>,
    network: Network,
    seen: Arc<Mutex<Seen>>,
    /// One moment on both clocks.
    anchor: (Instant, SystemTime),
}

impl Engine {
    fn run(&mut self, commands: &Receiver<Command>) {
        match commands.recv_timeout(LOOK) {
            Ok(Command::Publish(offer, answer)) => {
                let peer = self.publisher.insert(Peer::new());
                answer.send(peer.answer(&offer)).expect("somebody asked");
            }
            Ok(Command::Subscribe(offer, answer)) => {
                let peer = self.viewer.get_or_insert_with(Peer::new);
                answer.send(peer.answer(&offer)).expect("somebody asked");
            }
            Ok(Command::Silence) => self.viewer = None,
            Err(_) => {}
        }
        let mut packets = Vec::new();
        while self.publisher.as_mut().is_some_and(Peer::receive) {
            packets.append(&mut self.drain_publisher());
        }
        while self.viewer.as_mut().is_some_and(Peer::receive) {
            self.drain_viewer();
        }
        for packet in packets {
            self.forward(&packet);
            self.drain_viewer();
        }
        if let Some(publisher) = &mut self.publisher {
            publisher.wake();
        }
        self.drain_publisher();
        if let Some(viewer) = &mut self.viewer {
            viewer.wake();
        }
        self.drain_viewer();
    }

    fn drain_publisher(&mut self) -> Vec<(MediaKind, RtpPacket)> {
        let mut packets = Vec::new();
        let Some(peer) = &mut self.publisher else {
            return packets;
        };
        while let Ok(output) = peer.rtc.poll_output() {
            match output {
                Output::Timeout(_) => break,
                Output::Transmit(out) => {
                    let _ = peer.socket.send_to(&out.contents, out.destination);
                }
                Output::Event(Event::MediaAdded(added)) => peer.mids.push((added.mid, added.kind)),
                Output::Event(Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let mid = peer.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid());
                    let kind = mid.and_then(|mid| peer.rtc.media(mid)).map(str0m::media::Media::kind);
                    packets.extend(kind.map(|kind| (kind, packet)));
                }
                Output::Event(_) => {}
            }
        }
        packets
    }

    fn forward(&mut self, (kind, packet): &(MediaKind, RtpPacket)) {
        let captured = self.captured(packet);
        let Some(viewer) = &mut self.viewer else { return };
        let Some(mid) = viewer.first(*kind) else { return };
        let Some(pt) = viewer.payload_type(mid, *kind) else {
            return;
        };
        let is_new = !viewer.prepared.contains(&mid);
        let mut direct = viewer.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(mid, None) else {
            return;
        };
        if is_new {
            // As the real server keeps it.
            stream.set_rtx_cache(1_024, Duration::from_secs(2), Some(0.25));
            viewer.prepared.push(mid);
        }
        let write = RtpWrite::new(
            pt,
            packet.seq_no,
            packet.header.timestamp,
            captured,
            packet.payload.to_vec(),
        );
        let is_kept = kind.is_video() && !self.network.forgets;
        stream.write_rtp(write.marker(packet.header.marker).nackable(is_kept));
        viewer.wake();
    }

    /// When it was captured, by the publisher's last report; on one machine both wall clocks are one.
    fn captured(&self, packet: &RtpPacket) -> Instant {
        let now = Instant::now();
        let Some(report) = packet.last_sender_info else {
            return now;
        };
        let rate = f64::from(report.rtp_time.frequency().get());
        let ticks = packet.header.timestamp.wrapping_sub(report.rtp_time.numer() as u32) as i32;
        let since_report = f64::from(ticks) / rate;
        let (instant, wall) = self.anchor;
        let reported = match report.ntp_time.duration_since(wall) {
            Ok(later) => later.as_secs_f64(),
            Err(earlier) => -earlier.duration().as_secs_f64(),
        };
        let seconds = (reported + since_report).max(0.0);
        (instant + Duration::from_secs_f64(seconds)).min(now)
    }

    fn drain_viewer(&mut self) {
        let Some(viewer) = &mut self.viewer else { return };
        let mut seen = self.seen.lock().expect("no panic");
        let mut keyframe_wanted = false;
        while let Ok(output) = viewer.rtc.poll_output() {
            match output {
                Output::Timeout(_) => break,
                Output::Transmit(out) => {
                    if is_picture(&out.contents) {
                        viewer.pictures += 1;
                        if self
                            .network
                            .loses_every
                            .is_some_and(|every| viewer.pictures.is_multiple_of(every))
                        {
                            seen.lost += 1;
                            continue;
                        }
                    }
                    let _ = viewer.socket.send_to(&out.contents, out.destination);
                }
                Output::Event(Event::MediaAdded(added)) => viewer.mids.push((added.mid, added.kind)),
                Output::Event(Event::KeyframeRequest(_)) => {
                    seen.keyframes_asked += 1;
                    keyframe_wanted = true;
                }
                Output::Event(Event::EgressBitrateEstimate(_)) => seen.estimates += 1,
                Output::Event(_) => {}
            }
        }
        if keyframe_wanted
            && let Some(publisher) = &mut self.publisher
            && let Some(mid) = publisher.first(MediaKind::Video)
            && let Some(stream) = publisher.rtc.direct_api().stream_rx_by_mid(mid, None)
        {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }
}
