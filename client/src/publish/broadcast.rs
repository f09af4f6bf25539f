//! Keeps a session on air: connects, notices a loss, and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::SessionId;
use reqwest::Url;
use tokio::sync::watch;
use webrtc::peer_connection::RTCPeerConnectionState;

use crate::clock::MediaClock;
use crate::pipeline::Pipeline;
use crate::publish::backoff;
use crate::publish::bandwidth::Budget;
use crate::publish::error::PublishError;
use crate::publish::feedback::Feedback;
use crate::publish::media::OutletChanges;
use crate::publish::outlet::SentCounters;
use crate::publish::peer::{Peer, PeerSetup};
use crate::publish::presence::Presence;
use crate::publish::status::{Ending, State};
use crate::publish::whip::{SignalingClient, SignalingError, WhipSession};

/// For ICE and DTLS together, over UDP or, where that is blocked, TCP.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(12);

/// A server that gets media reports on it every tenth of a second. This much silence is the end of a path.
const SILENCE_LIMIT: Duration = Duration::from_secs(4);

/// The same, while the host's WebSocket to the same server is down as well.
const SILENCE_LIMIT_ALONE: Duration = Duration::from_millis(1200);

/// How often silence is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// A connection that held this long was a good one, and its loss is not held against the server.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// Attempts to reach a server that has never been reached. After that it is more likely that the address is wrong.
const FIRST_ATTEMPTS: u32 = 4;

/// What stays the same over all connections of one publisher.
pub(super) struct Broadcast {
    pub(super) signaling: SignalingClient,
    /// With `title` and `username` in its query, by which a restarted server makes the session again.
    pub(super) endpoint: Url,
    pub(super) session: SessionId,
    pub(super) host_token: Option<String>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) has_video: bool,
    pub(super) has_audio: bool,
    pub(super) budget: Budget,
    pub(super) outlets: OutletChanges,
    pub(super) sent: Arc<SentCounters>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) presence: watch::Receiver<Presence>,
    /// The last estimate of the path, in bits per second.
    pub(super) last_estimate: Option<f64>,
}

/// Where the broadcast stands, for whoever reports it.
#[derive(Clone)]
pub(super) struct Phase {
    pub(super) state: State,
    pub(super) reason: Option<String>,
    pub(super) feedback: Option<Arc<Feedback>>,
    /// When the current time on air began.
    pub(super) live_since: Option<Instant>,
    /// On air before that.
    pub(super) on_air_before: Duration,
    pub(super) reconnects: u32,
}

impl Phase {
    pub(super) fn connecting() -> Self {
        Self {
            state: State::Connecting,
            reason: None,
            feedback: None,
            live_since: None,
            on_air_before: Duration::ZERO,
            reconnects: 0,
        }
    }

    pub(super) fn on_air(&self) -> Duration {
        self.on_air_before + self.live_since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Off air, for now or for ever.
    pub(super) fn leave_air(&mut self, state: State, reason: Option<String>) {
        self.on_air_before = self.on_air();
        self.live_since = None;
        self.feedback = None;
        self.state = state;
        self.reason = reason;
    }
}

/// A connection that carries media.
struct Live {
    peer: Peer,
    whip: WhipSession,
}

/// Why a broadcast went off air.
enum Loss {
    /// The session is over.
    Ended(Ending),
    /// Something that the next attempt may cure.
    Path(String),
}

impl Broadcast {
    /// Runs until `stop` resolves, the session ends, or the server refuses for good.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) -> Result<Ending, PublishError> {
        let mut live = None;
        let result = tokio::select! {
            result = self.stay_on_air(&mut live) => result,
            () = stop => Ok(Ending::Stopped),
        };
        if let Some(live) = live.take() {
            self.leave(live, true).await;
        }
        let reason = result.as_ref().err().map(ToString::to_string);
        self.phase.send_modify(|phase| phase.leave_air(State::Ended, reason));
        result
    }

