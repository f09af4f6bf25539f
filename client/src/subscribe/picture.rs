//! Pictures: from packets of each slot to frames, each slot on a thread of its own.

pub(crate) mod av1;
mod encoded_frame;
pub(crate) mod frames;
pub(crate) mod h264;
pub(crate) mod show;
pub(crate) mod timing;
pub(crate) mod vp8;
pub(crate) mod vp9;
