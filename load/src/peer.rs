//! One WebRTC connection with a socket of its own.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use footlight_sfu::wire::{self, Srtp};
use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, UdpSocketState};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpPendingOffer},
    config::{CryptoProvider, DtlsCert},
    format::Codec,
    media::{Direction, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::RtpWrite,
};

use crate::{
    LoadError,
    h264::{Payload, Stream},
    options::Options,
    outbox::{Io, Outbox},
    probe::{self, Stamp},
    receiver::{Receiver, Scratch, Terms, is_media},
    tally::Tally,
    worker::{Buffers, Flow},
};

/// A keyframe of several megabits has to fit while the thread serves others; the system may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Reads of one socket before the others get their turn.
const READS_PER_TURN: usize = 8;

/// What all peers of a run have in common: generating a certificate for each would cost more than its handshake.
#[derive(Clone)]
pub(crate) struct Identity {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Identity {
    pub(crate) fn new() -> Result<Self, LoadError> {
        let crypto = Arc::new(wire::provider());
        let certificate = crypto.dtls_provider.generate_certificate();
        let certificate = certificate.ok_or_else(|| LoadError::Answer("no DTLS certificate could be made".into()))?;
        Ok(Self { crypto, certificate })
    }
}

/// A connection, from its offer to its end.
pub(crate) struct Peer {
    /// Boxed, because it is some ten kilobytes and a peer is moved from joining to its thread.
    rtc: Box<Rtc>,
    pub(crate) socket: UdpSocket,
    socket_state: UdpSocketState,
    local: SocketAddr,
    /// Where media comes from, and reports on it go.
    remote: SocketAddr,
    role: Role,
    crypto: Arc<CryptoProvider>,
    asked: Instant,
    /// What the engine was last told the time is.
    told: Instant,
    /// When the engine wants to run again.
    engine_deadline: Instant,
    /// When the peer does.
    pub(crate) deadline: Instant,
    /// When its thread will let it run, at the latest.
    pub(crate) scheduled: Option<Instant>,
}

enum Role {
    Publisher(Box<Publisher>),
    Receiver(Box<Receiver>),
}

struct Publisher {
    stream: Stream,
    mid: Mid,
    pt: Pt,
    next_seq: u64,
    pictures: u64,
    interval: Duration,
    fps: u32,
    next_picture: Option<Instant>,
    keyframe_wanted: bool,
    /// In bits per second; `None`: all at once.
    pace: Option<f64>,
    /// What is to leave, with its RTP time.
    waiting: VecDeque<(Payload, u32)>,
    next_packet: Instant,
}

/// A connection that has offered and waits for its answer.
pub(crate) struct Offered {
    peer: Peer,
    pending: SdpPendingOffer,
    mid: Mid,
    pub(crate) offer: String,
}

/// Makes the offer of a publisher, or of a receiver where `publish` is `None`.
pub(crate) fn offer(identity: &Identity, server: SocketAddr, publish: Option<&Options>) -> Result<Offered, LoadError> {
    let asked = Instant::now();
    let failed = |source| LoadError::Socket {
        towards: server,
        source,
    };
    let socket = UdpSocket::bind(SocketAddr::new(source_towards(server).map_err(failed)?, 0)).map_err(failed)?;
    let local = socket.local_addr().map_err(failed)?;
    let socket_state = UdpSocketState::new((&socket).into()).map_err(failed)?;
    // What the system does not grant shows as loss in the report.
    let _ = socket_state.set_recv_buffer_size((&socket).into(), RECEIVE_BUFFER);

    let mut config = Rtc::builder()
        .set_crypto_provider(identity.crypto.clone())
        .set_dtls_cert(identity.certificate.clone())
        .set_rtp_mode(true)
        .set_stats_interval(None)
        .clear_codecs();
    if publish.is_some() {
        config
            .codec_config()
            .add_h264(102.into(), Some(103.into()), true, 0x0042_e01f);
    } else {
        config = config
            .enable_h264(true)
            .enable_vp8(true)
            .enable_vp9(true)
            .enable_av1(true);
    }
    let mut rtc = config.build(asked);
    let candidate = Candidate::host(local, Protocol::Udp).map_err(str0m::RtcError::from)?;
    rtc.add_local_candidate(candidate);
    let direction = if publish.is_some() {
        Direction::SendOnly
    } else {
        Direction::RecvOnly
    };
    let mut changes = rtc.sdp_api();
    let mid = changes.add_media(MediaKind::Video, direction, None, None, None);
    let (offer, pending) = changes
        .apply()
        .ok_or_else(|| LoadError::Answer("there is nothing to offer".into()))?;
    let role = match publish {
        Some(options) => Role::Publisher(Box::new(Publisher::new(options, mid))),
        None => Role::Receiver(Box::new(Receiver::new(u32::from(local.port()), asked))),
    };
    let peer = Peer {
        rtc: Box::new(rtc),
        socket,
        socket_state,
        local,
        remote: server,
        role,
        crypto: identity.crypto.clone(),
        asked,
        told: asked,
        engine_deadline: asked,
        deadline: asked,
        scheduled: None,
    };
    Ok(Offered {
        peer,
        pending,
        mid,
        offer: offer.to_sdp_string(),
    })
}

/// The own address that packets to `server` leave from.
fn source_towards(server: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    // Connecting a datagram socket chooses a route and sends nothing.
    let probe = std::net::UdpSocket::bind((any, 0))?;
    probe.connect(server)?;
    Ok(probe.local_addr()?.ip())
}

impl Offered {
    /// Takes the server's answer.
    pub(crate) fn accept(mut self, answer: &str) -> Result<Peer, LoadError> {
        let parsed = SdpAnswer::from_sdp_string(answer).map_err(|error| LoadError::Answer(error.to_string()))?;
        let rtc = &mut self.peer.rtc;
        rtc.sdp_api().accept_answer(self.pending, parsed)?;
        match &mut self.peer.role {
            Role::Publisher(publisher) => publisher.pt = accepted_h264(rtc, self.mid)?,
            Role::Receiver(receiver) => receiver.set_terms(Terms::new(rtc, self.mid, answer)),
        }
        Ok(self.peer)
    }
}

/// The payload type by which the server takes H.264.
fn accepted_h264(rtc: &Rtc, mid: Mid) -> Result<Pt, LoadError> {
    let media = rtc
        .media(mid)
        .ok_or_else(|| LoadError::Answer("the media is gone".into()))?;
    let accepted = media.remote_pts();
    let h264 = rtc
        .codec_config()
        .params()
        .iter()
        .find(|params| params.spec().codec == Codec::H264 && accepted.contains(&params.pt()));
    Ok(h264
        .ok_or_else(|| LoadError::Answer("H.264 was not accepted".into()))?
        .pt())
}

impl Publisher {
    fn new(options: &Options, mid: Mid) -> Self {
        Self {
            stream: Stream::new(options),
            mid,
            pt: 102.into(),
            next_seq: 1,
            pictures: 0,
            interval: Duration::from_secs(1) / options.fps,
            fps: options.fps,
            next_picture: None,
            keyframe_wanted: true,
            pace: (options.pacing > 0.0).then_some(options.pacing * options.bitrate as f64),
            waiting: VecDeque::new(),
            next_packet: Instant::now(),
        }
    }

