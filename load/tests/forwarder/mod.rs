//! The least that can be called a WHIP and WHEP server: one publisher, everything forwarded to everyone, on one thread.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::SdpOffer,
    media::{KeyframeRequestKind, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{Extension, ExtensionMap, RtpPacket, RtpWrite},
};

/// What the forwarder does to the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// Each so many packets one is left out, and the rest renumbered so that no receiver can see it.
    pub(crate) drop_every: Option<u64>,
    /// Each so many datagrams of media to a receiver one is lost.
    pub(crate) lose_every: Option<u64>,
    /// Whether the arrival of packets is to be reported.
    pub(crate) asks_for_arrivals: bool,
    /// Requests answered with 503 after so many that were not.
    pub(crate) accept: usize,
    /// The bearer, in lower case, without which every request is answered with 401; `None` for a server that is open.
    pub(crate) bearer: Option<&'static str>,
}

/// What receivers reported.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    /// By receiver reports that tell when a sender report came.
    pub(crate) round_trip: Option<Duration>,
    /// Packets that receivers asked for.
    pub(crate) nacks: u64,
    /// By the last receiver report.
    pub(crate) loss: Option<f32>,
    /// By transport-wide reports.
    pub(crate) transport_loss: Option<f32>,
    /// Requests that were answered with 401.
    pub(crate) unauthorized: u64,
}

/// Starts a forwarder that lasts as long as the test, and answers its address and what it heard.
pub(crate) fn start(behaviour: Behaviour) -> (SocketAddr, Arc<Mutex<Heard>>) {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let http = TcpListener::bind("127.0.0.1:0").expect("a port for HTTP");
    let address = http.local_addr().expect("its address");
    let media = UdpSocket::bind("127.0.0.1:0").expect("a port for media");
    let candidate = media.local_addr().expect("its address");
    let (peers, joining) = channel();
    let (thread, asked) = (heard.clone(), heard.clone());
    std::thread::spawn(move || forward(&media, &joining, behaviour, &thread));
    std::thread::spawn(move || {
        for (count, connection) in http.incoming().enumerate() {
            let _ = answer(
                &connection.expect("a connection"),
                candidate,
                &peers,
                (count, behaviour),
                &asked,
            );
        }
    });
    (address, heard)
}

struct Peer {
    rtc: Rtc,
    publishes: bool,
    mid: Option<Mid>,
    next_seq: u64,
    lose_every: Option<u64>,
    datagrams: u64,
}

