//! Who is shown in which slot: a pure decision over what a subscriber has and what its session offers.

use str0m::media::MediaKind;

use crate::track::TrackInfo;
use crate::{TrackId, UserId};

/// A slot as the decision sees it.
#[derive(Debug, Clone)]
pub(crate) struct SlotState {
    pub(crate) kind: MediaKind,
    pub(crate) track: Option<TrackId>,
    pub(crate) user: Option<UserId>,
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

/// Decides for one subscriber. `tracks` are those of its session in the order of publishing. A slot stays with its user
/// as long as that user is on air or `is_awaited`; tracks that nobody shows take the free slots in order.
pub(crate) fn assign(
    slots: &[SlotState],
    tracks: &[&TrackInfo],
    is_awaited: impl Fn(&UserId) -> bool,
) -> Vec<(usize, Change)> {
    let mut shown: Vec<Option<TrackId>> = slots.iter().map(|slot| slot.track).collect();
    let mut free: Vec<bool> = slots.iter().map(|slot| slot.user.is_none()).collect();
    let mut changes = Vec::new();

    for (index, slot) in slots.iter().enumerate() {
        let Some(user) = &slot.user else { continue };
        let current = slot.track.and_then(|id| tracks.iter().find(|track| track.id == id));
        let successor = tracks
            .iter()
            .filter(|track| track.kind == slot.kind && track.user == *user && !shown.contains(&Some(track.id)))
            .find(|track| current.is_none_or(|current| is_newer_connection(track, current)));
        if let Some(successor) = successor {
            shown[index] = Some(successor.id);
            changes.push((index, Change::Show(successor.id)));
        } else if current.is_none() {
            let was_shown = shown[index].take().is_some();
            if !is_awaited(user) {
                free[index] = true;
                changes.push((index, Change::Release));
            } else if was_shown {
                changes.push((index, Change::Hold));
            }
        }
    }

    for track in tracks {
        let is_superseded = tracks
            .iter()
            .any(|other| other.user == track.user && other.kind == track.kind && is_newer_connection(other, track));
        if is_superseded || shown.contains(&Some(track.id)) {
            continue;
        }
        let slot = (0..slots.len()).find(|index| free[*index] && slots[*index].kind == track.kind);
        if let Some(index) = slot {
            free[index] = false;
            shown[index] = Some(track.id);
            changes.retain(|(released, _)| *released != index);
            changes.push((index, Change::Show(track.id)));
        }
    }
    changes
}

/// Whether `a` is of a later connection than `b`, not merely another track of the same one.
fn is_newer_connection(a: &TrackInfo, b: &TrackInfo) -> bool {
    a.peer != b.peer && (a.opened_at, a.id) > (b.opened_at, b.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PeerId, WorkerId};
    use std::time::{Duration, Instant};
    use str0m::format::{Codec, CodecSpec, FormatParams};
    use str0m::media::Frequency;

    fn track(number: u64, peer: u64, user: &str, kind: MediaKind, epoch: Instant) -> TrackInfo {
        TrackInfo {
            id: TrackId::new(WorkerId(0), number),
            peer: PeerId::new(WorkerId(0), peer),
            session: "s".into(),
            user: user.into(),
            kind,
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
            user: None,
        }
    }

    fn showing(track: &TrackInfo) -> SlotState {
        SlotState {
            kind: track.kind,
            track: Some(track.id),
            user: Some(track.user.clone()),
        }
    }

    const NOBODY: fn(&UserId) -> bool = |_| false;
    const EVERYBODY: fn(&UserId) -> bool = |_| true;

    #[test]
    fn tracks_take_slots_of_their_kind_in_order_of_publishing() {
        let start = Instant::now();
        let a = track(1, 1, "a", MediaKind::Audio, start);
        let v = track(2, 1, "a", MediaKind::Video, start);
        let w = track(3, 2, "b", MediaKind::Video, start);
        let slots = [free(MediaKind::Video), free(MediaKind::Audio)];
        assert_eq!(
            assign(&slots, &[&a, &v, &w], NOBODY),
            [(1, Change::Show(a.id)), (0, Change::Show(v.id))]
        );
    }

    #[test]
    fn a_freed_slot_goes_to_the_next_in_line() {
        let start = Instant::now();
        let gone = track(1, 1, "a", MediaKind::Video, start);
        let next = track(2, 2, "b", MediaKind::Video, start);
        assert_eq!(
            assign(&[showing(&gone)], &[&next], NOBODY),
            [(0, Change::Show(next.id))]
        );
        assert_eq!(assign(&[showing(&gone)], &[], NOBODY), [(0, Change::Release)]);
    }

    #[test]
    fn a_reconnecting_user_keeps_the_slot() {
        let start = Instant::now();
        let old = track(1, 1, "a", MediaKind::Video, start);
        let other = track(2, 2, "b", MediaKind::Video, start);
        let new = track(3, 3, "a", MediaKind::Video, start);

        assert_eq!(assign(&[showing(&old)], &[&other], EVERYBODY), [(0, Change::Hold)]);
        let held = SlotState {
            track: None,
            ..showing(&old)
        };
        assert_eq!(assign(std::slice::from_ref(&held), &[&other], EVERYBODY), []);
        assert_eq!(assign(&[held], &[&other, &new], EVERYBODY), [(0, Change::Show(new.id))]);
    }

    #[test]
    fn a_newer_connection_of_the_same_user_takes_over_without_a_second_slot() {
        let start = Instant::now();
        let old = track(1, 1, "a", MediaKind::Video, start);
        let new = track(2, 2, "a", MediaKind::Video, start);
        let slots = [showing(&old), free(MediaKind::Video)];
        assert_eq!(assign(&slots, &[&old, &new], EVERYBODY), [(0, Change::Show(new.id))]);
        let slots = [showing(&new), free(MediaKind::Video)];
        assert_eq!(assign(&slots, &[&old, &new], EVERYBODY), []);
    }

    #[test]
    fn two_tracks_of_one_connection_get_a_slot_each() {
        let start = Instant::now();
        let camera = track(1, 1, "a", MediaKind::Video, start);
        let screen = track(2, 1, "a", MediaKind::Video, start);
        let slots = [showing(&camera), free(MediaKind::Video)];
        assert_eq!(
            assign(&slots, &[&camera, &screen], NOBODY),
            [(1, Change::Show(screen.id))]
        );
    }
}
