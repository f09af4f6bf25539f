//! Keeps a session on air: connects, notices a loss, and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::{ClientMessage, Role, SessionId, TrackSource, UserId};
use reqwest::Url;
use tokio::sync::watch;
use webrtc::peer_connection::RTCPeerConnectionState;

use crate::clock::MediaClock;
use crate::pipeline::{EncodedAudio, EncodedVideo, Pipeline};
use crate::publish::backoff;
use crate::publish::bandwidth::Budget;
use crate::publish::error::PublishError;
use crate::publish::feedback::Feedback;
use crate::publish::media::Carrier;
use crate::publish::outlet::{Outlet, Payload, SentCounters};
use crate::publish::peer::{Peer, PeerSetup};
use crate::publish::room::{Over, Place, Room};
use crate::publish::status::{Ending, State};
use crate::publish::whip::{SignalingClient, SignalingError, WhipSession};
use crate::transport::moved::moved;

/// For ICE and DTLS together, over UDP or, where that is blocked, TCP.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(12);

/// A server that gets media reports on it every tenth of a second. This much silence is the end of a path.
const SILENCE_LIMIT: Duration = Duration::from_secs(4);

/// The same, while the WebSocket to the same server is down as well.
const SILENCE_LIMIT_ALONE: Duration = Duration::from_millis(1200);

/// How often silence is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// A connection that held this long was a good one, and its loss is not held against the server.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// Attempts to reach a server that has never been reached. After that it is more likely that the address is wrong.
const FIRST_ATTEMPTS: u32 = 4;

/// What stays the same over all connections of one publisher.
pub(super) struct Broadcast {
    pub(super) ingest: Ingest,
    /// Of the server, as in its URL.
    pub(super) host: String,
    pub(super) session: SessionId,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) sources: Vec<TrackSource>,
    /// Sizes in which the camera's picture is sent.
    pub(super) layers: usize,
    pub(super) budget: Budget,
    pub(super) ways: Ways,
    pub(super) sent: Arc<SentCounters>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) room: Room,
    /// As whom we were on the stage, or asked to be.
    pub(super) asked_as: Option<UserId>,
    /// The last estimate of the path, in bits per second.
    pub(super) last_estimate: Option<f64>,
}

/// The ways of both tracks to whatever connection there is.
pub(super) struct Ways {
    pub(super) video: Carrier<EncodedVideo>,
    pub(super) audio: Carrier<EncodedAudio>,
}

impl Ways {
    fn open(&self, outlets: Vec<Outlet>, sent: &Arc<SentCounters>) {
        for outlet in outlets {
            let sent = Arc::clone(sent);
            match outlet.source {
                TrackSource::Camera | TrackSource::Screen => {
                    self.video.lead(Some(EncodedVideo::way(outlet, sent)));
                }
                TrackSource::Microphone | TrackSource::ScreenAudio => {
                    self.audio.lead(Some(EncodedAudio::way(outlet, sent)));
                }
            }
        }
    }

    fn close(&self) {
        self.video.lead(None);
        self.audio.lead(None);
    }
}

/// Where media is offered.
pub(super) enum Ingest {
    /// For hosts, and where no token is asked for.
    Whip {
        signaling: SignalingClient,
        /// With `title` and `username` in its query, by which a restarted server makes the session again.
        endpoint: Url,
        host_token: Option<String>,
    },
    /// For whoever is on the stage of the room.
    Room,
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
    /// `None` where the room carried the offer.
    whip: Option<WhipSession>,
}

/// Why a broadcast went off air.
enum Loss {
    /// The session is over, or we are out of it.
    Over(Over),
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
            if let Some(over) = self.on_stage().await {
                return over.into_result();
            }
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
                        Loss::Over(over) => return over.into_result(),
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
                self.leave(live, !self.is_replaced_by_the_next()).await;
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

    /// Whether the next offer takes the place of this one at the server, so that a dead server need not be asked to end it.
    fn is_replaced_by_the_next(&self) -> bool {
        !matches!(&self.ingest, Ingest::Whip { host_token: None, .. })
    }

