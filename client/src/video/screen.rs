//! Screens and windows by xcap: X11, Wayland, Windows, macOS.

use std::{
    env, process,
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use xcap::{Monitor, VideoRecorder, Window, XCapError, image::RgbaImage};

use super::{
    capture::{CaptureError, CaptureRequest, Open, VideoCapture},
    convert::{Converter, fitted},
    frame::{Content, Frame},
    jpeg,
    mailbox::Sender,
};
use crate::{
    clock::MediaTime,
    devices::{DeviceChoice, ScreenInfo, ScreenKind},
    units::Resolution,
};

/// How long Wayland's portal may take until the first picture, after the user has agreed.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// A Wayland screen on which nothing moves delivers nothing. Its last picture is repeated this often, so that it does not count as lost.
const REPEAT: Duration = Duration::from_millis(500);

/// How the ids of windows begin; the system's number follows.
const WINDOW_ID: &str = "window-";

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

/// What is looked at.
enum Target {
    Screen(Monitor),
    Window(Window),
}

impl Target {
    fn capture_image(&self) -> Result<RgbaImage, XCapError> {
        match self {
            Self::Screen(monitor) => monitor.capture_image(),
            Self::Window(window) => window.capture_image(),
        }
    }
}

/// The screens, the primary one first, and then the windows, the topmost first.
fn find() -> Result<Vec<(Target, ScreenInfo)>, XCapError> {
    let mut found: Vec<_> = Monitor::all()?
        .into_iter()
        // One that is switched off in between cannot be asked any more.
        .filter_map(|monitor| Some((of_screen(&monitor).ok()?, Target::Screen(monitor))))
        .collect();
    found.sort_by(|(a, _), (b, _)| (b.primary, &a.id).cmp(&(a.primary, &b.id)));
    if !asks_its_user() {
        let windows = Window::all().unwrap_or_default().into_iter();
        found.extend(windows.filter_map(|window| Some((of_window(&window)?, Target::Window(window)))));
    }
    Ok(found.into_iter().map(|(info, target)| (target, info)).collect())
}

fn of_screen(monitor: &Monitor) -> Result<ScreenInfo, XCapError> {
    Ok(ScreenInfo {
        id: monitor.id()?.to_string(),
        name: monitor.friendly_name().or_else(|_| monitor.name())?,
        kind: ScreenKind::Screen,
        size: Resolution::new(monitor.width()?, monitor.height()?),
        primary: monitor.is_primary()?,
    })
}

/// A window that a person would know: one with a name that is to be seen, and not one of ours, which would show itself in itself.
fn of_window(window: &Window) -> Option<ScreenInfo> {
    let is_ours = window.pid().is_ok_and(|pid| pid == process::id());
    if is_ours || window.is_minimized().unwrap_or(false) {
        return None;
    }
    let title = window.title().unwrap_or_default();
    let app = window.app_name().unwrap_or_default();
    let name = match (title.trim(), app.trim()) {
        ("", "") => return None,
        ("", name) | (name, "") => name.to_owned(),
        (title, app) if title.contains(app) => title.to_owned(),
        (title, app) => format!("{title} ({app})"),
    };
    Some(ScreenInfo {
        id: format!("{WINDOW_ID}{}", window.id().ok()?),
        name,
        kind: ScreenKind::Window,
        size: Resolution::new(window.width().ok()?, window.height().ok()?),
        primary: false,
    })
}

/// What a screen or window looks like now, as JPEG.
pub(crate) fn picture(id: &str, most: Resolution) -> Option<Vec<u8>> {
    if asks_its_user() {
        return None;
    }
    let (target, _) = find().ok()?.into_iter().find(|(_, info)| info.id == id)?;
    let image = target.capture_image().ok()?;
    let size = Resolution::new(image.width(), image.height());
    let mut frame = Frame::black(fitted(size, most));
    Converter::default()
        .convert_rgba(image.as_raw(), size, &mut frame)
        .ok()?;
    jpeg::of(&frame)
}

/// Lists screens and windows; none where there is no desktop.
pub(crate) fn list() -> Vec<ScreenInfo> {
    match find() {
        Ok(found) => found.into_iter().map(|(_, info)| info).collect(),
        Err(error) => {
            tracing::debug!(%error, "screens cannot be listed");
            Vec::new()
        }
    }
}

/// Opens the chosen screen or window; after a loss that same one and no other, since another may show what nobody is meant to see.
pub(crate) fn opener(choice: DeviceChoice, request: CaptureRequest) -> Arc<Open> {
    let opened = OnceLock::new();
    Arc::new(move || {
        let screen = Screen::open(&choice, opened.get(), request)?;
        opened.get_or_init(|| screen.known_as.clone());
        Ok(Box::new(screen) as Box<dyn VideoCapture>)
    })
}

/// What a screen or window keeps for as long as it is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownAs(String);

impl KnownAs {
    fn of(info: &ScreenInfo) -> Self {
        Self(match info.kind {
            ScreenKind::Screen => info.name.clone(),
            ScreenKind::Window => info.id.clone(),
        })
    }

    /// Whether it is a window that is there no more. A minimised one cannot be captured, but it is there.
    fn is_closed_window(&self) -> bool {
        let Some(number) = self.0.strip_prefix(WINDOW_ID).and_then(|number| number.parse().ok()) else {
            return false;
        };
        Window::all().is_ok_and(|windows| windows.iter().all(|window| window.id().ok() != Some(number)))
    }
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
    target: Target,
    name: String,
    /// By which it is found again: a screen that was plugged in again has another number, and a window soon another title.
    known_as: KnownAs,
    request: CaptureRequest,
    converter: Converter,
    grab: Grab,
    /// When the next picture is due.
    next: MediaTime,
}

impl Screen {
    /// Opens the one that was lost, else the chosen one.
    fn open(choice: &DeviceChoice, lost: Option<&KnownAs>, request: CaptureRequest) -> Result<Self, CaptureError> {
        let mut found = find().map_err(|error| unavailable(&error))?;
        if found.is_empty() {
            return Err(CaptureError::NoDevice { class: "screen" });
        }
        let position = if let Some(lost) = lost {
            found.iter().position(|(_, info)| KnownAs::of(info) == *lost)
        } else {
            let names: Vec<(&str, &str)> = found.iter().map(|(_, info)| (&*info.id, &*info.name)).collect();
            choice.position(&names)
        };
        let Some(position) = position else {
            if let Some(lost) = lost
                && lost.is_closed_window()
            {
                return Err(CaptureError::Gone {
                    name: "the window".into(),
                });
            }
            return Err(CaptureError::NotFound {
                class: "screen",
                wanted: lost.map_or_else(|| choice.to_string(), |lost| lost.0.clone()),
                available: found.iter().map(|(_, info)| &*info.name).collect::<Vec<_>>().join(", "),
            });
        };
        let (target, info) = found.swap_remove(position);
        let grab = match &target {
            Target::Screen(monitor) if asks_its_user() => Grab::pushed(monitor, &info.name)?,
            Target::Screen(_) | Target::Window(_) => Grab::Asked,
        };
        tracing::info!(screen = info.name, size = %info.size, "screen opened");
        Ok(Self {
            target,
            known_as: KnownAs::of(&info),
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
                let picture = self.target.capture_image().map_err(|error| self.failed(&error))?;
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
