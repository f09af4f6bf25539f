//! Figures of the workers, written by them and read by anybody, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the media engine has and has done since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaSnapshot {
    /// Peers now.
    pub peers: u64,
    /// Published tracks now.
    pub tracks: u64,
    /// Slots that show a track now.
    pub slots: u64,
    /// Datagrams taken in for a peer.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Datagrams sent.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Track packets sent to a slot.
    pub forwarded: u64,
    /// Track packets that a slot did not take, and datagrams for which a queue or socket had no room.
    pub dropped: u64,
    /// Track packets that came in while their publisher was muted.
    pub muted: u64,
    /// Requests for keyframes.
    pub keyframe_requests: KeyframeFigures,
    /// ICE-TCP connections now, half-open ones included.
    pub tcp_connections: u64,
    /// Datagrams that belonged to nobody.
    pub unknown_datagrams: u64,
    /// One per worker.
    pub workers: Vec<WorkerSnapshot>,
}

/// What became of keyframe requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyframeFigures {
    /// From viewers, and from slots that were assigned.
    pub received: u64,
    /// Answered by an earlier one that waited.
    pub merged: u64,
    /// Sent to publishers.
    pub sent: u64,
}

/// One worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Its peers now.
    pub peers: u64,
    /// Share of the last second that it was busy, in thousandths.
    pub load_permille: u64,
}

macro_rules! atomics {
    ($($field:ident),* $(,)?) => {
        /// One worker's figures. Only that worker writes them.
        #[derive(Debug, Default)]
        pub(super) struct WorkerCounters {
            $(pub(super) $field: AtomicU64,)*
        }
    };
}

atomics!(
    peers,
    tracks,
    slots,
    packets_in,
    bytes_in,
    packets_out,
    bytes_out,
    forwarded,
    dropped,
    muted,
    keyframes_received,
    keyframes_merged,
    keyframes_sent,
    tcp_connections,
    unknown_datagrams,
    load_permille,
    peers_measured,
);

impl WorkerCounters {
    /// Publishes the core's figures, and `lost` datagrams for which a queue or socket had no room.
    pub(super) fn publish(&self, core: &footlight_sfu::Counters, lost: u64) {
        self.peers.store(core.peers, Relaxed);
        self.tracks.store(core.tracks, Relaxed);
        self.slots.store(core.slots, Relaxed);
        self.packets_in.store(core.packets_in, Relaxed);
        self.bytes_in.store(core.bytes_in, Relaxed);
        self.packets_out.store(core.packets_out, Relaxed);
        self.bytes_out.store(core.bytes_out, Relaxed);
        self.forwarded.store(core.forwarded, Relaxed);
        self.dropped.store(core.dropped + lost, Relaxed);
        self.muted.store(core.muted, Relaxed);
        self.keyframes_received.store(core.keyframes_received, Relaxed);
        self.keyframes_merged.store(core.keyframes_merged, Relaxed);
        self.keyframes_sent.store(core.keyframes_sent, Relaxed);
        self.unknown_datagrams.store(core.unknown_datagrams, Relaxed);
    }
}

impl MediaSnapshot {
    pub(super) fn of<'a>(workers: impl Iterator<Item = &'a WorkerCounters>) -> Self {
        let mut sum = Self::default();
        for worker in workers {
            let peers = worker.peers.load(Relaxed);
            sum.peers += peers;
            sum.tracks += worker.tracks.load(Relaxed);
            sum.slots += worker.slots.load(Relaxed);
            sum.packets_in += worker.packets_in.load(Relaxed);
            sum.bytes_in += worker.bytes_in.load(Relaxed);
            sum.packets_out += worker.packets_out.load(Relaxed);
            sum.bytes_out += worker.bytes_out.load(Relaxed);
            sum.forwarded += worker.forwarded.load(Relaxed);
            sum.dropped += worker.dropped.load(Relaxed);
            sum.muted += worker.muted.load(Relaxed);
            sum.keyframe_requests.received += worker.keyframes_received.load(Relaxed);
            sum.keyframe_requests.merged += worker.keyframes_merged.load(Relaxed);
            sum.keyframe_requests.sent += worker.keyframes_sent.load(Relaxed);
            sum.tcp_connections += worker.tcp_connections.load(Relaxed);
            sum.unknown_datagrams += worker.unknown_datagrams.load(Relaxed);
            sum.workers.push(WorkerSnapshot {
                peers,
                load_permille: worker.load_permille.load(Relaxed),
            });
        }
        sum
    }
}
