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
use super::parcel::{MOST_PARCELS, Parcel, Path};
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
    /// What came to another worker's sockets.
    Parcel(Parcel),
    /// From a remote behind the relay, for whichever worker has its peer.
    FromRelay(Datagram),
}

/// A datagram that came to no worker's socket.
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
    all: Vec<Colleague>,
    /// Parcels that were read, to be filled again.
    come_home: Receiver<Parcel>,
    home: SyncSender<Parcel>,
    /// Data that was dropped for want of room.
    pub(super) lost: u64,
}

#[derive(Debug)]
struct Colleague {
    address: Address,
    /// Control messages for which there was no room yet. Each goes back to a peer, a track or a connection, whose
    /// numbers are bounded.
    backlog: VecDeque<Control>,
    /// Goes off when it is full, and at the end of the round.
    filling: Option<Parcel>,
    spare: Vec<Parcel>,
    /// How many parcels there are for it.
    parcels: usize,
    to_wake: bool,
}

impl Colleague {
    fn new(address: Address) -> Self {
        Self {
            address,
            backlog: VecDeque::new(),
            filling: None,
            spare: Vec::new(),
            parcels: 0,
            to_wake: false,
        }
    }

    /// How much of it there was no room for.
    fn send(&mut self, data: Data) -> u64 {
        match self.address.data.try_send(data) {
            Ok(()) => {
                self.to_wake = true;
                0
            }
            Err(TrySendError::Full(Data::Parcel(parcel)) | TrySendError::Disconnected(Data::Parcel(parcel))) => {
                let lost = parcel.len() as u64;
                parcel.send_home();
                lost
            }
            Err(_) => 1,
        }
    }
}

impl Colleagues {
    pub(super) fn new(me: WorkerId, addresses: Vec<Address>) -> Self {
        let (home, come_home) = sync_channel(addresses.len() * MOST_PARCELS);
        Self {
            me,
            all: addresses.into_iter().map(Colleague::new).collect(),
            come_home,
            home,
            lost: 0,
        }
    }

    pub(super) fn others(&self) -> impl Iterator<Item = WorkerId> + use<> {
        let me = self.me;
        (0..self.all.len())
            .map(|index| WorkerId(index as u8))
            .filter(move |worker| *worker != me)
    }

    pub(super) fn post(&mut self, to: WorkerId, control: Control) {
        if let Some(colleague) = self.all.get_mut(usize::from(to.0)) {
            colleague.backlog.push_back(control);
        }
    }

    pub(super) fn send(&mut self, to: WorkerId, data: Data) {
        let colleague = self.all.get_mut(usize::from(to.0));
        self.lost += colleague.map_or(1, |colleague| colleague.send(data));
    }

    /// Hands over a datagram that came to this worker's sockets, together with others.
    pub(super) fn hand_over(&mut self, to: WorkerId, path: Path, contents: &[u8]) {
        let parcel = self.parcel(to, contents.len());
        if let Some(parcel) = parcel {
            parcel.put(path, contents);
        } else {
            self.lost += 1;
        }
    }

    /// The parcel that has room for so many bytes more; `None` where all are full and on their way.
    fn parcel(&mut self, to: WorkerId, bytes: usize) -> Option<&mut Parcel> {
        let index = usize::from(to.0);
        let colleague = self.all.get_mut(index)?;
        if let Some(full) = colleague.filling.take_if(|parcel| !parcel.has_room(bytes)) {
            self.lost += colleague.send(Data::Parcel(full));
        }
        if colleague.filling.is_none() {
            while let Ok(parcel) = self.come_home.try_recv() {
                if let Some(colleague) = self.all.get_mut(usize::from(parcel.to().0)) {
                    colleague.spare.push(parcel);
                }
            }
        }
        let colleague = self.all.get_mut(index)?;
        if colleague.filling.is_none() {
            colleague.filling = colleague.spare.pop();
        }
        if colleague.filling.is_none() && colleague.parcels < MOST_PARCELS {
            colleague.parcels += 1;
            colleague.filling = Some(Parcel::new(to, self.home.clone()));
        }
        colleague.filling.as_mut()
    }