    /// Lines the pictures up that are due.
    fn draw(&mut self, now: Instant) {
        while let Some(next) = self.next_picture.filter(|next| *next <= now) {
            // A thread that was held up for long goes on from now: a burst would measure itself.
            let due = next + self.interval;
            self.next_picture = Some(if due + self.interval < now { now } else { due });
            let keyframe = std::mem::take(&mut self.keyframe_wanted);
            let time = (self.pictures * 90_000 / u64::from(self.fps)) as u32;
            self.pictures += 1;
            if self.waiting.is_empty() {
                self.next_packet = self.next_packet.max(now);
            }
            let payloads = self.stream.picture(keyframe, 0).into_iter();
            self.waiting.extend(payloads.map(|payload| (payload, time)));
        }
    }

    /// The next packet, with its RTP time, where it is time for it.
    fn next_payload(&mut self, now: Instant) -> Option<(Payload, u32)> {
        if self.pace.is_some() && self.next_packet > now {
            return None;
        }
        let (payload, time) = self.waiting.pop_front()?;
        if let Some(pace) = self.pace {
            self.next_packet += Duration::from_secs_f64(8.0 * payload.bytes.len() as f64 / pace);
        }
        Some((payload, time))
    }

    /// When something is to leave.
    fn deadline(&self) -> Option<Instant> {
        let packet = (!self.waiting.is_empty()).then_some(self.next_packet);
        packet.into_iter().chain(self.next_picture).min()
    }
}

/// What a peer works with while it runs, shared by all of its thread.
pub(crate) struct Scope<'a> {
    pub(crate) now: Instant,
    pub(crate) tally: &'a mut Tally,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) flow: &'a Flow,
}

