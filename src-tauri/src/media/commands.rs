//! What the pages can ask of the app's media.

use std::path::PathBuf;

use footlight_client::audio::playback::Output;
use footlight_client::audio::voice::VoiceProcessing;
use footlight_client::clock::MediaClock;
use footlight_client::devices;
use footlight_client::record::RecordingState;
use footlight_client::studio::{
    ConnectionState, ConnectionStats, Offer, SourceConfig, SourceStats, StudioError, StudioStats,
};
use footlight_client::subscribe::{EncodedCodec, MediaSample, SubscribeSetup, Subscription, TransportState, Wanted};
use footlight_client::units::{Bitrate, Resolution};
use footlight_protocol::{MediaKind, TrackSource};
use serde::{Deserialize, Serialize};
use tauri::ipc::{Channel, Response};
use tauri::{AppHandle, Manager as _, Runtime, State};

use super::devices::{CaptureDevice, CaptureDevices, CaptureScreen, picture_source, sound_source};
use super::feeds::Feed;
use super::loudspeaker::{self, LoudspeakerLost};
use super::studio::PublishId;
use super::subscriptions::SubscriptionId;
use crate::failure::Failure;
use crate::state::AppState;

/// Largest sides of a preview: enough for half a window, and cheap to draw without a graphics card.
const PREVIEW: Resolution = Resolution::new(640, 360);

/// Largest sides of the picture by which a screen or window is chosen.
const THUMBNAIL: Resolution = Resolution::new(320, 180);

/// Bounds of what a page may ask an encoder for; openh264 ends at 3840 × 2160.
const MAX_SIZE: Resolution = Resolution::new(3840, 2160);
const MAX_FPS: u32 = 60;
const MAX_BITRATE: Bitrate = Bitrate::from_kbps(20_000);
/// Of the Opus stream: speech and some music.
const SOUND_BITRATE: Bitrate = Bitrate::from_kbps(64);

/// Longest title that becomes part of a file's name, in characters.
const MAX_FILE_NAME_CHARS: usize = 80;

/// What a source is opened with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceWish {
    place: TrackSource,
    /// As [`CaptureDevices`] names it; `null` for the system's default.
    device: Option<String>,
    /// Of the encoded picture, in pixels; not for sound.
    width: Option<u32>,
    height: Option<u32>,
    /// Most frames per second.
    fps: Option<u32>,
    /// Of the encoded picture, in bits per second.
    bitrate_bps: Option<u32>,
    /// What is done to a microphone's sound; everything where the page does not say, since guests may come and be heard.
    voice: Option<VoiceProcessing>,
}

impl SourceWish {
    fn config(&self) -> Result<SourceConfig, Failure> {
        let device = self.device.as_deref();
        if matches!(self.place, TrackSource::Microphone) {
            return Ok(SourceConfig::Sound {
                source: sound_source(device),
                bitrate: SOUND_BITRATE,
                voice: self.voice.unwrap_or(VoiceProcessing::ALL),
            });
        }
        let bounded = |name: &str, value: Option<u32>, most: u32| match value {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(Failure::invalid(format!(
                "{name} is {value}, and has to be between 1 and {most}."
            ))),
            None => Err(Failure::invalid(format!("A picture needs {name}."))),
        };
        let size = Resolution::new(
            bounded("width", self.width, MAX_SIZE.width)?,
            bounded("height", self.height, MAX_SIZE.height)?,
        );
        Ok(SourceConfig::Picture {
            source: picture_source(self.place, device)?,
            size,
            fps: bounded("fps", self.fps, MAX_FPS)?,
            bitrate: Bitrate::from_bps(bounded("bitrate_bps", self.bitrate_bps, MAX_BITRATE.bps())?),
        })
    }
}

/// How everything that is captured is doing.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StudioFigures {
    studio: StudioStats,
    /// `null` while nothing is published.
    connection: Option<ConnectionStats>,
    /// `null` while nothing is recorded.
    recording: Option<RecordingState>,
}

/// A new connection that sends.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PublishOffer {
    connection: PublishId,
    #[serde(flatten)]
    offer: Offer,
}

/// A new subscription.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SubscriptionOffer {
    subscription: SubscriptionId,
    sdp: String,
    slots: Vec<Slot>,
}

