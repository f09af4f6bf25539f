//! The audio encode thread: packets of samples in, Opus packets out.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
        mpsc as sync_mpsc,
    },
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{PipelineConfig, PipelineError, config::EncodedAudio, stats::AudioStats, voice::VoiceSwitch};
use crate::{
    audio::{
        self, AudioCapture, PACKET_SAMPLES, PACKET_VALUES,
        encoder::{self, Encoder},
        level::LevelMeter,
        voice::VoiceProcessing,
    },
    clock::MediaClock,
    source::{AudioSource, StateCell},
    units::Bitrate,
};

/// Opus packets that wait for the network: a fifth of a second, as for video.
pub(super) const QUEUE: usize = 10;

/// How long stopping waits for a device to be released. A hung driver must not hang the program.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What both the owner and the thread know.
#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    muted: AtomicBool,
    encoding: AtomicBool,
    expected_loss: AtomicU8,
    target_bps: AtomicU32,
    /// Bits of an `f32` in dBFS.
    level: AtomicU32,
    encoded: AtomicU64,
    dropped: AtomicU64,
    overruns: AtomicU64,
}

/// The running audio half of a pipeline.
#[derive(Debug)]
pub(super) struct AudioTrack {
    name: String,
    max_bitrate: Bitrate,
    state: StateCell,
    shared: Arc<Shared>,
    voice: VoiceSwitch,
    /// Closes when the thread has ended. In a mutex, so that a track can be asked from several threads.
    ended: Mutex<sync_mpsc::Receiver<()>>,
}

impl AudioTrack {
    pub(super) fn start(
        source: &AudioSource,
        clock: MediaClock,
        config: &PipelineConfig,
        output: mpsc::Sender<EncodedAudio>,
    ) -> Result<Self, PipelineError> {
        let state = StateCell::default();
        let capture = audio::start(source, clock, &state)?;
        let voice = VoiceSwitch::default();
        voice.set(config.voice);
        #[cfg(feature = "voice-processing")]
        let capture = voice.apply(source, capture, clock, config.far_end.clone());
        Self::of(capture, state, voice, config, output)
    }

    fn of(
        capture: Box<dyn AudioCapture>,
        state: StateCell,
        voice: VoiceSwitch,
        config: &PipelineConfig,
        output: mpsc::Sender<EncodedAudio>,
    ) -> Result<Self, PipelineError> {
        let name = capture.name().to_owned();
        let encoder = Encoder::new(config.audio_bitrate)?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            encoding: AtomicBool::new(config.encoding),
            expected_loss: AtomicU8::new(encoder::INITIAL_EXPECTED_LOSS),
            target_bps: AtomicU32::new(config.audio_bitrate.bps()),
            level: AtomicU32::new(f32::NEG_INFINITY.to_bits()),
            encoded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            overruns: AtomicU64::new(0),
        });
        let task = Task {
            capture,
            encoder,
            output,
            shared: Arc::clone(&shared),
            level: LevelMeter::default(),
        };
        let (ending, ended) = sync_mpsc::sync_channel::<()>(1);
        thread::Builder::new()
            .name("audio-encode".into())
            .spawn(move || {
                let _ending = ending;
                task.run();
            })
            .map_err(PipelineError::Thread)?;
        Ok(Self {
            name,
            max_bitrate: config.audio_bitrate,
            state,
            shared,
            voice,
            ended: Mutex::new(ended),
        })
    }

    pub(super) fn set_muted(&self, muted: bool) {
        self.shared.muted.store(muted, Ordering::Release);
    }

    pub(super) fn muted(&self) -> bool {
        self.shared.muted.load(Ordering::Acquire)
    }

    pub(super) fn set_encoding(&self, encoding: bool) {
        self.shared.encoding.store(encoding, Ordering::Release);
    }

    pub(super) fn set_voice_processing(&self, voice: VoiceProcessing) {
        self.voice.set(voice);
    }

    pub(super) fn set_expected_loss(&self, percent: u8) {
        self.shared.expected_loss.store(percent, Ordering::Release);
    }

    pub(super) fn set_target_bitrate(&self, bitrate: Bitrate) {
        let bounded = bitrate.min(self.max_bitrate);
        self.shared.target_bps.store(bounded.bps(), Ordering::Release);
    }

    pub(super) fn level(&self) -> f32 {
        f32::from_bits(self.shared.level.load(Ordering::Acquire))
    }

    pub(super) fn stats(&self) -> AudioStats {
        AudioStats {
            source: self.name.clone(),
            state: self.state.get(),
            muted: self.muted(),
            packets_encoded: self.shared.encoded.load(Ordering::Acquire),
            packets_dropped: self.shared.dropped.load(Ordering::Acquire),
            overruns: self.shared.overruns.load(Ordering::Acquire),
            voice: self.voice.wanted(),
            cancels_echo: self.voice.cancels_echo(),
        }
    }
}

