//! Publishers, workers and viewers, each viewer behind a line of its own, in a time that the test moves.
//!
//! All chance comes from one seed.

#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod findings;
mod line;
mod picture;
mod seen;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use footlight_sfu::{
    Candidate, Direction, Identity, Muted, PeerId, PeerRequest, Protocol, Recipient, RelayMessage, Routed, Sfu,
    SfuConfig, SfuEvent, Source, WorkerId,
};
use str0m::bwe::BweKind;
use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction as MediaDirection, KeyframeRequestKind, MediaKind, Mid, Simulcast, SimulcastLayer};
use str0m::net::Receive;
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Event, Input, Output, Rtc};

use line::LineState;
pub(crate) use line::{Chance, Excess, Line};
pub(crate) use picture::Stage;
use picture::{Picture, Section};
pub(crate) use seen::Seen;

/// What sound takes of what a publisher may send, in bits per second.
const SOUND: u64 = 60_000;

const STEP: Duration = Duration::from_millis(1);

/// Of IP, UDP and the layers below.
const DATAGRAM_OVERHEAD: u64 = 28;

/// A viewer that has seen nothing new for so long, while packets come, asks for a keyframe; so often.
const ASKS_AFTER: Duration = Duration::from_millis(400);

/// What viewers do not offer, so that a mechanism has nothing to go by. That is how a test sees what the mechanism is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Transport-wide feedback, which estimates are made of: what is sent follows no line.
    Feedback,
    /// Retransmissions (RFC 4588), which probes are padded with as well: nothing is repaired, and nothing more is tried.
    Retransmissions,
}

impl Without {
    /// The offer without the lines that speak of it, and in `m=` without the payload types of formats that are left out.
    fn of(self, offer: &str) -> String {
        let names: &[&str] = match self {
            Self::Feedback => &["transport-cc", "transport-wide-cc"],
            Self::Retransmissions => &[" rtx/", " apt=", " nack"],
        };
        let is_left_out = |line: &str| !line.ends_with(" nack pli") && names.iter().any(|name| line.contains(name));
        let format = |line: &'_ str| line.strip_prefix("a=rtpmap:")?.split(' ').next().map(str::to_owned);
        let formats: Vec<_> = offer
            .lines()
            .filter(|line| is_left_out(line))
            .filter_map(format)
            .collect();
        let mut left = String::new();
        for line in offer.lines().filter(|line| !is_left_out(line)) {
            let words = line.split(' ').enumerate();
            let stays = |at: usize, word: &str| {
                !line.starts_with("m=") || at < 3 || !formats.iter().any(|format| format == word)
            };
            let words: Vec<_> = words
                .filter(|(at, word)| stays(*at, word))
                .map(|(_, word)| word)
                .collect();
            left.push_str(&words.join(" "));
            left.push_str("\r\n");
        }
        left
    }
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 8444))
}

struct Publisher {
    rtc: Rtc,
    address: SocketAddr,
    worker: usize,
    deadline: Instant,
    sound: Mid,
    sounds: u64,
    pictures: Vec<Picture>,
    /// What it was told to send at the most, and when.
    told: Vec<(Instant, u64)>,
    /// Whether it does as it is told.
    pub(crate) obeys: bool,
}

pub(crate) struct Viewer {
    rtc: Rtc,
    address: SocketAddr,
    worker: usize,
    peer: PeerId,
    deadline: Instant,
    joined_at: Instant,
    line: LineState,
    is_connected: bool,
    mids: Vec<(Mid, MediaKind)>,
    streams: HashMap<Ssrc, Mid>,
    seen: HashMap<Mid, Seen>,
    asked_at: Instant,
    sounds: Vec<Duration>,
    /// When so many bytes came through the line.
    delivered: Vec<(Duration, u64)>,
}

