//! Sound: from packets of each slot to one signal.

pub(crate) mod far_end;
pub(crate) mod jitter;
pub(crate) mod mixer;
pub(crate) mod reference;
pub(crate) mod room;
pub(crate) mod stream;
pub(crate) mod stretch;
