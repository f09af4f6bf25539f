//! Who may do what: the one table. The server checks it, the pages show only what it allows, and the documentation's table
//! is generated from it.

use serde::{Deserialize, Serialize};

use crate::{ParticipantAction, Role};

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Receive sound and picture.
    Watch,
    /// Write in the chat.
    Chat,
    /// React.
    React,
    /// Ask to come on the stage.
    RequestGuest,
    /// Send sound and picture.
    Publish,
    /// Answer those who ask to come on the stage.
    RespondGuest,
    /// Stop somebody's sound at the server, and let it through again.
    MuteAudio,
    /// Stop somebody's camera and screen at the server, and let them through again.
    MuteVideo,
    /// Send somebody away.
    Kick,
    /// Send somebody away together with the network address.
    Ban,
    /// Give somebody the next higher role, up to cohost.
    Promote,
    /// Give somebody the next lower role, down to viewer.
    Demote,
    /// Take one message out of the chat.
    DeleteMessage,
    /// Take all messages of one person out of the chat.
    ClearMessages,
    /// Make everybody else wait between two messages.
    SlowMode,
    /// Go on air and off air.
    Broadcast,
    /// Change the background picture of camera mode.
    Background,
    /// End the session for everybody.
    EndSession,
}

impl Right {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::Watch,
        Self::Chat,
        Self::React,
        Self::RequestGuest,
        Self::Publish,
        Self::RespondGuest,
        Self::MuteAudio,
        Self::MuteVideo,
        Self::Kick,
        Self::Ban,
        Self::Promote,
        Self::Demote,
        Self::DeleteMessage,
        Self::ClearMessages,
        Self::SlowMode,
        Self::Broadcast,
        Self::Background,
        Self::EndSession,
    ];

    /// Who has it.
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Cohost, Guest, Host, Viewer};
        match self {
            Self::Watch | Self::Chat | Self::React => &[Viewer, Guest, Cohost, Host],
            Self::RequestGuest => &[Viewer],
            Self::Publish => &[Guest, Cohost, Host],
            Self::RespondGuest
            | Self::MuteAudio
            | Self::MuteVideo
            | Self::Kick
            | Self::Ban
            | Self::Promote
            | Self::Demote
            | Self::DeleteMessage
            | Self::ClearMessages
            | Self::SlowMode => &[Cohost, Host],
            Self::Broadcast | Self::Background | Self::EndSession => &[Host],
        }
    }

    /// In words, for the documentation and for refusals: "may not …".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Chat => "write in the chat",
            Self::React => "react",
            Self::RequestGuest => "ask to come on the stage",
            Self::Publish => "send sound and picture",
            Self::RespondGuest => "answer those who ask to come on the stage",
            Self::MuteAudio => "mute somebody's sound, and allow it again",
            Self::MuteVideo => "mute somebody's camera and screen, and allow them again",
            Self::Kick => "send somebody away",
            Self::Ban => "ban somebody",
            Self::Promote => "promote somebody (up to cohost)",
            Self::Demote => "demote somebody",
            Self::DeleteMessage => "delete a message",
            Self::ClearMessages => "clear somebody's messages",
            Self::SlowMode => "turn slow mode on and off",
            Self::Broadcast => "go on air and off air",
            Self::Background => "change the background picture",
            Self::EndSession => "end the session",
        }
    }
}

impl From<ParticipantAction> for Right {
    fn from(action: ParticipantAction) -> Self {
        match action {
            ParticipantAction::MuteAudio | ParticipantAction::UnmuteAudio => Self::MuteAudio,
            ParticipantAction::MuteVideo | ParticipantAction::UnmuteVideo => Self::MuteVideo,
            ParticipantAction::Kick => Self::Kick,
            ParticipantAction::Ban => Self::Ban,
            ParticipantAction::Promote => Self::Promote,
            ParticipantAction::Demote => Self::Demote,
        }
    }
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Guest, Self::Cohost, Self::Host];

    /// Whether somebody in this role has the right.
    pub fn may(self, right: Right) -> bool {
        right.roles().contains(&self)
    }

    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Guest => "guest",
            Self::Cohost => "cohost",
            Self::Host => "host",
        }
    }
}

/// The table as Markdown, for `docs/permissions.md`.
pub fn permission_table() -> String {
    let mut page = String::from(
        "# Who may do what\n\n\
         Generated by `cargo xtask bindings` from `protocol/src/permission.rs`, which the server checks and the pages follow. \
         Do not edit.\n\n\
         What is done to somebody is never done to the host, nor to oneself. Messages may be one's own; a host's are taken \
         out by the host alone.\n\n\
         | | viewer | guest | cohost | host |\n| --- | :-: | :-: | :-: | :-: |\n",
    );
    for right in Right::ALL {
        page.push_str("| ");
        page.push_str(right.in_words());
        for role in Role::ALL {
            page.push_str(if role.may(right) { " | yes" } else { " | –" });
        }
        page.push_str(" |\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_is_in_the_table_once() {
        let rights: std::collections::HashSet<_> = Right::ALL.into_iter().collect();
        assert_eq!(rights.len(), Right::ALL.len());
        assert_eq!(permission_table().matches("\n| ").count(), Right::ALL.len() + 2);
    }

    #[test]
    fn whoever_has_more_to_say_may_do_all_that_others_may_but_ask() {
        for right in Right::ALL {
            for (less, more) in [
                (Role::Viewer, Role::Guest),
                (Role::Guest, Role::Cohost),
                (Role::Cohost, Role::Host),
            ] {
                assert!(
                    right == Right::RequestGuest || !less.may(right) || more.may(right),
                    "{less:?} may {right:?} and {more:?} may not"
                );
            }
        }
    }
}
