//! What can be captured, as the pages list it.

use footlight_client::devices::{self, DeviceChoice, Devices, ScreenKind};
use footlight_client::pipeline::{AudioSource, VideoSource};
use footlight_protocol::TrackSource;
use serde::Serialize;

use crate::failure::Failure;

/// A source that needs no device. No device's name begins so: identifiers come from the system.
const PATTERN: &str = "footlight:pattern";
/// The same for sound.
const TONE: &str = "footlight:tone";

/// One thing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CaptureDevice {
    /// To be named when it is opened.
    id: String,
    /// For people.
    name: String,
}

impl CaptureDevice {
    pub(super) fn new(id: String, name: String) -> Self {
        Self { id, name }
    }
}

/// All that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CaptureDevices {
    cameras: Vec<CaptureDevice>,
    microphones: Vec<CaptureDevice>,
}

/// A screen or a window to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CaptureScreen {
    #[serde(flatten)]
    device: CaptureDevice,
    kind: ScreenKind,
}

impl CaptureScreen {
    /// Asks the system. Blocks for as long as it takes.
    pub(super) fn list() -> Vec<Self> {
        let found = devices::screens().into_iter();
        found
            .map(|screen| Self {
                device: CaptureDevice {
                    id: screen.id,
                    name: screen.name,
                },
                kind: screen.kind,
            })
            .collect()
    }
}

impl CaptureDevices {
    /// Asks the system. Blocks for as long as its drivers take.
    pub(super) fn list() -> Self {
        Self::of(devices::inputs())
    }

    fn of(found: Devices) -> Self {
        let mut cameras: Vec<_> = found
            .cameras
            .into_iter()
            .map(|camera| CaptureDevice {
                id: camera.id,
                name: camera.name,
            })
            .collect();
        let mut microphones: Vec<_> = found
            .microphones
            .into_iter()
            .map(|microphone| CaptureDevice {
                id: microphone.id,
                name: microphone.name,
            })
            .collect();
        // Last: whoever has devices means them.
        cameras.push(CaptureDevice {
            id: PATTERN.to_owned(),
            name: "Test pattern".to_owned(),
        });
        microphones.push(CaptureDevice {
            id: TONE.to_owned(),
            name: "Test tone".to_owned(),
        });
        Self { cameras, microphones }
    }
}

/// The picture source that a page means by `device`, for a camera's place or a screen's.
pub(super) fn picture_source(place: TrackSource, device: Option<&str>) -> Result<VideoSource, Failure> {
    match (place, device) {
        (TrackSource::Camera, Some(PATTERN)) => Ok(VideoSource::Pattern),
        (TrackSource::Camera, device) => Ok(VideoSource::Camera(choice(device))),
        (TrackSource::Screen, device) => Ok(VideoSource::Screen(choice(device))),
        (TrackSource::Microphone | TrackSource::ScreenAudio, _) => {
            Err(Failure::invalid("A picture comes from a camera or a screen."))
        }
    }
}

/// The sound source that a page means by `device`.
pub(super) fn sound_source(device: Option<&str>) -> AudioSource {
    match device {
        Some(TONE) => AudioSource::Tone,
        device => AudioSource::Microphone(choice(device)),
    }
}

/// The device that a page means.
pub(super) fn choice(device: Option<&str>) -> DeviceChoice {
    device.map_or(DeviceChoice::Default, |id| DeviceChoice::Matching(id.to_owned()))
}
