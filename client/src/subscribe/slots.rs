//! The slots of a subscription: what each is called and where its media goes.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use footlight_protocol::MediaKind;
use serde::{Deserialize, Serialize};

use crate::clock::MediaClock;
use crate::subscribe::SubscribeError;
use crate::subscribe::encoded::EncodedPictures;
use crate::subscribe::intake::Inlet;
use crate::subscribe::picture::show::{self, PictureEvent, PictureFigures, PictureInlet};
use crate::subscribe::sound::mixer::Volume;
use crate::subscribe::sound::room::SoundEvent;
use crate::subscribe::sync::Pair;
use crate::video::mailbox::Mailbox;

/// Most slots of one kind: a host and twenty guests, and eleven screens. The page makes an offer of so many of both fit into a frame
/// ([`footlight_protocol::MAX_FRAME_BYTES`]).
const MOST_SLOTS: usize = 32;

/// How many slots of each kind a subscription asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// Sound.
    pub audio: usize,
    /// Pictures.
    pub video: usize,
}

impl Wanted {
    pub(crate) fn check(self) -> Result<(), SubscribeError> {
        let wanted = self.audio.max(self.video);
        if wanted > MOST_SLOTS {
            return Err(SubscribeError::TooManySlots {
                wanted,
                most: MOST_SLOTS,
            });
        }
        Ok(())
    }
}

/// A sound slot.
pub(crate) struct SoundSlot {
    /// Known once it was offered.
    mid: Option<String>,
    pub(crate) volume: Arc<Volume>,
    pair: Arc<Pair>,
}

/// A picture slot.
pub(crate) struct PictureSlot {
    mid: Option<String>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) encoded: Arc<EncodedPictures>,
    pub(crate) figures: Arc<PictureFigures>,
    inlet: PictureInlet,
    pair: Arc<Pair>,
}

/// All slots of a subscription, in the order in which they were offered.
pub(crate) struct Slots {
    clock: MediaClock,
    sound: SyncSender<SoundEvent>,
    sounds: Vec<SoundSlot>,
    pictures: Vec<PictureSlot>,
    /// The n-th is of the n-th of each kind.
    pairs: Vec<Arc<Pair>>,
}

impl Slots {
    pub(crate) fn new(clock: MediaClock, sound: SyncSender<SoundEvent>) -> Self {
        Self {
            clock,
            sound,
            sounds: Vec::new(),
            pictures: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Adds slots until there are as many as wanted. The kinds of the new ones, in order.
    pub(crate) fn extend(&mut self, wanted: Wanted) -> Result<Vec<MediaKind>, SubscribeError> {
        wanted.check()?;
        let mut added = Vec::new();
        for place in self.sounds.len()..wanted.audio {
            let (volume, pair) = (Arc::new(Volume::default()), self.pair(place));
            self.tell(SoundEvent::Slot(Arc::clone(&volume), Arc::clone(&pair)));
            self.sounds.push(SoundSlot {
                mid: None,
                volume,
                pair,
            });
            added.push(MediaKind::Audio);
        }
        for place in self.pictures.len()..wanted.video {
            let (mailbox, encoded) = (Mailbox::new(), Arc::default());
            let (figures, pair) = (Arc::new(PictureFigures::default()), self.pair(place));
            let inlet = show::start(self.clock, Arc::clone(&pair), &mailbox, &encoded, &figures)?;
            self.pictures.push(PictureSlot {
                mid: None,
                mailbox,
                encoded,
                figures,
                inlet,
                pair,
            });
            added.push(MediaKind::Video);
        }
        Ok(added)
    }

    /// Gives the slots the names of their media sections: `sections` are the kinds and names of an offer, in order.
    pub(crate) fn name(&mut self, sections: &[(String, String)]) {
        let named = |kind: &'static str| {
            let of_kind = sections.iter().filter(move |(section, _)| section == kind);
            of_kind.map(|(_, mid)| mid.clone())
        };
        for (slot, mid) in self.sounds.iter_mut().zip(named("audio")) {
            slot.mid = Some(mid);
        }
        for (slot, mid) in self.pictures.iter_mut().zip(named("video")) {
            slot.mid = Some(mid);
        }
    }

    /// Names and kinds, sound first.
    pub(crate) fn names(&self) -> Vec<(String, MediaKind)> {
        let sounds = self.sounds.iter().map(|slot| (&slot.mid, MediaKind::Audio));
        let pictures = self.pictures.iter().map(|slot| (&slot.mid, MediaKind::Video));
        sounds
            .chain(pictures)
            .filter_map(|(mid, kind)| Some((mid.clone()?, kind)))
            .collect()
    }

    /// Where media of the section `mid` goes.
    pub(crate) fn inlet(&self, mid: &str) -> Option<Inlet> {
        if let Some(place) = self.sounds.iter().position(|slot| slot.mid.as_deref() == Some(mid)) {
            let events = self.sound.clone();
            return Some(Inlet::Sound { place, events });
        }
        let slot = self.picture(mid).ok()?;
        Some(Inlet::Picture {
            inlet: slot.inlet.clone(),
            figures: Arc::clone(&slot.figures),
        })
    }

    pub(crate) fn sound(&self, mid: &str) -> Result<&SoundSlot, SubscribeError> {
        let found = self.sounds.iter().find(|slot| slot.mid.as_deref() == Some(mid));
        found.ok_or_else(|| no_slot(mid, "audio"))
    }

    pub(crate) fn picture(&self, mid: &str) -> Result<&PictureSlot, SubscribeError> {
        let found = self.pictures.iter().find(|slot| slot.mid.as_deref() == Some(mid));
        found.ok_or_else(|| no_slot(mid, "video"))
    }

    pub(crate) fn pictures(&self) -> &[PictureSlot] {
        &self.pictures
    }

    /// Keeps a picture in time with that sound, or with none. A sound waits for one picture: another one that was in time
    /// with it is so no longer.
    pub(crate) fn join(&mut self, picture: &str, sound: Option<&str>) -> Result<(), SubscribeError> {
        self.picture(picture)?;
        let pair = match sound {
            Some(sound) => Arc::clone(&self.sound(sound)?.pair),
            None => Arc::default(),
        };
        for slot in &mut self.pictures {
            let joined = if slot.mid.as_deref() == Some(picture) {
                Arc::clone(&pair)
            } else if Arc::ptr_eq(&slot.pair, &pair) {
                Arc::default()
            } else {
                continue;
            };
            slot.pair = Arc::clone(&joined);
            slot.inlet.send(PictureEvent::Join(joined));
        }
        Ok(())
    }

    /// Ends the threads of all slots, and whoever waits for their pictures.
    pub(crate) fn close(&self) {
        for slot in &self.pictures {
            slot.inlet.close();
            slot.mailbox.close();
            slot.encoded.close();
        }
        self.tell(SoundEvent::Close);
    }

    fn pair(&mut self, place: usize) -> Arc<Pair> {
        while self.pairs.len() <= place {
            self.pairs.push(Arc::default());
        }
        Arc::clone(&self.pairs[place])
    }

    /// Waits for room, which there is within a moment unless the machine is frozen.
    fn tell(&self, event: SoundEvent) {
        // It fails when the thread is gone, and with it all sound.
        let _ = self.sound.send(event);
    }
}

fn no_slot(mid: &str, kind: &'static str) -> SubscribeError {
    SubscribeError::NoSlot {
        mid: mid.to_owned(),
        kind,
    }
}
