//! Workers and WebRTC clients joined without sockets, in a time that the test moves.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use footlight_sfu::{
    Candidate, Direction, Identity, PeerId, PeerRequest, Protocol, Recipient, Routed, Sfu, SfuConfig, SfuEvent,
    Transmit, WorkerId,
};
use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction as MediaDirection, MediaKind, Mid, Pt};
use str0m::net::Receive;
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Event, Input, Output, Rtc};

/// A tick of the world.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The first byte of an H.264 keyframe (IDR) and of an ordinary frame.
pub(crate) const IDR: u8 = 0x65;
pub(crate) const SLICE: u8 = 0x41;

pub(crate) fn server_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 8444))
}

/// A browser, as far as the server can tell.
pub(crate) struct Client {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    /// The worker whose socket gets what it sends.
    pub(crate) worker: usize,
    pub(crate) peer: PeerId,
    pub(crate) answer: String,
    pub(crate) mids: Vec<(Mid, MediaKind)>,
    pub(crate) received: Vec<RtpPacket>,
    /// When it was asked for a keyframe.
    pub(crate) asked: Vec<Instant>,
    pub(crate) is_connected: bool,
    /// Cut off from the network.
    pub(crate) is_cut: bool,
    answered: usize,
    /// Of its pictures.
    pub(crate) sequence_number: u64,
    sounds: u64,
    /// Packets of either kind.
    pub(crate) sent: usize,
    pub(crate) frame: u32,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) workers: Vec<Sfu>,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<SfuEvent>,
    /// Track packets that crossed from one worker to another.
    pub(crate) crossed: usize,
}

/// What a client offers.
pub(crate) struct Offer {
    pub(crate) direction: Direction,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) audio: usize,
    pub(crate) video: usize,
}

impl Offer {
    pub(crate) fn publish() -> Self {
        Self {
            direction: Direction::Publish,
            codecs: vec![Codec::H264, Codec::Opus],
            audio: 1,
            video: 1,
        }
    }

    pub(crate) fn subscribe() -> Self {
        Self {
            direction: Direction::Subscribe,
            ..Self::publish()
        }
    }

    pub(crate) fn slots(mut self, audio: usize, video: usize) -> Self {
        (self.audio, self.video) = (audio, video);
        self
    }

    pub(crate) fn codecs(mut self, codecs: &[Codec]) -> Self {
        self.codecs = codecs.to_vec();
        self
    }
}

impl World {
    pub(crate) fn new(workers: u8) -> Self {
        let start = Instant::now();
        let identity = Identity::generate().expect("a key");
        let candidate = Candidate::host(server_address(), "udp").expect("a candidate");
        let workers = (0..workers).map(|worker| {
            Sfu::new(SfuConfig {
                worker: WorkerId(worker),
                candidates: vec![candidate.clone()],
                identity: identity.clone(),
            })
        });
        Self {
            now: start,
            start,
            workers: workers.collect(),
            clients: Vec::new(),
            events: Vec::new(),
            crossed: 0,
        }
    }

    /// A client that has sent its offer to `worker` and got the answer. Its number.
    pub(crate) fn join(&mut self, worker: usize, session: &str, user: &str, offer: &Offer) -> usize {
        let number = self.clients.len();
        let address = SocketAddr::from(([198, 51, 100, 1], 10_000 + number as u16));
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .set_rtcp_report_interval_audio(Duration::from_secs(1))
            .clear_codecs();
        for codec in &offer.codecs {
            config = match codec {
                Codec::Opus => config.enable_opus(true, false),
                Codec::H264 => config.enable_h264(true),
                Codec::Vp8 => config.enable_vp8(true),
                other => panic!("{other:?} is not used in tests"),
            };
        }
        let mut rtc = config.build(self.now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        let media_direction = match offer.direction {
            Direction::Publish => MediaDirection::SendOnly,
            Direction::Subscribe => MediaDirection::RecvOnly,
        };
        let mut api = rtc.sdp_api();
        let mut mids = Vec::new();
        for (kind, count) in [(MediaKind::Audio, offer.audio), (MediaKind::Video, offer.video)] {
            for _ in 0..count {
                mids.push((api.add_media(kind, media_direction, None, None, None), kind));
            }
        }
        let (sdp, pending) = api.apply().expect("changes");
        let request = PeerRequest {
            session: session.into(),
            user: user.into(),
            direction: offer.direction,
            offer: &sdp.to_sdp_string(),
        };
        let (peer, answer) = self.workers[worker].accept(&request, self.now).expect("a good offer");
        let parsed = SdpAnswer::from_sdp_string(&answer).expect("SDP");
        rtc.sdp_api()
            .accept_answer(pending, parsed)
            .expect("an answer to the offer");
        self.clients.push(Client {
            rtc,
            address,
            worker,
            peer,
            answer,
            mids,
            received: Vec::new(),
            asked: Vec::new(),
            is_connected: false,
            is_cut: false,
            answered: 0,
            sequence_number: 1_000 * (number as u64 + 1),
            sounds: 0,
            sent: 0,
            frame: 0,
        });
        self.settle();
        number
    }

    /// Joins and waits until media can flow.
    pub(crate) fn connect(&mut self, worker: usize, session: &str, user: &str, offer: &Offer) -> usize {
        let client = self.join(worker, session, user, offer);
        for _ in 0..400 {
            if self.clients[client].is_connected && self.has_connected(self.clients[client].peer) {
                return client;
            }
            self.tick();
        }
        panic!("client {client} does not connect");
    }

    pub(crate) fn has_connected(&self, peer: PeerId) -> bool {
        self.events.contains(&SfuEvent::Connected { peer })
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
        }
    }

