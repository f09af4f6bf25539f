//! Publishers that are muted at the server: nothing of them is forwarded, whatever they send.

use std::time::Instant;

use str0m::media::MediaKind;

use crate::peer::Role;
use crate::relay::Control;
use crate::sfu::Sfu;
use crate::{PeerId, SfuError};

/// What of a publisher is not forwarded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Muted {
    /// Microphone and the sound of a screen.
    pub audio: bool,
    /// Camera and screen.
    pub video: bool,
}

impl Muted {
    pub(crate) fn covers(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }
}

impl Sfu {
    /// Mutes a publish peer's tracks of a kind, or lets them through again. From here on not one packet of a muted
    /// track leaves this worker; tracks and slots stay. When it is unmuted, sound goes on with the next packet and
    /// video with a keyframe, which is asked for.
    pub fn set_muted(&mut self, id: PeerId, kind: MediaKind, is_muted: bool, now: Instant) -> Result<(), SfuError> {
        let Some(Role::Publish(publishing)) = self.peers.get_mut(&id).map(|peer| &mut peer.role) else {
            return Err(SfuError::UnknownPeer(id));
        };
        let muted = match kind {
            MediaKind::Audio => &mut publishing.muted.audio,
            MediaKind::Video => &mut publishing.muted.video,
        };
        if std::mem::replace(muted, is_muted) == is_muted {
            return Ok(());
        }
        let tracks: Vec<_> = publishing.tracks().collect();
        for track in tracks {
            let Some(info) = self.tracks.get(&track).map(|track| track.info.clone()) else {
                continue;
            };
            if info.kind != kind {
                continue;
            }
            if is_muted {
                self.hush(track, now);
                // A new epoch turns away what is still on its way to other workers, and makes the slots wait for the
                // keyframe and number what comes then without a gap.
                let mut info = info;
                info.epoch = info.epoch.wrapping_add(1);
                self.announce(Control::TrackOpened(info), now);
            } else if kind.is_video() {
                let wanted = self.tracks.get(&track).map(crate::track::Track::wanted);
                for layer in wanted.into_iter().flat_map(crate::LayerMask::layers) {
                    self.request_keyframe(track, layer, now);
                }
            }
        }
        self.process(now);
        Ok(())
    }
}
