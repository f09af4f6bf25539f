//! Cameras by nokhwa: V4L2, Media Foundation, `AVFoundation`.

#[cfg(target_os = "linux")]
mod v4l2;

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use nokhwa::{
    Camera, NokhwaError,
    utils::{ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType},
};

use super::{
    capture::{CaptureError, CaptureRequest, Open, VideoCapture},
    convert::Converter,
    frame::Content,
    mailbox::Sender,
};
use crate::{
    clock::MediaTime,
    devices::{CameraInfo, CameraMode, DeviceChoice, PixelFormat},
    units::Resolution,
};

/// Formats that can be converted.
const USABLE: [FrameFormat; 3] = [FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::MJPEG];
/// Pictures in a row that may be unusable, such as the cut-off first JPEGs of some webcams, before the camera counts as failed.
const MAX_BAD_PICTURES: u32 = 30;

/// How a camera's pictures are asked for.
fn request(kind: RequestedFormatType) -> RequestedFormat<'static> {
    RequestedFormat::with_formats(kind, &USABLE)
}

fn pixel_format(format: FrameFormat) -> Option<PixelFormat> {
    match format {
        FrameFormat::YUYV => Some(PixelFormat::Yuyv),
        FrameFormat::NV12 => Some(PixelFormat::Nv12),
        FrameFormat::MJPEG => Some(PixelFormat::Mjpeg),
        _ => None,
    }
}

fn mode(format: &CameraFormat) -> Option<CameraMode> {
    let size = Resolution::new(format.width(), format.height());
    let usable = size.width >= 2 && size.height >= 2 && format.frame_rate() > 0;
    pixel_format(format.format())
        .filter(|_| usable)
        .map(|pixels| CameraMode {
            format: pixels,
            size,
            fps: format.frame_rate(),
        })
}

fn id_of(index: &CameraIndex) -> String {
    match index {
        CameraIndex::Index(number) if cfg!(target_os = "linux") => format!("/dev/video{number}"),
        other => other.as_string(),
    }
}

/// A camera that was found.
struct Found {
    index: CameraIndex,
    id: String,
    /// What its maker calls it.
    name: String,
    /// The kernel's name of its node, which is known without opening it.
    node_name: String,
    /// What it can deliver, sorted, or why it cannot be used.
    modes: Result<Vec<CameraMode>, CaptureError>,
}

/// The nodes, sorted by place: nokhwa's own order is random.
fn nodes() -> Vec<nokhwa::utils::CameraInfo> {
    let mut nodes = nokhwa::query(ApiBackend::Auto).unwrap_or_default();
    nodes.sort_by(|a, b| a.index().cmp(b.index()));
    nodes
}

/// Opens a node for long enough to learn its maker's name and its modes. None for one that delivers no pictures, such as metadata.
fn probe(node: &nokhwa::utils::CameraInfo) -> Option<Found> {
    let mut found = Found {
        index: node.index().clone(),
        id: id_of(node.index()),
        name: node.human_name().trim().to_owned(),
        node_name: node.human_name(),
        modes: Ok(Vec::new()),
    };
    #[cfg(target_os = "linux")]
    match node.index().as_index().map(v4l2::prepare) {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) | Err(_) => return None,
        Ok(Err(error)) => {
            found.modes = Err(open_error(&found.name, error.to_string()));
            return Some(found);
        }
    }
    match Camera::new(found.index.clone(), request(RequestedFormatType::None)) {
        Ok(mut camera) => {
            camera.info().human_name().trim().clone_into(&mut found.name);
            let mut modes: Vec<_> = camera
                .compatible_camera_formats()
                .unwrap_or_default()
                .iter()
                .filter_map(mode)
                .collect();
            modes.sort();
            modes.dedup();
            found.modes = Ok(modes);
        }
        // The spelling is nokhwa's: none of its formats is among the usable ones.
        Err(error) if error.to_string().contains("Fufill") => {}
        Err(error) => found.modes = Err(open_error(&found.name, error.to_string())),
    }
    if found.modes.as_ref().is_ok_and(Vec::is_empty) {
        let name = found.name.clone();
        found.modes = Err(CaptureError::NoUsableMode { name });
    }
    Some(found)
}

