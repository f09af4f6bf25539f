//! The sound server of a Linux desktop.

use std::sync::{Arc, Mutex, PoisonError};

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, Device, ErrorKind, Host, HostId, SampleFormat, StreamConfig};

use super::{Manner, frames};
use crate::audio::{CHANNELS, SAMPLE_RATE};

/// One connection for the whole program: each has a thread, which stays behind when the connection is given up while the server runs.
static SERVER: Mutex<Option<Arc<Host>>> = Mutex::new(None);

/// The default sink, and all sinks. `None` where no server answers.
pub(super) fn sinks() -> Option<(Option<Device>, Vec<Device>)> {
    let mut server = connection(None)?;
    let sinks = match server.output_devices() {
        // It was started anew.
        Err(error) if error.kind() == ErrorKind::StreamInvalidated => {
            server = connection(Some(&server))?;
            server.output_devices()
        }
        answer => answer,
    };
    let sinks = sinks
        .inspect_err(|error| tracing::debug!(%error, "the sound server lists no outputs"))
        .ok()?
        .collect();
    Some((server.default_output_device(), sinks))
}

/// The connection, or another one in place of `lost`.
fn connection(lost: Option<&Arc<Host>>) -> Option<Arc<Host>> {
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let known = server
        .as_ref()
        .filter(|known| lost.is_none_or(|lost| !Arc::ptr_eq(known, lost)));
    if let Some(known) = known {
        return Some(Arc::clone(known));
    }
    *server = cpal::host_from_id(HostId::PulseAudio).ok().map(Arc::new);
    server.clone()
}

/// How a sink is opened: as sound is mixed here, since the server adapts it to the device. `None` for devices that are not the server's.
pub(super) fn manner(device: &Device) -> Option<Manner> {
    (device.id().ok()?.host() == HostId::PulseAudio).then_some(Manner {
        config: StreamConfig {
            channels: CHANNELS as u16,
            sample_rate: SAMPLE_RATE,
            buffer_size: BufferSize::Default,
        },
        format: SampleFormat::F32,
        small: Some(BufferSize::Fixed(frames(SAMPLE_RATE))),
    })
}