/// The next offer of a subscription.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SlotsOffer {
    sdp: String,
    slots: Vec<Slot>,
}

/// A place for a track.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Slot {
    /// Its section in the offer (RFC 5888 §4).
    mid: String,
    kind: MediaKind,
}

fn slots(subscription: &Subscription) -> Vec<Slot> {
    let slots = subscription.slots().into_iter();
    slots.map(|(mid, kind)| Slot { mid, kind }).collect()
}

#[tauri::command]
pub(crate) async fn capture_devices() -> Result<CaptureDevices, Failure> {
    blocking(|| Ok(CaptureDevices::list())).await
}

#[tauri::command]
pub(crate) async fn capture_screens() -> Result<Vec<CaptureScreen>, Failure> {
    blocking(|| Ok(CaptureScreen::list())).await
}

/// JPEG; empty where the system shows nothing of it before the person has agreed.
#[tauri::command]
pub(crate) async fn screen_picture(screen: String) -> Result<Response, Failure> {
    blocking(move || {
        let picture = devices::screen_picture(&screen, THUMBNAIL);
        Ok(Response::new(picture.unwrap_or_default()))
    })
    .await
}

#[tauri::command]
pub(crate) async fn open_source(state: State<'_, AppState>, wish: SourceWish) -> Result<SourceStats, Failure> {
    let (studio, config) = (state.media.studio(), wish.config()?);
    let runtime = tokio::runtime::Handle::current();
    blocking(move || {
        let _runtime = runtime.enter();
        Ok(studio.open(wish.place, config)?)
    })
    .await
}

#[tauri::command]
pub(crate) async fn close_source(state: State<'_, AppState>, place: TrackSource) -> Result<(), Failure> {
    let studio = state.media.studio();
    blocking(move || {
        studio.close(place);
        Ok(())
    })
    .await
}

#[tauri::command]
pub(crate) async fn turn_source(state: State<'_, AppState>, place: TrackSource, on: bool) -> Result<(), Failure> {
    Ok(state.media.studio().set_on(place, on)?)
}

#[tauri::command]
pub(crate) async fn studio_figures(state: State<'_, AppState>) -> Result<StudioFigures, Failure> {
    let studio = state.media.studio();
    Ok(StudioFigures {
        studio: studio.stats(),
        connection: state.media.publishing.current().map(|connection| connection.stats()),
        recording: studio.recorded(),
    })
}

#[tauri::command]
pub(crate) async fn preview(state: State<'_, AppState>, place: TrackSource) -> Result<String, Failure> {
    let preview = state.media.studio().preview(place, PREVIEW)?;
    let feeds = state.media.feeds().await?;
    feeds.offer(Feed::Preview(preview)).ok_or(Failure::Busy)
}

#[tauri::command]
pub(crate) async fn publish_offer(
    state: State<'_, AppState>,
    sources: Vec<TrackSource>,
    states: Channel<ConnectionState>,
) -> Result<PublishOffer, Failure> {
    let host = state.connection()?.address().host().to_owned();
    let tell = move |now| states.send(now).is_ok();
    let publishing = &state.media.publishing;
    let (connection, offer) = publishing.offer(state.media.studio(), &host, &sources, tell).await?;
    Ok(PublishOffer { connection, offer })
}

#[tauri::command]
pub(crate) async fn publish_again(
    state: State<'_, AppState>,
    connection: PublishId,
    sources: Vec<TrackSource>,
) -> Result<Offer, Failure> {
    Ok(state.media.publishing.connection(connection)?.reoffer(&sources).await?)
}

#[tauri::command]
pub(crate) async fn publish_accept(
    state: State<'_, AppState>,
    connection: PublishId,
    sdp: String,
) -> Result<(), Failure> {
    Ok(state.media.publishing.connection(connection)?.accept(&sdp).await?)
}

#[tauri::command]
pub(crate) async fn publish_candidate(
    state: State<'_, AppState>,
    connection: PublishId,
    candidate: String,
) -> Result<(), Failure> {
    let connection = state.media.publishing.connection(connection)?;
    Ok(connection.add_candidate(&candidate).await?)
}

