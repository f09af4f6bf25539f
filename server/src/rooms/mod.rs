//! What happens in a session, as a pure state machine: a command goes in with the time, effects come out.
//!
//! **Architecture invariant:** nothing here knows sockets, tasks, WebRTC or clocks. Whoever owns a [`Room`] turns
//! messages into [`Command`]s and [`Effect`]s into messages, and nothing else may change a room. Who may do what is in
//! one table, [`Right`](footlight_protocol::Right).

mod attendance;
mod chat;
mod command;
mod dispatch;
mod influence;
mod member;
mod memory;
mod moderation;
mod presence;
mod queries;
mod reactions;
mod refusal;
mod room;
mod stage;
mod talk;
mod welcome;

#[cfg(test)]
mod properties;

pub use command::{Command, Effect};
pub use influence::MOST_AT_ONCE;
pub use member::{Badge, Badges};
pub use refusal::{JoinRefusal, PublishRefusal};
pub use room::{Now, Publication, Room, RoomSettings};