/// Lists the cameras, also those that cannot be used now.
pub(crate) fn list() -> Vec<CameraInfo> {
    let found = nodes().into_iter().filter_map(|node| probe(&node));
    found
        .map(|found| {
            let (modes, problem) = match found.modes {
                Ok(modes) => (modes, None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            CameraInfo {
                id: found.id,
                name: found.name,
                modes,
                problem,
            }
        })
        .collect()
}

/// Finds the chosen camera, and opens no other one on the way unless the choice depends on it.
fn choose(choice: &DeviceChoice, nodes: &[nokhwa::utils::CameraInfo]) -> Result<Found, CaptureError> {
    let mut probed = nodes.iter().filter_map(probe);
    let DeviceChoice::Matching(wanted) = choice else {
        // The first one that can be used; if none can, the first one tells why.
        let first = probed.next().ok_or(CaptureError::NoDevice { class: "camera" })?;
        return Ok(if first.modes.is_ok() {
            first
        } else {
            probed.find(|found| found.modes.is_ok()).unwrap_or(first)
        });
    };
    let named = nodes.iter().find(|node| id_of(node.index()) == *wanted);
    if let Some(found) = named.and_then(probe) {
        return Ok(found);
    }
    let mut cameras: Vec<Found> = probed.collect();
    let list: Vec<(&str, &str)> = cameras
        .iter()
        .map(|found| (found.id.as_str(), found.name.as_str()))
        .collect();
    match choice.position(&list) {
        Some(position) => Ok(cameras.swap_remove(position)),
        None if cameras.is_empty() => Err(CaptureError::NoDevice { class: "camera" }),
        None => Err(CaptureError::NotFound {
            class: "camera",
            wanted: wanted.clone(),
            available: list
                .iter()
                .map(|(id, name)| format!("{name} ({id})"))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// What tells a camera that comes back from the others.
#[derive(Debug)]
struct Identity {
    id: String,
    node_name: String,
    /// Ids of other cameras of the same make that were there when this one was opened.
    twins: Vec<String>,
}

impl Identity {
    fn new(found: &Found, nodes: &[nokhwa::utils::CameraInfo]) -> Self {
        let twins = nodes.iter().filter(|node| node.human_name() == found.node_name);
        Self {
            id: found.id.clone(),
            node_name: found.node_name.clone(),
            twins: twins
                .map(|node| id_of(node.index()))
                .filter(|id| *id != found.id)
                .collect(),
        }
    }

    /// Plugged in again, a camera may get another place; a twin's place it does not get.
    fn matches(&self, id: &str, node_name: &str) -> bool {
        self.node_name == node_name && (self.id == id || self.twins.iter().all(|twin| twin != id))
    }

    /// Finds the camera again, where it was or elsewhere. No other camera is opened for that.
    fn find(&self, nodes: &[nokhwa::utils::CameraInfo]) -> Result<Found, CaptureError> {
        let mut candidates: Vec<_> = nodes
            .iter()
            .filter(|node| self.matches(&id_of(node.index()), &node.human_name()))
            .collect();
        candidates.sort_by_key(|node| id_of(node.index()) != self.id);
        candidates
            .into_iter()
            .find_map(probe)
            .ok_or_else(|| CaptureError::Failed {
                name: self.node_name.clone(),
                reason: "it is not plugged in".into(),
            })
    }
}

/// Opens the chosen camera, and when it was lost the very same one again, wherever it is plugged in then.
pub(crate) fn opener(choice: DeviceChoice, capture: CaptureRequest) -> Arc<Open> {
    let opened: OnceLock<Identity> = OnceLock::new();
    Arc::new(move || {
        let nodes = nodes();
        let found = match opened.get() {
            Some(identity) => identity.find(&nodes)?,
            None => choose(&choice, &nodes)?,
        };
        let identity = Identity::new(&found, &nodes);
        let camera = NokhwaCamera::open(found, capture)?;
        opened.get_or_init(|| identity);
        Ok(Box::new(camera) as Box<dyn VideoCapture>)
    })
}

/// Neither nokhwa nor the `v4l` crate under it keeps the system's error code: what is left is its text.
fn open_error(name: &str, reason: String) -> CaptureError {
    let name = name.to_owned();
    if reason.contains("busy") {
        CaptureError::Busy { name }
    } else if reason.contains("ermission denied") {
        let hint = if cfg!(target_os = "linux") {
            " (on Linux: join the group 'video')"
        } else {
            ""
        };
        CaptureError::Denied { name, hint }
    } else {
        CaptureError::Failed { name, reason }
    }
}

/// How well a mode serves a request; smaller is better. A picture that need not be enlarged comes first, then the frame rate, then the
/// least pixels, then the format that costs least to convert.
fn cost(mode: &CameraMode, wanted: Resolution, fps: u32) -> (bool, u32, u64, PixelFormat) {
    let too_small = mode.size.width < wanted.width || mode.size.height < wanted.height;
    let excess = mode.size.pixels().abs_diff(wanted.pixels());
    (too_small, fps.saturating_sub(mode.fps), excess, mode.format)
}

struct NokhwaCamera {
    camera: Camera,
    name: String,
    mode: CameraMode,
    capture: CaptureRequest,
    converter: Converter,
    bad_pictures: u32,
}

impl NokhwaCamera {
    fn open(found: Found, capture: CaptureRequest) -> Result<Self, CaptureError> {
        let Found { index, name, modes, .. } = found;
        let mode = modes?
            .into_iter()
            .min_by_key(|mode| cost(mode, capture.size, capture.fps))
            .ok_or_else(|| CaptureError::NoUsableMode { name: name.clone() })?;
        let failed = |error: NokhwaError| open_error(&name, error.to_string());
        let format = match mode.format {
            PixelFormat::Yuyv => FrameFormat::YUYV,
            PixelFormat::Nv12 => FrameFormat::NV12,
            PixelFormat::Mjpeg => FrameFormat::MJPEG,
        };
        let exact = CameraFormat::new_from(mode.size.width, mode.size.height, format, mode.fps);
        let mut camera = Camera::new(index, request(RequestedFormatType::Exact(exact))).map_err(failed)?;
        camera.open_stream().map_err(failed)?;
        tracing::info!(camera = name, size = %mode.size, fps = mode.fps, format = ?mode.format, "camera opened");
        Ok(Self {
            camera,
            name,
            mode,
            capture,
            converter: Converter::default(),
            bad_pictures: 0,
        })
    }

    /// When a picture was taken: the driver's time where it tells, else now.
    fn capture_time(&self, driver_unix: Option<std::time::Duration>) -> MediaTime {
        let clock = self.capture.clock;
        let age = driver_unix
            .and_then(|taken| {
                SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .ok()?
                    .checked_sub(taken)
            })
            // A driver whose clock is not what it says must not move the picture against the sound.
            .filter(|age| age.as_secs() < 1)
            .unwrap_or_default();
        clock.now().minus(age)
    }
}

impl VideoCapture for NokhwaCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError> {
        let picture = self.camera.frame().map_err(|error| CaptureError::Failed {
            name: self.name.clone(),
            reason: error.to_string(),
        })?;
        let taken = self.capture_time(picture.capture_timestamp());
        let mut frame = sink.buffer(self.capture.size);
        match self
            .converter
            .convert(self.mode.format, picture.buffer(), self.mode.size, &mut frame)
        {
            Ok(()) => {
                self.bad_pictures = 0;
                frame.capture = taken;
                frame.content = Content::Camera;
                sink.send(frame);
                Ok(())
            }
            Err(error) if self.bad_pictures < MAX_BAD_PICTURES => {
                self.bad_pictures += 1;
                tracing::debug!(camera = self.name, %error, "a picture was left out");
                Ok(())
            }
            Err(error) => Err(CaptureError::Failed {
                name: self.name.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
