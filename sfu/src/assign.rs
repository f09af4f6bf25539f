//! Who is shown in which slot: a pure decision over what a subscriber has and what its session offers.

use str0m::media::MediaKind;

use crate::track::TrackInfo;
use crate::{Source, TrackId, UserId};

/// Whom and what a slot shows, or is kept for while that user's publisher reconnects.
pub(crate) type Holder = (UserId, Source);

/// A slot as the decision sees it.
#[derive(Debug, Clone)]
pub(crate) struct SlotState {
    pub(crate) kind: MediaKind,
    pub(crate) track: Option<TrackId>,
    pub(crate) holder: Option<Holder>,
}

/// What changes at a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It shows this track from now on.
    Show(TrackId),
    /// Its track is gone and its user expected back.
    Hold,
    /// It shows nobody.
    Release,
}

/// The tracks of a session that a subscriber is to be shown, in the order of publishing: those of others, and of two
/// connections of one user the newer one's.
pub(crate) fn visible<'a>(tracks: &[&'a TrackInfo], subscriber: &UserId) -> Vec<&'a TrackInfo> {
    let is_superseded = |track: &TrackInfo| {
        tracks
            .iter()
            .any(|other| is_same_place(other, track) && is_newer_connection(other, track))
    };
    let of_others = tracks.iter().filter(|track| track.user != *subscriber);
    of_others.filter(|track| !is_superseded(track)).copied().collect()
}

/// Decides for one subscriber. `tracks` are the [`visible`] ones. A slot stays with its user and source as long as that
/// track is on air or `is_awaited`; tracks that nobody shows take the free slots in order, beside the other half of
/// their picture and sound where they can. Where there are too few, a screen comes before cameras: it takes the slot of
/// the camera that came last.
pub(crate) fn assign(
    slots: &[SlotState],
    tracks: &[&TrackInfo],
    is_awaited: impl Fn(&UserId, Source) -> bool,
) -> Vec<(usize, Change)> {
    let mut plan: Vec<Planned<'_>> = slots.iter().map(Planned::of).collect();
    for planned in &mut plan {
        let Some((user, source)) = &planned.holder else {
            continue;
        };
        let successor = tracks
            .iter()
            .find(|track| track.kind == planned.slot.kind && track.user == *user && track.source == *source);
        match successor {
            Some(track) => planned.track = Some(track),
            None if !is_awaited(user, *source) => planned.holder = None,
            None => {}
        }
    }
    let mut waiting: Vec<&TrackInfo> = tracks
        .iter()
        .filter(|track| {
            plan.iter()
                .all(|planned| planned.track.is_none_or(|shown| shown.id != track.id))
        })
        .copied()
        .collect();
    waiting.sort_by_key(|track| track.source != Source::Screen);
    for track in waiting {
        let place = free_slot(&plan, track).or_else(|| least_camera(&plan, track));
        if let Some(index) = place {
            plan[index].track = Some(track);
            plan[index].holder = Some((track.user.clone(), track.source));
        }
    }
    plan.iter()
        .enumerate()
        .filter_map(|(index, planned)| Some((index, planned.change()?)))
        .collect()
}

/// What a slot is to be.
#[derive(Debug)]
struct Planned<'a> {
    slot: &'a SlotState,
    track: Option<&'a TrackInfo>,
    holder: Option<Holder>,
}

impl<'a> Planned<'a> {
    fn of(slot: &'a SlotState) -> Self {
        Self {
            slot,
            track: None,
            holder: slot.holder.clone(),
        }
    }

    fn change(&self) -> Option<Change> {
        match (self.track, &self.holder) {
            (Some(track), _) => (self.slot.track != Some(track.id)).then_some(Change::Show(track.id)),
            (None, Some(_)) => self.slot.track.is_some().then_some(Change::Hold),
            (None, None) => self.slot.holder.is_some().then_some(Change::Release),
        }
    }
}

