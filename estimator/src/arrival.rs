//! Inter-arrival filter: packets to groups, groups to differences (draft-ietf-rmcat-gcc-02, section 5.2 and 5.3).

/// Packets sent within so long of a group's first belong to it, in microseconds (gcc-02, section 5.2: burst time 5 ms).
const BURST_US: i64 = 5_000;
/// A group made of packets that arrived bunched is no longer than this, in microseconds (libwebrtc's practice).
const MAX_BURST_US: i64 = 100_000;
/// So many groups in a row that end before their predecessor mean a changed clock, not reordering.
const MAX_REORDERED: u8 = 3;

/// The times of a group of packets, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
}

/// What two groups in sequence differ by, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delta {
    /// Between the sending of the last packets.
    pub(crate) sent: i64,
    /// Between the arrival of the last packets.
    pub(crate) arrived: i64,
    /// When the later group was complete, on the receiver's clock.
    pub(crate) at: i64,
}

/// Makes groups of packets and gives the differences between them.
#[derive(Debug, Default)]
pub(super) struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u8,
}

impl Group {
    /// A group of one packet.
    fn new(sent: i64, arrived: i64) -> Self {
        Self {
            first_sent: sent,
            last_sent: sent,
            first_arrived: arrived,
            last_arrived: arrived,
        }
    }

    /// Whether a packet belongs here: sent in the same burst, or arrived bunched with it after a hold-up on the path.
    fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent - self.first_sent <= BURST_US {
            return true;
        }
        let arrival_delta = arrived - self.last_arrived;
        let catching_up = arrival_delta < sent - self.last_sent;
        catching_up && arrival_delta <= BURST_US && arrived - self.first_arrived < MAX_BURST_US
    }
}

impl InterArrival {
    /// Forgets all groups.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes a packet that arrived; gives a difference when it begins a new group and two are complete.
    pub(crate) fn on_packet(&mut self, sent: i64, arrived: i64) -> Option<Delta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::new(sent, arrived));
            return None;
        };
        if sent < current.first_sent {
            return None;
        }
        if current.takes(sent, arrived) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrived = current.last_arrived.max(arrived);
            return None;
        }
        let complete = *current;
        let delta = self.previous.map(|previous| Delta {
            sent: complete.last_sent - previous.last_sent,
            arrived: complete.last_arrived - previous.last_arrived,
            at: complete.last_arrived,
        });
        self.previous = Some(complete);
        self.current = Some(Group::new(sent, arrived));
        self.in_order(delta?)
    }

    /// Drops the difference of reordered groups; too many in a row start afresh.
    fn in_order(&mut self, delta: Delta) -> Option<Delta> {
        if delta.arrived >= 0 {
            self.reordered = 0;
            return Some(delta);
        }
        self.reordered += 1;
        if self.reordered >= MAX_REORDERED {
            self.reset();
        }
        None
    }
}
