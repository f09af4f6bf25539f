//! One media worker: waits, feeds its [`Sfu`], and sends what comes of it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use footlight_sfu::{PeerRequest, Protocol, Recipient, RelayMessage, Routed, Sfu, Transmit};
use mio::{Events, Poll, Token};
use tokio::sync::{mpsc, oneshot};

use super::address::Addresses;
use super::counters::WorkerCounters;
use super::figures::Part;
use super::mail::{Colleagues, Command, Control, Data, Mailbox};
use super::socket::WorkerSockets;
use super::tcp::TcpPort;
use super::udp::UdpPort;
use super::{MediaEvent, Relayed, relay};

pub(super) const WAKE: Token = Token(0);
const FIRST_UDP: usize = 1;

/// Readiness events taken at once; what does not fit comes in the next round.
const EVENTS_PER_ROUND: usize = 1024;

/// Messages taken from a mailbox before the sockets get their turn.
const MAIL_PER_ROUND: usize = 1024;

/// How long a message waits for room in a colleague's mailbox before the next try.
const BACKLOG_RETRY: Duration = Duration::from_millis(1);

/// Longest sleep: connections are reaped and the load is measured once a second.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Events that may wait for the sessions to take them. Above it no peer is accepted, so that those that are there bound
/// what can still come.
const EVENT_BACKLOG: usize = 8192;

pub(super) struct Worker {
    sfu: Sfu,
    poll: Poll,
    udp: UdpPort,
    first_tcp: usize,
    listeners: usize,
    tcp: TcpPort,
    addresses: Addresses,
    mailbox: Mailbox,
    colleagues: Colleagues,
    events: mpsc::Sender<MediaEvent>,
    waiting_events: VecDeque<MediaEvent>,
    relay: Option<mpsc::Sender<Relayed>>,
    /// What the relay had no room for.
    lost_to_relay: u64,
    counters: Arc<WorkerCounters>,
    housekeeping_at: Instant,
    measured_since: Instant,
    busy: Duration,
    /// Whoever waits for this worker to stop. Last, so that it is dropped after the sockets.
    stopped: Option<oneshot::Sender<()>>,
}

