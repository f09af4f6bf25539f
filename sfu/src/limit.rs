//! What a publisher is told to send at the most, where none of its viewers' lines carries more.
//!
//! Only pictures of one layer are limited: of several, each viewer gets the one that suits it. And only while all who
//! watch are slow, so that nobody sees less than his line carries for the sake of others.

use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;

use crate::bandwidth::{FAR_BELOW, SOUND_OVERHEAD, with_overhead};
use crate::peer::Role;
use crate::relay::{Control, Recipient, RelayMessage};
use crate::sfu::Sfu;
use crate::{PeerId, TrackId, WorkerId};

/// How long there must be too little room before it is said: shorter than a picture is sent in vain before it is left out. Far
/// too little, it need not.
const LOW_FOR: Duration = Duration::from_secs(1);

/// Below this a picture is not worth having, in bits per second.
pub(crate) const LEAST: u64 = 100_000;

/// What of the room is filled: a line that is full to the brim shows nothing of what more it could carry.
const FILLED: (u64, u64) = (9, 10);

/// The limit is lifted where there is more room than the picture took before, as a ratio: an estimate wavers.
const HEADROOM: (u64, u64) = (5, 4);

/// How often a limit is said again, for what says it may be lost; and how often it is said that there is none any more.
const REPEAT: Duration = Duration::from_secs(1);
const LIFTED: u8 = 3;

/// No limit, as it is said: no line of today carries it.
const UNLIMITED: u64 = 10_000_000_000;

/// A change of one part in so many is said at once.
const NEWS: u64 = 16;

/// What viewers have room for, of one picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Nobody looks at it.
    #[default]
    NotNeeded,
    /// Their lines are not measured yet.
    Unknown,
    /// So many bits per second, headers included, has the one with the most.
    Measured(u64),
}

impl Room {
    /// Of a line that nobody measures.
    pub(crate) const ENDLESS: Self = Self::Measured(u64::MAX);

    /// Whether it differs from `told` in more than the whims of an estimate.
    pub(crate) fn is_news_after(self, told: Self) -> bool {
        match (self, told) {
            (Self::Measured(now), Self::Measured(told)) => now.abs_diff(told) > told / NEWS,
            _ => self != told,
        }
    }
}

/// The limit of one picture.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    low_since: Option<Instant>,
    /// In bits per second, headers included.
    pub(crate) at_most: Option<u64>,
    /// What the picture took when it was not limited.
    pub(crate) wanted: u64,
}

impl Limit {
    /// The picture takes `rate` bits per second now, and of its viewers, the one that has most has `room`.
    fn observe(&mut self, rate: u64, room: Room, now: Instant) {
        let room = match room {
            Room::Measured(room) => room,
            // As it was, until something is known.
            Room::Unknown => return,
            Room::NotNeeded => u64::MAX,
        };
        if self.at_most.is_some() {
            let (times, of) = HEADROOM;
            let is_over = room / times * of >= self.wanted;
            self.at_most = (!is_over).then_some(filled(room));
        } else if room < rate && rate > LEAST {
            let since = *self.low_since.get_or_insert(now);
            let (part, of) = FAR_BELOW;
            let is_far_below = room * of < rate * part;
            if is_far_below || now.saturating_duration_since(since) >= LOW_FOR {
                self.wanted = rate;
                self.at_most = Some(filled(room));
            }
        } else {
            self.low_since = None;
        }
        if self.at_most.is_some() {
            self.low_since = None;
        } else if self.low_since.is_none() {
            self.wanted = 0;
        }
    }
}

/// What a picture may take where there is `room`.
fn filled(room: u64) -> u64 {
    let (part, of) = FILLED;
    (room / of * part).max(LEAST)
}

/// What a publisher was last told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    limit: Option<(u64, Instant)>,
    /// How often it is still to be said that there is no limit.
    lifting: u8,
}

impl Told {
    /// What is to be said now, in bits per second, where the limit is `limit`.
    fn say(&mut self, limit: Option<u64>, now: Instant) -> Option<u64> {
        match (limit, self.limit) {
            (Some(limit), Some((told, at)))
                if limit.abs_diff(told) <= told / NEWS && now.saturating_duration_since(at) < REPEAT =>
            {
                None
            }
            (Some(limit), _) => {
                self.limit = Some((limit, now));
                self.lifting = LIFTED;
                Some(limit)
            }
            (None, _) => {
                self.limit = None;
                self.lifting = self.lifting.checked_sub(1)?;
                Some(UNLIMITED)
            }
        }
    }
}

impl Sfu {
    /// Of a track that is watched here, tells the worker that it is published to what there is room for, if that has
    /// changed.
    pub(crate) fn renew_room(&mut self, id: TrackId) {
        let Some(home) = self.home_of(id) else { return };
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let room = track.room();
        if room.is_news_after(track.told_room) {
            track.told_room = room;
            let message = RelayMessage::Control(Control::Room(id, self.worker, room));
            self.relays.push_back((Recipient::Worker(home), message));
        }
    }

    /// What another worker's viewers have room for.
    pub(crate) fn on_room(&mut self, id: TrackId, worker: WorkerId, room: Room) {
        let ingest = self.tracks.get_mut(&id).and_then(|track| track.ingest.as_mut());
        if let Some(ingest) = ingest {
            ingest.rooms.retain(|(known, _)| *known != worker);
            if room != Room::NotNeeded {
                ingest.rooms.push((worker, room));
            }
        }
    }

