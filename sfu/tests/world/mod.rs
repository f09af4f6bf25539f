//! Workers and WebRTC clients joined without sockets, in a time that the test moves.

#![allow(dead_code, reason = "each test file uses its own part")]

mod client;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use footlight_sfu::{
    Candidate, Direction, Identity, Muted, PeerId, PeerRequest, Protocol, Recipient, Routed, Sfu, SfuConfig, SfuError,
    SfuEvent, Source, WorkerId,
};
use str0m::change::{SdpAnswer, SdpApi};
use str0m::format::Codec;
use str0m::media::{Direction as MediaDirection, MediaKind, Mid, Pt};
use str0m::net::Receive;
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Input, Rtc};

pub(crate) use client::Client;

/// A tick of the world.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The first byte of an H.264 keyframe (IDR) and of an ordinary frame.
pub(crate) const IDR: u8 = 0x65;
pub(crate) const SLICE: u8 = 0x41;

pub(crate) fn server_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 8444))
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) workers: Vec<Sfu>,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<SfuEvent>,
    /// Track packets that crossed from one worker to another.
    pub(crate) crossed: usize,
    /// Told when a worker gets a datagram (`true`), and when it has handled it.
    pub(crate) around: fn(bool),
    /// Clients that join offer no feedback from which their line could be measured.
    pub(crate) is_unmeasured: bool,
    /// What is written otherwise in the offers of clients that join.
    pub(crate) rewrite_offers: Option<(String, String)>,
    /// Where the server's sockets say that everything came to; where clients sent it, unless a router translates.
    came_to: Option<SocketAddr>,
    /// Clients that ever joined: each has an address of its own.
    joined: usize,
}

/// What a client offers.
pub(crate) struct Offer {
    pub(crate) direction: Direction,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) audio: usize,
    pub(crate) video: usize,
    /// What the sections are, sound first; empty to leave it to their order.
    pub(crate) named: Vec<Source>,
    pub(crate) muted: Muted,
    /// Sound may carry that of packets before it once more (RFC 2198).
    pub(crate) is_redundant: bool,
    /// What is lost of pictures comes again on a stream of its own (RFC 4588).
    pub(crate) has_repair: bool,
}

impl Offer {
    pub(crate) fn publish() -> Self {
        Self {
            direction: Direction::Publish,
            codecs: vec![Codec::H264, Codec::Opus],
            audio: 1,
            video: 1,
            named: Vec::new(),
            muted: Muted::default(),
            is_redundant: false,
            has_repair: true,
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

    pub(crate) fn named(mut self, sources: &[Source]) -> Self {
        self.named = sources.to_vec();
        self
    }

    pub(crate) fn muted(mut self, audio: bool, video: bool) -> Self {
        self.muted = Muted { audio, video };
        self
    }

    pub(crate) fn redundant(mut self) -> Self {
        self.is_redundant = true;
        self
    }

    pub(crate) fn without_repair(mut self) -> Self {
        self.has_repair = false;
        self
    }

    pub(crate) fn codecs(mut self, codecs: &[Codec]) -> Self {
        self.codecs = codecs.to_vec();
        self
    }
}

/// A datagram between a client and the server.
pub(crate) struct Datagram {
    source: SocketAddr,
    destination: SocketAddr,
    contents: Vec<u8>,
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
            around: |_| {},
            is_unmeasured: false,
            rewrite_offers: None,
            came_to: None,
            joined: 0,
        }
    }

    /// The router in front of the server has another address from now on, and what is on its way to the former still comes.
    pub(crate) fn translate(&mut self, address: SocketAddr) {
        let candidate = Candidate::host(address, "udp").expect("a candidate");
        for worker in &mut self.workers {
            worker.set_candidates(vec![candidate.clone()]);
        }
        self.came_to = Some(address);
    }

