//! A frame of a codec that is not decoded here, put together from RTP payloads.

use crate::units::Resolution;

/// Why payloads are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DepacketizeError {
    /// Shorter than its descriptor says.
    #[error("a packet ends too early")]
    Truncated,
    /// It begins in the middle.
    #[error("the frame's first packet is not its beginning")]
    Beginning,
    /// It ends in the middle.
    #[error("the frame's last packet is not its end")]
    End,
    /// A keyframe without its header.
    #[error("a keyframe's header makes no sense")]
    Header,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct EncodedFrame {
    pub(crate) data: Vec<u8>,
    /// The size that a keyframe tells; it can be decoded without any picture before it.
    pub(crate) keyframe: Option<Resolution>,
}