    /// Runs while `publishers` send a picture every 30 ms and sound every 20, keyframes when asked.
    pub(crate) fn run_live(&mut self, publishers: &[usize], time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let elapsed = (self.now - self.start).as_millis();
            for publisher in publishers {
                if elapsed.is_multiple_of(30) {
                    self.send_frame(*publisher);
                }
                if elapsed.is_multiple_of(20) {
                    self.send_sound(*publisher);
                }
            }
            self.tick();
        }
    }

    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        for worker in &mut self.workers {
            worker.handle_timeout(self.now);
        }
        for client in 0..self.clients.len() {
            let result = self.clients[client].rtc.handle_input(Input::Timeout(self.now));
            result.expect("a client's timeout");
        }
        self.settle();
    }

    /// A picture of one packet: a keyframe if it was asked for one since the last, or if it is the first.
    pub(crate) fn send_frame(&mut self, client: usize) {
        let now = self.now;
        let c = &mut self.clients[client];
        let is_keyframe = c.frame == 0 || c.is_asked();
        let first = if is_keyframe { IDR } else { SLICE };
        let frame = c.frame;
        let mut payload = vec![first; 200];
        payload[1..5].copy_from_slice(&frame.to_be_bytes());
        c.frame += 1;
        c.answered = c.asked.len();
        self.send_packet(client, MediaKind::Video, frame * 2_700, payload, now);
    }

    pub(crate) fn send_sound(&mut self, client: usize) {
        let now = self.now;
        let timestamp = ((now - self.start).as_millis() * 48) as u32;
        self.send_packet(client, MediaKind::Audio, timestamp, vec![7; 60], now);
    }

    /// One packet of the client's first track of a kind, captured at `wallclock`.
    pub(crate) fn send_packet(
        &mut self,
        client: usize,
        kind: MediaKind,
        timestamp: u32,
        payload: Vec<u8>,
        wallclock: Instant,
    ) {
        let c = &mut self.clients[client];
        let Some((mid, _)) = c.mids.iter().copied().find(|(_, k)| *k == kind) else {
            return;
        };
        let number = if kind.is_video() {
            &mut c.sequence_number
        } else {
            &mut c.sounds
        };
        *number += 1;
        let number = *number;
        c.sent += 1;
        let pt = c.payload_type(kind);
        let write = RtpWrite::new(pt, number.into(), timestamp, wallclock, payload)
            .marker(true)
            .nackable(kind.is_video());
        let mut direct = c.rtc.direct_api();
        direct
            .stream_tx_by_mid(mid, None)
            .expect("a sending section")
            .write_rtp(write);
        self.settle();
        let result = self.clients[client].rtc.handle_input(Input::Timeout(self.now));
        result.expect("a client's timeout");
        self.settle();
    }

    pub(crate) fn close(&mut self, client: usize) {
        let (worker, peer) = (self.clients[client].peer.worker().0, self.clients[client].peer);
        self.workers[usize::from(worker)].close(peer, self.now);
        self.settle();
    }

    /// Moves everything that anybody has to say until nobody says anything more.
    pub(crate) fn settle(&mut self) {
        let mut datagrams: VecDeque<Transmit> = VecDeque::new();
        loop {
            for client in &mut self.clients {
                client.drain(self.now, &mut datagrams);
            }
            let mut replies = Vec::new();
            while let Some(transmit) = datagrams.pop_front() {
                self.deliver(&transmit);
                self.collect(&mut replies);
            }
            self.collect(&mut replies);
            let mut has_moved = false;
            for transmit in replies {
                let now = self.now;
                let target = self
                    .clients
                    .iter_mut()
                    .find(|c| c.address == transmit.destination && !c.is_cut);
                let Some(client) = target else { continue };
                let received = Receive::new(
                    transmit.proto,
                    transmit.source,
                    transmit.destination,
                    &transmit.contents,
                );
                let input = Input::Receive(now, received.expect("the server sends what it should"));
                client.rtc.handle_input(input).expect("the server sends nothing wrong");
                client.drain(now, &mut datagrams);
                has_moved = true;
            }
            if !has_moved && datagrams.is_empty() {
                break;
            }
        }
    }

    fn deliver(&mut self, transmit: &Transmit) {
        let client = self.clients.iter().find(|client| client.address == transmit.source);
        let worker = client.map_or(0, |client| client.worker);
        let path = (Protocol::Udp, transmit.source, transmit.destination);
        if let Routed::Worker(owner) = self.workers[worker].handle_datagram(path, &transmit.contents, self.now) {
            let owner = usize::from(owner.0);
            self.workers[owner].handle_datagram(path, &transmit.contents, self.now);
        }
    }

    /// Empties the workers' queues, carrying what they say to each other.
    fn collect(&mut self, transmits: &mut Vec<Transmit>) {
        let mut has_moved = true;
        while std::mem::take(&mut has_moved) {
            for index in 0..self.workers.len() {
                while let Some((recipient, message)) = self.workers[index].poll_relay() {
                    has_moved = true;
                    for other in 0..self.workers.len() {
                        let is_for = match recipient {
                            Recipient::Others => other != index,
                            Recipient::Worker(worker) => usize::from(worker.0) == other,
                        };
                        if is_for {
                            let is_packet = matches!(message, footlight_sfu::RelayMessage::Packet { .. });
                            self.crossed += usize::from(is_packet);
                            self.workers[other].handle_relay(message.clone(), self.now);
                        }
                    }
                }
                self.events
                    .extend(std::iter::from_fn(|| self.workers[index].poll_event()));
                transmits.extend(std::iter::from_fn(|| self.workers[index].poll_transmit()));
            }
        }
    }
}

