//! A thread and its peers.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io::IoSliceMut,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, SyncSender, TryRecvError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker};

use crate::{
    LoadError,
    outbox::Outbox,
    peer::{Peer, Scope},
    receiver::Scratch,
    tally::Tally,
};

/// Joins wait for their HTTP answer one by one, so that a few commands at most are under way.
const COMMANDS: usize = 64;
/// As many sockets as are ready at a time; more come with the next call.
const EVENTS: usize = 1024;
const WAKE: Token = Token(usize::MAX);
/// How long to sleep where nobody has a deadline.
const IDLE: Duration = Duration::from_millis(100);

/// What peers tell the run while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    connected: AtomicU32,
    failed: AtomicU32,
    keyframes_asked: AtomicU32,
    /// From the request to the first packet, for each receiver that got one. A lock, taken once in a receiver's life.
    joins: Mutex<Vec<Duration>>,
}

impl Flow {
    pub(crate) fn connected(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn keyframe_asked(&self) {
        self.keyframes_asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn keyframes_asked(&self) -> u32 {
        self.keyframes_asked.load(Ordering::Relaxed)
    }

    pub(crate) fn receiving(&self, after: Duration) {
        self.joins.lock().unwrap_or_else(PoisonError::into_inner).push(after);
    }

    pub(crate) fn connected_count(&self) -> u32 {
        self.connected.load(Ordering::Relaxed)
    }

    pub(crate) fn failed_count(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn joins(&self) -> Vec<Duration> {
        self.joins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

enum Command {
    Add(Box<Peer>),
    /// Forget what was counted so far.
    Reset,
    /// Answer with what was counted.
    Report(mpsc::Sender<Tally>),
}

/// A running worker. Dropping it closes its peers and ends the thread.
pub(crate) struct Worker {
    commands: Option<SyncSender<Command>>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(name: &str, flow: Arc<Flow>) -> Result<Self, LoadError> {
        let failed = |error: std::io::Error| LoadError::Worker(error.to_string());
        let poll = Poll::new().map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(failed)?);
        let (commands, queue) = mpsc::sync_channel(COMMANDS);
        let serve = move || Serving::new(poll, flow).run(&queue);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(serve)
            .map_err(failed)?;
        Ok(Self {
            commands: Some(commands),
            waker,
            thread: Some(thread),
        })
    }

    pub(crate) fn add(&self, peer: Peer) -> Result<(), LoadError> {
        self.tell(Command::Add(Box::new(peer)))
    }

    pub(crate) fn reset(&self) -> Result<(), LoadError> {
        self.tell(Command::Reset)
    }

    pub(crate) fn report(&self) -> Result<Tally, LoadError> {
        let (answer, tally) = mpsc::channel();
        self.tell(Command::Report(answer))?;
        tally.recv().map_err(|_| LoadError::Worker("ended early".into()))
    }

    fn tell(&self, command: Command) -> Result<(), LoadError> {
        let sent = self
            .commands
            .as_ref()
            .is_some_and(|commands| commands.send(command).is_ok());
        if !sent || self.waker.wake().is_err() {
            return Err(LoadError::Worker("ended early".into()));
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where a thread's datagrams are read to.
pub(crate) struct Buffers {
    memory: [Vec<u8>; Self::COUNT],
}

impl Buffers {
    /// Datagrams, or runs of them, that one system call reads.
    pub(crate) const COUNT: usize = 8;
    /// The longest run that receive offload makes.
    const SIZE: usize = 1 << 16;

    fn new() -> Self {
        Self {
            memory: std::array::from_fn(|_| vec![0; Self::SIZE]),
        }
    }

    pub(crate) fn slices(&mut self) -> [IoSliceMut<'_>; Self::COUNT] {
        self.memory.each_mut().map(|buffer| IoSliceMut::new(buffer))
    }

    pub(crate) fn filled(&self) -> impl Iterator<Item = &[u8]> {
        self.memory.iter().map(Vec::as_slice)
    }
}

/// The thread's own state.
struct Serving {
    poll: Poll,
    flow: Arc<Flow>,
    /// A peer's place is its token; one that ended leaves its place empty.
    peers: Vec<Option<Box<Peer>>>,
    /// Deadlines, of which some are outdated: a peer's own is what counts.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Peers that had more to read than their turn allowed.
    unread: VecDeque<usize>,
    buffers: Buffers,
    outbox: Outbox,
    scratch: Scratch,
    tally: Tally,
}

impl Serving {
    fn new(poll: Poll, flow: Arc<Flow>) -> Self {
        Self {
            poll,
            flow,
            peers: Vec::new(),
            timers: BinaryHeap::new(),
            unread: VecDeque::new(),
            buffers: Buffers::new(),
            outbox: Outbox::default(),
            scratch: Scratch::default(),
            tally: Tally::new(),
        }
    }

    fn run(mut self, queue: &Receiver<Command>) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match queue.try_recv() {
                Ok(command) => {
                    self.obey(command);
                    continue;
                }
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {}
            }
            if let Err(error) = self.poll.poll(&mut events, Some(self.wait()))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "poll");
                break;
            }
            for _ in 0..self.unread.len() {
                if let Some(index) = self.unread.pop_front() {
                    self.turn(index, true);
                }
            }
            for event in &events {
                if event.token() != WAKE {
                    self.turn(event.token().0, true);
                }
            }
            self.run_timers();
        }
        for index in 0..self.peers.len() {
            if let Some(mut peer) = self.peers[index].take() {
                // It is over either way.
                let _ = peer.close(&mut self.scope());
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(mut peer) => {
                let index = self.peers.len();
                let registered = self
                    .poll
                    .registry()
                    .register(&mut peer.socket, Token(index), Interest::READABLE);
                if let Err(error) = registered {
                    self.fail(&error);
                    return;
                }
                self.peers.push(Some(peer));
                self.turn(index, false);
            }
            Command::Reset => {
                self.tally = Tally::new();
                self.outbox.dropped = 0;
            }
            Command::Report(answer) => {
                self.tally.unsent = self.outbox.dropped;
                // The run that asked may have been interrupted.
                let _ = answer.send(std::mem::replace(&mut self.tally, Tally::new()));
            }
        }
    }

    fn wait(&self) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let next = self
            .timers
            .peek()
            .map(|Reverse((at, _))| at.saturating_duration_since(Instant::now()));
        next.unwrap_or(IDLE).min(IDLE)
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, index))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            // A peer has one entry that counts; others were overtaken by an earlier deadline.
            let Some(peer) = self.peers.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            if peer.scheduled.take_if(|scheduled| *scheduled == at).is_none() {
                continue;
            }
            if peer.deadline <= now {
                self.turn(index, false);
            } else {
                self.schedule(index);
            }
        }
    }