#[tauri::command]
pub(crate) async fn publish_close(state: State<'_, AppState>, connection: PublishId) -> Result<(), Failure> {
    state.media.publishing.close(connection);
    Ok(())
}

#[tauri::command]
pub(crate) async fn subscribe(
    state: State<'_, AppState>,
    wanted: Wanted,
    encoded: Vec<EncodedCodec>,
    states: Channel<TransportState>,
) -> Result<SubscriptionOffer, Failure> {
    let host = state.connection()?.address().host().to_owned();
    let page = state.media.subscriptions.page();
    let output = state.media.loudspeaker.choice();
    let (subscription, sdp) = Subscription::offer(SubscribeSetup {
        host,
        wanted,
        encoded,
        output: Output::Device(output.clone()),
        clock: MediaClock::start(),
    })
    .await?;
    let (mut changes, slots) = (subscription.state(), slots(&subscription));
    let id = state.media.subscriptions.add(page, subscription)?;
    let subscription = state.media.subscriptions.get(id)?;
    // What comes out of the loudspeaker also gets into the microphone.
    state.media.studio().far_end().add(subscription.reference());
    state.media.loudspeaker.adopt(&subscription, &output);
    tauri::async_runtime::spawn(async move {
        loop {
            let now = *changes.borrow_and_update();
            if states.send(now).is_err() || changes.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(SubscriptionOffer {
        subscription: id,
        sdp,
        slots,
    })
}

#[tauri::command]
pub(crate) async fn subscribe_again(
    state: State<'_, AppState>,
    subscription: SubscriptionId,
    wanted: Wanted,
) -> Result<SlotsOffer, Failure> {
    let subscription = state.media.subscriptions.get(subscription)?;
    let sdp = subscription.extend(wanted).await?;
    Ok(SlotsOffer {
        sdp,
        slots: slots(&subscription),
    })
}

#[tauri::command]
pub(crate) async fn subscribe_accept(
    state: State<'_, AppState>,
    subscription: SubscriptionId,
    sdp: String,
) -> Result<(), Failure> {
    Ok(state.media.subscriptions.get(subscription)?.accept(&sdp).await?)
}

#[tauri::command]
pub(crate) async fn slot_pictures(
    state: State<'_, AppState>,
    subscription: SubscriptionId,
    mid: String,
) -> Result<String, Failure> {
    let subscription = state.media.subscriptions.get(subscription)?;
    let slot = Feed::Slot {
        decoded: subscription.pictures(&mid)?,
        encoded: subscription.encoded_pictures(&mid)?,
    };
    let feeds = state.media.feeds().await?;
    feeds.offer(slot).ok_or(Failure::Busy)
}

#[tauri::command]
pub(crate) async fn set_volume(
    state: State<'_, AppState>,
    subscription: SubscriptionId,
    volume: f32,
) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&volume) {
        return Err(Failure::invalid("A volume is between 0 and 1."));
    }
    let subscription = state.media.subscriptions.get(subscription)?;
    subscription.set_volume(volume);
    Ok(())
}

#[tauri::command]
pub(crate) async fn loudspeakers() -> Result<Vec<CaptureDevice>, Failure> {
    blocking(|| Ok(loudspeaker::list())).await
}

/// `device` as [`loudspeakers`] names it; `null` for the system's own.
#[tauri::command]
pub(crate) async fn choose_loudspeaker(state: State<'_, AppState>, device: Option<String>) -> Result<(), Failure> {
    let media = &state.media;
    media.loudspeaker.choose(device, &media.subscriptions).await
}

#[tauri::command]
pub(crate) async fn follow_loudspeaker(
    state: State<'_, AppState>,
    losses: Channel<LoudspeakerLost>,
) -> Result<(), Failure> {
    state.media.loudspeaker.listen(losses);
    Ok(())
}

#[tauri::command]
pub(crate) async fn subscription_sample(
    state: State<'_, AppState>,
    subscription: SubscriptionId,
) -> Result<Option<MediaSample>, Failure> {
    Ok(state.media.subscriptions.get(subscription)?.sample())
}

#[tauri::command]
pub(crate) async fn unsubscribe(state: State<'_, AppState>, subscription: SubscriptionId) -> Result<(), Failure> {
    state.media.subscriptions.close(subscription);
    Ok(())
}

#[tauri::command]
pub(crate) async fn start_recording<R: Runtime>(
    app: AppHandle<R>,
    state: State<'_, AppState>,
    title: String,
) -> Result<String, Failure> {
    let folder = recordings(&app)?;
    let (studio, name, place) = (state.media.studio(), file_name(&title), folder.clone());
    blocking(move || Ok(studio.record(&place, &name)?)).await?;
    Ok(folder.display().to_string())
}

#[tauri::command]
pub(crate) async fn stop_recording(state: State<'_, AppState>) -> Result<Option<RecordingState>, Failure> {
    let studio = state.media.studio();
    blocking(move || Ok(studio.stop_recording())).await
}

/// Where the system keeps films, or else the person's own folder.
fn recordings<R: Runtime>(app: &AppHandle<R>) -> Result<PathBuf, Failure> {
    let path = app.path();
    let folder = path.video_dir().or_else(|_| path.home_dir());
    Ok(folder.map_err(|error| Failure::system(&error))?.join("Footlight"))
}

/// A name that every file system takes: letters, digits, and single spaces between them.
fn file_name(title: &str) -> String {
    let plain: String = title
        .chars()
        .map(|letter| if letter.is_alphanumeric() { letter } else { ' ' })
        .take(MAX_FILE_NAME_CHARS)
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    if words.is_empty() {
        "Footlight".to_owned()
    } else {
        words.join(" ")
    }
}

/// Runs what waits for devices and disks, aside.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::system(&error)))
}

