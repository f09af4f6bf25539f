//! Where the others are heard: one choice for all that the page receives.

use std::sync::Arc;

use footlight_client::audio::playback::{self, PlaybackError, SoundState};
use footlight_client::devices::{self, DeviceChoice};
use footlight_client::subscribe::Subscription;
use parking_lot::Mutex;
use serde::Serialize;
use tauri::ipc::Channel;

use super::commands::blocking;
use super::devices::{CaptureDevice, choice};
use super::subscriptions::Subscriptions;
use crate::failure::{DeviceCause, Failure};

/// Longest name of a device, in bytes; those of sound servers end at 128.
const MAX_ID_BYTES: usize = 512;

/// The chosen device is lost, and the system's own plays in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LoudspeakerLost {
    /// As it was chosen.
    device: String,
}

/// What the page chose, and who of it hears that it is lost.
#[derive(Default)]
pub(super) struct Loudspeaker {
    choice: Mutex<DeviceChoice>,
    listener: Mutex<Option<Channel<LoudspeakerLost>>>,
    /// One choice after another: the last one holds.
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Loudspeaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loudspeaker")
            .field("choice", &self.choice())
            .finish_non_exhaustive()
    }
}

impl Loudspeaker {
    /// What is to be used.
    pub(super) fn choice(&self) -> DeviceChoice {
        self.choice.lock().clone()
    }

    /// Has everything come out of `device`, `None` for the system's own, and all that comes later. Where one cannot, all stay.
    pub(super) async fn choose(&self, device: Option<String>, subscriptions: &Subscriptions) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        let wanted = wish(device)?;
        if wanted != DeviceChoice::Default {
            let wanted = wanted.clone();
            blocking(move || Ok(playback::find(&wanted)?)).await?;
        }
        let before = std::mem::replace(&mut *self.choice.lock(), wanted.clone());
        // Those that are added from now on use it from the start.
        let open = subscriptions.all();
        let moved = move_all(&open, &wanted).await;
        if moved.is_err() {
            self.choice.lock().clone_from(&before);
            if let Err(error) = move_all(&subscriptions.all(), &before).await {
                tracing::warn!(%error, "the sound output of before is gone as well");
            }
        }
        Ok(moved?)
    }

    /// From now on the page hears of a device that is lost.
    pub(super) fn listen(&self, listener: Channel<LoudspeakerLost>) {
        *self.listener.lock() = Some(listener);
    }

    /// Sees to it that a new subscription uses what is chosen, and that the page hears of its loss.
    pub(super) fn adopt(self: &Arc<Self>, subscription: &Subscription, used: &DeviceChoice) {
        let chosen = self.choice();
        if chosen != *used {
            // It was chosen while the subscription was in the making.
            drop(subscription.play_on(chosen));
        }
        let (this, mut sound) = (Arc::clone(self), subscription.sound());
        tauri::async_runtime::spawn(async move {
            while sound.changed().await.is_ok() {
                this.hear(&sound.borrow_and_update());
            }
        });
    }

    fn hear(&self, sound: &SoundState) {
        let SoundState::Playing {
            instead_of: Some(device),
            ..
        } = sound
        else {
            return;
        };
        if let Some(listener) = &*self.listener.lock()
            && self.choice().to_string() == *device
        {
            let lost = LoudspeakerLost { device: device.clone() };
            if let Err(error) = listener.send(lost) {
                tracing::warn!(%error, "the page cannot be told of a lost sound output");
            }
        }
    }

    /// The page is gone.
    pub(super) fn forget(&self) {
        *self.choice.lock() = DeviceChoice::Default;
        *self.listener.lock() = None;
    }
}

/// What can be chosen, besides the system's own. Blocks for as long as the sound server takes.
pub(super) fn list() -> Vec<CaptureDevice> {
    let found = devices::loudspeakers().into_iter();
    found.map(|one| CaptureDevice::new(one.id, one.name)).collect()
}

fn wish(device: Option<String>) -> Result<DeviceChoice, Failure> {
    match device {
        Some(id) if id.trim().is_empty() => Err(Failure::invalid("A loudspeaker has a name.")),
        Some(id) if id.len() > MAX_ID_BYTES => Err(Failure::invalid("No loudspeaker has so long a name.")),
        device => Ok(choice(device.as_deref())),
    }
}

/// All begin at once.
async fn move_all(subscriptions: &[Arc<Subscription>], choice: &DeviceChoice) -> Result<(), PlaybackError> {
    let begun: Vec<_> = subscriptions.iter().map(|one| one.play_on(choice.clone())).collect();
    let mut all = Ok(());
    for one in begun {
        let done = one.await;
        all = all.and(done);
    }
    all
}

impl From<PlaybackError> for Failure {
    fn from(error: PlaybackError) -> Self {
        let cause = match &error {
            PlaybackError::NoDevice | PlaybackError::NotFound { .. } => DeviceCause::Missing,
            _ => DeviceCause::Failed,
        };
        Self::Device {
            cause,
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listening page, and what it heard.
    fn listening(speaker: &Loudspeaker) -> Arc<Mutex<Vec<String>>> {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = Arc::clone(&heard);
        speaker.listen(Channel::new(move |body| {
            let lost: serde_json::Value = body.deserialize().expect("JSON");
            keep.lock().push(lost["device"].as_str().unwrap_or_default().to_owned());
            Ok(())
        }));
        heard
    }

    fn playing(instead_of: Option<&str>) -> SoundState {
        SoundState::Playing {
            device: "Desk".to_owned(),
            instead_of: instead_of.map(str::to_owned),
        }
    }

    #[test]
    fn the_page_hears_of_the_loss_of_what_it_chose_and_of_nothing_else() {
        let speaker = Loudspeaker::default();
        let heard = listening(&speaker);
        *speaker.choice.lock() = DeviceChoice::Matching("headset".to_owned());
        speaker.hear(&playing(None));
        speaker.hear(&SoundState::Opening);
        speaker.hear(&playing(Some("the one before")));
        assert!(heard.lock().is_empty());
        speaker.hear(&playing(Some("headset")));
        assert_eq!(*heard.lock(), ["headset"]);
        speaker.forget();
        speaker.hear(&playing(Some("headset")));
        assert_eq!(heard.lock().len(), 1, "the page is gone");
    }

    #[tokio::test]
    async fn what_no_device_is_called_is_refused_in_words_and_changes_nothing() {
        let (speaker, none) = (Loudspeaker::default(), Subscriptions::default());
        let refusal = async |device: String| {
            let refused = speaker.choose(Some(device), &none).await;
            refused.expect_err("there is none").to_string()
        };
        assert_eq!(refusal(" ".to_owned()).await, "A loudspeaker has a name.");
        assert!(refusal("x".repeat(MAX_ID_BYTES + 1)).await.contains("so long a name"));
        assert!(
            refusal("footlight:attic".to_owned())
                .await
                .contains("'footlight:attic'")
        );
        assert_eq!(speaker.choice(), DeviceChoice::Default);
        speaker.choose(None, &none).await.expect("the system's own");
    }
}
