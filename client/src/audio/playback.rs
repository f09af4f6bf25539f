//! Loudspeakers and headphones by cpal.
//!
//! Whoever mixes asks [`Speaker::wants_block`] and hands over blocks of 10 ms; the device's own clock thereby paces the
//! mixing. While the device is away the system's clock does, so that everything goes on but the sound, and the device is
//! opened again as soon as it is back.
//!
//! Another device may be chosen meanwhile: the one that plays does so until the other one is open, and goes on where that cannot
//! be. Where a chosen one is lost, the system's own plays in its place.

mod outputs;
mod ring;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use outputs::list;
use outputs::{Opened, open};
use serde::Serialize;
use tokio::sync::{oneshot, watch};

use super::host::{CLOSE_TIMEOUT, close};
use super::{CHANNELS, SAMPLE_RATE};
use crate::devices::{self, DeviceChoice, LoudspeakerInfo};

/// Samples of one channel that are mixed at a time: 10 ms, the block in which echo cancellers work.
pub const BLOCK_SAMPLES: usize = SAMPLE_RATE as usize / 100;
/// Values of interleaved samples in a block.
pub const BLOCK_VALUES: usize = BLOCK_SAMPLES * CHANNELS;
/// Length of a block.
pub const BLOCK: Duration = Duration::from_millis(10);

/// A device that has asked for nothing for this long is lost. `PulseAudio` may wake its devices slowly.
const STALL: Duration = Duration::from_secs(3);
/// Pause between attempts to open a lost device.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long another device may take before it is given up: longer than cpal waits for the system.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(8);
/// Mixing that is later than this was frozen: what was missed is not made up for.
const LATE: Duration = Duration::from_millis(100);

/// Where sound goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A device.
    Device(DeviceChoice),
    /// Nowhere: everything is mixed, and only the reference signal is there to be heard.
    None,
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// There is none.
    #[error("no loudspeaker or headphones were found")]
    NoDevice,
    /// None is called what was asked for.
    #[error("no sound output matches '{wanted}'; there is: {available}")]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// The names that would have worked.
        available: String,
    },
    /// It takes samples that cannot be made.
    #[error("sound output '{name}' takes {format}, which cannot be made")]
    Unusable {
        /// The device's name.
        name: String,
        /// What it takes.
        format: String,
    },
    /// The system could not open it.
    #[error("sound output '{name}' failed: {reason}")]
    Failed {
        /// The device's name.
        name: String,
        /// What the system said.
        reason: String,
    },
}

/// Whether anything can be heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SoundState {
    /// Nobody asked for sound.
    Off,
    /// The device is being opened.
    Opening,
    /// It plays.
    Playing {
        /// The device's name.
        device: String,
        /// What was chosen, as [`DeviceChoice`] writes it, where it is not there and the system's own plays in its place.
        instead_of: Option<String>,
    },
    /// There is no sound. It is tried again until there is.
    Lost {
        /// What happened, for people.
        why: String,
    },
}

/// The output that is meant by `choice` now. Asks the system, and waits for it no longer than a few seconds.
pub fn find(choice: &DeviceChoice) -> Result<LoudspeakerInfo, PlaybackError> {
    let mut found = devices::loudspeakers();
    let list: Vec<(&str, &str)> = found
        .iter()
        .map(|info| (info.id.as_str(), info.name.as_str()))
        .collect();
    let place = outputs::position(choice, &list)?;
    Ok(found.swap_remove(place))
}

/// Opens a device; called again when it was lost.
type Open = dyn Fn(&DeviceChoice) -> Result<Opened, PlaybackError> + Send + Sync;

/// What came of opening a device.
struct Answer {
    opened: Result<Box<Opened>, PlaybackError>,
    /// It is the system's own, in place of the chosen one.
    instead: bool,
}

/// Where the device is.
enum Link {
    Open(Box<Opened>),
    /// Being opened on a thread of its own, since the system may take seconds over it.
    Opening(mpsc::Receiver<Answer>),
    /// Away since then.
    Away(Instant),
    /// None is wanted.
    Off,
}

/// Another device that is being opened while the one before plays.
struct Switch {
    choice: DeviceChoice,
    answer: mpsc::Receiver<Answer>,
    since: Instant,
    /// Who waits for it.
    asked: Asked,
}

/// Hears what came of a wish for another device. Nobody is told of a wish that a newer one has overtaken.
pub(crate) type Asked = oneshot::Sender<Result<(), PlaybackError>>;