impl Drop for AudioTrack {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(RELEASE_TIMEOUT) == Err(sync_mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(source = self.name, "sound was not released in time");
        }
    }
}

/// The thread's own state.
struct Task {
    capture: Box<dyn AudioCapture>,
    encoder: Encoder,
    output: mpsc::Sender<EncodedAudio>,
    shared: Arc<Shared>,
    level: LevelMeter,
}

impl Task {
    fn run(mut self) {
        let mut packet = [0.0; PACKET_VALUES];
        while !self.shared.stop.load(Ordering::Acquire) {
            let capture = self.capture.read(&mut packet);
            self.shared.overruns.store(self.capture.overruns(), Ordering::Release);
            // Measured before mute, so that a meter can tell somebody that they speak while muted.
            self.shared
                .level
                .store(self.level.update(&packet).to_bits(), Ordering::Release);
            if self.output.is_closed() {
                return;
            }
            if !self.shared.encoding.load(Ordering::Acquire) {
                continue;
            }
            if self.shared.muted.load(Ordering::Acquire) {
                packet.fill(0.0);
            }
            let loss = self.shared.expected_loss.load(Ordering::Acquire);
            let bitrate = Bitrate::from_bps(self.shared.target_bps.load(Ordering::Acquire));
            let encoded = self
                .encoder
                .set_expected_loss(loss)
                .and_then(|()| self.encoder.set_bitrate(bitrate))
                .and_then(|()| self.encoder.encode(&packet));
            let data = match encoded {
                Ok(data) => data,
                Err(error) => {
                    tracing::error!(%error, "a packet of sound was not encoded");
                    continue;
                }
            };
            self.shared.encoded.fetch_add(1, Ordering::AcqRel);
            match self.output.try_send(EncodedAudio {
                data,
                capture,
                samples: PACKET_SAMPLES as u32,
            }) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.shared.dropped.fetch_add(1, Ordering::AcqRel);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audio::PACKET, clock::MediaTime};

    /// A microphone that is never released.
    struct Stuck {
        _release: sync_mpsc::Sender<()>,
        hang: sync_mpsc::Receiver<()>,
    }

    impl AudioCapture for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }

        fn read(&mut self, _: &mut [f32; PACKET_VALUES]) -> MediaTime {
            thread::sleep(PACKET);
            MediaTime::default()
        }

        fn overruns(&self) -> u64 {
            0
        }
    }

    impl Drop for Stuck {
        fn drop(&mut self) {
            let _ = self.hang.recv();
        }
    }

    #[test]
    fn a_microphone_that_cannot_be_released_holds_up_nobody() {
        let (release, hang) = sync_mpsc::channel();
        let capture = Box::new(Stuck {
            _release: release,
            hang,
        });
        let (output, _packets) = mpsc::channel(QUEUE);
        let (state, voice) = (StateCell::default(), VoiceSwitch::default());
        let track = AudioTrack::of(capture, state, voice, &PipelineConfig::default(), output).expect("starts");
        let (done, dropped) = sync_mpsc::channel();
        thread::spawn(move || {
            drop(track);
            let _ = done.send(());
        });
        assert_eq!(dropped.recv_timeout(Duration::from_secs(30)), Ok(()));
    }
}
