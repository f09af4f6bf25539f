//! A publisher, as a program holds it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use footlight_protocol::{
    ClientMessage, CreateSession, MAX_CHAT_CHARS, MediaKind, Role, ServerMessage, SessionId, TrackSource, UserId,
};
use reqwest::Url;
use tokio::sync::{broadcast as events, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::pipeline::{Pipeline, PipelineConfig, VideoSource, simulcast};
use crate::publish::address::ServerAddress;
use crate::publish::bandwidth::Budget;
use crate::publish::broadcast::{Broadcast, Ingest, Phase, Ways};
use crate::publish::error::PublishError;
use crate::publish::media::Carrier;
use crate::publish::outlet::SentCounters;
use crate::publish::reporter::Reporter;
use crate::publish::room::{self, Entrance, Room};
use crate::publish::status::{Ending, Status};
use crate::publish::tracks::{MutedBy, Tracks};
use crate::publish::whip::{SignalingClient, SignalingError};
use crate::trust::Trust;

/// What to publish, where, and under which name.
#[derive(Debug, Clone)]
pub struct PublishConfig {
    /// The server, and the session on it where one is meant.
    pub address: ServerAddress,
    /// The right to a session that exists or existed. Without it a new one is made; or, where the address is that of a
    /// session's page and there is such a session, its host is asked to let this publisher come on the stage.
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
    /// The bearer token of its host, or a JSON Web Token that was made for this participant. A secret.
    pub token: String,
}

impl SessionToken {
    /// Whether it says who we are, and that is not the host. Then its bearer comes into the room like others, while a host
    /// makes the session by publishing to it.
    ///
    /// It is not verified here, which only the server can: a token that lies about its role leads to a refusal there.
    fn is_for_participant(&self) -> bool {
        /// Of the claims, the one that matters here.
        #[derive(serde::Deserialize)]
        struct Claims {
            role: Option<Role>,
        }
        // A JSON Web Token in compact form (RFC 7519 §3, RFC 7515 §7.1): three parts with dots between them, which no host
        // token has.
        let parts: Vec<&str> = self.token.split('.').collect();
        let [_, claims, _] = parts.as_slice() else {
            return false;
        };
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
        let claims = serde_json::from_slice::<Claims>(&claims);
        !claims.is_ok_and(|claims| claims.role == Some(Role::Host))
    }
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
    right: Right,
    watch_url: String,
}

/// What we may do in a session, as far as it is known before the server is asked.
enum Right {
    /// It was made for this publisher, and therefore ends with it.
    Maker(String),
    /// By its host's token.
    Host(String),
    /// By a token that says who we are, or by none: to come in, and on the stage where the role or the host allows it.
    Participant(Option<String>),
    /// None is needed: it was made by a program that had none.
    Open,
}

impl Right {
    /// The token for the room.
    fn token(&self) -> Option<&str> {
        match self {
            Self::Maker(token) | Self::Host(token) => Some(token),
            Self::Participant(token) => token.as_deref(),
            Self::Open => None,
        }
    }
}

/// Why a line of chat was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The WebSocket is away, or too much waits to be sent.
    #[error("not sent: the room is not connected")]
    NotConnected,
    /// Over [`MAX_CHAT_CHARS`].
    #[error("not sent: a message has at most {MAX_CHAT_CHARS} characters")]
    TooLong,
}

/// A session that is kept on air until it is stopped. Dropping it closes its connection and releases the devices without a farewell;
/// viewers see a freeze until the server notices.
#[derive(Debug)]
pub struct Publisher {
    pipeline: Arc<Pipeline>,
    tracks: Arc<Tracks>,
    room: Room,
    status: watch::Receiver<Status>,
    stop: Option<oneshot::Sender<()>>,
    broadcast: JoinHandle<Result<Ending, PublishError>>,
    aside: [AbortHandle; 2],
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