    /// Delivers what was handed over, posts what waits and wakes whoever got something, once. Whether something still waits.
    pub(super) fn deliver(&mut self) -> bool {
        for colleague in &mut self.all {
            if let Some(parcel) = colleague.filling.take() {
                self.lost += colleague.send(Data::Parcel(parcel));
            }
            while let Some(control) = colleague.backlog.pop_front() {
                match colleague.address.control.try_send(control) {
                    Ok(()) => colleague.to_wake = true,
                    Err(TrySendError::Full(control)) => {
                        colleague.backlog.push_front(control);
                        break;
                    }
                    // It is shutting down, as everybody will be in a moment.
                    Err(TrySendError::Disconnected(_)) => {}
                }
            }
        }
        for colleague in &mut self.all {
            if std::mem::take(&mut colleague.to_wake) {
                colleague.address.wake();
            }
        }
        self.all.iter().any(|colleague| !colleague.backlog.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;

    /// A worker with one colleague, and the colleague's mailbox; and what both are woken by.
    fn pair() -> (Colleagues, Mailbox, [Poll; 2]) {
        let polls = [(); 2].map(|()| Poll::new().expect("a poll"));
        let [mine, theirs] = polls.each_ref().map(|poll| {
            let waker = Waker::new(poll.registry(), super::super::worker::WAKE);
            mailbox(waker.expect("a waker"))
        });
        (Colleagues::new(WorkerId(0), vec![mine.0, theirs.0]), theirs.1, polls)
    }

    fn path(port: u16) -> Path {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        (Protocol::Udp, address(port), address(8444))
    }

    fn parcels(mailbox: &Mailbox) -> Vec<Parcel> {
        let data = mailbox.data.try_iter();
        data.map(|data| match data {
            Data::Parcel(parcel) => parcel,
            other => panic!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn what_is_handed_over_arrives_whole_and_in_order() {
        let (mut colleagues, mailbox, _polls) = pair();
        let sent: Vec<_> = (0..6000_u16)
            .map(|n| (path(n), vec![n as u8; usize::from(n % 1500)]))
            .collect();
        for (path, contents) in &sent {
            colleagues.hand_over(WorkerId(1), *path, contents);
        }
        assert!(!colleagues.deliver());
        let parcels = parcels(&mailbox);
        let arrived: Vec<_> = parcels
            .iter()
            .flat_map(|parcel| parcel.datagrams().map(|(path, contents)| (path, contents.to_vec())))
            .collect();
        let lost = usize::try_from(colleagues.lost).expect("a few");
        assert_eq!((parcels.len(), lost), (MOST_PARCELS, sent.len() - arrived.len()));
        assert_eq!(arrived, sent[..arrived.len()]);
    }

    #[test]
    fn what_carries_them_is_used_again_and_nothing_is_allocated_for_it() {
        let (mut colleagues, mailbox, _polls) = pair();
        let mut places = Vec::new();
        for _ in 0..1000 {
            for n in 0..20 {
                colleagues.hand_over(WorkerId(1), path(n), &[7; 1200]);
            }
            colleagues.deliver();
            for parcel in parcels(&mailbox) {
                assert_eq!(parcel.len(), 20);
                places.push(parcel.datagrams().next().map(|(_, contents)| contents.as_ptr()));
                parcel.send_home();
            }
        }
        places.dedup();
        assert_eq!((places.len(), colleagues.lost), (1, 0));
    }

    #[test]
    fn a_colleague_that_does_not_read_loses_what_is_too_much_and_nobody_else_does() {
        let (mut colleagues, mailbox, _polls) = pair();
        for _ in 0..MOST_PARCELS + 3 {
            colleagues.hand_over(WorkerId(1), path(1), &[7; 100]);
            colleagues.deliver();
        }
        assert_eq!(colleagues.lost, 3);
        // Once it reads again, all is as before.
        parcels(&mailbox).into_iter().for_each(Parcel::send_home);
        colleagues.hand_over(WorkerId(1), path(1), &[7; 100]);
        colleagues.deliver();
        assert_eq!((parcels(&mailbox).len(), colleagues.lost), (1, 3));
    }

    #[test]
    fn nobody_has_no_mailbox() {
        let (mut colleagues, _mailbox, _polls) = pair();
        colleagues.hand_over(WorkerId(9), path(1), &[7; 100]);
        assert_eq!(colleagues.lost, 1);
    }
}
