//! Why the room does not do what somebody asked for.

use std::time::Duration;

use footlight_protocol::{MAX_CHAT_CHARS, MAX_SLOW_MODE_SECONDS, MediaKind, Right, Role, ServerEvent};

/// Why somebody may not publish now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// A session without an owner takes one publisher at a time.
    #[error("somebody else is on air in this session")]
    OnAir,
    /// The session has ended.
    #[error("this session has ended")]
    Ended,
    /// A viewer.
    #[error("viewers watch: ask to come on the stage first")]
    NotOnStage,
    /// Sent away.
    #[error("you were removed from this session")]
    Barred,
    /// The limit of people on the stage is reached.
    #[error("the stage is full")]
    StageFull,
    /// In a mesh, media takes no way through the server.
    #[error("in this session media goes from browser to browser, not through the server")]
    Mesh,
}

/// Why somebody may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// Sent away.
    #[error("you were removed from this session and cannot come back to it")]
    Barred,
    /// The limit of participants is reached.
    #[error("this session is full")]
    Full,
    /// The session has ended.
    #[error("this session has ended")]
    Ended,
}

/// A refusal, in words and with a code for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a {role} may not {}", .right.in_words(), role = .role.name())]
    Forbidden { role: Role, right: Right },
    #[error("this cannot be done to the host")]
    OnHost,
    #[error("this cannot be done to oneself")]
    OnOneself,
    #[error("there is nobody of this id in this session")]
    Nobody,
    #[error("this person did not ask to come on the stage, or does not any more")]
    NoRequest,
    #[error("too many people ask to come on the stage; try again later")]
    TooManyRequests,
    #[error("the stage is full: {0} people may be on it beside the host")]
    StageFull(u32),
    #[error("this person is not on the stage")]
    NotOnStage,
    #[error("this person cannot be promoted further")]
    AtTop,
    #[error("this person cannot be demoted further")]
    AtBottom,
    #[error("your {} was turned off by the host or a cohost, and only they can allow it again", match .0 {
        MediaKind::Audio => "microphone",
        MediaKind::Video => "camera",
    })]
    MutedByHost(MediaKind),
    #[error("a message may have {MAX_CHAT_CHARS} characters, and this one has {0}")]
    TooLong(usize),
    #[error("you are writing faster than others can read: wait {} s", seconds(*.0))]
    TooFast(Duration),
    #[error("you are doing more at once than others can follow: wait {} s", seconds(*.0))]
    TooMuch(Duration),
    #[error("slow mode is on: wait {} s", seconds(*.0))]
    SlowMode(Duration),
    #[error("there is no such message")]
    NoMessage,
    #[error("slow mode takes 0 to {MAX_SLOW_MODE_SECONDS} seconds, not {0}")]
    BadSlowMode(u32),
    #[error("in this session media goes through the server: send signals without `to_user_id`")]
    NoMesh,
    #[error("one of the two has to be on the stage")]
    NobodyOnStage,
}

/// A second that has begun counts.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } | Self::OnHost | Self::OnOneself => "forbidden",
            Self::Nobody => "not_found",
            Self::NoRequest => "no_request",
            Self::TooManyRequests => "too_many_requests",
            Self::StageFull(_) => "stage_full",
            Self::NotOnStage | Self::NobodyOnStage => "not_on_stage",
            Self::AtTop | Self::AtBottom => "no_such_role",
            Self::MutedByHost(_) => "muted_by_host",
            Self::TooLong(_) => "too_long",
            Self::TooFast(_) | Self::TooMuch(_) => "rate_limited",
            Self::SlowMode(_) => "slow_mode",
            Self::NoMessage => "no_message",
            Self::BadSlowMode(_) => "bad_message",
            Self::NoMesh => "not_a_mesh",
        }
    }

    pub(super) fn event(&self, action: &str) -> ServerEvent {
        ServerEvent::Error {
            code: self.code().to_owned(),
            message: self.to_string(),
            action: Some(action.to_owned()),
            connection: None,
        }
    }
}

/// Whether somebody in this role has the right.
pub(super) fn check(role: Role, right: Right) -> Result<(), Refusal> {
    if role.may(right) {
        Ok(())
    } else {
        Err(Refusal::Forbidden { role, right })
    }
}