        let (phase, phases) = watch::channel(Phase::connecting());
        let tracks = Arc::new(Tracks::new(Arc::clone(&pipeline), has_video, has_audio));
        let (room, room_ends) = Room::new(Arc::clone(&tracks));
        let sent = Arc::new(SentCounters::default());
        let (reporter, status) = Reporter::new(
            Arc::clone(&pipeline),
            phases.clone(),
            room.state(),
            tracks.watch(),
            Arc::clone(&sent),
            claim.session.clone(),
            claim.watch_url.clone(),
        );
        let ingest = ingest(&signaling, &config, &claim);
        let entrance = entrance(&signaling, &config, &claim, &ingest, phases);
        let aside = [
            tokio::spawn(room::follow(entrance, room_ends)).abort_handle(),
            tokio::spawn(reporter.run()).abort_handle(),
        ];
        let (stop, stopped) = oneshot::channel();
        let broadcast = Broadcast {
            ingest,
            host: config.address.base().host_str().unwrap_or_default().to_owned(),
            session: claim.session.clone(),
            pipeline: Arc::clone(&pipeline),
            sources: [(has_video, TrackSource::Camera), (has_audio, TrackSource::Microphone)]
                .into_iter()
                .filter_map(|(present, source)| present.then_some(source))
                .collect(),
            layers: if config.pipeline.simulcast {
                simulcast::sizes(config.pipeline.size).len()
            } else {
                1
            },
            budget,
            ways: Ways {
                video: Carrier::of(output.video),
                audio: Carrier::of(output.audio),
            },
            sent,
            phase,
            room: room.clone(),
            asked_as: None,
            last_estimate: None,
        };
        let place = room.clone();
        let broadcast = tokio::spawn(async move {
            // A sender that is dropped is a publisher that was dropped, which aborts this task anyway.
            let result = broadcast.run(async { drop(stopped.await) }).await;
            match &claim.right {
                Right::Maker(token) => signaling.end_session(&config.address, &claim.session, token).await,
                Right::Participant(_) => place.leave().await,
                // Its host may go on from elsewhere, and the room waits for that a while.
                Right::Host(_) | Right::Open => {}
            }
            result
        });
        Ok(Self {
            pipeline,
            tracks,
            room,
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

    /// The way to another picture source.
    pub fn video_switch(&self) -> VideoSwitch {
        VideoSwitch(Arc::clone(&self.pipeline))
    }

    /// Sends silence, or sound again where nobody in the room has forbidden it.
    pub fn set_muted(&self, muted: bool) -> Result<(), MutedBy> {
        self.tracks.turn(MediaKind::Audio, !muted)
    }

    /// Whether silence is sent.
    pub fn muted(&self) -> bool {
        self.pipeline.muted()
    }

    /// Sends a card in place of the picture, or the picture again where nobody in the room has forbidden it.
    pub fn set_hidden(&self, hidden: bool) -> Result<(), MutedBy> {
        self.tracks.turn(MediaKind::Video, !hidden)
    }

    /// Whether a card is sent in place of the picture.
    pub fn hidden(&self) -> bool {
        self.pipeline.hidden()
    }

    /// What happens in the room from now on: chat, reactions, requests, moderation. Words in it are as others wrote them.
    ///
    /// A reader that is slow loses the oldest events.
    pub fn events(&self) -> events::Receiver<ServerMessage> {
        self.room.events()
    }

    /// Says something to everybody in the room. Where the server does not take it, an event says so.
    pub fn chat(&self, message: &str) -> Result<(), ChatError> {
        if message.trim().is_empty() {
            return Ok(());
        }
        if message.chars().count() > MAX_CHAT_CHARS {
            return Err(ChatError::TooLong);
        }
        self.tell(ClientMessage::Chat {
            message: message.to_owned(),
        })
    }

    /// Asks to come on the stage. This is done without being asked for at the first joining.
    pub fn request_stage(&self) -> Result<(), ChatError> {
        self.tell(ClientMessage::RequestGuest)
    }

    /// Answers somebody who asks to come on the stage; hosts and cohosts may.
    pub fn answer_request(&self, user_id: &UserId, approved: bool) -> Result<(), ChatError> {
        self.tell(ClientMessage::RespondGuest {
            target_user_id: user_id.clone(),
            approved,
        })
    }

    fn tell(&self, message: ClientMessage) -> Result<(), ChatError> {
        if self.room.send(message) {
            Ok(())
        } else {
            Err(ChatError::NotConnected)
        }
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

/// Changes the picture source of a [`Publisher`], apart from it: a device may take seconds, in which other things go on.
#[derive(Debug)]
pub struct VideoSwitch(Arc<Pipeline>);

impl VideoSwitch {
    /// Goes on with another picture source. Viewers see a freeze of some tens of milliseconds.
    pub async fn to(self, source: VideoSource) -> Result<(), PublishError> {
        tokio::task::spawn_blocking(move || self.0.switch_video(source))
            .await
            .map_err(|_| PublishError::PipelineEnded)?
            .map_err(PublishError::from)
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

/// Where this publisher's media is offered.
fn ingest(signaling: &SignalingClient, config: &PublishConfig, claim: &Claim) -> Ingest {
    if matches!(claim.right, Right::Participant(_)) {
        return Ingest::Room;
    }
    let mut endpoint = config.address.whip_url(&claim.session);
    add_to_query(&mut endpoint, "title", config.title.as_deref());
    add_to_query(&mut endpoint, "username", config.username.as_deref());
    Ingest::Whip {
        signaling: signaling.clone(),
        endpoint,
        host_token: claim.right.token().map(str::to_owned),
    }
}

/// The way into the room.
fn entrance(
    signaling: &SignalingClient,
    config: &PublishConfig,
    claim: &Claim,
    ingest: &Ingest,
    phases: watch::Receiver<Phase>,
) -> Entrance {
    let mut url = config.address.websocket_url(&claim.session);
    add_to_query(&mut url, "token", claim.right.token());
    add_to_query(&mut url, "username", config.username.as_deref());
    Entrance {
        tls: signaling.tls_for(&url),
        url,
        server: signaling.server().to_owned(),
        after: matches!(ingest, Ingest::Whip { .. }).then_some(phases),
    }
}

fn add_to_query(url: &mut Url, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        url.query_pairs_mut().append_pair(name, value);
    }
}

/// Finds out which session to publish to, and makes it where there is none.
async fn claim(signaling: &SignalingClient, config: &PublishConfig) -> Result<Claim, PublishError> {
    if let Some(resume) = &config.resume {
        let token = resume.token.clone();
        return Ok(Claim {
            watch_url: config.address.watch_url(&resume.session),
            session: resume.session.clone(),
            right: if resume.is_for_participant() {
                Right::Participant(Some(token))
            } else {
                Right::Host(token)
            },
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
            right: Right::Maker(created.host_token),
            watch_url: created.watch_url,
        }),
        // It exists. Who comes by its page is a participant like others. By its endpoint: a session that was made without
        // a token takes a publisher without one; WHIP will say.
        (Err(SignalingError::Refused { status: 401 | 409, .. }), Some(session)) => Ok(Claim {
            watch_url: config.address.watch_url(&session),
            session,
            right: if config.address.is_page() {
                Right::Participant(None)
            } else {
                Right::Open
            },
        }),
        (Err(error), _) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_publishes_by_whip_and_others_come_into_the_room() {
        let is_for_participant = |token: &str| {
            SessionToken {
                session: "show".parse().expect("an id"),
                token: token.to_owned(),
            }
            .is_for_participant()
        };
        let jwt = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        assert!(is_for_participant(&jwt(r#"{"role":"guest","name":"Ben"}"#)));
        assert!(is_for_participant(&jwt("{}")), "a viewer");
        assert!(!is_for_participant(&jwt(r#"{"role":"host"}"#)));
        assert!(!is_for_participant("a-host-token-of-the-servers"));
        assert!(is_for_participant("no.claims.here"), "the server will say");
        assert!(!is_for_participant("too.many.dots.here"));
    }
}
