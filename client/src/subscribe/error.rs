//! Why receiving failed.

/// Why a subscription could not be set up or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The WebRTC engine, or a description that it does not understand.
    #[error("WebRTC: {0}")]
    WebRtc(#[from] webrtc::error::Error),
    /// A second offer before the first one's answer, which nobody could tell apart (RFC 8829 §5.5).
    #[error("an offer is out that has not been answered yet")]
    OfferPending,
    /// An answer to nothing.
    #[error("there is no offer that this could be the answer to")]
    NoOffer,
    /// More than anybody needs.
    #[error("{wanted} slots of one kind were asked for, and there can be {most}")]
    TooManySlots {
        /// As it was asked for.
        wanted: usize,
        /// What is possible.
        most: usize,
    },
    /// No slot has that name, or it is of the other kind.
    #[error("there is no {kind} slot {mid:?}")]
    NoSlot {
        /// As it was asked for.
        mid: String,
        /// `audio` or `video`.
        kind: &'static str,
    },
    /// The system has no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}
