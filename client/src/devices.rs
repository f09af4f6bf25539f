//! What can be captured on this machine.

use std::fmt;

use serde::Serialize;

use crate::{audio::microphone, units::Resolution, video::camera};

/// Which device of its class to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The system's default, or the first one of the sorted list.
    #[default]
    Default,
    /// The one whose id is exactly this text, else whose place in [`list`] is this number, else whose name contains it (in any case).
    Matching(String),
}

impl DeviceChoice {
    /// Place of the chosen device in a list of (id, name); none when nothing matches.
    pub(crate) fn position(&self, devices: &[(&str, &str)]) -> Option<usize> {
        match self {
            Self::Default => (!devices.is_empty()).then_some(0),
            Self::Matching(wanted) => {
                let lowercase = wanted.to_lowercase();
                let number = wanted.parse().ok().filter(|&number: &usize| number < devices.len());
                devices.iter().position(|(id, _)| id == wanted).or(number).or_else(|| {
                    devices
                        .iter()
                        .position(|(_, name)| name.to_lowercase().contains(&lowercase))
                })
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Matching(text) => f.write_str(text),
        }
    }
}

/// A pixel layout in which a camera offers pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// Packed 4:2:2.
    Yuyv,
    /// 4:2:0 with interleaved chroma.
    Nv12,
    /// Motion JPEG.
    Mjpeg,
}

/// One way in which a camera can deliver pictures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CameraMode {
    /// Pixel layout.
    pub format: PixelFormat,
    /// Picture size.
    pub size: Resolution,
    /// Frames per second.
    pub fps: u32,
}

/// A camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraInfo {
    /// Stable while plugged in, such as `/dev/video0`.
    pub id: String,
    /// What the maker calls it.
    pub name: String,
    /// What it can deliver, sorted; empty while another program has it open exclusively.
    pub modes: Vec<CameraMode>,
}

/// A microphone or another sound input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MicrophoneInfo {
    /// The host's id of the device.
    pub id: String,
    /// What the system calls it.
    pub name: String,
    /// Whether the system uses it where nothing else is asked for.
    pub default: bool,
}

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScreenInfo {
    /// The system's number of the screen.
    pub id: String,
    /// What the system calls it.
    pub name: String,
    /// Its size in pixels.
    pub size: Resolution,
    /// Whether it is the primary one.
    pub primary: bool,
}

/// Everything that can be captured here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Devices {
    /// Cameras, sorted by id.
    pub cameras: Vec<CameraInfo>,
    /// Microphones, the default one first.
    pub microphones: Vec<MicrophoneInfo>,
    /// Screens, the primary one first; empty without the `screen` feature.
    pub screens: Vec<ScreenInfo>,
}

/// Lists what can be captured. A class without a device, or whose system service does not answer, is empty. Blocks for up to some seconds.
pub fn list() -> Devices {
    Devices {
        cameras: camera::list(),
        microphones: microphone::list(),
        screens: Vec::new(),
    }
}
