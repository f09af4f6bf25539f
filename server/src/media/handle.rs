//! The media engine as the async world sees it.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use footlight_protocol::{Connection, MediaKind, SessionId, TrackSource, UserId};
use footlight_sfu::{Direction, IceCreds, Identity, Muted, PeerId, Protocol, Sfu, SfuConfig, Source, Wish, WorkerId};
use mio::{Poll, Waker};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::address::{Addresses, Advertised};
use super::counters::{MediaSnapshot, WorkerCounters};
use super::event;
use super::figures::SessionFigures;
use super::mail::{Acceptance, Address, Advertisement, Colleagues, Command, Data, Datagram, mailbox};
use super::placement::Placement;
use super::tcp::Handover;
use super::worker::{Parts, WAKE, Worker};
use super::{MediaError, MediaEvent, Relayed, affinity, socket};

/// Events that wait for the sessions. A thousand viewers that join at once cause some four thousand.
const EVENT_CAPACITY: usize = 4096;

/// How the media engine is set up.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Where to listen; several for several families.
    pub bind: Vec<IpAddr>,
    /// For UDP and TCP; 0 for any.
    pub port: u16,
    /// The addresses in answers; empty for those of the machine's interfaces.
    pub advertise: Vec<IpAddr>,
    /// Threads, at least 1.
    pub workers: usize,
    /// Whether each thread keeps to a core of its own, where there are enough and the operating system allows it.
    pub pinning: bool,
    /// Whether to offer ICE-TCP (RFC 6544).
    pub ice_tcp: bool,
    /// Where pages and signaling are served, by whose port media may come by ICE-TCP as well; see
    /// [`Media::take_connection`].
    pub pages: Vec<SocketAddr>,
    /// Where datagrams go to whose remote is behind the relay; `None` where there is no relay.
    pub relay: Option<mpsc::Sender<Relayed>>,
}

/// What [`Media::accept`] needs.
#[derive(Debug, Clone)]
pub struct PeerRequest {
    /// Whose media it gets, or adds to.
    pub session: SessionId,
    /// Who it is. A second publisher of the same user replaces the first.
    pub user: UserId,
    /// Which way media flows.
    pub connection: Connection,
    /// SDP.
    pub offer: String,
    /// For a publisher: where its tracks come from, by the media section. What is not named: the first video section is a
    /// camera and the second a screen, the first audio section a microphone and the second a screen's sound; more are not
    /// forwarded.
    pub sources: Option<BTreeMap<String, TrackSource>>,
    /// For a publisher: what is not forwarded from the start.
    pub muted: Muted,
}

/// The names that signaling gave to media sections, in the core's words.
fn core_sources(sources: Option<BTreeMap<String, TrackSource>>) -> Option<BTreeMap<String, Source>> {
    let sources = sources?.into_iter();
    Some(sources.map(|(mid, source)| (mid, event::core_source(source))).collect())
}

/// A peer that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its name from now on.
    pub peer: PeerId,
    /// SDP.
    pub answer: String,
}

/// Our side of an ICE session that was begun anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceRestart {
    /// `a=ice-ufrag` (RFC 8839 §5.4).
    pub ufrag: String,
    /// `a=ice-pwd` (RFC 8839 §5.4).
    pub pwd: String,
    /// The media section that carries the ICE session of all.
    pub mid: Option<String>,
    /// The addresses of now: values of `a=candidate`, beginning with `candidate:`.
    pub candidates: Vec<String>,
}

/// The media engine. Clones share it; the last one that goes stops it.
#[derive(Debug, Clone)]
pub struct Media(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    port: u16,
    ice_tcp: bool,
    /// Those of the start. What is told now is in `advertised`, and every worker has its own copy.
    addresses: Addresses,
    advertised: Advertised,
    workers: Vec<Address>,
    counters: Vec<Arc<WorkerCounters>>,
    placement: Placement,
    /// Peers that are to be closed, and whose worker had no room for being told so. Bounded by the peers of the workers.
    overdue: Mutex<HashSet<PeerId>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for worker in &self.workers {
            // One that is stopped already has no mailbox any more.
            let _ = worker.command(Command::Shutdown { reply: None });
        }
    }
}

