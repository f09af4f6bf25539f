//! The thread that decodes all sound slots, mixes them, and feeds the loudspeaker.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::jitter::{SoundCounts, SoundPacket};
use super::mixer::{Fader, Limiter, Volume};
use super::reference::{ReferenceBlock, Tap};
use super::stream::SoundStream;
use crate::audio::playback::{Asked, BLOCK_VALUES, Output, SoundState, Speaker};
use crate::clock::MediaClock;
use crate::devices::DeviceChoice;
use crate::subscribe::micros::micros;
use crate::subscribe::sync::Pair;

/// What may wait for this thread: a second of twenty people's packets. It is woken by each of them, so that only a frozen
/// machine fills it; then packets are lost as on a network.
const QUEUE: usize = 1_024;

/// How often the loudspeaker is looked at: half a block.
const POLL: Duration = Duration::from_millis(5);

/// Readers of the mix: an echo canceller, and whoever records.
const MOST_TAPS: usize = 4;

/// What the thread is told.
pub(crate) enum SoundEvent {
    /// There is another slot: its volume, and the picture it is in time with.
    Slot(Arc<Volume>, Arc<Pair>),
    /// A packet for a slot, by its place.
    Packet(usize, SoundPacket),
    /// A sender report for a slot: NTP time and extended timestamp.
    Report(usize, u64, i64),
    /// Somebody wants to hear the mix.
    Tap(Tap),
    /// It is to be heard from another device.
    Output(DeviceChoice, Asked),
    /// It is over.
    Close,
}

/// Starts the thread. It ends when it is told so, or when nobody is left to tell it.
pub(crate) fn start(
    output: Output,
    clock: MediaClock,
    master: Arc<Volume>,
    state: watch::Sender<SoundState>,
    counts: watch::Sender<SoundCounts>,
) -> std::io::Result<(SyncSender<SoundEvent>, thread::JoinHandle<()>)> {
    let (sender, events) = sync_channel(QUEUE);
    let handle = thread::Builder::new().name("sound".into()).spawn(move || {
        // The device is opened by the thread that feeds it: some hosts want that.
        let room = Room {
            speaker: Speaker::new(output, state),
            clock,
            master,
            voices: Vec::new(),
            taps: Vec::new(),
            master_fader: Fader::default(),
            limiter: Limiter::default(),
            counts,
        };
        room.run(&events);
    })?;
    Ok((sender, handle))
}

struct Voice {
    stream: SoundStream,
    volume: Arc<Volume>,
    fader: Fader,
}

struct Room {
    speaker: Speaker,
    clock: MediaClock,
    master: Arc<Volume>,
    /// By place; none where no decoder could be had.
    voices: Vec<Option<Voice>>,
    taps: Vec<Tap>,
    master_fader: Fader,
    limiter: Limiter,
    counts: watch::Sender<SoundCounts>,
}

impl Room {
    fn run(mut self, events: &Receiver<SoundEvent>) {
        let mut deadline = Instant::now();
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            match events.recv_timeout(wait) {
                Ok(SoundEvent::Close) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() < deadline {
                continue;
            }
            deadline = Instant::now() + POLL;
            while self.speaker.wants_block(Instant::now()) {
                self.mix();
            }
        }
    }

    fn take(&mut self, event: SoundEvent) {
        match event {
            SoundEvent::Slot(volume, pair) => {
                let voice = SoundStream::new(pair).map(|stream| Voice {
                    stream,
                    volume,
                    fader: Fader::default(),
                });
                if let Err(error) = &voice {
                    tracing::warn!(%error, "a sound slot stays silent");
                }
                self.voices.push(voice.ok());
            }
            SoundEvent::Packet(place, packet) => self.with(place, |stream| stream.insert(packet)),
            SoundEvent::Report(place, ntp, timestamp) => self.with(place, |stream| stream.report(ntp, timestamp)),
            SoundEvent::Tap(tap) => {
                if self.taps.len() == MOST_TAPS {
                    self.taps.remove(0);
                }
                self.taps.push(tap);
            }
            SoundEvent::Output(choice, asked) => self.speaker.switch(choice, asked, Instant::now()),
            SoundEvent::Close => {}
        }
    }

    fn with(&mut self, place: usize, change: impl FnOnce(&mut SoundStream)) {
        if let Some(Some(voice)) = self.voices.get_mut(place) {
            change(&mut voice.stream);
        }
    }

    fn mix(&mut self) {
        let latency = self.speaker.latency();
        let time = self.clock.now();
        let (now, ahead) = (micros(time), latency.as_micros() as i64);
        let mut sum = [0.0; BLOCK_VALUES];
        let mut block = [0.0; BLOCK_VALUES];
        let mut counts = SoundCounts::default();
        for voice in self.voices.iter_mut().flatten() {
            let gain = voice.volume.gain();
            if voice.stream.pull(now, ahead, &mut block) {
                voice.fader.add(&mut sum, &block, gain);
            } else {
                voice.fader.rest(gain);
            }
            counts.add(voice.stream.counts());
        }
        let mut mix = [0.0; BLOCK_VALUES];
        self.master_fader.add(&mut mix, &sum, self.master.gain());
        self.limiter.apply(&mut mix);
        let heard = time.plus(latency);
        self.speaker.write(&mix);
        let block = ReferenceBlock { heard, samples: mix };
        for tap in &mut self.taps {
            tap.write(&block);
        }
        self.counts
            .send_if_modified(|known| std::mem::replace(known, counts) != counts);
    }
}
