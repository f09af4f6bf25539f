//! Keeps what is sent, as it is sent, in a file on this machine.
//!
//! The file is a fragmented MP4: every second or so a piece is added that is complete in itself. A program that is killed, a disk that is
//! full or a battery that is empty therefore costs the last second and nothing that was written before it.
//!
//! Nothing is encoded for it. A picture of another size cannot go on in the same file; another one is begun beside it.

mod mp4;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, TrySendError},
    },
    thread,
    time::Duration,
};

use self::mp4::{AUDIO_SCALE, Fragment, Header, Picture, Sample, VIDEO_SCALE};
use crate::{
    clock::MediaTime,
    pipeline::{EncodedAudio, EncodedVideo},
};
use serde::Serialize;

/// Media that waits for the disk: some three seconds of picture and sound. A disk that is slower loses pictures up to the next keyframe.
const QUEUE: usize = 256;

/// How much media makes a piece: what a crash may cost.
const FRAGMENT: Duration = Duration::from_secs(1);

/// For how much of it sound waits for a picture to be written with, or to begin a file with. Pictures come far more often unless they
/// have stopped, or never began: the camera was let go, or the line carries sound alone.
const WITHOUT_PICTURE: Duration = Duration::from_secs(2);

/// How long the last picture before such a pause lasts by itself, in units of [`VIDEO_SCALE`]: no longer than the time to the next one
/// of any camera, so that it never overlaps it. Whatever comes next extends it to its own time (ISO/IEC 14496-12 §8.8.12).
const LAST_PICTURE: u64 = VIDEO_SCALE as u64 / 120;

/// Attempts to find a name that is not taken.
const NAMES: u32 = 1_000;

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The folder or the file cannot be made.
    #[error("cannot record to {path}: {source}", path = path.display())]
    Open {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// How a recording is doing.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RecordingState {
    /// The files so far, the one that is being written last. Empty until there is something to write.
    pub files: Vec<PathBuf>,
    /// What was written of all of them.
    pub bytes: u64,
    /// How much of it can be watched, in seconds.
    pub seconds: f64,
    /// Pictures and sounds that the disk was too slow for.
    pub lost: u64,
    /// Why it ended before it was stopped, in words; what was written until then is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Something to be kept.
pub(crate) enum Kept {
    Picture(EncodedVideo),
    Sound(EncodedAudio),
}

/// What the thread is told.
enum Command {
    Keep(Kept),
    /// Nothing any more, whoever may still have something.
    Stop,
}

/// Where media to be kept is put. What comes after the end of the recording is not kept.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    queue: mpsc::SyncSender<Command>,
    state: Arc<Mutex<RecordingState>>,
}

impl Intake {
    /// Never waits: what finds no room is lost to the file, and counted.
    pub(crate) fn put(&self, kept: Kept) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Command::Keep(kept)) {
            update(&self.state, |state| state.lost += 1);
        }
    }
}

/// A recording that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Recording {
    state: Arc<Mutex<RecordingState>>,
    /// Ends when it is stopped, or every [`Intake`] is gone.
    writer: thread::JoinHandle<()>,
    intake: Intake,
}