/// A sound output that takes blocks at the pace of its device, or of the clock while that is away.
pub(crate) struct Speaker {
    open: Arc<Open>,
    choice: DeviceChoice,
    link: Link,
    /// The system's own is open, or is to be, in place of the chosen one.
    instead: bool,
    switch: Option<Switch>,
    state: watch::Sender<SoundState>,
    /// When the next block is due by the clock.
    due: Instant,
    /// How often the device had asked, and since when that is so.
    asked: (u64, Instant),
    /// Of devices that are no longer used.
    past_underruns: u64,
}

impl Speaker {
    /// A speaker that begins to open its device.
    pub(crate) fn new(output: Output, state: watch::Sender<SoundState>) -> Self {
        Self::with(Arc::new(open), output, state)
    }

    fn with(open: Arc<Open>, output: Output, state: watch::Sender<SoundState>) -> Self {
        let now = Instant::now();
        let (choice, link) = match output {
            Output::None => (DeviceChoice::Default, Link::Off),
            Output::Device(choice) => {
                let link = Link::of(open_again(&open, &choice, None), now);
                (choice, link)
            }
        };
        state.send_replace(match link {
            Link::Off => SoundState::Off,
            _ => SoundState::Opening,
        });
        Self {
            open,
            choice,
            link,
            instead: false,
            switch: None,
            state,
            due: now,
            asked: (0, now),
            past_underruns: 0,
        }
    }

    /// Goes over to another device, once that is open. Where it cannot be opened, everything stays as it is.
    pub(crate) fn switch(&mut self, choice: DeviceChoice, asked: Asked, now: Instant) {
        self.switch = None;
        let is_there = matches!(self.link, Link::Open(_)) && choice == self.current();
        if is_there || matches!(self.link, Link::Off) {
            self.choice = choice;
            self.instead = false;
            self.tell_playing();
            // Whoever asked may have gone.
            let _ = asked.send(Ok(()));
            return;
        }
        let (open, wanted) = (Arc::clone(&self.open), choice.clone());
        match aside(move || Answer::exactly(&*open, &wanted)) {
            Ok(answer) => {
                self.switch = Some(Switch {
                    choice,
                    answer,
                    since: now,
                    asked,
                });
            }
            Err(error) => {
                let _ = asked.send(Err(failure(&choice, &error)));
            }
        }
    }

    /// Whether a block is wanted at `now`. Sees to the device as well.
    pub(crate) fn wants_block(&mut self, now: Instant) -> bool {
        self.tend(now);
        if let Link::Open(opened) = &self.link {
            return opened.fill.is_low();
        }
        if now > self.due + LATE {
            self.due = now;
        }
        now >= self.due
    }

    /// Takes a block.
    pub(crate) fn write(&mut self, block: &[f32; BLOCK_VALUES]) {
        match &mut self.link {
            Link::Open(opened) => opened.fill.push(block),
            _ => self.due += BLOCK,
        }
    }

    /// From [`Speaker::write`] until the block's first sample is heard.
    pub(crate) fn latency(&self) -> Duration {
        match &self.link {
            Link::Open(opened) => opened.fill.latency(),
            _ => Duration::ZERO,
        }
    }

    /// Times that the device got less than it asked for.
    pub(crate) fn underruns(&self) -> u64 {
        match &self.link {
            Link::Open(opened) => self.past_underruns + opened.fill.shared().underruns.load(Ordering::Acquire),
            _ => self.past_underruns,
        }
    }

    /// What plays, or is to.
    fn current(&self) -> DeviceChoice {
        if self.instead {
            DeviceChoice::Default
        } else {
            self.choice.clone()
        }
    }

    fn tend(&mut self, now: Instant) {
        self.tend_switch(now);
        match &self.link {
            Link::Open(opened) => {
                let shared = opened.fill.shared();
                let calls = shared.calls.load(Ordering::Acquire);
                if calls != self.asked.0 {
                    self.asked = (calls, now);
                }
                if shared.failed.load(Ordering::Acquire) {
                    self.lose("the sound output was disconnected", now);
                } else if now.saturating_duration_since(self.asked.1) >= STALL {
                    self.lose("the sound output has stopped", now);
                }
            }
            Link::Opening(answer) => match answer.try_recv() {
                Ok(Answer {
                    opened: Ok(opened),
                    instead,
                }) => self.install(opened, instead, now),
                Ok(Answer { opened: Err(error), .. }) => {
                    self.tell(SoundState::Lost { why: error.to_string() });
                    self.link = Link::Away(now);
                }
                // Its driver panicked.
                Err(TryRecvError::Disconnected) => self.link = Link::Away(now),
                Err(TryRecvError::Empty) => {}
            },
            Link::Away(since) if now.saturating_duration_since(*since) >= REOPEN_INTERVAL => {
                self.link = Link::of(open_again(&self.open, &self.choice, None), now);
            }
            Link::Away(_) | Link::Off => {}
        }
    }

