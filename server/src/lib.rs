//! The Footlight server: everything that touches the world. Pages and signaling over HTTP, WHIP, WHEP and WebSocket; the
//! media sockets and their worker threads; sessions; configuration; figures.
//!
//! ```text
//! http ──┬─ pages, api, tokens, health   config ── data_dir ── token, tls, auth
//!        ├─ whip ────┐
//!        └─ socket ──┴─▶ sessions ──▶ rooms      what happens in a session, pure
//!                           └───────▶ media      sockets and workers around footlight-sfu
//!                             turn ────┘         the relay for who reaches the port of the pages alone
//! ```
//!
//! What it is not: it decides nothing about forwarding (that is `footlight-sfu`), and shapes no message (that is
//! `footlight-protocol`).
//!
//! **The invariants to keep:**
//! - A room changes by a command to [`rooms::Room`] alone, under its session's lock, and nobody waits under that lock.
//! - Everything that strangers can make grow has a limit: bodies, frames, heads, queues, sessions, participants, connections,
//!   and the time for each of them.
//! - Tokens and query strings are never logged.

pub mod announce;
pub mod auth;
pub mod config;
pub mod data_dir;
mod discovery;
pub mod http;
pub mod ice_servers;
pub mod media;
pub mod metrics;
mod public_address;
pub mod rooms;
pub mod self_test;
mod server;
pub mod sessions;
mod socket;
pub mod stun_discovery;
mod text;
pub mod tls;
pub mod token;
pub mod turn;

pub use server::{Server, StartError};