impl Media {
    /// Opens the sockets and starts the workers. Their events come from the receiver.
    pub fn start(config: MediaConfig) -> Result<(Self, mpsc::Receiver<MediaEvent>), MediaError> {
        let MediaConfig {
            bind,
            port,
            advertise,
            workers,
            pinning,
            ice_tcp,
            pages,
            relay,
        } = config;
        let workers = workers.clamp(1, socket::worker_limit());
        let (port, sockets) = socket::open(&bind, port, workers, ice_tcp)?;
        let addresses = Addresses::new(&bind, advertise, port).with_pages(pages);
        let candidates = addresses.candidates(ice_tcp);
        if candidates.is_empty() {
            return Err(MediaError::NoAddress);
        }
        let identity = Identity::generate().ok_or(MediaError::NoIdentity)?;
        let (events, receiver) = mpsc::channel(EVENT_CAPACITY);

        let mut polls = Vec::new();
        let mut mail = Vec::new();
        for _ in 0..workers {
            let poll = Poll::new().map_err(MediaError::Start)?;
            let waker = Waker::new(poll.registry(), WAKE).map_err(MediaError::Start)?;
            polls.push(poll);
            mail.push(mailbox(waker));
        }
        let (workers, mailboxes): (Vec<Address>, Vec<_>) = mail.into_iter().unzip();
        let counters: Vec<_> = workers.iter().map(|_| Arc::new(WorkerCounters::default())).collect();
        let media = Self(Arc::new(Shared {
            port,
            ice_tcp,
            advertised: addresses.advertised().into(),
            addresses: addresses.clone(),
            workers: workers.clone(),
            placement: Placement::new(&counters),
            counters: counters.clone(),
            overdue: Mutex::default(),
        }));

        let may_use = if pinning { affinity::cores() } else { Vec::new() };
        let cores = affinity::plan(workers.len(), &may_use);
        let each = polls.into_iter().zip(sockets).zip(mailboxes).zip(counters).zip(cores);
        for (index, ((((poll, sockets), mailbox), counters), core)) in each.enumerate() {
            let worker = WorkerId(index as u8);
            let parts = Parts {
                sfu: Sfu::new(SfuConfig {
                    worker,
                    candidates: candidates.clone(),
                    identity: identity.clone(),
                }),
                poll,
                sockets,
                addresses: addresses.clone(),
                mailbox,
                colleagues: Colleagues::new(worker, workers.clone()),
                events: events.clone(),
                relay: relay.clone(),
                counters,
            };
            spawn(index, core, parts).map_err(MediaError::Start)?;
        }
        tracing::info!(port, workers = workers.len(), candidates = ?media.candidates(), "media port open");
        Ok((media, receiver))
    }

    /// The media port, for UDP and TCP.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The addresses in answers.
    pub fn candidates(&self) -> Vec<SocketAddr> {
        self.0.advertised.now()
    }

    /// The same, for who asks again and again.
    pub(crate) fn advertised(&self) -> Advertised {
        self.0.advertised.clone()
    }

    /// Puts other addresses into the answers from now on; empty for those of the machine's interfaces. Who is connected
    /// stays so by the address that it was told, and is told these when it restarts ICE. It was not done, or not by all
    /// workers, where there is an error, and can be done again.
    pub fn advertise(&self, advertise: Vec<IpAddr>) -> Result<(), MediaError> {
        let addresses = self.0.addresses.renewed(advertise);
        let candidates = addresses.candidates(self.0.ice_tcp);
        if candidates.is_empty() {
            return Err(MediaError::NoAddress);
        }
        let advertised = addresses.advertised();
        let advertisement = Box::new(Advertisement { addresses, candidates });
        self.0.advertised.change(advertised, || {
            let mut workers = self.0.workers.iter();
            workers.try_for_each(|worker| worker.command(Command::Advertise(advertisement.clone())))
        })
    }

    /// Takes in a datagram of a remote behind the relay, sent to one of [`Media::candidates`].
    pub fn receive_relayed(&self, datagram: Relayed) {
        // Always the same one for a remote, so that its datagrams stay in order.
        let workers = &self.0.workers;
        let worker = &workers[usize::from(datagram.remote.port()) % workers.len()];
        worker.data(Data::FromRelay(Datagram {
            protocol: Protocol::Udp,
            source: datagram.remote,
            destination: datagram.local,
            contents: datagram.contents,
        }));
    }

    /// Takes over a connection that came in on another port and speaks ICE-TCP, of which `read` was read already.
    pub fn take_connection(&self, stream: tokio::net::TcpStream, read: Vec<u8>) {
        // Any worker: the one that its peer belongs to is found by the first frame.
        let workers = &self.0.workers;
        let worker = stream
            .peer_addr()
            .map_or(0, |remote| usize::from(remote.port()) % workers.len());
        match stream.into_std() {
            Ok(stream) => workers[worker].connection(Handover::new(stream, read)),
            Err(error) => tracing::debug!(%error, "connection not handed over"),
        }
    }

