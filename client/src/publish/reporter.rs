//! Puts a publisher's figures together, once a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::SessionId;
use tokio::sync::watch;

use crate::pipeline::{Pipeline, SourceState};
use crate::publish::broadcast::Phase;
use crate::publish::feedback::Feedback;
use crate::publish::outlet::SentCounters;
use crate::publish::room::RoomState;
use crate::publish::status::{State, Status};
use crate::publish::tracks::TrackStates;
use crate::units::{Bitrate, Resolution};

/// Between two reports; rates are means over it.
const INTERVAL: Duration = Duration::from_secs(1);

/// Levels below this are silence: half a step of 16-bit sound.
const SILENCE_DBFS: f32 = -96.0;

pub(super) struct Reporter {
    pipeline: Arc<Pipeline>,
    phases: watch::Receiver<Phase>,
    room: watch::Receiver<RoomState>,
    tracks: watch::Receiver<TrackStates>,
    sent: Arc<SentCounters>,
    status: watch::Sender<Status>,
    last: Sample,
}

/// The counters at one moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    frames: u64,
    bytes: u64,
}

/// What was sent between two moments.
#[derive(Clone, Copy, Default)]
struct Rates {
    fps: f32,
    bps: u64,
}

impl Sample {
    fn take(sent: &SentCounters) -> Self {
        Self {
            at: Instant::now(),
            frames: sent.frames(),
            bytes: sent.bytes(),
        }
    }

    fn since(self, earlier: Self) -> Rates {
        let seconds = self.at.duration_since(earlier.at).as_secs_f64().max(1e-3);
        Rates {
            fps: ((self.frames - earlier.frames) as f64 / seconds) as f32,
            bps: ((self.bytes - earlier.bytes) as f64 * 8.0 / seconds) as u64,
        }
    }
}

impl Reporter {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        phases: watch::Receiver<Phase>,
        room: watch::Receiver<RoomState>,
        tracks: watch::Receiver<TrackStates>,
        sent: Arc<SentCounters>,
        session_id: SessionId,
        watch_url: String,
    ) -> (Self, watch::Receiver<Status>) {
        let (status, receiver) = watch::channel(Status {
            state: State::Connecting,
            reason: None,
            session_id,
            watch_url,
            on_air_seconds: 0.0,
            reconnects: 0,
            video_source: String::new(),
            video_problem: None,
            audio_source: String::new(),
            audio_problem: None,
            resolution: Resolution::new(0, 0),
            fps_captured: 0.0,
            fps_encoded: 0.0,
            fps_sent: 0.0,
            encode_ms: 0.0,
            target_bps: Bitrate::from_bps(0),
            bitrate_bps: 0,
            loss: 0.0,
            round_trip_ms: None,
            role: None,
            viewers: None,
            audio_level_dbfs: None,
            muted: false,
            audio_muted_by: None,
            hidden: false,
            video_muted_by: None,
        });
        let last = Sample::take(&sent);
        let reporter = Self {
            pipeline,
            phases,
            room,
            tracks,
            sent,
            status,
            last,
        };
        (reporter, receiver)
    }

    /// Runs until the broadcast is over; the last report says so.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut rates = Rates::default();
        loop {
            let over = tokio::select! {
                _ = ticks.tick() => {
                    let sample = Sample::take(&self.sent);
                    rates = sample.since(self.last);
                    self.last = sample;
                    false
                }
                changed = self.phases.changed() => changed.is_err(),
                // Somebody who presses a key, or is muted, wants to see it at once.
                Ok(()) = self.tracks.changed() => false,
            };
            self.report(rates);
            if over {
                return;
            }
        }
    }

    fn report(&mut self, rates: Rates) {
        let phase = self.phases.borrow_and_update().clone();
        let room = self.room.borrow().clone();
        let tracks = self.tracks.borrow_and_update().clone();
        let stats = self.pipeline.stats();
        let level = self.pipeline.audio_level();
        self.status.send_modify(|status| {
            status.state = phase.state;
            status.reason.clone_from(&phase.reason);
            status.on_air_seconds = phase.on_air().as_secs_f64();
            status.reconnects = phase.reconnects;
            if let Some(video) = stats.video {
                status.video_source = video.source;
                status.video_problem = problem(video.state);
                status.resolution = video.resolution;
                status.fps_captured = video.capture_fps;
                status.fps_encoded = video.encode_fps;
                status.encode_ms = video.encode_ms;
                status.target_bps = video.target_bitrate;
            }
            if let Some(audio) = stats.audio {
                status.audio_source = audio.source;
                status.audio_problem = problem(audio.state);
            }
            status.fps_sent = rates.fps;
            status.bitrate_bps = rates.bps;
            let feedback = phase.feedback.as_deref();
            status.loss = feedback.map_or(0.0, Feedback::loss);
            status.round_trip_ms = feedback
                .and_then(Feedback::round_trip)
                .map(|trip| trip.as_secs_f32() * 1000.0);
            status.role = room.place.map(|place| place.role);
            status.viewers = room.viewers;
            status.audio_level_dbfs = (level > SILENCE_DBFS).then_some(level);
            status.muted = tracks.audio.present && !tracks.audio.on;
            status.audio_muted_by = tracks.audio.muted_by;
            status.hidden = tracks.video.present && !tracks.video.on;
            status.video_muted_by = tracks.video.muted_by;
        });
    }
}

fn problem(state: SourceState) -> Option<String> {
    match state {
        SourceState::Lost { why } | SourceState::Gone { why } => Some(why),
        _ => None,
    }
}