/// The slot for a track that has none: the n-th audio and the n-th video section are one stream for a browser, which
/// keeps them in time, so that a track goes beside its other half if it can, else where it splits no pair.
fn free_slot(plan: &[Planned<'_>], track: &TrackInfo) -> Option<usize> {
    let pairs = |kind: MediaKind| {
        let of_kind = plan
            .iter()
            .enumerate()
            .filter(move |(_, planned)| planned.slot.kind == kind);
        of_kind.map(|(index, _)| index)
    };
    let other_kind = if track.kind.is_audio() {
        MediaKind::Video
    } else {
        MediaKind::Audio
    };
    let beside: Vec<Option<&Holder>> = pairs(other_kind).map(|index| plan[index].holder.as_ref()).collect();
    pairs(track.kind)
        .enumerate()
        .filter(|(_, index)| plan[*index].holder.is_none())
        .min_by_key(|(pair, _)| match beside.get(*pair).copied().flatten() {
            Some((user, source)) if *user == track.user && *source == track.source.companion() => 0,
            None => 1,
            Some(_) => 2,
        })
        .map(|(_, index)| index)
}

/// The slot that a screen takes from a camera.
fn least_camera(plan: &[Planned<'_>], screen: &TrackInfo) -> Option<usize> {
    if screen.source != Source::Screen {
        return None;
    }
    let shows_camera = |planned: &Planned<'_>| matches!(planned.holder, Some((_, Source::Camera)));
    let cameras = plan.iter().enumerate().filter(|(_, planned)| shows_camera(planned));
    // One that only waits for its user goes first.
    let last = cameras.max_by_key(|(_, planned)| (planned.track.is_none(), planned.track.map(order)));
    last.map(|(index, _)| index)
}

fn order(track: &TrackInfo) -> (std::time::Instant, TrackId) {
    (track.opened_at, track.id)
}

fn is_same_place(a: &TrackInfo, b: &TrackInfo) -> bool {
    a.user == b.user && a.source == b.source
}

/// Whether `a` is of a later connection than `b`, not merely another track of the same one.
fn is_newer_connection(a: &TrackInfo, b: &TrackInfo) -> bool {
    a.peer != b.peer && order(a) > order(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PeerId, WorkerId};
    use std::time::{Duration, Instant};
    use str0m::format::{Codec, CodecSpec, FormatParams};
    use str0m::media::Frequency;

    fn track(number: u64, peer: u64, user: &str, source: Source, epoch: Instant) -> TrackInfo {
        TrackInfo {
            id: TrackId::new(WorkerId(0), number),
            peer: PeerId::new(WorkerId(0), peer),
            session: "s".into(),
            user: user.into(),
            source,
            kind: source.kind(),
            format: CodecSpec {
                codec: Codec::Vp8,
                clock_rate: Frequency::NINETY_KHZ,
                channels: None,
                format: FormatParams::default(),
            },
            epoch: 0,
            opened_at: epoch + Duration::from_millis(number),
        }
    }

    fn free(kind: MediaKind) -> SlotState {
        SlotState {
            kind,
            track: None,
            holder: None,
        }
    }

    fn showing(track: &TrackInfo) -> SlotState {
        SlotState {
            kind: track.kind,
            track: Some(track.id),
            holder: Some((track.user.clone(), track.source)),
        }
    }

    /// As a subscriber called `viewer` has it.
    fn decide(
        slots: &[SlotState],
        tracks: &[&TrackInfo],
        is_awaited: impl Fn(&UserId, Source) -> bool,
    ) -> Vec<(usize, Change)> {
        assign(slots, &visible(tracks, &"viewer".into()), is_awaited)
    }

    const NOBODY: fn(&UserId, Source) -> bool = |_, _| false;
    const EVERYBODY: fn(&UserId, Source) -> bool = |_, _| true;

    #[test]
    fn tracks_take_slots_of_their_kind_in_order_of_publishing() {
        let start = Instant::now();
        let a = track(1, 1, "a", Source::Microphone, start);
        let v = track(2, 1, "a", Source::Camera, start);
        let w = track(3, 2, "b", Source::Camera, start);
        let slots = [free(MediaKind::Video), free(MediaKind::Audio)];
        assert_eq!(
            decide(&slots, &[&a, &v, &w], NOBODY),
            [(0, Change::Show(v.id)), (1, Change::Show(a.id))]
        );
    }

    #[test]
    fn a_freed_slot_goes_to_the_next_in_line() {
        let start = Instant::now();
        let gone = track(1, 1, "a", Source::Camera, start);
        let next = track(2, 2, "b", Source::Camera, start);
        assert_eq!(
            decide(&[showing(&gone)], &[&next], NOBODY),
            [(0, Change::Show(next.id))]
        );
        assert_eq!(decide(&[showing(&gone)], &[], NOBODY), [(0, Change::Release)]);
    }

    #[test]
    fn a_reconnecting_user_keeps_the_slot_of_each_source() {
        let start = Instant::now();
        let camera = track(1, 1, "a", Source::Camera, start);
        let screen = track(2, 1, "a", Source::Screen, start);
        let other = track(3, 2, "b", Source::Camera, start);
        let slots = [showing(&camera), showing(&screen)];
        assert_eq!(
            decide(&slots, &[&other], EVERYBODY),
            [(0, Change::Hold), (1, Change::Hold)]
        );
        let held = slots.map(|slot| SlotState { track: None, ..slot });
        assert_eq!(decide(&held, &[&other], EVERYBODY), []);

        // The screen is back first: it does not take the camera's slot.
        let screen = track(4, 3, "a", Source::Screen, start);
        let camera = track(5, 3, "a", Source::Camera, start);
        assert_eq!(
            decide(&held, &[&other, &screen], EVERYBODY),
            [(1, Change::Show(screen.id))]
        );
        assert_eq!(
            decide(&held, &[&other, &screen, &camera], EVERYBODY),
            [(0, Change::Show(camera.id)), (1, Change::Show(screen.id))]
        );
    }

    #[test]
    fn a_newer_connection_of_the_same_user_takes_over_without_a_second_slot() {
        let start = Instant::now();
        let old = track(1, 1, "a", Source::Camera, start);
        let new = track(2, 2, "a", Source::Camera, start);
        let slots = [showing(&old), free(MediaKind::Video)];
        assert_eq!(decide(&slots, &[&old, &new], EVERYBODY), [(0, Change::Show(new.id))]);
        let slots = [showing(&new), free(MediaKind::Video)];
        assert_eq!(decide(&slots, &[&old, &new], EVERYBODY), []);
    }

    #[test]
    fn camera_and_screen_of_one_connection_get_a_slot_each() {
        let start = Instant::now();
        let camera = track(1, 1, "a", Source::Camera, start);
        let screen = track(2, 1, "a", Source::Screen, start);
        let slots = [showing(&camera), free(MediaKind::Video)];
        assert_eq!(
            decide(&slots, &[&camera, &screen], NOBODY),
            [(1, Change::Show(screen.id))]
        );
    }

    #[test]
    fn nobody_is_shown_to_oneself() {
        let start = Instant::now();
        let mine = track(1, 1, "viewer", Source::Camera, start);
        let other = track(2, 2, "b", Source::Camera, start);
        let slots = [free(MediaKind::Video), free(MediaKind::Video)];
        assert_eq!(decide(&slots, &[&mine, &other], NOBODY), [(0, Change::Show(other.id))]);
    }

    #[test]
    fn a_screen_takes_the_slot_of_the_last_camera_and_gives_it_back() {
        let start = Instant::now();
        let a = track(1, 1, "a", Source::Camera, start);
        let b = track(2, 2, "b", Source::Camera, start);
        let screen = track(3, 1, "a", Source::Screen, start);
        let slots = [showing(&b), showing(&a)];
        assert_eq!(
            decide(&slots, &[&a, &b, &screen], NOBODY),
            [(0, Change::Show(screen.id))]
        );
        let slots = [showing(&screen), showing(&a)];
        assert_eq!(decide(&slots, &[&a, &b, &screen], NOBODY), []);
        assert_eq!(decide(&slots, &[&a, &b], NOBODY), [(0, Change::Show(b.id))]);
        // A slot that is kept for somebody who is away goes before one that shows somebody.
        let away = SlotState {
            track: None,
            ..showing(&a)
        };
        assert_eq!(
            decide(&[away, showing(&b)], &[&b, &screen], EVERYBODY),
            [(0, Change::Show(screen.id))]
        );
    }

    #[test]
    fn a_second_screen_takes_no_slot_from_the_first() {
        let start = Instant::now();
        let first = track(1, 1, "a", Source::Screen, start);
        let second = track(2, 2, "b", Source::Screen, start);
        assert_eq!(decide(&[showing(&first)], &[&first, &second], NOBODY), []);
    }

    #[test]
    fn sound_and_picture_of_one_person_share_a_pair() {
        let start = Instant::now();
        let sound_alone = track(1, 1, "a", Source::Microphone, start);
        let picture = track(2, 2, "b", Source::Camera, start);
        let sound = track(3, 2, "b", Source::Microphone, start);
        let slots = [
            free(MediaKind::Audio),
            free(MediaKind::Audio),
            free(MediaKind::Video),
            free(MediaKind::Video),
        ];
        assert_eq!(
            decide(&slots, &[&sound_alone, &picture, &sound], NOBODY),
            [
                (0, Change::Show(sound_alone.id)),
                (1, Change::Show(sound.id)),
                (3, Change::Show(picture.id))
            ]
        );
    }
}