    /// Makes a peer and the answer to its offer.
    pub async fn accept(&self, request: PeerRequest) -> Result<Accepted, MediaError> {
        let place = self.0.placement.choose().ok_or(MediaError::Stopped)?;
        let direction = match request.connection {
            Connection::Publish => Direction::Publish,
            Connection::Subscribe => Direction::Subscribe,
        };
        let (reply, replied) = oneshot::channel();
        self.0.workers[place.worker].command(Command::Accept(Box::new(Acceptance {
            session: request.session,
            user: request.user,
            direction,
            offer: request.offer,
            sources: core_sources(request.sources),
            muted: request.muted,
            reply,
        })))?;
        let (peer, answer) = replied.await.map_err(|_| MediaError::Stopped)??;
        Ok(Accepted { peer, answer })
    }

    /// Answers a new offer on the same connection: more slots or tracks, fewer, or an ICE restart. A publisher's
    /// `sources` are as in [`PeerRequest::sources`]; what is not named stays what it was.
    pub async fn reoffer(
        &self,
        peer: PeerId,
        offer: String,
        sources: Option<BTreeMap<String, TrackSource>>,
    ) -> Result<String, MediaError> {
        let (reply, replied) = oneshot::channel();
        self.worker_of(peer)?.command(Command::Reoffer {
            peer,
            offer,
            sources: core_sources(sources),
            reply,
        })?;
        replied.await.map_err(|_| MediaError::Stopped)?
    }

    /// Mutes a publisher's tracks of a kind at the server, or lets them through again. It holds for tracks that come
    /// later on the same connection, and not for another connection. When this returns the worker has been told and
    /// does it before anything that is asked of it later; nothing happens for a peer that is gone or only watches. It
    /// was not done where there is an error: the worker has more to do than it can note, or is stopped.
    pub fn set_muted(&self, peer: PeerId, kind: MediaKind, is_muted: bool) -> Result<(), MediaError> {
        self.worker_of(peer)?.command(Command::SetMuted {
            peer,
            kind: event::core_kind(kind),
            is_muted,
        })
    }

    /// A viewer wants something else of one of its slots. Nothing happens for a slot that is not there.
    pub fn wish(&self, peer: PeerId, mid: String, wish: Wish) {
        self.tell(peer, Command::Wish { peer, mid, wish });
    }

    /// Restarts ICE with the remote's new credentials, as a WHIP or WHEP `PATCH` does. Our own new ones, and our addresses.
    pub async fn restart_ice(&self, peer: PeerId, ufrag: String, pwd: String) -> Result<IceRestart, MediaError> {
        let (reply, replied) = oneshot::channel();
        let remote = IceCreds { ufrag, pass: pwd };
        self.worker_of(peer)?
            .command(Command::RestartIce { peer, remote, reply })?;
        let restart = replied.await.map_err(|_| MediaError::Stopped)??;
        Ok(IceRestart {
            ufrag: restart.credentials.ufrag,
            pwd: restart.credentials.pass,
            mid: restart.mid,
            candidates: restart.candidates,
        })
    }

    /// Closes a peer, telling the remote. Nothing happens for one that is gone. Where its worker has more to do than it can
    /// note, [`Media::close_overdue`] does it.
    pub fn close(&self, peer: PeerId) {
        if self.has_no_room_to_close(peer) {
            tracing::warn!(%peer, "close not taken yet");
            self.0.overdue.lock().insert(peer);
        }
    }

    /// Closes those that are to be closed and are not: it must not be forgotten that somebody was sent away. To be called
    /// now and then.
    pub fn close_overdue(&self) {
        self.0.overdue.lock().retain(|peer| self.has_no_room_to_close(*peer));
    }

    /// Tells a peer's worker to close it. One that has stopped has closed all of its own.
    fn has_no_room_to_close(&self, peer: PeerId) -> bool {
        let told = self
            .worker_of(peer)
            .and_then(|worker| worker.command(Command::Close { peer }));
        matches!(told, Err(MediaError::Overloaded))
    }

    /// Figures of all workers, as they stood at the end of their last round.
    pub fn snapshot(&self) -> MediaSnapshot {
        MediaSnapshot::of(self.0.counters.iter().map(Arc::as_ref))
    }

    /// What is published in a session, and what `viewer` gets.
    pub async fn session_figures(&self, session: &SessionId, viewer: Option<&UserId>) -> SessionFigures {
        let mut answers = Vec::new();
        for worker in &self.0.workers {
            let (reply, replied) = oneshot::channel();
            let (session, viewer) = (session.clone(), viewer.cloned());
            // A worker that is overloaded is left out: its viewers are missing from the sum.
            if worker.command(Command::Figures { session, viewer, reply }).is_ok() {
                answers.push(replied);
            }
        }
        let mut parts = Vec::new();
        for replied in answers {
            parts.push(replied.await.unwrap_or_default());
        }
        SessionFigures::of(&parts)
    }