impl Recording {
    /// Records to `folder`, into files whose names begin with `name`; those that are there already stay as they are.
    pub(crate) fn start(folder: &Path, name: &str, has_picture: bool, has_sound: bool) -> Result<Self, RecordError> {
        let refused = |source| RecordError::Open {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(refused)?;
        // Whether it can be written to is said now, and not when the first picture comes.
        let probe = folder.join(format!(".{name}.part"));
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(refused)?;
        let (queue, kept) = mpsc::sync_channel(QUEUE);
        let state = Arc::new(Mutex::new(RecordingState::default()));
        let writer = Writer::new(folder, name, has_picture, has_sound, Arc::clone(&state));
        let thread = thread::Builder::new()
            .name("record".into())
            .spawn(move || writer.run(&kept))
            .map_err(RecordError::Thread)?;
        Ok(Self {
            state: Arc::clone(&state),
            writer: thread,
            intake: Intake { queue, state },
        })
    }

    pub(crate) fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// How it is doing.
    pub fn state(&self) -> RecordingState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what is left and closes the file. Blocks for as long as the disk takes.
    pub(crate) fn finish(self) -> RecordingState {
        // It fails where the thread has ended by itself.
        let _ = self.intake.queue.send(Command::Stop);
        if self.writer.join().is_err() {
            tracing::error!("the recording thread panicked");
        }
        self.intake.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn update(state: &Mutex<RecordingState>, change: impl FnOnce(&mut RecordingState)) {
    change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
}

/// The thread's own state.
struct Writer {
    folder: PathBuf,
    name: String,
    /// A camera is open, or was: a file is to begin with a picture where one comes in time.
    has_picture: bool,
    has_sound: bool,
    state: Arc<Mutex<RecordingState>>,
    open: Option<Open>,
    /// Sound that waits for the first file, at most [`WITHOUT_PICTURE`] of it.
    held: Vec<EncodedAudio>,
    pictures: Vec<Sample>,
    sound: Vec<Sample>,
    /// The capture time of the first sample in the open file.
    start: Option<MediaTime>,
    /// Whether the last picture was kept, so that the next one can be decoded.
    follows: bool,
    /// In the files before the open one.
    seconds_before: f64,
}

/// A file that is being written.
struct Open {
    file: File,
    path: PathBuf,
    header: Header,
    fragments: u32,
    /// How far what was written reaches, from its start.
    until: Duration,
}

impl Writer {
    fn new(folder: &Path, name: &str, has_picture: bool, has_sound: bool, state: Arc<Mutex<RecordingState>>) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            has_picture,
            has_sound,
            state,
            open: None,
            held: Vec::new(),
            pictures: Vec::new(),
            sound: Vec::new(),
            start: None,
            follows: false,
            seconds_before: 0.0,
        }
    }

    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        let mut lost = 0;
        let result = loop {
            let Ok(Command::Keep(next)) = commands.recv() else {
                break self.end();
            };
            let now_lost = self.state.lock().unwrap_or_else(PoisonError::into_inner).lost;
            if now_lost != lost {
                lost = now_lost;
                self.follows = false;
            }
            let taken = match next {
                Kept::Picture(unit) => self.take_picture(&unit),
                Kept::Sound(packet) => self.take_sound(&packet),
            };
            if taken.is_err() {
                break taken;
            }
        };
        if let Err(error) = result {
            let path = self.open.as_ref().map_or(&self.folder, |open| &open.path);
            tracing::warn!(path = %path.display(), %error, "recording ended");
            let problem = format!("the recording ended, {} cannot be written: {error}", path.display());
            update(&self.state, |state| state.problem = Some(problem));
        }
    }

    fn take_picture(&mut self, unit: &EncodedVideo) -> io::Result<()> {
        if let Some(picture) = Picture::of(unit) {
            let header = Header {
                picture: Some(picture),
                sound: self.has_sound,
            };
            if self.open.as_ref().is_none_or(|open| open.header != header) {
                self.flush()?;
                self.begin(header, unit.capture)?;
            }
            self.follows = true;
            self.has_picture = true;
            self.take_held_sound()?;
        }
        let (true, Some(start)) = (self.follows, self.start) else {
            return Ok(());
        };
        self.pictures.push(Sample::picture(unit, start));
        let waiting = unit
            .capture
            .saturating_since(start)
            .saturating_sub(begin_of(&self.pictures, VIDEO_SCALE));
        if waiting >= FRAGMENT {
            self.write_fragment()
        } else {
            Ok(())
        }
    }

    fn take_sound(&mut self, packet: &EncodedAudio) -> io::Result<()> {
        if self.open.is_some() {
            return self.add_sound(packet);
        }
        self.held.push(packet.clone());
        let waiting = packet.capture.saturating_since(self.held[0].capture);
        if self.has_picture && waiting < WITHOUT_PICTURE {
            Ok(())
        } else {
            self.begin_with_sound()
        }
    }

    /// Begins a file of the sound that was held. The first picture begins another one.
    fn begin_with_sound(&mut self) -> io::Result<()> {
        let Some(first) = self.held.first() else {
            return Ok(());
        };
        let header = Header {
            picture: None,
            sound: true,
        };
        self.begin(header, first.capture)?;
        self.take_held_sound()
    }

    /// Adds the sound that waited for this file; what came before it has no place in it.
    fn take_held_sound(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        held.iter().try_for_each(|packet| self.add_sound(packet))
    }

