//! A load generator for WebRTC servers: publishers by WHIP (RFC 9725), receivers by WHEP
//! (draft-ietf-wish-whep), each a full ICE agent with DTLS and SRTP of its own.
//!
//! It is not a player: nothing is decoded, and the H.264 it sends is well formed but shows nothing. It knows no server
//! but by URL, so that any of them can be measured in the same way. [`rooms`] alone is for Footlight's own server: what
//! its rooms speak is no standard.
//!
//! A receiver must cost less than the server spends on it, or else the load generator is what is measured. So the WebRTC
//! engine connects it, and its media goes a short way of our own (`receiver/`): of most packets the header alone is read.
//! The server is told what a browser would tell it: receiver reports, what is missing, and when packets arrived.
//!
//! *Invariant:* what is reported is what arrived. A packet carries the publisher's own count and send time
//! ([`probe`]), so that a packet which a server dropped and then hid by renumbering is still counted as lost, though
//! only one number of 17 is read: between two of them, the packets that came must be as many as the count went up by.

pub mod options;
pub mod probe;
pub mod process;
pub mod report;
pub mod rooms;
pub mod run;

mod h264;
mod outbox;
mod peer;
mod receiver;
mod signaling;
mod tally;
mod worker;

use std::net::SocketAddr;

/// Why a run could not be made at all. A peer that fails on its own is counted in the report instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A URL that cannot be asked: not HTTP, or without a host.
    #[error("{url}: not an HTTP address")]
    Address {
        /// As it was given.
        url: String,
    },
    /// The host's name has no address.
    #[error("{host}: cannot be resolved: {source}")]
    Resolve {
        /// Host and port.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// A socket could not be made.
    #[error("socket towards {towards}: {source}")]
    Socket {
        /// The server's address.
        towards: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP exchange failed before there was an answer.
    #[error("{url}: {source}")]
    Http {
        /// What was asked.
        url: String,
        /// What went wrong, with its causes.
        source: reqwest::Error,
    },
    /// The server answered, with something other than 201 Created.
    #[error("{url}: HTTP {status}: {body}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status code.
        status: u16,
        /// The first characters of the body.
        body: String,
    },
    /// The server's SDP answer cannot be used.
    #[error("SDP answer: {0}")]
    Answer(String),
    /// The WebRTC engine refused.
    #[error("peer: {0}")]
    Peer(#[from] str0m::RtcError),
    /// A room's WebSocket was refused, or ended.
    #[error("room: {0}")]
    Room(String),
    /// A worker thread could not start, or ended before its time.
    #[error("worker thread: {0}")]
    Worker(String),
}
