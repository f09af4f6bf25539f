//! The system's service for sound, and what microphones and loudspeakers have in common.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cpal::traits::DeviceTrait;
use cpal::{Device, ErrorKind, Host};

/// How long a lost device may take to be closed, before another one is opened all the same. Some never are: a driver waits for
/// what was unplugged.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The one whose default devices are used: on Linux ALSA, since its default leads to the sound server where there is one, follows what the
/// person sets there, and is there without a server as well.
#[cfg(target_os = "linux")]
pub(super) fn host() -> Host {
    // It is there wherever it was built in; cpal itself would take the sound server first.
    cpal::host_from_id(cpal::HostId::Alsa).unwrap_or_else(|_| cpal::default_host())
}

/// The one whose default devices are used.
#[cfg(not(target_os = "linux"))]
pub(super) fn host() -> Host {
    cpal::default_host()
}

/// A device, by the identity that stays and the name that people know.
pub(super) struct Known {
    pub(super) device: Device,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) default: bool,
}

/// Each device once, the default one first.
pub(super) fn each_once(default: Option<&Device>, devices: impl IntoIterator<Item = Device>) -> Vec<Known> {
    let default_id = default.and_then(|device| device.id().ok());
    let mut found: Vec<Known> = Vec::new();
    for device in devices {
        let Ok(id) = device.id() else { continue };
        let known = Known {
            id: id.to_string(),
            name: name_of(&device),
            default: Some(&id) == default_id.as_ref(),
            device,
        };
        if found.iter().all(|other| other.id != known.id) {
            found.push(known);
        }
    }
    found.sort_by_key(|known| !known.default);
    found
}

/// What people call a device; its identity where nobody gave it a name.
pub(super) fn name_of(device: &Device) -> String {
    match device.description() {
        Ok(description) => description.name().to_owned(),
        Err(_) => device
            .id()
            .map_or_else(|_| "sound device".to_owned(), |id| id.to_string()),
    }
}

/// Whether a stream that says this will not go on by itself.
pub(super) fn is_fatal(error: &cpal::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated
    )
}

/// Closes a device on a thread of its own. The receiver is disconnected when that is done.
pub(super) fn close<T: Send + 'static>(device: T) -> mpsc::Receiver<()> {
    let (done, closed) = mpsc::sync_channel(0);
    let closing = move || {
        drop(device);
        drop(done);
    };
    if let Err(error) = thread::Builder::new().name("sound-close".into()).spawn(closing) {
        // It was closed here, then.
        tracing::warn!(%error, "no thread to close a sound device");
    }
    closed
}