    fn add_sound(&mut self, packet: &EncodedAudio) -> io::Result<()> {
        let Some(start) = self.start.filter(|start| packet.capture >= *start) else {
            return Ok(());
        };
        self.sound.push(Sample::sound(packet, start));
        let waiting = packet
            .capture
            .saturating_since(start)
            .saturating_sub(begin_of(&self.sound, AUDIO_SCALE));
        let with_picture = self.open.as_ref().is_some_and(|open| open.header.picture.is_some());
        // With pictures, these set the pace, for as long as they come.
        if with_picture && waiting >= WITHOUT_PICTURE {
            self.write_without_picture()
        } else if !with_picture && waiting >= FRAGMENT {
            self.write_fragment()
        } else {
            Ok(())
        }
    }

    /// Writes the last picture too, whose end is not known yet.
    fn write_without_picture(&mut self) -> io::Result<()> {
        if let Some(last) = self.pictures.last() {
            let mut end = last.clone();
            end.time += LAST_PICTURE;
            self.pictures.push(end);
        }
        self.write_fragment()?;
        self.pictures.clear();
        Ok(())
    }

    fn begin(&mut self, header: Header, start: MediaTime) -> io::Result<()> {
        let (mut file, path) = self.create()?;
        let bytes = header.encode().map_err(io::Error::other)?;
        file.write_all(&bytes)?;
        tracing::info!(path = %path.display(), "recording");
        update(&self.state, |state| {
            state.files.push(path.clone());
            state.bytes += bytes.len() as u64;
        });
        self.pictures.clear();
        self.sound.clear();
        self.start = Some(start);
        self.open = Some(Open {
            file,
            path,
            header,
            fragments: 0,
            until: Duration::ZERO,
        });
        Ok(())
    }

    /// A file of a name that was free.
    fn create(&self) -> io::Result<(File, PathBuf)> {
        for number in 1..=NAMES {
            let name = match number {
                1 => format!("{}.mp4", self.name),
                _ => format!("{} {number}.mp4", self.name),
            };
            let path = self.folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|file| (file, path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn write_fragment(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if self.pictures.len() < 2 && self.sound.len() < 2 {
            return Ok(());
        }
        open.fragments += 1;
        let fragment = Fragment {
            number: open.fragments,
            pictures: &self.pictures,
            sound: &self.sound,
        };
        let bytes = fragment.encode().map_err(io::Error::other)?;
        open.file.write_all(&bytes)?;
        open.file.sync_data()?;
        for (samples, scale) in [(&mut self.pictures, VIDEO_SCALE), (&mut self.sound, AUDIO_SCALE)] {
            // Of a lone sample nothing was written: its end is not known.
            if samples.len() > 1 {
                keep_last(samples);
                open.until = open.until.max(begin_of(samples, scale));
            }
        }
        let seconds = self.seconds_before + open.until.as_secs_f64();
        update(&self.state, |state| {
            state.bytes += bytes.len() as u64;
            state.seconds = seconds;
        });
        Ok(())
    }

    /// Writes all that was taken, sound that waits for a picture included: none comes any more.
    fn end(&mut self) -> io::Result<()> {
        self.begin_with_sound()?;
        self.flush()
    }

    /// Writes what is left: the last sample of each track lasts as long as the one before it.
    fn flush(&mut self) -> io::Result<()> {
        for samples in [&mut self.pictures, &mut self.sound] {
            if let [.., before, last] = samples.as_slice() {
                let mut end = last.clone();
                end.time += last.time.saturating_sub(before.time);
                samples.push(end);
            }
        }
        self.write_fragment()?;
        if let Some(open) = self.open.take() {
            self.seconds_before += open.until.as_secs_f64();
            open.file.sync_all()?;
        }
        Ok(())
    }
}

/// When the first of them is, from the start of the file.
fn begin_of(samples: &[Sample], scale: u32) -> Duration {
    let ticks = samples.first().map_or(0, |sample| sample.time);
    Duration::from_secs_f64(ticks as f64 / f64::from(scale))
}

fn keep_last(samples: &mut Vec<Sample>) {
    samples.drain(..samples.len().saturating_sub(1));
}

#[cfg(test)]
mod tests;
