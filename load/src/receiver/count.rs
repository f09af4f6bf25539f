//! What a receiver got of what the publisher sent, by the publisher's own numbers, of which only some are read.
//!
//! A packet's number and time are inside its encrypted payload ([`crate::probe`]); opening every packet would cost more than
//! all else that is done with it. Packets carry numbers without a gap, so that between two whose numbers were read, the
//! packets that came must be as many as the numbers went up by: what is less is missing, however the server renumbered the
//! others. That takes all of those between to carry a number, so whatever might not is opened: what is short, as parameter
//! sets are, what is padded, and what came late or again. What follows a gap is opened as well, so that loss is counted when
//! it is seen, and nothing is ever outstanding but what a server hid within the last [`SAMPLED`] packets. Where one packet
//! without a number is found in spite of that, or more came than were numbered, every packet is opened from then on.

use crate::{
    probe::Stamp,
    tally::{Numbers, Step, Tally},
};

use super::line::Place;

/// One packet of so many is opened, and its delay measured. A prime number, so that it is not always the same packet of a
/// picture.
pub(super) const SAMPLED: u32 = 17;

/// A sealed payload up to here, with its tag of 16 bytes at the most, may be parameter sets.
pub(super) const SHORT: usize = 96;

/// What is known of a packet's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    Sealed,
    Opened(Option<Stamp>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stream {
    /// No number was read yet: it is a stream of others, or one of ours that did not begin.
    #[default]
    Unknown,
    /// Long packets carry numbers.
    Numbered,
    /// Not all of them do.
    Mixed,
}

#[derive(Debug, Default)]
pub(super) struct Count {
    stream: Stream,
    numbers: Numbers,
    /// Packets that came in turn since the last number that was read.
    unread: u32,
    /// Packets were skipped since then.
    has_gap: bool,
    /// Packets until the next sample.
    until_sample: u32,
}

impl Count {
    /// Takes its first sample after `phase` packets, so that receivers do not all look at the same ones.
    pub(super) fn new(phase: u32) -> Self {
        Self {
            until_sample: phase % SAMPLED,
            ..Self::default()
        }
    }

    /// Whether the next packet has to be opened, even if it came in turn and is long.
    pub(super) fn wants(&self) -> bool {
        self.stream != Stream::Numbered || self.has_gap || self.until_sample == 0
    }

    /// Sequence numbers were skipped.
    pub(super) fn skipped(&mut self, skipped: u32, tally: &mut Tally) {
        tally.sequence_gaps += u64::from(skipped);
        self.has_gap |= skipped > 0;
    }

    /// A packet of media that is new came, at `arrived` in nanoseconds of UNIX time.
    pub(super) fn came(&mut self, place: Place, is_long: bool, payload: Payload, arrived: u64, tally: &mut Tally) {
        tally.packets += 1;
        let is_sample = self.until_sample == 0;
        self.until_sample = self.until_sample.checked_sub(1).unwrap_or(SAMPLED - 1);
        match payload {
            Payload::Sealed => self.unread += 1,
            Payload::Opened(None) => {
                tally.unstamped += 1;
                if is_long && self.stream == Stream::Numbered {
                    self.stream = Stream::Mixed;
                }
            }
            Payload::Opened(Some(stamp)) => {
                if self.stream == Stream::Unknown {
                    self.stream = Stream::Numbered;
                }
                match place {
                    Place::InTurn { .. } => {
                        if self.read(stamp.number, tally) {
                            self.has_gap = false;
                        } else {
                            self.stream = Stream::Mixed;
                        }
                    }
                    // Nothing with a number came behind the gap yet: by the publisher's numbers it is its turn.
                    Place::Late | Place::Known if self.has_gap => {
                        self.read(stamp.number, tally);
                    }
                    Place::Late | Place::Known => tally.late += 1,
                }
                if is_sample {
                    tally
                        .delay
                        .saturating_record(arrived.saturating_sub(stamp.sent_unix_ns));
                }
            }
        }
    }

    /// Goes on from a number. Whether it is the highest.
    fn read(&mut self, number: u32, tally: &mut Tally) -> bool {
        match self.numbers.arrived(number) {
            Step::Anew => {}
            Step::Ahead(skipped) => {
                tally.missing += u64::from(skipped.saturating_sub(self.unread));
                let surplus = self.unread.saturating_sub(skipped);
                if surplus > 0 {
                    // The server sent what it got late as if it were in turn, or something of its own.
                    tally.late += u64::from(surplus);
                    self.stream = Stream::Mixed;
                }
            }
            Step::Behind => {
                tally.late += 1;
                return false;
            }
        }
        self.unread = 0;
        true
    }

    /// Nothing is outstanding.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.unread == 0 && !self.has_gap
    }
}