impl Peer {
    /// Lets time pass: retransmissions, reports, the next picture.
    pub(crate) fn tick(&mut self, scope: &mut Scope<'_>) -> Result<(), LoadError> {
        // A receiver's own reports are due more often than anything of its engine's.
        if self.engine_deadline <= scope.now || !self.is_receiver() {
            self.told = self.told.max(scope.now);
            self.rtc.handle_input(Input::Timeout(self.told))?;
            self.drain(scope)?;
        }
        // By the clock, and not whenever something was read: all that is due goes in one datagram.
        if let Role::Receiver(receiver) = &mut self.role
            && let Some(report) = receiver.report(scope.now, scope.scratch)
        {
            let io = Io {
                socket: &self.socket,
                state: &self.socket_state,
            };
            scope.outbox.push(io, self.remote, report);
        }
        self.send_pictures(scope)?;
        self.finish_turn(scope);
        Ok(())
    }

    /// Reads what has arrived. Answers whether there may be more.
    pub(crate) fn read(&mut self, buffers: &mut Buffers, scope: &mut Scope<'_>) -> Result<bool, LoadError> {
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            let mut meta = [RecvMeta::default(); Buffers::COUNT];
            let read = self
                .socket_state
                .recv((&self.socket).into(), &mut buffers.slices(), &mut meta);
            match read {
                Ok(count) => {
                    for (meta, buffer) in meta.iter().zip(buffers.filled()).take(count) {
                        self.datagrams(meta, buffer, scope)?;
                    }
                    // Linux gives all there is as far as there is room, and tells when there is more: asking again is for
                    // the others.
                    if cfg!(target_os = "linux") && count < Buffers::COUNT {
                        more = false;
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    more = false;
                    break;
                }
                // An ICMP answer to something sent earlier; ICE decides whether the path is dead.
                Err(error) => tracing::debug!(%error, "receive"),
            }
        }
        self.send_pictures(scope)?;
        self.finish_turn(scope);
        Ok(more)
    }

    fn datagrams(&mut self, meta: &RecvMeta, buffer: &[u8], scope: &mut Scope<'_>) -> Result<(), LoadError> {
        let now = probe::unix_ns();
        let arrived = meta.timestamp.map_or(now, probe::as_ns);
        let received = buffer.get(..meta.len).unwrap_or_default();
        for datagram in received.chunks(meta.stride.max(1)) {
            if let Role::Receiver(receiver) = &mut self.role
                && is_media(datagram)
            {
                self.remote = meta.addr;
                if receiver.receive(datagram, arrived, scope.now, (&mut *scope.tally, &mut *scope.scratch)) {
                    scope.flow.receiving(scope.now.saturating_duration_since(self.asked));
                }
                continue;
            }
            // What is none of STUN, DTLS, RTP and RTCP (RFC 7983) is not for us.
            let Ok(receive) = Receive::new(Protocol::Udp, meta.addr, self.local, datagram) else {
                continue;
            };
            // When it came, and not how late its thread came to it: round trips are measured by it.
            let late = Duration::from_nanos(now.saturating_sub(arrived));
            self.told = self.told.max(scope.now.checked_sub(late).unwrap_or(scope.now));
            self.rtc.handle_input(Input::Receive(self.told, receive))?;
            self.drain(scope)?;
        }
        Ok(())
    }

