//! A source's capture thread: opens the device, delivers its pictures, and opens it again when it is lost.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::mailbox::{Mailbox, Sender};
use crate::{clock::MediaClock, source::StateCell, units::Resolution};

/// Longest wait for a device's first answer. Cameras that must power up take one or two seconds.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// First pause before a lost device is opened again; doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(250);
/// Longest pause between attempts: a camera that is plugged in again should be back soon. Shorter than [`HANG`].
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// A thread of which nothing was heard for this long is replaced; sooner, a driver that recovers by itself would be torn down for nothing.
pub(crate) const HANG: Duration = Duration::from_secs(5);
/// How long stopping waits for a device to be released. A hung driver must not hang the program.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a source of pictures could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// No device of the class is there.
    #[error("no {class} was found: connect one, or publish the test pattern with --pattern")]
    NoDevice {
        /// `camera` or `screen`.
        class: &'static str,
    },
    /// None is called what was asked for.
    #[error("no {class} matches '{wanted}'; there is: {available}")]
    NotFound {
        /// `camera` or `screen`.
        class: &'static str,
        /// What was asked for.
        wanted: String,
        /// The names that would have worked.
        available: String,
    },
    /// Somebody else has it open.
    #[error("camera '{name}' is used by another program: close that program, or choose another camera")]
    Busy {
        /// The camera's name.
        name: String,
    },
    /// The system does not let this user have it.
    #[error("access to camera '{name}' is denied: allow this program to use the camera in the system's settings{hint}")]
    Denied {
        /// The camera's name.
        name: String,
        /// What to do on this system.
        hint: &'static str,
    },
    /// It offers no pixel format that can be converted.
    #[error("camera '{name}' offers none of YUYV, NV12 and MJPEG at a whole frame rate: choose another camera")]
    NoUsableMode {
        /// The camera's name.
        name: String,
    },
    /// It did not open in time.
    #[error("'{name}' did not answer within {} s: unplug a camera and plug it in again; allow a screen when asked", waited.as_secs())]
    NoAnswer {
        /// What was asked for.
        name: String,
        /// How long that was.
        waited: Duration,
    },
    /// It was unplugged, or its driver failed.
    #[error("'{name}' failed: {reason}")]
    Failed {
        /// The device's name.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// What was captured is no more, and nothing in its place would be the same.
    #[error("{name} was closed")]
    Gone {
        /// What it was.
        name: String,
    },
    /// The system gives no screen away.
    #[error("the screen cannot be captured ({reason}): {hint}")]
    ScreenUnavailable {
        /// What the system said.
        reason: String,
        /// What to do on this system.
        hint: &'static str,
    },
    /// This program cannot capture screens.
    #[error("this program was built without screen capture: build it with the feature `screen`")]
    ScreenUnsupported,
}

/// What a source is asked to deliver.
#[derive(Debug, Clone, Copy)]
pub struct CaptureRequest {
    /// Size that leaves the source: what the device delivers is scaled to fit.
    pub size: Resolution,
    /// Frames per second, at most.
    pub fps: u32,
    /// Clock that stamps them.
    pub clock: MediaClock,
}

/// A source of pictures. It lives and dies on its capture thread.
pub trait VideoCapture {
    /// What people call it.
    fn name(&self) -> &str;

    /// Waits for the next picture and sends it to `sink`. After an error the source is dropped and opened again.
    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError>;
}

/// Opens a source; called again when it was lost.
pub type Open = dyn Fn() -> Result<Box<dyn VideoCapture>, CaptureError> + Send + Sync;