    /// Waits until we may publish, and asks for that where nobody has said so; or until we are out of the session.
    async fn on_stage(&mut self) -> Option<Over> {
        let mut state = self.room.state();
        loop {
            let seen = state.borrow_and_update().clone();
            if seen.over.is_some() {
                return seen.over;
            }
            match seen.place.filter(|_| seen.connected) {
                _ if matches!(self.ingest, Ingest::Whip { .. }) => return None,
                Some(Place { user_id, role }) if role >= Role::Guest => {
                    self.asked_as = Some(user_id);
                    return None;
                }
                Some(Place { user_id, .. }) => {
                    // Once: whoever was moved off the stage does not press to come back by itself.
                    let is_new = self.asked_as.as_ref() != Some(&user_id);
                    let words = if is_new && self.room.send(ClientMessage::RequestGuest) {
                        self.asked_as = Some(user_id);
                        "asked to come on the stage"
                    } else {
                        "not on the stage"
                    };
                    self.phase.send_if_modified(|phase| {
                        let changed = phase.state != State::Waiting;
                        if changed {
                            phase.leave_air(State::Waiting, Some(words.to_owned()));
                        }
                        changed
                    });
                }
                None => {}
            }
            if state.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Whether trying again is pointless.
    fn is_final(&self, error: &PublishError, was_live: bool, attempt: u32) -> bool {
        let PublishError::Signaling(signaling) = error else {
            return !was_live && attempt + 1 >= FIRST_ATTEMPTS;
        };
        // Without a token, our own connection of before stands in the way until the server notices that it is dead.
        if was_live && !self.is_replaced_by_the_next() && signaling.status() == Some(409) {
            return false;
        }
        match signaling {
            _ if was_live => !signaling.is_transient_on_the_way_back(),
            error if !error.is_transient() => true,
            SignalingError::Unreachable { .. } => attempt + 1 >= FIRST_ATTEMPTS,
            _ => false,
        }
    }

    /// One attempt, to the point where media flows.
    async fn connect(&mut self, slot: &mut Option<Live>) -> Result<(), PublishError> {
        // The connection is closed in the background where this is dropped; the devices are not to wait for that.
        let pipeline = Arc::downgrade(&self.pipeline);
        let feedback = Arc::new(Feedback::new(move |_, layer| {
            if let Some(pipeline) = pipeline.upgrade() {
                pipeline.request_layer_keyframe(layer);
            }
        }));
        let clock: MediaClock = self.pipeline.clock();
        let (peer, offer) = Peer::offer(PeerSetup {
            host: &self.host,
            clock,
            sources: &self.sources,
            layers: self.layers,
            budget: self.budget,
            start: self.budget.start(self.last_estimate),
            feedback: Arc::clone(&feedback),
        })
        .await?;
        let (answer, whip) = match self.negotiate(offer).await {
            Ok(answered) => answered,
            Err(error) => {
                peer.close().await;
                return Err(error.into());
            }
        };
        // From here on there is something to take down, whatever happens.
        let live = slot.insert(Live { peer, whip });
        let outlets = live.peer.accept(&answer).await?;
        let established = tokio::time::timeout(ESTABLISH_TIMEOUT, live.peer.established()).await;
        if established != Ok(RTCPeerConnectionState::Connected) {
            return Err(PublishError::NoMediaPath);
        }
        feedback.heard();
        self.ways.open(outlets, &self.sent);
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

    /// The answer to an offer, and what is to be deleted at its end.
    async fn negotiate(&self, offer: String) -> Result<(String, Option<WhipSession>), SignalingError> {
        match &self.ingest {
            Ingest::Whip {
                signaling,
                endpoint,
                host_token,
            } => {
                let (answer, whip) = signaling
                    .publish(endpoint.clone(), host_token.as_deref(), offer)
                    .await?;
                Ok((answer, Some(whip)))
            }
            Ingest::Room => Ok((self.room.offer(offer).await?, None)),
        }
    }

    /// Adapts the encoder to the path until the path or the session is over.
    async fn watch_over(&mut self, live: &Live) -> Loss {
        let mut estimate = live.peer.estimate.clone();
        let mut limit = live.peer.feedback.limit();
        let mut room = self.room.state();
        let needs_stage = matches!(self.ingest, Ingest::Room);
        let mut looks = tokio::time::interval(WATCH_INTERVAL);
        let mut announced_loss = 0;
        let mut had_room = false;
        let host = self.host.clone();
        let mut moves = std::pin::pin!(moved(&host));
        loop {
            let current = *estimate.borrow_and_update();
            self.last_estimate = Some(current);
            let useful = *limit.borrow_and_update();
            live.peer.congestion.set_desired(self.budget.desired_most(useful));
            let shares = self.budget.shares(current.min(useful));
            self.pipeline.set_target_bitrate(shares.video);
            self.pipeline.set_audio_bitrate(shares.audio);
            tokio::select! {
                state = live.peer.lost() => return Loss::Path(format!("the connection is {state}")),
                () = moves.as_mut() => return Loss::Path("this machine has another address".to_owned()),
                Ok(()) = estimate.changed() => {}
                Ok(()) = limit.changed() => {}
                Ok(()) = room.changed() => {
                    let seen = room.borrow_and_update();
                    if let Some(over) = &seen.over {
                        return Loss::Over(over.clone());
                    }
                    had_room |= seen.connected;
                    if needs_stage && seen.place.as_ref().is_some_and(|place| place.role < Role::Guest) {
                        return Loss::Path("not on the stage any more".to_owned());
                    }
                }
                _ = looks.tick() => {
                    let alone = had_room && !room.borrow().connected;
                    let longest = if alone { SILENCE_LIMIT_ALONE } else { SILENCE_LIMIT };
                    if live.peer.feedback.silence() > longest {
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
        self.ways.close();
        if let Some(whip) = live.whip.filter(|_| tell_server)
            && let Ingest::Whip {
                signaling,
                endpoint,
                host_token,
            } = &self.ingest
        {
            signaling.delete(&whip, endpoint, host_token.as_deref()).await;
        }
    }
}
