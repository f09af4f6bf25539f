//! Screens by xcap: X11, Wayland, Windows, macOS.

use std::{
    env,
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use xcap::{Monitor, VideoRecorder, XCapError};

use super::{
    capture::{CaptureError, CaptureRequest, Open, VideoCapture},
    convert::Converter,
    frame::Content,
    mailbox::Sender,
};
use crate::{
    clock::MediaTime,
    devices::{DeviceChoice, ScreenInfo},
    units::Resolution,
};

/// How long Wayland's portal may take until the first picture, after the user has agreed.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// A Wayland screen on which nothing moves delivers nothing. Its last picture is repeated this often, so that it does not count as lost.
const REPEAT: Duration = Duration::from_millis(500);

/// Whether the screen belongs to a Wayland compositor, which asks its user before anybody may look.
pub(crate) fn asks_its_user() -> bool {
    cfg!(target_os = "linux")
        && (env::var_os("XDG_SESSION_TYPE").is_some_and(|kind| kind == "wayland")
            || env::var_os("WAYLAND_DISPLAY").is_some_and(|display| !display.is_empty()))
}

fn unavailable(error: &XCapError) -> CaptureError {
    CaptureError::ScreenUnavailable {
        reason: error.to_string(),
        hint: if cfg!(target_os = "linux") {
            "run it inside a desktop session (is DISPLAY set?)"
        } else {
            "allow this program to record the screen in the system's settings"
        },
    }
}

/// The screens, the primary one first.
fn find() -> Result<Vec<(Monitor, ScreenInfo)>, XCapError> {
    let mut found: Vec<_> = Monitor::all()?
        .into_iter()
        // One that is switched off in between cannot be asked any more.
        .filter_map(|monitor| Some((info(&monitor).ok()?, monitor)))
        .map(|(info, monitor)| (monitor, info))
        .collect();
    found.sort_by(|(_, a), (_, b)| (b.primary, &a.id).cmp(&(a.primary, &b.id)));
    Ok(found)
}

fn info(monitor: &Monitor) -> Result<ScreenInfo, XCapError> {
    Ok(ScreenInfo {
        id: monitor.id()?.to_string(),
        name: monitor.friendly_name().or_else(|_| monitor.name())?,
        size: Resolution::new(monitor.width()?, monitor.height()?),
        primary: monitor.is_primary()?,
    })
}

/// Lists the screens; none where there is no desktop.
pub(crate) fn list() -> Vec<ScreenInfo> {
    match find() {
        Ok(found) => found.into_iter().map(|(_, info)| info).collect(),
        Err(error) => {
            tracing::debug!(%error, "screens cannot be listed");
            Vec::new()
        }
    }
}

/// Opens the chosen screen; after a loss that same one and no other, since another may show what nobody is meant to see.
pub(crate) fn opener(choice: DeviceChoice, request: CaptureRequest) -> Arc<Open> {
    let opened = OnceLock::new();
    Arc::new(move || {
        let screen = Screen::open(&choice, opened.get(), request)?;
        opened.get_or_init(|| screen.name.clone());
        Ok(Box::new(screen) as Box<dyn VideoCapture>)
    })
}

/// How pictures come out of the system.
enum Grab {
    /// Each one is asked for.
    Asked,
    /// Wayland's portal pushes them. Asking it would store a screenshot in the user's folder each time.
    Pushed {
        recorder: VideoRecorder,
        pictures: Receiver<xcap::Frame>,
        latest: xcap::Frame,
    },
}

struct Screen {
    monitor: Monitor,
    name: String,
    request: CaptureRequest,
    converter: Converter,
    grab: Grab,
    /// When the next picture is due.
    next: MediaTime,
}

impl Screen {
    /// Opens the screen called `lost`, else the chosen one.
    fn open(choice: &DeviceChoice, lost: Option<&String>, request: CaptureRequest) -> Result<Self, CaptureError> {
        let mut monitors = find().map_err(|error| unavailable(&error))?;
        if monitors.is_empty() {
            return Err(CaptureError::NoDevice { class: "screen" });
        }
        let screens: Vec<(&str, &str)> = monitors
            .iter()
            .map(|(_, info)| (info.id.as_str(), info.name.as_str()))
            .collect();
        let position = match lost {
            Some(lost) => screens.iter().position(|(_, name)| name == lost),
            None => choice.position(&screens),
        };
        let Some(position) = position else {
            return Err(CaptureError::NotFound {
                class: "screen",
                wanted: lost.cloned().unwrap_or_else(|| choice.to_string()),
                available: screens.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", "),
            });
        };
        let (monitor, info) = monitors.swap_remove(position);
        let grab = if asks_its_user() {
            Grab::pushed(&monitor, &info.name)?
        } else {
            Grab::Asked
        };
        tracing::info!(screen = info.name, size = %info.size, "screen opened");
        Ok(Self {
            monitor,
            name: info.name,
            request,
            converter: Converter::default(),
            grab,
            next: request.clock.now(),
        })
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> CaptureError {
        CaptureError::Failed {
            name: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    /// Waits until the next picture is due. After a delay it starts anew instead of catching up.
    fn pace(&mut self) {
        let now = self.request.clock.now();
        thread::sleep(self.next.saturating_since(now));
        self.next = self.next.max(now).plus(Duration::from_secs(1) / self.request.fps);
    }
}

impl Grab {
    fn pushed(monitor: &Monitor, name: &str) -> Result<Self, CaptureError> {
        let (recorder, pictures) = monitor.video_recorder().map_err(|error| unavailable(&error))?;
        recorder.start().map_err(|error| unavailable(&error))?;
        let latest = pictures
            .recv_timeout(FIRST_PICTURE)
            .map_err(|error| CaptureError::Failed {
                name: name.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self::Pushed {
            recorder,
            pictures,
            latest,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Grab::Pushed { recorder, .. } = &self.grab
            && let Err(error) = recorder.stop()
        {
            tracing::debug!(%error, "screen recording did not stop");
        }
    }
}

impl VideoCapture for Screen {
    fn name(&self) -> &str {
        &self.name
    }

    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError> {
        self.pace();
        let mut frame = sink.buffer(self.request.size);
        frame.content = Content::Screen;
        let converted = match &mut self.grab {
            Grab::Asked => {
                frame.capture = self.request.clock.now();
                let picture = self.monitor.capture_image().map_err(|error| self.failed(&error))?;
                let size = Resolution::new(picture.width(), picture.height());
                self.converter.convert_rgba(picture.as_raw(), size, &mut frame)
            }
            Grab::Pushed { pictures, latest, .. } => {
                match pictures.recv_timeout(REPEAT) {
                    // The channel is unbounded: it is emptied at each picture, and the newest wins.
                    Ok(picture) => *latest = pictures.try_iter().last().unwrap_or(picture),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(error @ RecvTimeoutError::Disconnected) => return Err(self.failed(&error)),
                }
                frame.capture = self.request.clock.now();
                let size = Resolution::new(latest.width, latest.height);
                self.converter.convert_rgba(&latest.raw, size, &mut frame)
            }
        };
        converted.map_err(|error| self.failed(&error))?;
        sink.send(frame);
        Ok(())
    }
}