/// When a capture thread was last seen outside its driver.
#[derive(Clone)]
struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    fn start() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn silence(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// A source with its capture thread. Dropping it ends the thread and releases the device.
pub(crate) struct CaptureThread {
    name: String,
    sender_id: u64,
    open: Arc<Open>,
    state: StateCell,
    pulse: Pulse,
    stop: Arc<AtomicBool>,
    thread: thread::Thread,
    /// Closes when the thread has ended.
    ended: mpsc::Receiver<()>,
    /// The end of a predecessor that hung and was replaced.
    abandoned: Option<mpsc::Receiver<()>>,
}

impl fmt::Debug for CaptureThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureThread")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl CaptureThread {
    /// Starts the thread and waits until the device has opened, `patience` at most. `wanted` names it in the error when it does not
    /// answer.
    pub(crate) fn start(
        open: Arc<Open>,
        wanted: &str,
        patience: Duration,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Self, CaptureError> {
        let (opened, answer) = mpsc::sync_channel(1);
        let mut started = Self::spawn(open, StateCell::default(), wanted.to_owned(), mailbox, Some(opened))?;
        match answer.recv_timeout(patience) {
            Ok(Ok(name)) => {
                started.name = name;
                Ok(started)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(CaptureError::NoAnswer {
                name: wanted.to_owned(),
                waited: patience,
            }),
        }
    }

    fn spawn(
        open: Arc<Open>,
        state: StateCell,
        name: String,
        mailbox: &Arc<Mailbox>,
        opened: Option<mpsc::SyncSender<Result<String, CaptureError>>>,
    ) -> Result<Self, CaptureError> {
        let sender = mailbox.sender();
        let sender_id = sender.id();
        let stop = Arc::new(AtomicBool::new(false));
        let (ending, ended) = mpsc::sync_channel::<()>(1);
        let pulse = Pulse::start();
        let run = Run {
            open: Arc::clone(&open),
            state: state.clone(),
            pulse: pulse.clone(),
            stop: Arc::clone(&stop),
            sender,
            name: name.clone(),
        };
        let handle = thread::Builder::new()
            .name("video-capture".into())
            .spawn(move || {
                let _ending = ending;
                run.run(opened.as_ref());
            })
            .map_err(|error| CaptureError::Failed {
                name: name.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            name,
            sender_id,
            open,
            state,
            pulse,
            stop,
            thread: handle.thread().clone(),
            ended,
            abandoned: None,
        })
    }

    /// What people call the source.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The mailbox sender to admit.
    pub(crate) fn sender_id(&self) -> u64 {
        self.sender_id
    }

    pub(crate) fn state(&self) -> &StateCell {
        &self.state
    }

    /// How long its driver has kept the thread.
    pub(crate) fn silence(&self) -> Duration {
        self.pulse.silence()
    }

    /// Replaces a thread that hangs in its driver by a new one, which goes on trying to open the device. At most one hung thread is left
    /// behind at a time: while one is, nothing happens.
    pub(crate) fn replace_hung(&mut self, mailbox: &Arc<Mailbox>) {
        if self.abandoned.as_ref().is_some_and(|ended| !has_ended(ended)) {
            return;
        }
        let Ok(mut successor) = Self::spawn(
            Arc::clone(&self.open),
            self.state.clone(),
            self.name.clone(),
            mailbox,
            None,
        ) else {
            return;
        };
        tracing::warn!(
            source = self.name,
            "capture hangs in its driver; opening the device anew"
        );
        std::mem::swap(self, &mut successor);
        mailbox.admit(self.sender_id);
        self.abandoned = Some(successor.stop_without_waiting());
    }

    fn stop_without_waiting(mut self) -> mpsc::Receiver<()> {
        self.signal_stop();
        let (_, closed) = mpsc::sync_channel(1);
        // What is left in `self` is a closed channel: its drop has nothing to wait for.
        std::mem::replace(&mut self.ended, closed)
    }

    fn signal_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for CaptureThread {
    fn drop(&mut self) {
        self.signal_stop();
        if self.ended.recv_timeout(RELEASE_TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(source = self.name, "capture thread did not end in time");
        }
    }
}

fn has_ended(ended: &mpsc::Receiver<()>) -> bool {
    ended.try_recv() == Err(mpsc::TryRecvError::Disconnected)
}

/// What the capture thread works with.
struct Run {
    open: Arc<Open>,
    state: StateCell,
    pulse: Pulse,
    stop: Arc<AtomicBool>,
    sender: Sender,
    name: String,
}

impl Run {
    fn run(mut self, opened: Option<&mpsc::SyncSender<Result<String, CaptureError>>>) {
        let mut source = match opened {
            Some(opened) => match self.open() {
                Ok(source) => {
                    source.name().clone_into(&mut self.name);
                    // Nobody listens any more when the opening took too long; the stop flag is set then.
                    let _ = opened.send(Ok(self.name.clone()));
                    source
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            },
            None => match self.reopen() {
                Some(source) => source,
                None => return,
            },
        };
        loop {
            let error = self.deliver(source.as_mut());
            // nokhwa panics when the device is busy while its stream is torn down.
            if catch_unwind(AssertUnwindSafe(|| drop(source))).is_err() {
                tracing::warn!(source = self.name, "closing the device failed");
            }
            let Some(error) = error else { return };
            self.state.set_lost(&self.name, &error.to_string());
            match self.reopen() {
                Some(reopened) => source = reopened,
                None => return,
            }
        }
    }

    /// Sends pictures until the source fails, or until it is told to stop: then there is no error.
    fn deliver(&self, source: &mut dyn VideoCapture) -> Option<CaptureError> {
        while !self.stopped() {
            self.pulse.beat();
            let captured = catch_unwind(AssertUnwindSafe(|| source.capture(&self.sender)));
            match captured {
                // After a hang this thread may have been replaced: then its successor speaks for the source.
                Ok(Ok(())) if self.stopped() => {}
                Ok(Ok(())) => self.state.set_live(&self.name),
                Ok(Err(error)) => return Some(error),
                Err(_) => {
                    return Some(CaptureError::Failed {
                        name: self.name.clone(),
                        reason: "its driver panicked".into(),
                    });
                }
            }
        }
        None
    }

    /// Tries until the device is there again; none when told to stop, or when it never will be.
    fn reopen(&self) -> Option<Box<dyn VideoCapture>> {
        let mut backoff = MIN_BACKOFF;
        while !self.stopped() {
            self.pulse.beat();
            thread::park_timeout(backoff);
            if self.stopped() {
                break;
            }
            self.pulse.beat();
            match self.open() {
                Ok(source) => return Some(source),
                Err(error @ CaptureError::Gone { .. }) => {
                    self.state.set_gone(&self.name, &error.to_string());
                    return None;
                }
                Err(error) => tracing::debug!(source = self.name, %error, "cannot reopen yet"),
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
        None
    }

    fn open(&self) -> Result<Box<dyn VideoCapture>, CaptureError> {
        catch_unwind(AssertUnwindSafe(|| (self.open)())).unwrap_or_else(|_| {
            Err(CaptureError::Failed {
                name: self.name.clone(),
                reason: "its driver panicked".into(),
            })
        })
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