    /// Closes all peers and stops the workers. Returns when they have stopped.
    pub async fn shutdown(&self) {
        for worker in &self.0.workers {
            let stopped = loop {
                let (reply, stopped) = oneshot::channel();
                match worker.command(Command::Shutdown { reply: Some(reply) }) {
                    // This one must arrive: where the mailbox is full, as soon as there is room.
                    Err(MediaError::Overloaded) => tokio::time::sleep(Duration::from_millis(1)).await,
                    _ => break stopped,
                }
            };
            // The worker drops its end last of all it has.
            let _ = stopped.await;
        }
    }

    fn worker_of(&self, peer: PeerId) -> Result<&Address, MediaError> {
        self.0
            .workers
            .get(usize::from(peer.worker().0))
            .ok_or(MediaError::UnknownPeer)
    }

    fn tell(&self, peer: PeerId, command: Command) {
        if let Err(error) = self.worker_of(peer).and_then(|worker| worker.command(command)) {
            tracing::warn!(%peer, %error, "command not taken");
        }
    }
}

fn spawn(index: usize, core: Option<usize>, parts: Parts) -> io::Result<()> {
    let worker = Worker::new(parts)?;
    let run = move || {
        if let Some(core) = core {
            match affinity::pin(core) {
                Ok(()) => tracing::debug!(worker = index, core, "pinned"),
                // It serves all the same.
                Err(error) => tracing::warn!(worker = index, core, %error, "a media worker cannot be kept on its core"),
            }
        }
        worker.run();
    };
    std::thread::Builder::new()
        .name(format!("media-{index}"))
        .spawn(run)
        .map(drop)
}

/// Looks at a trickled candidate line, with which there is nothing to do. One that makes no sense is no error: ICE goes on with
/// the others (RFC 8838 §11).
pub fn look_at_candidate(peer: PeerId, candidate: &str) {
    if let Err(error) = footlight_sfu::check_candidate(candidate) {
        tracing::debug!(%peer, %error, "candidate ignored");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::mail::{CONTROL_CAPACITY, Control};
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn offer() -> String {
        let mut rtc = str0m::RtcConfig::new().build(std::time::Instant::now());
        let mut changes = rtc.sdp_api();
        let (kind, direction) = (str0m::media::MediaKind::Audio, str0m::media::Direction::RecvOnly);
        changes.add_media(kind, direction, None, None, None);
        changes.apply().expect("there are changes").0.to_sdp_string()
    }

    #[tokio::test]
    async fn a_close_that_finds_no_room_is_made_up_for() {
        let config = MediaConfig {
            bind: vec![LOOPBACK],
            port: 0,
            advertise: vec![LOOPBACK],
            workers: 1,
            pinning: false,
            ice_tcp: false,
            pages: Vec::new(),
            relay: None,
        };
        let (media, _events) = Media::start(config).expect("a media engine");
        let request = PeerRequest {
            session: "show".parse().expect("a session id"),
            user: "ann".parse().expect("a user id"),
            connection: Connection::Subscribe,
            offer: offer(),
            sources: None,
            muted: Muted::default(),
        };
        let peer = media.accept(request).await.expect("a peer").peer;

        // Another engine, whose worker does nothing.
        let poll = Poll::new().expect("a poller");
        let (address, mailbox) = mailbox(Waker::new(poll.registry(), WAKE).expect("a waker"));
        let stuck = Media(Arc::new(Shared {
            port: 0,
            ice_tcp: false,
            addresses: media.0.addresses.clone(),
            advertised: media.advertised(),
            workers: vec![address],
            counters: Vec::new(),
            placement: Placement::new(&[]),
            overdue: Mutex::default(),
        }));
        for _ in 0..CONTROL_CAPACITY {
            stuck.wish(peer, String::new(), Wish::default());
        }
        stuck.close(peer);
        stuck.close_overdue();
        let is_close = |control: &Control| matches!(control, Control::Command(Command::Close { .. }));
        assert_eq!(mailbox.control.try_iter().filter(is_close).count(), 0);
        stuck.close_overdue();
        assert_eq!(mailbox.control.try_iter().filter(is_close).count(), 1);
        stuck.close_overdue();
        assert_eq!(mailbox.control.try_iter().count(), 0, "once");
    }
}