    /// Sees to it that the peer is woken at its deadline.
    fn schedule(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        if peer.scheduled.is_none_or(|scheduled| peer.deadline < scheduled) {
            peer.scheduled = Some(peer.deadline);
            self.timers.push(Reverse((peer.deadline, index)));
        }
    }

    /// Lets a peer read, or lets time pass for it.
    fn turn(&mut self, index: usize, readable: bool) {
        let Some(mut peer) = self.peers.get_mut(index).and_then(Option::take) else {
            return;
        };
        let mut scope = Scope {
            now: Instant::now(),
            tally: &mut self.tally,
            outbox: &mut self.outbox,
            scratch: &mut self.scratch,
            flow: &self.flow,
        };
        let outcome = if readable {
            peer.read(&mut self.buffers, &mut scope)
        } else {
            peer.tick(&mut scope).map(|()| false)
        };
        match outcome {
            Ok(more) if peer.is_alive() => {
                if more {
                    self.unread.push_back(index);
                }
                self.peers[index] = Some(peer);
                self.schedule(index);
            }
            Ok(_) => self.fail(&"the connection was closed or timed out"),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&self, reason: &dyn std::fmt::Display) {
        tracing::warn!(%reason, "peer failed");
        self.flow.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn scope(&mut self) -> Scope<'_> {
        Scope {
            now: Instant::now(),
            tally: &mut self.tally,
            outbox: &mut self.outbox,
            scratch: &mut self.scratch,
            flow: &self.flow,
        }
    }
}