    /// Looks at what the viewers of a track have room for, and tells its publisher. Twice a second.
    pub(crate) fn limit(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id).filter(|track| track.info.kind.is_video()) else {
            return;
        };
        let (mut room, publisher) = (track.room(), track.info.peer);
        let Some(ingest) = &mut track.ingest else { return };
        room = ingest.rooms.iter().fold(room, |most, (_, room)| most.max(*room));
        let rate = ingest
            .told
            .single()
            .map_or(0, |layer| with_overhead(layer.bits_per_second));
        if rate == 0 {
            room = Room::NotNeeded;
        }
        ingest.limit.observe(rate, room, now);
        let (known, limit) = (track.wanted, ingest.limit.wanted);
        let wanted = if self.tell_limit(publisher, now) { limit } else { 0 };
        if wanted != known {
            self.announce(Control::Wanted(id, wanted), now);
        }
    }

    /// Tells a publisher what all that it sends is to take at the most. Whether that is limited, which takes that each of its
    /// pictures is.
    fn tell_limit(&mut self, id: PeerId, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else {
            return false;
        };
        let Role::Publish(publishing) = &mut peer.role else {
            return false;
        };
        let mut stream = None;
        let mut total = Some(0);
        for track in publishing.tracks().filter_map(|track| self.tracks.get(&track)) {
            let Some(ingest) = &track.ingest else { continue };
            let rate: u64 = ingest.told.0.iter().map(|layer| layer.bits_per_second).sum();
            let takes = if track.info.kind.is_audio() {
                Some(rate + SOUND_OVERHEAD)
            } else if rate == 0 {
                Some(0)
            } else {
                stream = ingest.told.0.first().map(|layer| (ingest.mid, layer.rid));
                ingest.limit.at_most
            };
            total = total.zip(takes).map(|(total, takes)| total + takes);
        }
        let Some(stream) = stream else { return false };
        if let Some(limit) = publishing.told.say(total, now) {
            tracing::debug!(peer = %id, limit, "limit");
            peer.limit(stream, Bitrate::from(limit), now, &mut self.out);
            self.touch(id, now);
        }
        total.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a picture of `rate` is limited to, second by second, with viewers that have `rooms`.
    fn run(rate: u64, rooms: &[Room]) -> Vec<Option<u64>> {
        let (start, mut limit) = (Instant::now(), Limit::default());
        let mut seen = Vec::new();
        for (second, room) in rooms.iter().enumerate() {
            let takes = limit.at_most.map_or(rate, |most| most.min(rate));
            limit.observe(takes, *room, start + Duration::from_secs(second as u64));
            seen.push(limit.at_most);
        }
        seen
    }

    #[test]
    fn a_limit_follows_the_best_line_and_ends_where_there_is_room_for_all() {
        let rooms = [1_200, 500, 700, 1_400, 1_900].map(|kbps| Room::Measured(kbps * 1_000));
        let expected = [None, Some(450_000), Some(630_000), Some(1_260_000), None];
        assert_eq!(run(1_500_000, &rooms), expected);
    }

    #[test]
    fn a_short_dip_is_none_of_the_publishers_business() {
        let rooms = [1_200, 2_000, 1_200, 2_000].map(|kbps| Room::Measured(kbps * 1_000));
        assert_eq!(run(1_500_000, &rooms), [None; 4]);
    }

    #[test]
    fn a_deep_one_is_said_at_once() {
        let rooms = [1_600, 600, 2_000].map(|kbps| Room::Measured(kbps * 1_000));
        assert_eq!(run(1_500_000, &rooms), [None, Some(540_000), None]);
    }

    #[test]
    fn what_is_not_known_changes_nothing_and_nobody_needs_no_limit() {
        let low = Room::Measured(300_000);
        let rooms = [low, low, Room::Unknown, Room::NotNeeded];
        let limits = [Some(270_000), Some(270_000), Some(270_000), None];
        assert_eq!(run(1_500_000, &rooms), limits);
        assert_eq!(
            run(1_500_000, &[Room::Measured(10), Room::Measured(10)]),
            [Some(LEAST), Some(LEAST)]
        );
        assert_eq!(run(1_500_000, &[Room::ENDLESS, Room::ENDLESS]), [None, None]);
        assert!(Room::ENDLESS > low && low > Room::Unknown && Room::Unknown > Room::NotNeeded);
    }

    #[test]
    fn a_limit_is_said_again_and_so_is_its_end() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut told = Told::default();
        assert_eq!(told.say(None, start), None);
        assert_eq!(told.say(Some(500_000), at(0)), Some(500_000));
        assert_eq!(told.say(Some(510_000), at(500)), None);
        assert_eq!(told.say(Some(400_000), at(600)), Some(400_000));
        assert_eq!(told.say(Some(400_000), at(1_600)), Some(400_000));
        let ends: Vec<_> = (0..5).map(|step| told.say(None, at(2_000 + 500 * step))).collect();
        assert_eq!(ends, [Some(UNLIMITED), Some(UNLIMITED), Some(UNLIMITED), None, None]);
    }
}
