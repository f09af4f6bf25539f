//! What a connection needs whichever way its media flows: sockets, candidates, codecs.

pub(crate) mod candidates;
pub(crate) mod codecs;
pub(crate) mod moved;
pub(crate) mod runtime;
