//! Mail between workers, and from the async world to them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use footlight_protocol::{SessionId, UserId};
use footlight_sfu::{
    Candidate, Direction, IceCreds, IceRestart, MediaKind, Muted, PeerId, Protocol, RelayMessage, Source, Wish,
    WorkerId,
};
use mio::Waker;
use tokio::sync::oneshot;

use super::MediaError;
use super::address::Addresses;
use super::figures::Part;
use super::tcp::Handover;

/// Packets and datagrams that wait for a worker: 100 ms of what one can take in. Beyond it they are dropped, as the
/// network would.
const DATA_CAPACITY: usize = 8192;

/// Control messages that wait for a worker. More than a thousand joins in the time of one round; the sender keeps what
/// does not fit.
pub(super) const CONTROL_CAPACITY: usize = 4096;

/// What the async world asks of a worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Boxed, because it is many times as large as the others.
    Accept(Box<Acceptance>),
    Reoffer {
        peer: PeerId,
        offer: String,
        sources: Option<BTreeMap<String, Source>>,
        reply: oneshot::Sender<Result<String, MediaError>>,
    },
    RestartIce {
        peer: PeerId,
        remote: IceCreds,
        reply: oneshot::Sender<Result<IceRestart, MediaError>>,
    },
    SetMuted {
        peer: PeerId,
        kind: MediaKind,
        is_muted: bool,
    },
    Wish {
        peer: PeerId,
        mid: String,
        wish: Wish,
    },
    Close {
        peer: PeerId,
    },
    Advertise(Box<Advertisement>),
    Figures {
        session: SessionId,
        /// Whose connections to tell of.
        viewer: Option<UserId>,
        reply: oneshot::Sender<Part>,
    },
    Shutdown {
        reply: Option<oneshot::Sender<()>>,
    },
}

/// A peer that is to be made.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) direction: Direction,
    pub(super) offer: String,
    pub(super) sources: Option<BTreeMap<String, Source>>,
    pub(super) muted: Muted,
    pub(super) reply: oneshot::Sender<Result<(PeerId, String), MediaError>>,
}

/// Other addresses than those so far.
#[derive(Debug, Clone)]
pub(super) struct Advertisement {
    pub(super) addresses: Addresses,
    /// Made of them, for answers.
    pub(super) candidates: Vec<Candidate>,
}

/// What must arrive.
#[derive(Debug)]
pub(super) enum Control {
    Command(Command),
    Relay(RelayMessage),
    Connection(Handover),
}

/// What may be dropped.
#[derive(Debug)]
pub(super) enum Data {
    Relay(RelayMessage),
    Datagram(Datagram),
    /// From a remote behind the relay, for whichever worker has its peer.
    FromRelay(Datagram),
}

/// A datagram that came to the wrong worker's socket, or to none.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) protocol: Protocol,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) contents: Vec<u8>,
}

/// A worker's two queues.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) control: Receiver<Control>,
    pub(super) data: Receiver<Data>,
}

/// Where to send a worker its mail.
#[derive(Debug, Clone)]
pub(super) struct Address {
    control: SyncSender<Control>,
    data: SyncSender<Data>,
    waker: Arc<Waker>,
}

pub(super) fn mailbox(waker: Waker) -> (Address, Mailbox) {
    let (control, control_receiver) = sync_channel(CONTROL_CAPACITY);
    let (data, data_receiver) = sync_channel(DATA_CAPACITY);
    let address = Address {
        control,
        data,
        waker: Arc::new(waker),
    };
    let mailbox = Mailbox {
        control: control_receiver,
        data: data_receiver,
    };
    (address, mailbox)
}

impl Address {
    /// Sends a command and wakes the worker.
    pub(super) fn command(&self, command: Command) -> Result<(), MediaError> {
        self.control
            .try_send(Control::Command(command))
            .map_err(|error| match error {
                TrySendError::Full(_) => MediaError::Overloaded,
                TrySendError::Disconnected(_) => MediaError::Stopped,
            })?;
        self.wake();
        Ok(())
    }

    /// Hands over a connection and wakes the worker. Dropped where there is no room: its client tries again.
    pub(super) fn connection(&self, handover: Handover) {
        if self.control.try_send(Control::Connection(handover)).is_ok() {
            self.wake();
        }
    }

    /// Hands over data and wakes the worker. Dropped where there is no room, as a network would.
    pub(super) fn data(&self, data: Data) {
        if self.data.try_send(data).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a media worker cannot be woken");
        }
    }
}

/// The other workers, as one worker writes to them.
#[derive(Debug)]
pub(super) struct Colleagues {
    me: WorkerId,
    addresses: Vec<Address>,
    /// Control messages for which there was no room yet. Each goes back to a peer, a track or a connection, whose
    /// numbers are bounded.
    backlog: Vec<VecDeque<Control>>,
    to_wake: Vec<bool>,
    /// Data that was dropped for want of room.
    pub(super) lost: u64,
}

impl Colleagues {
    pub(super) fn new(me: WorkerId, addresses: Vec<Address>) -> Self {
        Self {
            me,
            backlog: addresses.iter().map(|_| VecDeque::new()).collect(),
            to_wake: vec![false; addresses.len()],
            addresses,
            lost: 0,
        }
    }

    pub(super) fn others(&self) -> impl Iterator<Item = WorkerId> + use<> {
        let me = self.me;
        (0..self.addresses.len())
            .map(|index| WorkerId(index as u8))
            .filter(move |worker| *worker != me)
    }

    pub(super) fn post(&mut self, to: WorkerId, control: Control) {
        if let Some(backlog) = self.backlog.get_mut(usize::from(to.0)) {
            backlog.push_back(control);
        }
    }

    pub(super) fn send(&mut self, to: WorkerId, data: Data) {
        let index = usize::from(to.0);
        let Some(address) = self.addresses.get(index) else {
            self.lost += 1;
            return;
        };
        match address.data.try_send(data) {
            Ok(()) => self.to_wake[index] = true,
            Err(_) => self.lost += 1,
        }
    }

    /// Posts what waits and wakes whoever got something, once. Whether something still waits.
    pub(super) fn deliver(&mut self) -> bool {
        for (index, backlog) in self.backlog.iter_mut().enumerate() {
            while let Some(control) = backlog.pop_front() {
                match self.addresses[index].control.try_send(control) {
                    Ok(()) => self.to_wake[index] = true,
                    Err(TrySendError::Full(control)) => {
                        backlog.push_front(control);
                        break;
                    }
                    // It is shutting down, as everybody will be in a moment.
                    Err(TrySendError::Disconnected(_)) => {}
                }
            }
        }
        for (index, wake) in self.to_wake.iter_mut().enumerate() {
            if std::mem::take(wake) {
                self.addresses[index].wake();
            }
        }
        self.backlog.iter().any(|backlog| !backlog.is_empty())
    }
}
