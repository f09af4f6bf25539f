//! Capture, encode and publish: everything between a camera or microphone and the network.
//!
//! [`Pipeline`](pipeline::Pipeline) owns the devices, the codecs and their threads. It turns a [`PipelineConfig`](pipeline::PipelineConfig)
//! into two bounded streams of encoded media, H.264 access units and Opus packets, stamped on one [`MediaClock`](clock::MediaClock).
//!
//! **What it is not.** No windows, no HTML, no knowledge of rooms or of who watches.
//!
//! **Invariant to keep.** Nothing downstream may slow capture down: between a source and its encoder stands a single slot in which the
//! latest frame wins, and behind the encoder a bounded queue. While that is full, frames are dropped before they are encoded, so that no
//! reference is ever missing and no keyframe is needed. A slow machine or network shows fewer frames, never older ones.

pub mod audio;
pub mod clock;
pub mod devices;
pub mod pipeline;
pub mod publish;
pub mod record;
pub mod source;
pub mod studio;
pub mod subscribe;
mod transport;
pub mod units;
pub mod video;

/// Which servers' certificates are believed.
pub use footlight_trust as trust;
