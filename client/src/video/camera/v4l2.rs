//! What has to be put right in a V4L2 node before nokhwa can open it.

use std::io;

use v4l::{
    Device,
    video::{Capture, capture::Parameters},
};

/// Frame rate that replaces one which is no whole number. nokhwa sets the wanted one afterwards.
const WHOLE_FPS: u32 = 30;

/// Whether the node `number` delivers pictures at all: a camera's metadata node does not. nokhwa refuses a node whose frame interval is
/// not 1/n at the time (25/2 for example, which is how some drivers start); such a node is set to a whole rate.
pub(super) fn prepare(number: u32) -> io::Result<bool> {
    let device = Device::new(number as usize)?;
    if device.enum_formats()?.is_empty() {
        return Ok(false);
    }
    let interval = device.params()?.interval;
    if interval.numerator != 1 {
        let set = device.set_params(&Parameters::with_fps(WHOLE_FPS))?.interval;
        tracing::debug!(camera = number, before = %interval, after = %set, "frame interval set");
    }
    Ok(true)
}
