//! What happens in a session, as a pure state machine: a command goes in with the time, effects come out.
//!
//! **Architecture invariant:** nothing here knows sockets, tasks, WebRTC or clocks. Whoever owns a [`Room`] turns
//! messages into [`Command`]s and [`Effect`]s into messages, and nothing else may change a room.

mod presence;
mod room;

#[cfg(test)]
mod properties;

pub use room::{Command, Effect, Now, Publication, PublishRefusal, Room, RoomSettings};
