//! Names of workers, peers, tracks, sessions and users inside the media core.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// One worker thread and its [`Sfu`](crate::Sfu). At most 256 of them, so that the number fits two hexadecimal digits
/// of an ICE username fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u8);

/// Bits left for the counter below the worker's number: 2^56 peers or tracks outlive any process.
const COUNTER_BITS: u32 = 56;

fn compose(worker: WorkerId, counter: u64) -> u64 {
    (u64::from(worker.0) << COUNTER_BITS) | counter
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            pub(crate) fn new(worker: WorkerId, counter: u64) -> Self {
                Self(compose(worker, counter))
            }

            /// The worker that made it and that it lives on.
            pub fn worker(self) -> WorkerId {
                WorkerId((self.0 >> COUNTER_BITS) as u8)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}.{}", self.worker().0, self.0 & ((1 << COUNTER_BITS) - 1))
            }
        }
    };
}

numbered! {
    /// One WebRTC connection.
    PeerId
}
numbered! {
    /// One published audio or video track.
    TrackId
}

/// A map by peer or track, looked into for every packet and viewer.
pub(crate) type IdMap<Id, Value> = HashMap<Id, Value, BuildHasherDefault<IdHasher>>;

/// Spreads ids that nobody outside chooses: we count them up ourselves, so that they need no hash that withstands an
/// attack (`SipHash` costs five times as much).
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

/// 2^64 divided by the golden ratio: consecutive numbers fall far apart (Knuth, TAOCP volume 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, id: u64) {
        // The upper half, which depends on all bits below it, goes to both ends: the map takes some of each.
        let spread = (self.0 ^ id).wrapping_mul(SPREAD);
        self.0 = spread ^ (spread >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as the application gave it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

named! {
    /// A room whose subscribers receive what its publishers send. Opaque here: the application names it.
    SessionId
}
named! {
    /// Somebody within a session. A second publish peer of the same user replaces the first.
    UserId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_worker() {
        let id = PeerId::new(WorkerId(255), 7);
        assert_eq!(id.worker(), WorkerId(255));
        assert_eq!(id.to_string(), "255.7");
    }

    #[test]
    fn ids_that_follow_each_other_fall_apart() {
        let hash = |counter| {
            let mut hasher = IdHasher::default();
            hasher.write_u64(compose(WorkerId(3), counter));
            hasher.finish()
        };
        // A map takes its bucket from the lowest bits and its tag from the seven highest.
        let buckets: std::collections::HashSet<_> = (0..1024).map(|counter| hash(counter) & 1023).collect();
        let tags: std::collections::HashSet<_> = (0..1024).map(|counter| hash(counter) >> 57).collect();
        assert!(buckets.len() > 550, "{}", buckets.len());
        assert_eq!(tags.len(), 128);
    }
}
