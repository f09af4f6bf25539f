//! Receiving: the pictures and the sound of everybody on a session's stage.
//!
//! ```text
//! server ─▶ connection (webrtc-rs) ─▶ intake ─┬▶ picture: frames ─▶ openh264 ─▶ when due ─▶ mailbox of each slot
//!              ▲                        │      │                  └▶ others ▶ when due ─▶ line of each slot
//!              ▲                        │      └▶ sound:   jitter buffer ─▶ Opus ─▶ mix ─▶ loudspeaker, reference
//!              └── NACK, PLI, TWCC ◀────┘                        └── lip sync ──┘
//! ```
//!
//! A [`Subscription`] is one connection. It offers a number of slots, the server answers and says through the room who is in
//! which; a slot keeps its numbering for life, whoever is shown in it. What this module knows of people is nothing: the n-th
//! sound slot and the n-th picture slot are kept in time with each other, unless [`Subscription::pair`] says otherwise.
//!
//! It offers H.264 and Opus, since that is what is decoded here; and VP8, VP9 and AV1 for a caller that decodes them by
//! itself and takes [`EncodedPictures`]. Of somebody who publishes another video codec the server sends no picture, and their sound all the same.
//!
//! **The invariant to keep:** delay never builds up. Every queue is bounded; whoever is too slow loses pictures up to the next
//! keyframe, or sound, and is back in time afterwards. The packet path does not wait for a decoder.

mod connection;
mod delay;
mod encoded;
mod error;
mod intake;
mod micros;
mod nack;
mod picture;
mod reception;
mod sample;
mod sdp;
mod sequence;
mod slots;
pub(crate) mod sound;
mod subscription;
mod sync;

pub use connection::TransportState;
pub use encoded::{EncodedCodec, EncodedPicture, EncodedPictures};
pub use error::SubscribeError;
pub use sample::MediaSample;
pub use slots::Wanted;
pub use sound::far_end::{FarEnd, FarEndBlock};
pub use sound::reference::{Reference, ReferenceBlock};
pub use subscription::{SubscribeSetup, Subscription};