/// What [`Worker::new`] puts together.
pub(super) struct Parts {
    pub(super) sfu: Sfu,
    pub(super) poll: Poll,
    pub(super) sockets: WorkerSockets,
    pub(super) addresses: Addresses,
    pub(super) mailbox: Mailbox,
    pub(super) colleagues: Colleagues,
    pub(super) events: mpsc::Sender<MediaEvent>,
    pub(super) relay: Option<mpsc::Sender<Relayed>>,
    pub(super) counters: Arc<WorkerCounters>,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> io::Result<Self> {
        let registry = parts.poll.registry();
        let first_tcp = FIRST_UDP + parts.sockets.udp.len();
        let listeners = parts.sockets.tcp.len();
        let udp = UdpPort::new(parts.sockets.udp, registry, FIRST_UDP)?;
        let tcp = TcpPort::new(parts.sockets.tcp, registry, first_tcp)?;
        Ok(Self {
            sfu: parts.sfu,
            poll: parts.poll,
            udp,
            first_tcp,
            listeners,
            tcp,
            addresses: parts.addresses,
            mailbox: parts.mailbox,
            colleagues: parts.colleagues,
            events: parts.events,
            waiting_events: VecDeque::new(),
            relay: parts.relay,
            lost_to_relay: 0,
            counters: parts.counters,
            housekeeping_at: Instant::now() + HOUSEKEEPING,
            measured_since: Instant::now(),
            busy: Duration::ZERO,
            stopped: None,
        })
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_PER_ROUND);
        let mut has_more = false;
        loop {
            let sleep = self.sleep(has_more, Instant::now());
            if let Err(error) = self.poll.poll(&mut events, Some(sleep))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a media worker cannot wait for its sockets");
                return;
            }
            let now = Instant::now();
            for event in &events {
                self.on_ready(event, now);
            }
            let Some(mail_left) = self.read_mail(now) else {
                return;
            };
            self.receive(now);
            if self.sfu.poll_timeout().is_some_and(|at| at <= now) {
                self.sfu.handle_timeout(now);
            }
            self.send(now);
            has_more = mail_left || self.udp.is_readable() || self.tcp.is_readable();
            self.busy += now.elapsed();
            if now >= self.housekeeping_at {
                self.keep_house(now);
            }
        }
    }

    fn sleep(&self, has_more: bool, now: Instant) -> Duration {
        if has_more {
            return Duration::ZERO;
        }
        let deadlines = [
            self.sfu.poll_timeout(),
            self.tcp.accept_at(),
            Some(self.housekeeping_at),
        ];
        let next = deadlines.into_iter().flatten().min().unwrap_or(self.housekeeping_at);
        next.saturating_duration_since(now)
    }

    fn on_ready(&mut self, event: &mio::event::Event, now: Instant) {
        let token = event.token().0;
        if event.token() == WAKE {
            return;
        }
        if token < self.first_tcp {
            // Writability needs no note: what waits is sent at the end of every round.
            if event.is_readable() {
                self.udp.set_readable(token - FIRST_UDP);
            }
        } else if token < self.first_tcp + self.listeners {
            self.tcp.accept(self.poll.registry(), now);
        } else {
            let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
            self.tcp.on_ready(token, is_readable, event.is_writable(), now);
        }
    }

    /// Whether mail is left; `None` to stop.
    fn read_mail(&mut self, now: Instant) -> Option<bool> {
        let mut control_left = true;
        for _ in 0..MAIL_PER_ROUND {
            match self.mailbox.control.try_recv() {
                Ok(Control::Command(Command::Shutdown { reply })) => {
                    self.sfu.close_all(now);
                    self.send(now);
                    self.stopped = reply;
                    return None;
                }
                Ok(Control::Command(command)) => self.obey(command, now),
                Ok(Control::Relay(message)) => self.sfu.handle_relay(message, now),
                Ok(Control::Connection(handover)) => self.tcp.take_over(handover, self.poll.registry(), now),
                Err(TryRecvError::Empty) => {
                    control_left = false;
                    break;
                }
                Err(TryRecvError::Disconnected) => return None,
            }
            self.route();
        }
        let mut data_left = true;
        for _ in 0..MAIL_PER_ROUND {
            match self.mailbox.data.try_recv() {
                Ok(Data::Relay(message)) => self.sfu.handle_relay(message, now),
                Ok(Data::Parcel(parcel)) => {
                    for (path, contents) in parcel.datagrams() {
                        self.sfu.handle_datagram(path, contents, now);
                    }
                    parcel.send_home();
                }
                Ok(Data::FromRelay(datagram)) => {
                    let path = (datagram.protocol, datagram.source, datagram.destination);
                    if let Routed::Worker(worker) = self.sfu.handle_datagram(path, &datagram.contents, now) {
                        self.colleagues.hand_over(worker, path, &datagram.contents);
                    }
                }
                Err(_) => {
                    data_left = false;
                    break;
                }
            }
        }
        self.route();
        Some(control_left || data_left)
    }

    /// Carries out a command. A caller that no longer waits for the reply is no error.
    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Accept(acceptance) => {
                let request = PeerRequest {
                    session: acceptance.session.as_str().into(),
                    user: acceptance.user.as_str().into(),
                    direction: acceptance.direction,
                    offer: &acceptance.offer,
                    sources: acceptance.sources.as_ref(),
                    muted: acceptance.muted,
                };
                let result = if self.waiting_events.len() > EVENT_BACKLOG {
                    Err(super::MediaError::Overloaded)
                } else {
                    self.sfu.accept(&request, now).map_err(Into::into)
                };
                // Before the answer, with which the peer is no longer one that is on its way: the next one is placed by this.
                self.counters.peers.store(self.sfu.counters().peers, Relaxed);
                if let Err(Ok((peer, _))) = acceptance.reply.send(result) {
                    self.sfu.close(peer, now);
                }
            }
            Command::Reoffer {
                peer,
                offer,
                sources,
                reply,
            } => {
                let answer = self.sfu.reoffer(peer, &offer, sources.as_ref(), now);
                let _ = reply.send(answer.map_err(Into::into));
            }
            Command::RestartIce { peer, remote, reply } => {
                let _ = reply.send(self.sfu.restart_ice(peer, &remote, now).map_err(Into::into));
            }
            Command::SetMuted { peer, kind, is_muted } => {
                if let Err(error) = self.sfu.set_muted(peer, kind, is_muted, now) {
                    tracing::debug!(%peer, %error, "nobody to mute");
                }
            }
            Command::Wish { peer, mid, wish } => {
                if let Err(error) = self.sfu.wish(peer, &mid, wish, now) {
                    tracing::debug!(%peer, %error, "wish ignored");
                }
            }
            Command::Close { peer } => self.sfu.close(peer, now),
            Command::Advertise(advertisement) => {
                self.sfu.set_candidates(advertisement.candidates);
                self.addresses = advertisement.addresses;
            }
            Command::Figures { session, viewer, reply } => {
                let session = session.as_str().into();
                let _ = reply.send(Part {
                    tracks: self.sfu.track_stats(&session, now),
                    viewers: viewer
                        .map(|viewer| self.sfu.viewer_stats(Some((&session, &viewer.as_str().into()))))
                        .unwrap_or_default(),
                });
            }
            Command::Shutdown { .. } => {}
        }
    }

    fn receive(&mut self, now: Instant) {
        let Self {
            sfu,
            colleagues,
            addresses,
            udp,
            tcp,
            poll,
            ..
        } = self;
        udp.receive(addresses, |source, destination, contents| {
            if relay::is_relayed(source.ip()) {
                return false;
            }
            let path = (Protocol::Udp, source, destination);
            let routed = sfu.handle_datagram(path, contents, now);
            if let Routed::Worker(worker) = routed {
                colleagues.hand_over(worker, path, contents);
            }
            routed != Routed::Unknown
        });
        if tcp.accept_at().is_some_and(|at| at <= now) {
            tcp.accept(poll.registry(), now);
        }
        tcp.receive(poll.registry(), now, |source, destination, contents| {
            let destination = addresses.tcp_destination(destination);
            sfu.handle_datagram((Protocol::Tcp, source, destination), contents, now)
        });
    }

    /// Takes everything out of the core's queues and puts it where it is to go, but sends nothing yet: datagrams leave
    /// in batches.
    fn route(&mut self) {
        while let Some((recipient, message)) = self.sfu.poll_relay() {
            match (recipient, message) {
                (Recipient::Worker(worker), message @ RelayMessage::Packet { .. }) => {
                    self.colleagues.send(worker, Data::Relay(message));
                }
                (Recipient::Worker(worker), message) => self.colleagues.post(worker, Control::Relay(message)),
                (Recipient::Others, message) => {
                    for worker in self.colleagues.others() {
                        self.colleagues.post(worker, Control::Relay(message.clone()));
                    }
                }
            }
        }
        while let Some(event) = self.sfu.poll_event() {
            self.waiting_events.extend(MediaEvent::from_sfu(event));
        }
    }

    /// Sends what has come of this round.
    fn send(&mut self, now: Instant) {
        // Sending over TCP can find a viewer congested, which can make the core ask for a keyframe: so until nothing is
        // left.
        loop {
            self.route();
            while let Some(transmit) = self.sfu.poll_transmit(Instant::now()) {
                if transmit.protocol != Protocol::Udp {
                    for datagram in transmit.datagrams() {
                        self.tcp.send(transmit.destination, datagram, now);
                    }
                } else if relay::is_relayed(transmit.destination.ip()) {
                    self.lost_to_relay += send_to_relay(self.relay.as_ref(), &transmit);
                } else {
                    self.udp.send(&transmit, &self.addresses);
                }
            }
            let changes = std::mem::take(&mut self.tcp.congestion);
            if changes.is_empty() {
                break;
            }
            for (remote, is_congested) in changes {
                self.sfu.set_congested(Protocol::Tcp, remote, is_congested, now);
            }
        }
        self.udp.flush(&self.addresses);
        for (worker, handover) in std::mem::take(&mut self.tcp.handovers) {
            self.colleagues.post(worker, Control::Connection(handover));
        }
        if self.colleagues.deliver() {
            self.housekeeping_at = self.housekeeping_at.min(now + BACKLOG_RETRY);
        }
        // Before the events: whoever hears of something finds it in the figures.
        let lost = self.udp.lost + self.tcp.lost + self.colleagues.lost + self.lost_to_relay;
        self.counters.publish(&self.sfu.counters(), lost);
        self.counters.tcp_connections.store(self.tcp.len() as u64, Relaxed);
        while let Some(event) = self.waiting_events.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.waiting_events.push_front(event);
                self.housekeeping_at = self.housekeeping_at.min(now + BACKLOG_RETRY);
                break;
            }
        }
    }

    fn keep_house(&mut self, now: Instant) {
        self.tcp.reap(self.poll.registry(), now);
        let passed = now.saturating_duration_since(self.measured_since);
        if passed >= HOUSEKEEPING {
            let permille = self.busy.as_micros() * 1000 / passed.as_micros().max(1);
            self.counters.load_permille.store(permille as u64, Relaxed);
            self.counters.peers_measured.store(self.sfu.counters().peers, Relaxed);
            self.busy = Duration::ZERO;
            self.measured_since = now;
        }
        self.housekeeping_at = now + HOUSEKEEPING;
    }
}

/// How many of the datagrams the relay had no room for.
fn send_to_relay(relay: Option<&mpsc::Sender<Relayed>>, transmit: &Transmit<'_>) -> u64 {
    let mut lost = 0;
    for datagram in transmit.datagrams() {
        let relayed = Relayed {
            remote: transmit.destination,
            local: transmit.source,
            contents: datagram.to_vec(),
        };
        let sent = relay.is_some_and(|relay| relay.try_send(relayed).is_ok());
        lost += u64::from(!sent);
    }
    lost
}
