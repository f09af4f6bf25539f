//! The system's service for sound.

use cpal::Host;

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
