//! A publisher, as a program holds it.

use std::sync::Arc;

use footlight_protocol::{CreateSession, SessionId};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::pipeline::{Pipeline, PipelineConfig, VideoSource};
use crate::publish::address::ServerAddress;
use crate::publish::bandwidth::Budget;
use crate::publish::broadcast::{Broadcast, Phase};
use crate::publish::error::PublishError;
use crate::publish::media;
use crate::publish::outlet::SentCounters;
use crate::publish::presence::{self, Presence};
use crate::publish::reporter::Reporter;
use crate::publish::status::{Ending, Status};
use crate::publish::whip::{SignalingClient, SignalingError};
use crate::trust::Trust;

/// What to publish, where, and under which name.
#[derive(Debug, Clone)]
pub struct PublishConfig {
    /// The server, and the session on it where one is meant.
    pub address: ServerAddress,
    /// A session that exists or existed, with the token it was made with. Without it a new one is made.
    pub resume: Option<SessionToken>,
    /// Shown above the picture.
    pub title: Option<String>,
    /// Who is on air, as shown.
    pub username: Option<String>,
    /// Sources and encoding.
    pub pipeline: PipelineConfig,
    /// Which certificates are believed.
    pub trust: Trust,
}

/// The right to publish to a session.
#[derive(Clone)]
pub struct SessionToken {
    /// The session.
    pub session: SessionId,
    /// The bearer token of its host. A secret.
    pub token: String,
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionToken")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// A session on the server, and our right to it.
struct Claim {
    session: SessionId,
    host_token: Option<String>,
    watch_url: String,
    /// Whether it was made for this publisher, and therefore ends with it.
    is_ours: bool,
}

/// A session that is kept on air until it is stopped. Dropping it ends it without a farewell; viewers see a freeze until
/// the server notices.
#[derive(Debug)]
pub struct Publisher {
    pipeline: Arc<Pipeline>,
    status: watch::Receiver<Status>,
    stop: Option<oneshot::Sender<()>>,
    broadcast: JoinHandle<Result<Ending, PublishError>>,
    aside: [AbortHandle; 3],
}

impl Publisher {
    /// Opens the sources and claims the session on the server; then connects, and stays connected, in tasks of its own.
    ///
    /// Must be called within a tokio runtime.
    pub async fn start(config: PublishConfig) -> Result<Self, PublishError> {
        let signaling = SignalingClient::new(&config.address, &config.trust)?;
        let budget = Budget::new(config.pipeline.audio_bitrate, config.pipeline.max_bitrate);
        let (has_video, has_audio) = (config.pipeline.video.is_some(), config.pipeline.audio.is_some());
        let pipeline_config = config.pipeline.clone();
        let (pipeline, output) = tokio::task::spawn_blocking(move || Pipeline::start(pipeline_config))
            .await
            .map_err(|_| PublishError::PipelineEnded)??;
        let pipeline = Arc::new(pipeline);
        let claim = claim(&signaling, &config).await?;

        let mut endpoint = config.address.whip_url(&claim.session);
        for (name, value) in [("title", &config.title), ("username", &config.username)] {
            if let Some(value) = value {
                endpoint.query_pairs_mut().append_pair(name, value);
            }
        }
        let (phase, phases) = watch::channel(Phase::connecting());
        let (presence_sender, presence) = watch::channel(Presence::default());
        let sent = Arc::new(SentCounters::default());
        let (outlets, changes) = media::changes();

        let mut room = config.address.websocket_url(&claim.session);
        if let Some(token) = &claim.host_token {
            room.query_pairs_mut().append_pair("token", token);
        }
        if let Some(username) = &config.username {
            room.query_pairs_mut().append_pair("username", username);
        }
        let tls = signaling.tls_for(&room);
        let (reporter, status) = Reporter::new(
            Arc::clone(&pipeline),
            phases.clone(),
            presence.clone(),
            Arc::clone(&sent),
            claim.session.clone(),
            claim.watch_url.clone(),
        );
        let aside = [
            tokio::spawn(media::carry(output, changes)).abort_handle(),
            tokio::spawn(presence::follow(room, tls, presence_sender, phases)).abort_handle(),
            tokio::spawn(reporter.run()).abort_handle(),
        ];
        let (stop, stopped) = oneshot::channel();
        let broadcast = Broadcast {
            signaling: signaling.clone(),
            endpoint,
            session: claim.session.clone(),
            host_token: claim.host_token.clone(),
            pipeline: Arc::clone(&pipeline),
            has_video,
            has_audio,
            budget,
            outlets,
            sent,
            phase,
            presence,
            last_estimate: None,
        };
        let broadcast = tokio::spawn(async move {
            // A sender that is dropped is a publisher that was dropped, which aborts this task anyway.
            let result = broadcast.run(async { drop(stopped.await) }).await;
            if let (true, Some(token)) = (claim.is_ours, &claim.host_token) {
                signaling.end_session(&config.address, &claim.session, token).await;
            }
            result
        });
        Ok(Self {
            pipeline,
            status,
            stop: Some(stop),
            broadcast,
            aside,
        })
    }

    /// How it is doing, renewed once a second and at each change of state.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Goes on with another picture source. Viewers see a freeze of some tens of milliseconds.
    pub async fn switch_video(&self, source: VideoSource) -> Result<(), PublishError> {
        let pipeline = Arc::clone(&self.pipeline);
        tokio::task::spawn_blocking(move || pipeline.switch_video(source))
            .await
            .map_err(|_| PublishError::PipelineEnded)?
            .map_err(PublishError::from)
    }

    /// Sends silence, or sound again.
    pub fn set_muted(&self, muted: bool) {
        self.pipeline.set_muted(muted);
    }

    /// Whether silence is sent.
    pub fn muted(&self) -> bool {
        self.pipeline.muted()
    }

    /// Resolves when publishing is over: the session ended, or the server refused for good.
    ///
    /// Cancel safe; must not be called again after it has resolved.
    pub async fn ended(&mut self) -> Result<Ending, PublishError> {
        (&mut self.broadcast).await.unwrap_or(Err(PublishError::PipelineEnded))
    }

    /// Takes leave of the server and releases the devices. Takes at most some seconds.
    pub async fn stop(mut self) -> Result<Ending, PublishError> {
        drop(self.stop.take());
        self.ended().await
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.broadcast.abort();
        for task in &self.aside {
            task.abort();
        }
    }
}

/// Finds out which session to publish to, and makes it where there is none.
async fn claim(signaling: &SignalingClient, config: &PublishConfig) -> Result<Claim, PublishError> {
    if let Some(resume) = &config.resume {
        return Ok(Claim {
            watch_url: config.address.watch_url(&resume.session),
            session: resume.session.clone(),
            host_token: Some(resume.token.clone()),
            is_ours: false,
        });
    }
    let named = config.address.session().cloned();
    let request = CreateSession {
        title: config.title.clone(),
        session_id: named.clone(),
        ..CreateSession::default()
    };
    match (signaling.create_session(&config.address, &request).await, named) {
        (Ok(created), _) => Ok(Claim {
            session: created.session_id,
            host_token: Some(created.host_token),
            watch_url: created.watch_url,
            is_ours: true,
        }),
        // It exists. A session that was made without a token takes a publisher without one; WHIP will say.
        (Err(SignalingError::Refused { status: 401 | 409, .. }), Some(session)) => Ok(Claim {
            watch_url: config.address.watch_url(&session),
            session,
            host_token: None,
            is_ours: false,
        }),
        (Err(error), _) => Err(error.into()),
    }
}
