//! What can be captured on this machine, and where it can be heard.

use std::{
    fmt,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    audio::{microphone, playback},
    units::Resolution,
    video::camera,
};

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
    /// What it can deliver, sorted; empty when it cannot be used now.
    pub modes: Vec<CameraMode>,
    /// Why it cannot be used, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
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

/// A loudspeaker, headphones, or another sound output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoudspeakerInfo {
    /// The host's id of the device: the same each time it is plugged in.
    pub id: String,
    /// What the system calls it.
    pub name: String,
    /// Whether the system uses it where nothing else is asked for.
    pub default: bool,
}

/// How much of a desktop is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScreenKind {
    /// All that is on one screen.
    Screen,
    /// One window. What lies over it may be seen where nothing composes the desktop's windows (X11 without a compositor).
    Window,
}

/// A screen or a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScreenInfo {
    /// The system's number of it.
    pub id: String,
    /// What the system calls the screen; the title of the window.
    pub name: String,
    /// Which of the two it is.
    pub kind: ScreenKind,
    /// Its size as the system tells it; a scaled screen may have more pixels.
    pub size: Resolution,
    /// Whether it is the primary screen.
    pub primary: bool,
}

/// Everything that can be captured here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Devices {
    /// Cameras, sorted by id.
    pub cameras: Vec<CameraInfo>,
    /// Microphones, the default one first.
    pub microphones: Vec<MicrophoneInfo>,
    /// Screens, the primary one first, and then windows, the topmost first; empty without the `screen` feature. Wayland names no
    /// windows: its own dialog does.
    pub screens: Vec<ScreenInfo>,
}

/// How long each class of devices has to list itself: a hung driver or sound server must not hang the program.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Lists what can be captured. A class without a device, or whose system service does not answer in five seconds, is empty.
pub fn list() -> Devices {
    // All at once, each on a thread of its own.
    let screens = listing("screens", find_screens);
    Devices {
        screens: screens.wait(Instant::now() + LIST_TIMEOUT),
        ..inputs()
    }
}

/// The same without screens and windows, for whoever asks again and again.
pub fn inputs() -> Devices {
    let cameras = listing("cameras", camera::list);
    let microphones = listing("microphones", microphone::list);
    let deadline = Instant::now() + LIST_TIMEOUT;
    Devices {
        cameras: cameras.wait(deadline),
        microphones: microphones.wait(deadline),
        screens: Vec::new(),
    }
}

/// Loudspeakers, the default one first.
pub fn loudspeakers() -> Vec<LoudspeakerInfo> {
    listing("loudspeakers", playback::list).wait(Instant::now() + LIST_TIMEOUT)
}

/// Screens and windows alone.
pub fn screens() -> Vec<ScreenInfo> {
    listing("screens", find_screens).wait(Instant::now() + LIST_TIMEOUT)
}

fn find_screens() -> Vec<ScreenInfo> {
    #[cfg(feature = "screen")]
    return crate::video::screen::list();
    #[cfg(not(feature = "screen"))]
    Vec::new()
}

/// What a screen or window of [`screens`] looks like now, at most `size`, as JPEG. `None` where it cannot be looked at without asking
/// (Wayland), or not at all.
pub fn screen_picture(id: &str, size: Resolution) -> Option<Vec<u8>> {
    #[cfg(feature = "screen")]
    return crate::video::screen::picture(id, size);
    #[cfg(not(feature = "screen"))]
    {
        let _ = (id, size);
        None
    }
}

/// A class of devices that is being listed.
struct Listing<T> {
    class: &'static str,
    answer: mpsc::Receiver<Vec<T>>,
}

fn listing<T: Send + 'static>(class: &'static str, list: impl FnOnce() -> Vec<T> + Send + 'static) -> Listing<T> {
    let (sender, answer) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new().name(format!("list-{class}")).spawn(move || {
        // Nobody listens any more when it took too long.
        let _ = sender.send(list());
    });
    if let Err(error) = spawned {
        tracing::warn!(class, %error, "devices cannot be listed");
    }
    Listing { class, answer }
}

impl<T> Listing<T> {
    /// What was listed by then; nothing when it takes longer, or when a driver panicked. A hung thread is left behind.
    fn wait(self, deadline: Instant) -> Vec<T> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.answer.recv_timeout(left).unwrap_or_else(|error| {
            tracing::warn!(class = self.class, %error, "devices did not list themselves");
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_hangs_or_panics_is_empty_and_holds_up_nobody() {
        let (release, hang) = mpsc::channel::<()>();
        let stuck = listing("stuck", move || {
            let _ = hang.recv();
            vec![1]
        });
        let broken = listing::<i32>("broken", || panic!("driver bug"));
        let well = listing("well", || vec![2]);
        assert_eq!(well.wait(Instant::now() + LIST_TIMEOUT), [2]);
        assert!(broken.wait(Instant::now() + LIST_TIMEOUT).is_empty());
        assert!(stuck.wait(Instant::now()).is_empty());
        drop(release);
    }

    #[test]
    fn a_device_is_chosen_by_id_before_place_before_part_of_its_name() {
        let devices = [("/dev/video0", "Desk 1"), ("/dev/video2", "Lid"), ("1", "Odd")];
        let place = |wanted: &str| DeviceChoice::Matching(wanted.into()).position(&devices);
        assert_eq!(place("/dev/video2"), Some(1));
        assert_eq!(place("1"), Some(2));
        assert_eq!(place("0"), Some(0));
        assert_eq!(place("lid"), Some(1));
        assert_eq!(place("9"), None);
        assert_eq!(DeviceChoice::Default.position(&devices), Some(0));
        assert_eq!(DeviceChoice::Default.position(&[]), None);
    }
}
