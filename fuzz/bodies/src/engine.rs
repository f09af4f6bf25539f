//! The media core, fed by remotes that may send anything: before they are known, and after.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use footlight_sfu::{Candidate, Counters, Identity, PeerId, PeerRequest, Protocol, Sfu, SfuConfig, SfuError, WorkerId};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::Receive;
use str0m::rtp::RtpWrite;
use str0m::{Event, Input, Output, Rtc};

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
/// How much time passes between two rounds.
const STEP: Duration = Duration::from_millis(5);
/// A handshake takes a few round trips; with no loss there is no reason for more rounds than these.
const CONNECT_ROUNDS: u32 = 400;
/// More than a frame holds: the rest of a long input would repeat what came before.
const MAX_PACKETS: usize = 64;

fn sfu() -> Sfu {
    let candidate = Candidate::host(SERVER, Protocol::Udp).expect("loopback is a host address");
    let identity = Identity::generate().expect("the crypto library makes keys");
    Sfu::new(SfuConfig {
        worker: WorkerId(0),
        candidates: vec![candidate],
        identity,
    })
}

fn request(direction: footlight_sfu::Direction, offer: &str) -> PeerRequest<'_> {
    PeerRequest {
        session: "session".into(),
        // Two people: nobody is shown to themselves.
        user: match direction {
            footlight_sfu::Direction::Publish => "publisher",
            footlight_sfu::Direction::Subscribe => "viewer",
        }
        .into(),
        direction,
        offer,
        sources: None,
        muted: footlight_sfu::Muted::default(),
    }
}

/// Empties the queues. Answers the datagrams.
fn drain(sfu: &mut Sfu, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
    while sfu.poll_event().is_some() {}
    while sfu.poll_relay().is_some() {}
    let mut datagrams = Vec::new();
    while let Some(transmit) = sfu.poll_transmit(now) {
        let destination = transmit.destination;
        datagrams.extend(transmit.datagrams().map(|contents| (destination, contents.to_vec())));
    }
    datagrams
}

/// Nothing of a peer is left.
fn assert_empty(counters: Counters) {
    assert_eq!(
        (counters.peers, counters.tracks, counters.slots),
        (0, 0, 0),
        "{counters:?}"
    );
}

/// A panic of the engine is caught, and is a defect all the same.
fn assert_no_panic(error: Option<&SfuError>) {
    let text = error.map(ToString::to_string).unwrap_or_default();
    assert!(!text.contains("media engine failed"), "{text}");
}

/// An offer to publish and to subscribe. What is accepted is answered with SDP, and leaves nothing behind.
pub fn sdp_offer(data: &[u8]) {
    let Ok(offer) = std::str::from_utf8(data) else { return };
    let now = Instant::now();
    let mut sfu = sfu();
    for direction in [footlight_sfu::Direction::Publish, footlight_sfu::Direction::Subscribe] {
        let accepted = sfu.accept(&request(direction, offer), now);
        drain(&mut sfu, now);
        assert_no_panic(accepted.as_ref().err());
        let Ok((peer, answer)) = accepted else { continue };
        SdpAnswer::from_sdp_string(&answer).expect("an answer is SDP");
        assert_no_panic(sfu.reoffer(peer, offer, None, now).err().as_ref());
        drain(&mut sfu, now);
        let _ = footlight_sfu::check_candidate(offer.lines().last().unwrap_or_default());
        sfu.close(peer, now);
        drain(&mut sfu, now);
        assert_empty(sfu.counters());
    }
}

/// A remote peer in memory.
struct Remote {
    rtc: Rtc,
    address: SocketAddr,
    mid: Mid,
    connected: bool,
    received: usize,
}

impl Remote {
    /// Negotiates with `sfu`.
    fn join(sfu: &mut Sfu, codec: Codec, publishes: bool, now: Instant) -> (Self, PeerId) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, if publishes { 4000 } else { 5000 }));
        let config = Rtc::builder().set_rtp_mode(true).clear_codecs();
        let mut rtc = match codec {
            Codec::H264 => config.enable_h264(true),
            Codec::Vp8 => config.enable_vp8(true),
            Codec::Vp9 => config.enable_vp9(true),
            Codec::Av1 => config.enable_av1(true),
        }
        .build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("loopback is a host address"));
        let mut changes = rtc.sdp_api();
        let direction = if publishes {
            Direction::SendOnly
        } else {
            Direction::RecvOnly
        };
        let mid = changes.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = changes.apply().expect("there is a media section to offer");
        let direction = if publishes {
            footlight_sfu::Direction::Publish
        } else {
            footlight_sfu::Direction::Subscribe
        };
        let (peer, answer) = sfu
            .accept(&request(direction, &offer.to_sdp_string()), now)
            .expect("a sound offer");
        let answer = SdpAnswer::from_sdp_string(&answer).expect("an answer is SDP");
        rtc.sdp_api()
            .accept_answer(pending, answer)
            .expect("an answer to this offer");
        (
            Self {
                rtc,
                address,
                mid,
                connected: false,
                received: 0,
            },
            peer,
        )
    }

    /// What it has to send.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => break,
                Output::Transmit(transmit) => datagrams.push(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => self.received += 1,
                Output::Event(_) => {}
            }
        }
        datagrams
    }

    fn receive(&mut self, datagram: &[u8], now: Instant) -> Vec<Vec<u8>> {
        if let Ok(receive) = Receive::new(Protocol::Udp, SERVER, self.address, datagram) {
            // A remote that gives up is one of the things that happen.
            let _ = self.rtc.handle_input(Input::Receive(now, receive));
        }
        self.drain()
    }
}