impl Client {
    fn is_asked(&self) -> bool {
        self.asked.len() > self.answered
    }

    fn payload_type(&self, kind: MediaKind) -> Pt {
        let params = self.rtc.codec_config().find(|p| {
            let is_mode_one = p.spec().codec != Codec::H264 || p.spec().format.packetization_mode == Some(1);
            p.spec().codec.kind() == kind && is_mode_one
        });
        params.expect("a codec of the kind").pt()
    }

    fn drain(&mut self, now: Instant, datagrams: &mut VecDeque<Transmit>) {
        loop {
            // A client that is cut off gives up its handshake after a while.
            let Ok(output) = self.rtc.poll_output() else { return };
            match output {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => {
                    if !self.is_cut {
                        datagrams.push_back(transmit);
                    }
                }
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.received.push(packet),
                Output::Event(Event::KeyframeRequest(_)) => self.asked.push(now),
                Output::Event(_) => {}
            }
        }
    }

    /// The packets that came in for one slot, in the order of arrival.
    pub(crate) fn of_kind(&self, kind: MediaKind) -> Vec<&RtpPacket> {
        let is_video = |packet: &&RtpPacket| (packet.payload.len() > 100) == kind.is_video();
        self.received.iter().filter(is_video).collect()
    }

    /// The first bytes of the pictures that came in.
    pub(crate) fn pictures(&self) -> Vec<u8> {
        self.of_kind(MediaKind::Video)
            .iter()
            .map(|packet| packet.payload[0])
            .collect()
    }

    /// How many keyframes came in.
    pub(crate) fn keyframes(&self) -> usize {
        let mut pictures = self.pictures();
        pictures.retain(|first| *first == IDR);
        pictures.len()
    }

    /// Extended sequence numbers of the pictures that came in.
    pub(crate) fn sequence_numbers(&self) -> Vec<u64> {
        self.of_kind(MediaKind::Video)
            .iter()
            .map(|packet| *packet.seq_no)
            .collect()
    }
}
