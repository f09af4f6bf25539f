//! What workers say to each other: plain values, carried by whoever owns the threads.

use std::time::Instant;

use crate::layers::{LayerMask, LayerSet};
use crate::limit::Room;
use crate::track::{TrackInfo, TrackPacket};
use crate::{PeerId, SessionId, Source, TrackId, UserId, WorkerId};

/// From one worker to another.
#[derive(Debug, Clone)]
pub enum RelayMessage {
    /// Carries no state: may be dropped where there is no room, as a network would.
    Packet {
        /// The track that it belongs to.
        track: TrackId,
        /// Shared payload, so that crossing costs no copy.
        packet: TrackPacket,
    },
    /// Must arrive, and in order.
    Control(Control),
}

/// Changes of what is published and watched.
#[derive(Debug, Clone)]
pub enum Control {
    /// Somebody is about to publish. Until [`Control::PublisherLeft`] the slots that show one of its sources are kept for
    /// it.
    PublisherJoined(Publisher),
    /// This publisher has other sources than before.
    PublisherChanged(Publisher),
    /// This publisher's media can flow: older publish peers of the same user are replaced.
    PublisherConnected(Publisher),
    /// The publish peer is gone.
    PublisherLeft(Publisher),
    /// A track is there, or has changed its format or numbering.
    TrackOpened(TrackInfo),
    /// A track is gone.
    TrackClosed(TrackId),
    /// The layers of a track have changed, or what they take.
    Layers(TrackId, LayerSet),
    /// The sender's viewers take these layers of the track, and no others.
    Subscribe(TrackId, WorkerId, LayerMask),
    /// What the sender's viewers have room for, of a track that it takes.
    Room(TrackId, WorkerId, Room),
    /// The publisher of a track was told to send less than so many bits per second, which it took before; 0: not any more.
    Wanted(TrackId, u64),
    /// A viewer at the sender needs a keyframe of a layer.
    KeyframeRequest(TrackId, u8),
    /// Somebody began to speak, or stopped.
    Speech(SessionId, UserId, bool),
}

/// A publish peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    pub(crate) peer: PeerId,
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    /// What it offers to send.
    pub(crate) sources: Vec<Source>,
    /// The newer one replaces the older.
    pub(crate) joined_at: Instant,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// Every worker but the sender.
    Others,
    /// One worker.
    Worker(WorkerId),
}