pub(crate) struct Network {
    now: Instant,
    start: Instant,
    chance: Chance,
    workers: Vec<Sfu>,
    publishers: Vec<Publisher>,
    viewers: Vec<Viewer>,
    /// On their way, by arrival; numbered, so that two of one instant keep their order.
    on_the_way: BinaryHeap<Reverse<(Instant, u64, Datagram)>>,
    numbered: u64,
    pub(crate) events: Vec<SfuEvent>,
    /// Track packets that crossed from one worker to another.
    pub(crate) crossed: u64,
    /// What viewers who come from now on do not offer.
    pub(crate) without: Option<Without>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    /// To this viewer; else from it, to the server.
    is_down: bool,
    viewer: usize,
    contents: Vec<u8>,
}

impl Network {
    pub(crate) fn new(workers: u8, seed: u64) -> Self {
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
            chance: Chance::new(seed),
            workers: workers.collect(),
            publishers: Vec::new(),
            viewers: Vec::new(),
            on_the_way: BinaryHeap::new(),
            numbered: 0,
            events: Vec::new(),
            crossed: 0,
            without: None,
        }
    }

    fn rtc(&self, address: SocketAddr) -> Rtc {
        let config = Rtc::builder().set_rtp_mode(true).clear_codecs();
        let mut rtc = config.enable_opus(true, false).enable_vp8(true).build(self.now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        rtc
    }

    fn answer(
        &mut self,
        (worker, user, direction): (usize, &str, Direction),
        rtc: &mut Rtc,
        sections: &[(MediaKind, Option<Simulcast>)],
        sources: Option<&[Source]>,
    ) -> (PeerId, Vec<(Mid, MediaKind)>) {
        let flow = match direction {
            Direction::Publish => MediaDirection::SendOnly,
            Direction::Subscribe => MediaDirection::RecvOnly,
        };
        let mut api = rtc.sdp_api();
        let mids: Vec<_> = sections
            .iter()
            .map(|(kind, simulcast)| (api.add_media(*kind, flow, None, None, simulcast.clone()), *kind))
            .collect();
        let (offer, pending) = api.apply().expect("changes");
        let without = self.without.filter(|_| direction == Direction::Subscribe);
        let offer = offer.to_sdp_string();
        let offer = without.map_or_else(|| offer.clone(), |without| without.of(&offer));
        let named: Option<BTreeMap<_, _>> = sources.map(|sources| {
            let names = mids.iter().zip(sources);
            names.map(|((mid, _), source)| (mid.to_string(), *source)).collect()
        });
        let request = PeerRequest {
            session: "show".into(),
            user: user.into(),
            direction,
            offer: &offer,
            sources: named.as_ref(),
            muted: Muted::default(),
        };
        let (peer, answer) = self.workers[worker].accept(&request, self.now).expect("a good offer");
        let answer = SdpAnswer::from_sdp_string(&answer).expect("SDP");
        rtc.sdp_api().accept_answer(pending, answer).expect("an answer");
        (peer, mids)
    }

    /// A publisher that is connected, over a line without limits.
    pub(crate) fn publish(&mut self, worker: usize, user: &str, stage: &Stage) -> usize {
        let number = self.publishers.len();
        let address = SocketAddr::from(([198, 51, 100, 1], 10_000 + number as u16));
        let mut rtc = self.rtc(address);
        let sections: Vec<_> = std::iter::once((MediaKind::Audio, None))
            .chain(
                stage
                    .sections
                    .iter()
                    .map(|section| (MediaKind::Video, simulcast(section))),
            )
            .collect();
        let sources: Vec<_> = std::iter::once(Source::Microphone)
            .chain(stage.sections.iter().map(|section| section.source))
            .collect();
        let who = (worker, user, Direction::Publish);
        let (_, mids) = self.answer(who, &mut rtc, &sections, Some(&sources));
        let pictures = stage.sections.iter().zip(&mids[1..]).flat_map(|(section, (mid, _))| {
            let layers = section.layers.iter();
            let chance = &mut self.chance;
            layers
                .map(|layer| Picture::new(*mid, layer, section.layers.len() > 1, chance))
                .collect::<Vec<_>>()
        });
        let pictures = pictures.collect();
        self.publishers.push(Publisher {
            rtc,
            address,
            worker,
            deadline: self.now,
            sound: mids[0].0,
            sounds: 0,
            pictures,
            told: Vec::new(),
            obeys: true,
        });
        self.run(Duration::from_millis(300));
        number
    }

    /// A viewer that joins now, with this many slots for sound and as many for pictures. Its line loses nothing before it is connected: of
    /// handshakes on a line that loses a fifth, some in a hundred are given up, and whoever watches tries anew.
    pub(crate) fn watch(&mut self, worker: usize, user: &str, slots: usize, line: Line) -> usize {
        let number = self.viewers.len();
        let address = SocketAddr::from(([203, 0, 113, 1], 10_000 + number as u16));
        let mut rtc = self.rtc(address);
        let sections: Vec<_> = [MediaKind::Audio, MediaKind::Video]
            .into_iter()
            .flat_map(|kind| vec![(kind, None); slots])
            .collect();
        let user = format!("{user}{number}");
        let who = (worker, &user[..], Direction::Subscribe);
        let (peer, mids) = self.answer(who, &mut rtc, &sections, None);
        let now = self.now;
        self.viewers.push(Viewer {
            rtc,
            address,
            worker,
            peer,
            deadline: now,
            joined_at: now,
            line: LineState::new(Line { loss: 0.0, ..line }, now),
            is_connected: false,
            seen: mids.iter().map(|(mid, _)| (*mid, Seen::default())).collect(),
            mids,
            streams: HashMap::new(),
            asked_at: now,
            sounds: Vec::new(),
            delivered: Vec::new(),
        });
        for _ in 0..10_000 {
            if self.viewers[number].is_connected {
                let viewer = &mut self.viewers[number];
                viewer.joined_at = self.now;
                viewer.delivered.clear();
                viewer.line.is.loss = line.loss;
                return number;
            }
            self.step();
        }
        panic!("viewer {number} does not connect");
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn step(&mut self) {
        let step_end = self.now + STEP;
        while let Some(Reverse((at, ..))) = self.on_the_way.peek()
            && *at <= step_end
        {
            let Some(Reverse((at, _, datagram))) = self.on_the_way.pop() else {
                break;
            };
            self.now = at.max(self.now);
            self.arrive(&datagram);
        }
        self.now = step_end;
        let now = self.now;
        for number in 0..self.publishers.len() {
            self.perform(number);
            let publisher = &mut self.publishers[number];
            if publisher.deadline <= now {
                let result = publisher.rtc.handle_input(Input::Timeout(now));
                result.expect("a publisher's timeout");
            }
            self.drain_publisher(number);
        }
        for worker in 0..self.workers.len() {
            if self.workers[worker].poll_timeout().is_some_and(|at| at <= now) {
                self.workers[worker].handle_timeout(now);
                self.collect();
            }
        }
        for number in 0..self.viewers.len() {
            while let Some((at, contents)) = self.viewers[number].line.poll(now) {
                self.send_off(at, number, true, contents);
            }
            let viewer = &mut self.viewers[number];
            viewer.ask(now);
            if viewer.deadline <= now {
                viewer
                    .rtc
                    .handle_input(Input::Timeout(now))
                    .expect("a viewer's timeout");
            }
            self.drain_viewer(number);
        }
    }

    fn arrive(&mut self, datagram: &Datagram) {
        let now = self.now;
        let viewer = &mut self.viewers[datagram.viewer];
        if datagram.is_down {
            viewer.delivered.push((
                now.saturating_duration_since(viewer.joined_at),
                datagram.contents.len() as u64 + DATAGRAM_OVERHEAD,
            ));
            let received = Receive::new(Protocol::Udp, server_address(), viewer.address, &datagram.contents);
            let input = Input::Receive(now, received.expect("the server sends what it should"));
            viewer.rtc.handle_input(input).expect("the server sends nothing wrong");
            self.drain_viewer(datagram.viewer);
        } else {
            let (worker, source) = (viewer.worker, viewer.address);
            self.hand_over(worker, source, &datagram.contents);
        }
    }

    fn hand_over(&mut self, worker: usize, source: SocketAddr, contents: &[u8]) {
        let path = (Protocol::Udp, source, server_address());
        if let Routed::Worker(owner) = self.workers[worker].handle_datagram(path, contents, self.now) {
            self.workers[usize::from(owner.0)].handle_datagram(path, contents, self.now);
        }
        self.collect();
    }

    /// Empties the workers' queues, carrying what they say to each other.
    fn collect(&mut self) {
        let mut has_moved = true;
        let mut transmits = Vec::new();
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
                            self.crossed += u64::from(matches!(message, RelayMessage::Packet { .. }));
                            self.workers[other].handle_relay(message.clone(), self.now);
                        }
                    }
                }
                self.events
                    .extend(std::iter::from_fn(|| self.workers[index].poll_event()));
                while let Some(transmit) = self.workers[index].poll_transmit(self.now) {
                    let (source, destination) = (transmit.source, transmit.destination);
                    let datagrams = transmit.datagrams().map(<[u8]>::to_vec);
                    transmits.extend(datagrams.map(|contents| (source, destination, contents)));
                }
            }
        }
        for transmit in transmits {
            self.carry(transmit);
        }
    }

    /// Takes a datagram of the server's to where it is to go, or loses it on the way.
    fn carry(&mut self, (source, destination, contents): (SocketAddr, SocketAddr, Vec<u8>)) {
        if let Some(at) = self.publishers.iter().position(|p| p.address == destination) {
            let publisher = &mut self.publishers[at];
            let received = Receive::new(Protocol::Udp, source, destination, &contents);
            let input = Input::Receive(self.now, received.expect("the server sends what it should"));
            publisher.rtc.handle_input(input).expect("nothing wrong");
            self.drain_publisher(at);
            return;
        }
        let Some(number) = self.viewers.iter().position(|v| v.address == destination) else {
            return;
        };
        let viewer = &mut self.viewers[number];
        let bytes = contents.len() as u64 + DATAGRAM_OVERHEAD;
        viewer.line.take(contents, bytes, self.now, &mut self.chance);
    }

    fn send_off(&mut self, at: Instant, viewer: usize, is_down: bool, contents: Vec<u8>) {
        self.numbered += 1;
        let datagram = Datagram {
            is_down,
            viewer,
            contents,
        };
        self.on_the_way.push(Reverse((at, self.numbered, datagram)));
    }

    /// What a publisher has to send by now.
    fn perform(&mut self, number: usize) {
        let now = self.now;
        let elapsed = now - self.start;
        let publisher = &mut self.publishers[number];
        if !publisher.rtc.is_connected() {
            return;
        }
        if elapsed.as_millis().is_multiple_of(20) {
            publisher.sounds += 1;
            let timestamp = (elapsed.as_millis() * 48) as u32;
            let pt = payload_type(&publisher.rtc, Codec::Opus);
            let write = RtpWrite::new(pt, publisher.sounds.into(), timestamp, now, vec![7; 80]).marker(true);
            let mut direct = publisher.rtc.direct_api();
            direct
                .stream_tx_by_mid(publisher.sound, None)
                .expect("sound")
                .write_rtp(write);
            self.drain_publisher(number);
        }
        for at in 0..self.publishers[number].pictures.len() {
            let publisher = &mut self.publishers[number];
            let pt = payload_type(&publisher.rtc, Codec::Vp8);
            let packets = publisher.pictures[at].due(elapsed, &mut self.chance);
            for packet in packets {
                let publisher = &mut self.publishers[number];
                let picture = &publisher.pictures[at];
                let write = RtpWrite::new(pt, packet.number.into(), packet.timestamp, now, packet.payload)
                    .marker(packet.marker)
                    .nackable(true);
                let mut direct = publisher.rtc.direct_api();
                let stream = direct.stream_tx_by_mid(picture.mid, picture.rid);
                stream.expect("a sending section").write_rtp(write);
                self.drain_publisher(number);
                let publisher = &mut self.publishers[number];
                let result = publisher.rtc.handle_input(Input::Timeout(now));
                result.expect("a publisher's timeout");
                self.drain_publisher(number);
            }
        }
    }

    fn drain_publisher(&mut self, number: usize) {
        loop {
            let publisher = &mut self.publishers[number];
            match publisher.rtc.poll_output().expect("a publisher that works") {
                Output::Timeout(at) => {
                    publisher.deadline = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    let worker = publisher.worker;
                    self.hand_over(worker, transmit.source, &transmit.contents);
                }
                Output::Event(Event::KeyframeRequest(request)) => {
                    let pictures = publisher.pictures.iter_mut();
                    let asked = pictures.filter(|picture| picture.mid == request.mid && picture.rid == request.rid);
                    asked.for_each(|picture| picture.asked.push(self.now));
                }
                Output::Event(Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. })) => {
                    publisher.told.push((self.now, estimate.as_u64()));
                    if publisher.obeys {
                        let most = estimate.as_u64().saturating_sub(SOUND);
                        publisher.pictures.iter_mut().for_each(|picture| picture.most = most);
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    fn drain_viewer(&mut self, number: usize) {
        loop {
            let viewer = &mut self.viewers[number];
            match viewer.rtc.poll_output().expect("a viewer that works") {
                Output::Timeout(at) => {
                    viewer.deadline = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    let at = self.now + Duration::from_millis(viewer.line.is.delay);
                    self.send_off(at, number, false, transmit.contents.into());
                }
                Output::Event(Event::Connected) => viewer.is_connected = true,
                Output::Event(Event::RtpPacket(packet)) => viewer.take(&packet, self.now),
                Output::Event(_) => {}
            }
        }
    }
}

impl Viewer {
    fn take(&mut self, packet: &RtpPacket, now: Instant) {
        let at = now.saturating_duration_since(self.joined_at);
        if packet.payload.len() == 80 {
            self.sounds.push(at);
            return;
        }
        let ssrc = packet.header.ssrc;
        let known = self.streams.get(&ssrc).copied();
        let mid = known.or_else(|| self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()));
        let Some(mid) = mid else { return };
        self.streams.insert(ssrc, mid);
        self.seen.entry(mid).or_default().take(packet, at);
    }

    /// As a decoder does that cannot go on.
    fn ask(&mut self, now: Instant) {
        let at = now.saturating_duration_since(self.joined_at);
        if now.saturating_duration_since(self.asked_at) < ASKS_AFTER {
            return;
        }
        for (mid, seen) in &self.seen {
            if seen.is_stuck(at, ASKS_AFTER) {
                self.asked_at = now;
                let mut direct = self.rtc.direct_api();
                if let Some(stream) = direct.stream_rx_by_mid(*mid, None) {
                    stream.request_keyframe(KeyframeRequestKind::Pli);
                }
                self.deadline = now;
            }
        }
    }
}

fn simulcast(section: &Section) -> Option<Simulcast> {
    if section.layers.len() < 2 {
        return None;
    }
    let send = section.layers.iter().map(|layer| SimulcastLayer::new(layer.rid));
    Some(Simulcast {
        send: send.collect(),
        recv: Vec::new(),
    })
}

fn payload_type(rtc: &Rtc, codec: Codec) -> str0m::media::Pt {
    let params = rtc.codec_config().find(|p| p.spec().codec == codec);
    params.expect("a codec of the kind").pt()
}