    fn tend_switch(&mut self, now: Instant) {
        let Some(switch) = &self.switch else { return };
        let answer = match switch.answer.try_recv() {
            Ok(answer) => answer.opened,
            Err(TryRecvError::Empty) if now.saturating_duration_since(switch.since) < SWITCH_TIMEOUT => return,
            Err(TryRecvError::Empty) => Err(failure(&switch.choice, &"the system does not answer")),
            Err(TryRecvError::Disconnected) => Err(failure(&switch.choice, &"its driver has crashed")),
        };
        let Some(switch) = self.switch.take() else { return };
        let done = answer.map(|opened| {
            self.past_underruns = self.underruns();
            if let Link::Open(before) = std::mem::replace(&mut self.link, Link::Away(now)) {
                // It is not waited for: its system may take long over it.
                drop(close(before));
            }
            self.choice = switch.choice;
            self.install(opened, false, now);
        });
        let _ = switch.asked.send(done);
    }

    fn install(&mut self, opened: Box<Opened>, instead: bool, now: Instant) {
        self.link = Link::Open(opened);
        self.instead = instead;
        self.asked = (0, now);
        self.tell_playing();
    }

    fn lose(&mut self, why: &str, now: Instant) {
        self.past_underruns = self.underruns();
        self.tell(SoundState::Lost { why: why.to_owned() });
        self.due = now;
        if let Link::Open(lost) = std::mem::replace(&mut self.link, Link::Away(now)) {
            self.link = Link::of(open_again(&self.open, &self.choice, Some(lost)), now);
        }
    }

    fn tell_playing(&self) {
        if let Link::Open(opened) = &self.link {
            self.tell(SoundState::Playing {
                device: opened.name.clone(),
                instead_of: self.instead.then(|| self.choice.to_string()),
            });
        }
    }

    fn tell(&self, news: SoundState) {
        self.state.send_if_modified(|state| {
            let changed = *state != news;
            if changed {
                tracing::info!(state = ?news, "sound output");
                *state = news;
            }
            changed
        });
    }
}

impl Link {
    /// Of a device that is being opened, if there is a thread to do so.
    fn of(opening: std::io::Result<mpsc::Receiver<Answer>>, now: Instant) -> Self {
        opening.map_or_else(
            |error| {
                tracing::warn!(%error, "cannot open the sound output yet");
                Self::Away(now)
            },
            Self::Opening,
        )
    }
}

impl Answer {
    /// Opens this device and no other.
    fn exactly(open: &Open, choice: &DeviceChoice) -> Self {
        Self {
            opened: open(choice).map(Box::new),
            instead: false,
        }
    }

    /// Opens this device, or else the system's own.
    fn or_default(open: &Open, choice: &DeviceChoice) -> Self {
        let exactly = Self::exactly(open, choice);
        match &exactly.opened {
            Err(error) if *choice != DeviceChoice::Default => {
                tracing::info!(%error, "the system's own sound output takes the place of the chosen one");
                Self {
                    instead: true,
                    ..Self::exactly(open, &DeviceChoice::Default)
                }
            }
            _ => exactly,
        }
    }
}

/// Closes what is left of a lost device, and opens it again or the system's own in its place.
fn open_again(
    open: &Arc<Open>,
    choice: &DeviceChoice,
    lost: Option<Box<Opened>>,
) -> std::io::Result<mpsc::Receiver<Answer>> {
    let (open, choice) = (Arc::clone(open), choice.clone());
    aside(move || {
        if let Some(lost) = lost {
            // Some devices can be opened only once at a time.
            let _ = close(lost).recv_timeout(CLOSE_TIMEOUT);
        }
        Answer::or_default(&*open, &choice)
    })
}

/// Opens a device on a thread of its own.
fn aside(open: impl FnOnce() -> Answer + Send + 'static) -> std::io::Result<mpsc::Receiver<Answer>> {
    let (sender, answer) = mpsc::sync_channel(1);
    thread::Builder::new().name("speaker-open".into()).spawn(move || {
        // Nobody listens any more when the speaker was given up in the meantime; then it is closed here.
        let _ = sender.send(open());
    })?;
    Ok(answer)
}

fn failure(choice: &DeviceChoice, reason: &impl std::fmt::Display) -> PlaybackError {
    PlaybackError::Failed {
        name: choice.to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