impl From<StudioError> for Failure {
    fn from(error: StudioError) -> Self {
        match error {
            StudioError::WrongKind { .. } | StudioError::NotOpen(_) | StudioError::Recording => {
                Self::invalid(error.to_string())
            }
            StudioError::Pipeline(error) => error.into(),
            error => Self::system(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What is said against a wish; nothing where it is granted.
    fn refusal(change: &Value) -> Option<String> {
        let mut wish = json!({
            "place": "camera", "device": "footlight:pattern",
            "width": 1280, "height": 720, "fps": 30, "bitrate_bps": 2_500_000,
        });
        for (key, value) in change.as_object().expect("an object") {
            wish[key] = value.clone();
        }
        let wish: SourceWish = match serde_json::from_value(wish) {
            Ok(wish) => wish,
            Err(error) => return Some(error.to_string()),
        };
        wish.config()
            .err()
            .map(|failure| serde_json::to_string(&failure).expect("JSON"))
    }

    #[test]
    fn a_wish_that_makes_no_sense_is_refused_in_words_that_name_what() {
        assert_eq!(refusal(&json!({})), None);
        assert_eq!(
            refusal(&json!({"place": "microphone", "width": null})),
            None,
            "sound has no size"
        );
        for (change, named) in [
            (json!({"width": 0}), "width is 0, and has to be between 1 and 3840"),
            (json!({"height": 2_161}), "height is 2161"),
            (json!({"fps": 61}), "fps is 61, and has to be between 1 and 60"),
            (json!({"bitrate_bps": 20_000_001}), "bitrate_bps is 20000001"),
            (json!({"fps": null}), "A picture needs fps"),
            (json!({"fps": -1}), "invalid value"),
            (json!({"place": "pocket"}), "pocket"),
            (json!({"place": "screen_audio"}), "comes from a camera or a screen"),
            (json!({"shutter": 1}), "shutter"),
        ] {
            let refusal = refusal(&change).unwrap_or_default();
            assert!(refusal.contains(named), "{change}: {refusal}");
        }
    }

    #[test]
    fn any_title_becomes_a_name_that_every_file_system_takes() {
        for (title, name) in [
            ("Ada’s evening", "Ada s evening"),
            ("../../etc/passwd", "etc passwd"),
            ("CON: a\\b|c?", "CON a b c"),
            ("Grüße 你好", "Grüße 你好"),
            ("\u{202e}\n\t  ", "Footlight"),
            ("", "Footlight"),
        ] {
            assert_eq!(file_name(title), name);
        }
        assert!(file_name(&"long ".repeat(100)).chars().count() <= MAX_FILE_NAME_CHARS);
    }
}