    /// A client that has sent its offer to `worker` and got the answer. Its number.
    pub(crate) fn join(&mut self, worker: usize, session: &str, user: &str, offer: &Offer) -> usize {
        let number = self.clients.len();
        let address = SocketAddr::from(([198, 51, 100, 1], 10_000 + (self.joined % 50_000) as u16));
        self.joined += 1;
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .enable_raw_packets(true)
            .set_rtcp_report_interval_audio(Duration::from_secs(1))
            .clear_codecs();
        for codec in &offer.codecs {
            config = match codec {
                Codec::Opus => config.enable_opus(true, offer.is_redundant),
                Codec::H264 if !offer.has_repair => {
                    config.codec_config().add_h264(108.into(), None, true, 0x42_e0_1f);
                    config
                }
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
        let mut sdp_text = sdp.to_sdp_string();
        if self.is_unmeasured {
            let is_feedback = |line: &&str| line.contains("transport-cc") || line.contains("transport-wide-cc");
            let lines = sdp_text.split_inclusive("\r\n").filter(|line| !is_feedback(line));
            sdp_text = lines.collect();
        }
        if !offer.has_repair {
            sdp_text = without_repair(&sdp_text);
        }
        if let Some((from, to)) = &self.rewrite_offers {
            sdp_text = sdp_text.replace(from, to);
        }
        let names = mids.iter().zip(&offer.named);
        let sources: BTreeMap<_, _> = names.map(|((mid, _), source)| (mid.to_string(), *source)).collect();
        let request = PeerRequest {
            session: session.into(),
            user: user.into(),
            direction: offer.direction,
            offer: &sdp_text,
            sources: (!sources.is_empty()).then_some(&sources),
            muted: offer.muted,
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
            makes_no_checks: false,
            loses_every: None,
            holds: 0,
            held: Vec::new(),
            nacks: 0,
            datagrams: 0,
            answered: 0,
            sequence_number: 1_000 * (number as u64 + 1),
            sounds: 0,
            sent: 0,
            frame: 0,
            lines: HashMap::new(),
            wanted: HashSet::new(),
        });
        self.settle();
        number
    }

    /// Offers again on the same connection, with the sections that `change` adds, stops or turns. They are added to the
    /// client's own.
    pub(crate) fn reoffer(
        &mut self,
        client: usize,
        sources: Option<&BTreeMap<String, Source>>,
        change: impl FnOnce(&mut SdpApi<'_>) -> Vec<(Mid, MediaKind)>,
    ) -> Result<(), SfuError> {
        let (peer, now) = (self.clients[client].peer, self.now);
        let c = &mut self.clients[client];
        let mut api = c.rtc.sdp_api();
        let added = change(&mut api);
        let (offer, pending) = api.apply().expect("a change");
        let worker = usize::from(peer.worker().0);
        let answer = self.workers[worker].reoffer(peer, &offer.to_sdp_string(), sources, now)?;
        let parsed = SdpAnswer::from_sdp_string(&answer).expect("SDP");
        c.rtc.sdp_api().accept_answer(pending, parsed).expect("accepted");
        c.mids.extend(added);
        c.answer = answer;
        self.settle();
        Ok(())
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

    /// Runs while each of the `publishers` sends on all its sections: pictures every 30 ms, keyframes when asked, and
    /// sound of `level` dBov every 20.
    pub(crate) fn run_room(&mut self, publishers: &[usize], level: i8, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let elapsed = (self.now - self.start).as_millis();
            for publisher in publishers {
                for section in 0..self.clients[*publisher].mids.len() {
                    let is_video = self.clients[*publisher].mids[section].1.is_video();
                    if elapsed.is_multiple_of(if is_video { 30 } else { 20 }) {
                        self.send_own(*publisher, section, level);
                    }
                }
            }
            self.tick();
        }
    }

    /// A packet of one of the client's sections that tells whose it is: see [`origin`].
    pub(crate) fn send_own(&mut self, client: usize, section: usize, level: i8) {
        let now = self.now;
        let elapsed = (now - self.start).as_millis() as u32;
        let c = &mut self.clients[client];
        let (mid, kind) = c.mids[section];
        let number = c.lines.entry(mid).or_insert(100 * (section as u64 + 1));
        *number += 1;
        let number = *number;
        let is_keyframe = c.wanted.remove(&mid) || number == 100 * (section as u64 + 1) + 1;
        let (timestamp, first, size) = match kind {
            MediaKind::Audio => (elapsed * 48, 7, 60),
            MediaKind::Video => (elapsed * 90, if is_keyframe { IDR } else { SLICE }, 200),
        };
        let mut payload = vec![0; size];
        payload[..3].copy_from_slice(&[first, client as u8, section as u8]);
        payload[3..7].copy_from_slice(&(number as u32).to_be_bytes());
        let extensions = ExtensionValues {
            audio_level: kind.is_audio().then_some(level),
            voice_activity: kind.is_audio().then_some(false),
            ..ExtensionValues::default()
        };
        c.sent += 1;
        let pt = c.payload_type(kind);
        let write = RtpWrite::new(pt, number.into(), timestamp, now, payload)
            .marker(true)
            .ext_vals(extensions)
            .nackable(kind.is_video());
        let mut direct = c.rtc.direct_api();
        // A section that is stopped or turned around sends no more.
        let Some(stream) = direct.stream_tx_by_mid(mid, None) else {
            return;
        };
        stream.write_rtp(write);
        self.settle();
        let result = self.clients[client].rtc.handle_input(Input::Timeout(self.now));
        result.expect("a client's timeout");
        self.settle();
    }

    pub(crate) fn tick(&mut self) {
        self.step(TICK);
    }

    /// Moves time by as much at once.
    pub(crate) fn step(&mut self, time: Duration) {
        self.now += time;
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
        let payload_type = self.clients[client].payload_type(kind);
        self.send_as(client, (kind, payload_type), timestamp, payload, wallclock);
    }

    /// The same, by a payload type of one's own choice.
    pub(crate) fn send_as(
        &mut self,
        client: usize,
        (kind, payload_type): (MediaKind, Pt),
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
        let write = RtpWrite::new(payload_type, number.into(), timestamp, wallclock, payload)
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

    /// What was held back of a client's packets comes after all.
    pub(crate) fn release(&mut self, client: usize) {
        for datagram in std::mem::take(&mut self.clients[client].held) {
            self.deliver(&datagram);
        }
        self.settle();
    }

    pub(crate) fn close(&mut self, client: usize) {
        let (worker, peer) = (self.clients[client].peer.worker().0, self.clients[client].peer);
        self.workers[usize::from(worker)].close(peer, self.now);
        self.settle();
    }

    /// Closes a client and forgets it. The last one takes its number.
    pub(crate) fn forget(&mut self, client: usize) {
        self.close(client);
        self.clients.swap_remove(client);
    }

    /// Moves everything that anybody has to say until nobody says anything more.
    pub(crate) fn settle(&mut self) {
        let mut datagrams: VecDeque<Datagram> = VecDeque::new();
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
                let received = Receive::new(Protocol::Udp, transmit.source, transmit.destination, &transmit.contents);
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

    fn deliver(&mut self, transmit: &Datagram) {
        let client = self.clients.iter().find(|client| client.address == transmit.source);
        let worker = client.map_or(0, |client| client.worker);
        let destination = self.came_to.unwrap_or(transmit.destination);
        let path = (Protocol::Udp, transmit.source, destination);
        (self.around)(true);
        let routed = self.workers[worker].handle_datagram(path, &transmit.contents, self.now);
        (self.around)(false);
        if let Routed::Worker(owner) = routed {
            let owner = usize::from(owner.0);
            self.workers[owner].handle_datagram(path, &transmit.contents, self.now);
        }
    }

    /// Empties the workers' queues, carrying what they say to each other.
    fn collect(&mut self, transmits: &mut Vec<Datagram>) {
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
                while let Some(transmit) = self.workers[index].poll_transmit(self.now) {
                    let (source, destination) = (transmit.source, transmit.destination);
                    transmits.extend(transmit.datagrams().map(|contents| Datagram {
                        source,
                        destination,
                        contents: contents.to_vec(),
                    }));
                }
            }
        }
    }
}

/// The offer without the streams of retransmissions: of each pair, the second one.
fn without_repair(offer: &str) -> String {
    let groups = offer.lines().filter_map(|line| line.strip_prefix("a=ssrc-group:FID "));
    let repairs: Vec<_> = groups.filter_map(|group| group.split_once(' ')).collect();
    let is_repair = |line: &str| {
        let ssrc = line.strip_prefix("a=ssrc:").and_then(|line| line.split(' ').next());
        repairs.iter().any(|(_, repair)| ssrc == Some(repair.trim_end()))
    };
    let lines = offer.split_inclusive("\r\n");
    lines
        .filter(|line| !line.starts_with("a=ssrc-group:") && !is_repair(line))
        .collect()
}

/// Client, section and number of a packet of [`World::send_own`].
pub(crate) fn origin(packet: &RtpPacket) -> (usize, usize, u32) {
    let [_, client, section, a, b, c, d, ..] = packet.payload[..] else {
        panic!("a packet of another kind");
    };
    (client.into(), section.into(), u32::from_be_bytes([a, b, c, d]))
}