fn answer(
    mut stream: &TcpStream,
    candidate: SocketAddr,
    peers: &Sender<Peer>,
    (count, behaviour): (usize, Behaviour),
    heard: &Mutex<Heard>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    let mut bearer = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if let Some(value) = line.strip_prefix("authorization: bearer ") {
            bearer = Some(value.trim().to_owned());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if behaviour.bearer.is_some() && bearer.as_deref() != behaviour.bearer {
        heard.lock().expect("nobody panicked").unauthorized += 1;
        return write!(
            stream,
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if !request.starts_with("POST") {
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if count >= behaviour.accept {
        return write!(
            stream,
            "HTTP/1.1 503 Full\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull"
        );
    }
    let offer = SdpOffer::from_sdp_string(&String::from_utf8_lossy(&body)).expect("an offer");
    let publishes = request.contains("/whip");
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_stats_interval(Some(Duration::from_millis(200)))
        .clear_codecs()
        .enable_h264(true);
    if !behaviour.asks_for_arrivals {
        let mut map = ExtensionMap::empty();
        map.set(4, Extension::RtpMid);
        config = config.set_extension_map(map);
    }
    let mut rtc = config.build(Instant::now());
    rtc.add_local_candidate(Candidate::host(candidate, Protocol::Udp).expect("a candidate"));
    let answer = rtc
        .sdp_api()
        .accept_offer(offer)
        .expect("an acceptable offer")
        .to_sdp_string();
    let _ = peers.send(Peer {
        rtc,
        publishes,
        mid: None,
        next_seq: 1,
        lose_every: behaviour.lose_every.filter(|_| !publishes),
        datagrams: 0,
    });
    write!(
        stream,
        "HTTP/1.1 201 Created\r\nLocation: /resource\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{answer}",
        answer.len()
    )
}

fn forward(media: &UdpSocket, joining: &Receiver<Peer>, behaviour: Behaviour, heard: &Mutex<Heard>) {
    media
        .set_read_timeout(Some(Duration::from_millis(2)))
        .expect("a timeout");
    let local = media.local_addr().expect("its address");
    let mut peers: Vec<Peer> = Vec::new();
    let mut buffer = vec![0; 2048];
    let mut forwarded = 0;
    loop {
        peers.extend(joining.try_iter());
        let mut packets = Vec::new();
        let mut keyframe = false;
        if let Ok((length, source)) = media.recv_from(&mut buffer) {
            let now = Instant::now();
            for peer in &mut peers {
                let Ok(receive) = Receive::new(Protocol::Udp, source, local, &buffer[..length]) else {
                    break;
                };
                let input = Input::Receive(now, receive);
                if peer.rtc.accepts(&input) {
                    peer.rtc.handle_input(input).expect("input");
                    keyframe |= drain(media, peer, &mut packets, heard);
                    break;
                }
            }
        }
        let now = Instant::now();
        for peer in &mut peers {
            peer.rtc.handle_input(Input::Timeout(now)).expect("time");
            keyframe |= drain(media, peer, &mut packets, heard);
        }
        for packet in packets {
            forwarded += 1;
            if behaviour.drop_every.is_some_and(|every| forwarded % every == 0) {
                continue;
            }
            for peer in peers.iter_mut().filter(|peer| !peer.publishes) {
                send(peer, &packet);
                drain(media, peer, &mut Vec::new(), heard);
            }
        }
        if keyframe {
            for peer in peers.iter_mut().filter(|peer| peer.publishes) {
                let Some(mid) = peer.mid else { continue };
                if let Some(stream) = peer.rtc.direct_api().stream_rx_by_mid(mid, None) {
                    stream.request_keyframe(KeyframeRequestKind::Pli);
                }
                drain(media, peer, &mut Vec::new(), heard);
            }
        }
        peers.retain(|peer| peer.rtc.is_alive());
    }
}

fn send(peer: &mut Peer, packet: &RtpPacket) {
    let Some(mid) = peer.mid else { return };
    let Some(pt) = peer
        .rtc
        .media(mid)
        .and_then(|media| media.remote_pts().first().copied())
    else {
        return;
    };
    let mut api = peer.rtc.direct_api();
    let Some(stream) = api.stream_tx_by_mid(mid, None) else {
        return;
    };
    let time = packet.header.timestamp;
    let write = RtpWrite::new(pt, peer.next_seq.into(), time, Instant::now(), packet.payload.clone());
    stream.write_rtp(write.marker(packet.header.marker).nackable(true));
    peer.next_seq += 1;
}

/// Answers whether somebody joined and needs a keyframe.
fn drain(media: &UdpSocket, peer: &mut Peer, packets: &mut Vec<RtpPacket>, heard: &Mutex<Heard>) -> bool {
    let mut keyframe = false;
    while let Ok(output) = peer.rtc.poll_output() {
        match output {
            Output::Timeout(_) => break,
            Output::Transmit(transmit) => {
                let is_rtp = matches!(transmit.contents[..], [128..=191, 0..=191 | 224.., ..]);
                peer.datagrams += u64::from(is_rtp);
                if is_rtp
                    && peer
                        .lose_every
                        .is_some_and(|every| peer.datagrams.is_multiple_of(every))
                {
                    continue;
                }
                let _ = media.send_to(&transmit.contents, transmit.destination);
            }
            Output::Event(Event::MediaAdded(added)) if added.kind == MediaKind::Video => peer.mid = Some(added.mid),
            Output::Event(Event::Connected) => keyframe |= !peer.publishes,
            Output::Event(Event::RtpPacket(packet)) => packets.push(packet),
            Output::Event(Event::MediaEgressStats(stats)) if !peer.publishes => {
                let mut heard = heard.lock().expect("nobody panicked");
                heard.round_trip = stats.rtt.or(heard.round_trip);
                heard.loss = stats.loss.or(heard.loss);
                heard.nacks = heard.nacks.max(stats.nacks);
            }
            Output::Event(Event::PeerStats(stats)) if !peer.publishes => {
                let mut heard = heard.lock().expect("nobody panicked");
                heard.transport_loss = stats.egress_loss_fraction.or(heard.transport_loss);
            }
            Output::Event(_) => {}
        }
    }
    keyframe
}