#[derive(Debug, Clone, Copy)]
enum Codec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

impl From<u8> for Codec {
    fn from(value: u8) -> Self {
        match value % 4 {
            0 => Self::H264,
            1 => Self::Vp8,
            2 => Self::Vp9,
            _ => Self::Av1,
        }
    }
}

/// A core with a publisher, a viewer, and a network that loses nothing.
struct House {
    sfu: Sfu,
    remotes: Vec<Remote>,
    peers: Vec<PeerId>,
    now: Instant,
}

impl House {
    fn open(codec: Codec) -> Self {
        let now = Instant::now();
        let mut sfu = sfu();
        let (publisher, publishing) = Remote::join(&mut sfu, codec, true, now);
        let (viewer, viewing) = Remote::join(&mut sfu, codec, false, now);
        let mut house = Self {
            sfu,
            remotes: vec![publisher, viewer],
            peers: vec![publishing, viewing],
            now,
        };
        let connected = (0..CONNECT_ROUNDS).any(|_| {
            house.round();
            house.remotes.iter().all(|remote| remote.connected)
        });
        assert!(connected, "a handshake without loss succeeds");
        house
    }

    /// Lets a moment pass for everybody.
    fn round(&mut self) {
        self.now += STEP;
        for index in 0..self.remotes.len() {
            let remote = &mut self.remotes[index];
            let _ = remote.rtc.handle_input(Input::Timeout(self.now));
            let datagrams = remote.drain();
            let address = remote.address;
            for datagram in datagrams {
                self.deliver(address, &datagram);
            }
        }
        if self.sfu.poll_timeout().is_some_and(|at| at <= self.now) {
            self.sfu.handle_timeout(self.now);
        }
        self.flush();
    }

    /// Hands a datagram to the core, and what comes of it to the remotes.
    fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.sfu
            .handle_datagram((Protocol::Udp, from, SERVER), datagram, self.now);
        self.flush();
    }

    fn flush(&mut self) {
        loop {
            let datagrams = drain(&mut self.sfu, self.now);
            if datagrams.is_empty() {
                return;
            }
            for (to, datagram) in datagrams {
                let Some(remote) = self.remotes.iter_mut().find(|remote| remote.address == to) else {
                    continue;
                };
                let answers = remote.receive(&datagram, self.now);
                for answer in answers {
                    self.sfu.handle_datagram((Protocol::Udp, to, SERVER), &answer, self.now);
                }
            }
        }
    }

    fn close(mut self) {
        for peer in self.peers {
            self.sfu.close(peer, self.now);
            drain(&mut self.sfu, self.now);
        }
        assert_empty(self.sfu.counters());
    }
}

/// Pieces of `data`, each led by its length in one byte.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let mut rest = data;
    let mut pieces = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        if pieces.len() == MAX_PACKETS {
            break;
        }
        let (piece, after) = after.split_at(after.len().min(usize::from(*length)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Datagrams (STUN, DTLS, SRTP, SRTCP or none of these) from the address of a connected publisher and from a stranger.
pub fn datagram(data: &[u8]) {
    let mut house = House::open(Codec::H264);
    let stranger = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 9));
    let known = house.remotes[0].address;
    for piece in pieces(data) {
        house.deliver(known, piece);
        house.deliver(stranger, piece);
    }
    house.round();
    house.close();
}

/// A publisher that is who it says and sends what it likes: any payload, numbering and timing, through keyframe
/// detection and renumbering to a viewer. A piece is numbering, marker and timing in three bytes, then the payload.
pub fn media(data: &[u8]) {
    publish(data);
}

/// Answers how many packets reached the viewer.
fn publish(data: &[u8]) -> usize {
    let (codec, rest) = data.split_first().unwrap_or((&0, &[]));
    let mut house = House::open(Codec::from(*codec));
    let publisher = &mut house.remotes[0];
    let mid = publisher.mid;
    let media = publisher.rtc.media(mid).expect("the media that was offered");
    let Some(pt) = media.remote_pts().first().copied() else {
        return 0;
    };
    let mut number = 30_000_u64;
    let mut time = 0_u32;
    for piece in pieces(rest) {
        let Some((&[step, timing, marker], payload)) = piece.split_first_chunk::<3>() else {
            continue;
        };
        // Backwards as well, though never before the beginning.
        number = number.saturating_add_signed(i64::from(step.cast_signed())).max(1);
        time = time.wrapping_add(u32::from(timing) << (timing % 25));
        let write = RtpWrite::new(pt, number.into(), time, house.now, payload).marker(marker & 1 == 1);
        let publisher = &mut house.remotes[0];
        if let Some(stream) = publisher.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.write_rtp(write);
        }
        publisher.drain().into_iter().for_each(|datagram| {
            let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
            house
                .sfu
                .handle_datagram((Protocol::Udp, from, SERVER), &datagram, house.now);
        });
        house.round();
    }
    let received = house.remotes[1].received;
    house.close();
    received
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_seeds_publish_reaches_the_viewer() {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo test");
        for codec in ["h264", "vp8", "vp9", "av1"] {
            let seed = std::fs::read(format!("{package}/../seeds/media/{codec}")).expect("a seed");
            assert!(publish(&seed) > 0, "{codec}");
        }
    }
}
