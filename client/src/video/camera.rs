//! Cameras by nokhwa: V4L2, Media Foundation, `AVFoundation`.

use std::{sync::Arc, time::SystemTime};

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

/// A camera that was found, and where nokhwa finds it.
struct Found {
    index: CameraIndex,
    info: CameraInfo,
}

/// The cameras, sorted by place: nokhwa's own order is random. What has no usable mode, a metadata node for example, is left out.
fn find() -> Vec<Found> {
    let mut nodes = nokhwa::query(ApiBackend::Auto).unwrap_or_default();
    nodes.sort_by(|a, b| a.index().cmp(b.index()));
    nodes
        .into_iter()
        .filter_map(|node| {
            let index = node.index().clone();
            let (name, modes) = match Camera::new(index.clone(), request(RequestedFormatType::None)) {
                Ok(mut camera) => {
                    let mut modes: Vec<_> = camera
                        .compatible_camera_formats()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(mode)
                        .collect();
                    modes.sort();
                    modes.dedup();
                    // The query knows the kernel's name of the node; the opened device knows its maker's.
                    (camera.info().human_name(), modes)
                }
                Err(error) if is_busy(&error) => (node.human_name(), Vec::new()),
                Err(error) => {
                    tracing::debug!(camera = id_of(&index), %error, "not a usable camera");
                    return None;
                }
            };
            Some(Found {
                info: CameraInfo {
                    id: id_of(&index),
                    name: name.trim().to_owned(),
                    modes,
                },
                index,
            })
        })
        .collect()
}

/// Lists the cameras.
pub(crate) fn list() -> Vec<CameraInfo> {
    find().into_iter().map(|found| found.info).collect()
}

/// Opens the chosen camera, and the same one again when it was lost, wherever it is plugged in then.
pub(crate) fn opener(choice: DeviceChoice, capture: CaptureRequest) -> Arc<Open> {
    Arc::new(move || Ok(Box::new(NokhwaCamera::open(&choice, capture)?) as Box<dyn VideoCapture>))
}

fn is_busy(error: &NokhwaError) -> bool {
    error.to_string().contains("busy")
}

fn open_error(name: &str, error: &NokhwaError) -> CaptureError {
    let name = name.to_owned();
    let reason = error.to_string();
    if is_busy(error) {
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
    fn open(choice: &DeviceChoice, capture: CaptureRequest) -> Result<Self, CaptureError> {
        let cameras = find();
        let infos: Vec<(&str, &str)> = cameras
            .iter()
            .map(|found| (found.info.id.as_str(), found.info.name.as_str()))
            .collect();
        let found = match choice.position(&infos) {
            Some(position) => &cameras[position],
            None if cameras.is_empty() => return Err(CaptureError::NoDevice { class: "camera" }),
            None => {
                let available = infos
                    .iter()
                    .map(|(id, name)| format!("{name} ({id})"))
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(CaptureError::NotFound {
                    class: "camera",
                    wanted: choice.to_string(),
                    available,
                });
            }
        };
        let CameraInfo { name, modes, .. } = &found.info;
        let failed = |error: NokhwaError| open_error(name, &error);
        let mode = match modes.iter().min_by_key(|mode| cost(mode, capture.size, capture.fps)) {
            Some(mode) => mode.clone(),
            None => return Err(CaptureError::Busy { name: name.clone() }),
        };
        let format = match mode.format {
            PixelFormat::Yuyv => FrameFormat::YUYV,
            PixelFormat::Nv12 => FrameFormat::NV12,
            PixelFormat::Mjpeg => FrameFormat::MJPEG,
        };
        let exact = CameraFormat::new_from(mode.size.width, mode.size.height, format, mode.fps);
        let mut camera =
            Camera::new(found.index.clone(), request(RequestedFormatType::Exact(exact))).map_err(failed)?;
        camera.open_stream().map_err(failed)?;
        tracing::info!(camera = name, size = %mode.size, fps = mode.fps, format = ?mode.format, "camera opened");
        Ok(Self {
            camera,
            name: name.clone(),
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