    /// Takes all that the engine has to give. It must be empty before the next input (str0m's one invariant).
    fn drain(&mut self, scope: &mut Scope<'_>) -> Result<(), LoadError> {
        loop {
            let output = self.rtc.poll_output()?;
            let keys = wire::take_keys();
            if let (Role::Receiver(receiver), Some(keys)) = (&mut self.role, keys) {
                let srtp = Srtp::new(&keys, &self.crypto);
                receiver.set_keys(srtp.ok_or_else(|| LoadError::Answer("an SRTP profile that is not known".into()))?);
            }
            match output {
                Output::Timeout(deadline) => {
                    self.engine_deadline = deadline;
                    return Ok(());
                }
                // Two that seal with the same keys would give them away (RFC 7714 §8.1).
                Output::Transmit(transmit) if self.is_receiver() && is_media(&transmit.contents) => {}
                Output::Transmit(transmit) => scope.outbox.push(self.io(), transmit.destination, &transmit.contents),
                Output::Event(Event::Connected) => self.connected(scope),
                Output::Event(Event::KeyframeRequest(_)) => {
                    scope.flow.keyframe_asked();
                    if let Role::Publisher(publisher) = &mut self.role {
                        publisher.keyframe_wanted = true;
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    fn is_receiver(&self) -> bool {
        matches!(self.role, Role::Receiver(_))
    }

    fn connected(&mut self, scope: &Scope<'_>) {
        scope.flow.connected();
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.next_picture = Some(scope.now);
        }
    }

    fn send_pictures(&mut self, scope: &mut Scope<'_>) -> Result<(), LoadError> {
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.draw(scope.now);
        }
        loop {
            let Role::Publisher(publisher) = &mut self.role else {
                return Ok(());
            };
            let Some((mut payload, time)) = publisher.next_payload(scope.now) else {
                return Ok(());
            };
            scope.tally.sent += u64::from(Stamp::renew(&mut payload.bytes, probe::unix_ns()));
            let write = RtpWrite::new(publisher.pt, publisher.next_seq.into(), time, scope.now, payload.bytes);
            publisher.next_seq += 1;
            if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(publisher.mid, None) {
                stream.write_rtp(write.marker(payload.marker).nackable(true));
            }
            self.drain(scope)?;
        }
    }

    /// Sends what waits, and sets the deadline.
    fn finish_turn(&mut self, scope: &mut Scope<'_>) {
        scope.outbox.flush(self.io());
        let next = match &self.role {
            Role::Publisher(publisher) => publisher.deadline(),
            Role::Receiver(receiver) => receiver.deadline(scope.now),
        };
        self.deadline = next.map_or(self.engine_deadline, |next| next.min(self.engine_deadline));
    }

    fn io(&self) -> Io<'_> {
        Io {
            socket: &self.socket,
            state: &self.socket_state,
        }
    }

    /// Whether the connection still stands.
    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, scope: &mut Scope<'_>) -> Result<(), LoadError> {
        self.rtc.close()?;
        self.drain(scope)?;
        self.finish_turn(scope);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// When the packets of the first second leave, in milliseconds, of a stream of 6,250 bytes a picture.
    fn departures(pacing: &str) -> Vec<u128> {
        let options = Options::parse_from(["footlight-load", "--bitrate", "1.5M", "--pacing", pacing]);
        let mut publisher = Publisher::new(&options, Mid::from("0"));
        let start = Instant::now();
        publisher.next_packet = start;
        publisher.next_picture = Some(start);
        publisher.keyframe_wanted = false;
        let mut times = Vec::new();
        while let Some(at) = publisher.deadline().filter(|at| *at < start + Duration::from_secs(1)) {
            publisher.draw(at);
            while publisher.next_payload(at).is_some() {
                times.push((at - start).as_millis());
            }
        }
        times
    }

    #[test]
    fn a_picture_leaves_at_once_or_at_its_pace() {
        let (burst, paced) = (departures("0"), departures("2.5"));
        assert!(
            burst.len().abs_diff(paced.len()) < 6,
            "{} and {}",
            burst.len(),
            paced.len()
        );
        assert_eq!(burst[..12], [[0; 6], [33; 6]].concat());
        assert!(
            paced[..6].windows(2).all(|pair| (2..4).contains(&(pair[1] - pair[0]))),
            "{paced:?}"
        );
        assert_eq!((paced[0], paced[6]), (0, 33));
    }
}