    async fn stay_on_air(&mut self, slot: &mut Option<Live>) -> Result<Ending, PublishError> {
        let mut attempt = 0;
        let mut was_live = false;
        loop {
            let connected = self.connect(slot).await;
            let (reason, asked) = match connected {
                Ok(()) => {
                    was_live = true;
                    let since = Instant::now();
                    let loss = match slot.as_ref() {
                        Some(live) => self.watch_over(live).await,
                        None => Loss::Path("no connection".to_owned()),
                    };
                    match loss {
                        Loss::Ended(ending) => return Ok(ending),
                        Loss::Path(reason) => {
                            if since.elapsed() >= GOOD_CONNECTION {
                                attempt = 0;
                            }
                            (reason, None)
                        }
                    }
                }
                Err(error) if self.is_final(&error, was_live, attempt) => return Err(error),
                Err(error) => (error.to_string(), error.retry_after()),
            };
            tracing::info!(session = %self.session, reason, attempt, "off air");
            if let Some(live) = slot.take() {
                // The owner's next POST replaces this connection at the server, so that a dead server need not be asked.
                self.leave(live, self.host_token.is_none()).await;
            }
            let state = if was_live {
                State::Reconnecting
            } else {
                State::Connecting
            };
            self.phase.send_modify(|phase| phase.leave_air(state, Some(reason)));
            let wait = backoff::delay(attempt, asked, &mut rand::rng());
            tokio::time::sleep(wait).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Whether trying again is pointless.
    fn is_final(&self, error: &PublishError, was_live: bool, attempt: u32) -> bool {
        let PublishError::Signaling(signaling) = error else {
            return !was_live && attempt + 1 >= FIRST_ATTEMPTS;
        };
        // Without a token, our own connection of before stands in the way until the server notices that it is dead.
        if was_live && self.host_token.is_none() && signaling.status() == Some(409) {
            return false;
        }
        match signaling {
            error if !error.is_transient() => true,
            SignalingError::Unreachable { .. } => !was_live && attempt + 1 >= FIRST_ATTEMPTS,
            _ => false,
        }
    }

    /// One attempt, to the point where media flows.
    async fn connect(&mut self, slot: &mut Option<Live>) -> Result<(), PublishError> {
        let pipeline = Arc::clone(&self.pipeline);
        let feedback = Arc::new(Feedback::new(move || pipeline.request_keyframe()));
        let clock: MediaClock = self.pipeline.clock();
        let (peer, offer) = Peer::offer(PeerSetup {
            host: self.endpoint.host_str().unwrap_or_default(),
            clock,
            video: self.has_video,
            audio: self.has_audio,
            budget: self.budget,
            start: self.budget.start(self.last_estimate),
            feedback: Arc::clone(&feedback),
        })
        .await?;
        let answered = self
            .signaling
            .publish(self.endpoint.clone(), self.host_token.as_deref(), offer)
            .await;
        let whip = match answered {
            Ok(whip) => whip,
            Err(error) => {
                peer.close().await;
                return Err(error.into());
            }
        };
        // From here on there is something to take down, whatever happens.
        let live = slot.insert(Live { peer, whip });
        let outlets = live.peer.accept(&live.whip.answer, Arc::clone(&self.sent)).await?;
        let established = tokio::time::timeout(ESTABLISH_TIMEOUT, live.peer.established()).await;
        if established != Ok(RTCPeerConnectionState::Connected) {
            return Err(PublishError::NoMediaPath);
        }
        feedback.heard();
        if self.outlets.send(Some(outlets)).await.is_err() {
            return Err(PublishError::PipelineEnded);
        }
        self.pipeline.request_keyframe();
        self.phase.send_modify(|phase| {
            phase.reconnects += u32::from(phase.state == State::Reconnecting);
            phase.state = State::Live;
            phase.reason = None;
            phase.feedback = Some(feedback);
            phase.live_since = Some(Instant::now());
        });
        Ok(())
    }

    /// Adapts the encoder to the path until the path or the session is over.
    async fn watch_over(&mut self, live: &Live) -> Loss {
        let mut estimate = live.peer.estimate.clone();
        let mut presence = self.presence.clone();
        let mut looks = tokio::time::interval(WATCH_INTERVAL);
        let mut announced_loss = 0;
        let mut had_presence = false;
        loop {
            let current = *estimate.borrow_and_update();
            self.last_estimate = Some(current);
            self.pipeline.set_target_bitrate(self.budget.video_share(current));
            tokio::select! {
                state = live.peer.lost() => return Loss::Path(format!("the connection is {state}")),
                Ok(()) = estimate.changed() => {}
                Ok(()) = presence.changed() => {
                    if let Some(reason) = presence.borrow_and_update().ended {
                        return Loss::Ended(Ending::SessionEnded(reason));
                    }
                    had_presence |= presence.borrow().connected;
                }
                _ = looks.tick() => {
                    let alone = had_presence && !presence.borrow().connected;
                    let limit = if alone { SILENCE_LIMIT_ALONE } else { SILENCE_LIMIT };
                    if live.peer.feedback.silence() > limit {
                        return Loss::Path("the server does not answer any more".to_owned());
                    }
                    let loss = (live.peer.feedback.loss() * 100.0).round() as u8;
                    if loss != announced_loss {
                        announced_loss = loss;
                        self.pipeline.set_expected_loss(loss);
                    }
                }
            }
        }
    }

    async fn leave(&self, live: Live, tell_server: bool) {
        // Closing first: media that is being written to the connection then stops waiting for it.
        live.peer.close().await;
        // An error means that nothing carries media any more, which is what is wanted.
        let _ = self.outlets.send(None).await;
        if tell_server {
            self.signaling
                .delete(&live.whip, &self.endpoint, self.host_token.as_deref())
                .await;
        }
    }
}
