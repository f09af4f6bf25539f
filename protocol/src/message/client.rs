//! What a client sends, tagged by `action`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Connection, ParticipantAction, Reaction, SignalData, SignalType, TrackSource};
use crate::UserId;

/// Client → server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Answered by `pong`.
    Ping,
    /// Accepted and ignored.
    KeepAlive,
    /// Says something to everybody. Blank ones are skipped in silence.
    Chat {
        /// At most [`MAX_CHAT_CHARS`](crate::MAX_CHAT_CHARS) characters.
        message: String,
    },
    /// Takes a message out of everybody's chat.
    DeleteMessage {
        /// Which.
        message_id: String,
    },
    /// Takes all messages of one person out of everybody's chat.
    ClearMessages {
        /// Whose.
        target_user_id: UserId,
    },
    /// Sets how long everybody but host and cohosts has to wait between two messages.
    SlowMode {
        /// 0 turns it off; at most [`MAX_SLOW_MODE_SECONDS`](crate::MAX_SLOW_MODE_SECONDS).
        seconds: u32,
    },
    /// Shows how one feels.
    Reaction {
        /// One of the four.
        reaction: Reaction,
    },
    /// Asks to come on the stage.
    RequestGuest,
    /// Does not ask any more.
    WithdrawRequest,
    /// Answers somebody who asked.
    RespondGuest {
        /// Who asked.
        target_user_id: UserId,
        /// Whether that person may come on the stage.
        approved: bool,
    },
    /// Does something to somebody.
    ParticipantAction {
        /// To whom.
        target_user_id: UserId,
        /// What.
        action_type: ParticipantAction,
    },
    /// Says what one sends.
    UpdateMediaStatus {
        /// Whether the microphone is on.
        audio_enabled: bool,
        /// Whether the camera is on.
        video_enabled: bool,
    },
    /// Goes on air, where media has not said so already.
    StartBroadcast,
    /// Goes off air; the session goes on.
    StopBroadcast,
    /// Ends the session for everybody.
    EndSession,
    /// Says what one wants of a slot of one's subscribe connection. Without it: the best that the line carries.
    Slot {
        /// The slot, as in `slot_assigned`.
        mid: String,
        /// Of the tile that shows it, in device pixels: nothing larger is sent than fills it. 0: it is out of sight, and
        /// nothing is sent. Left out: the best.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32>,
        /// Where the line does not carry all, more goes first: among screens, among those who speak, among the rest.
        #[serde(default)]
        priority: u8,
    },
    /// For the server's SFU, or for another participant of a session that is a mesh.
    WebrtcSignal {
        /// In a mesh: to whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_user_id: Option<UserId>,
        /// Without `to_user_id`: which of the participant's two connections with the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<Connection>,
        /// What `signal_data` is.
        signal_type: SignalType,
        /// The description or the candidate.
        signal_data: SignalData,
        /// With an offer that publishes: where the tracks come from, by the media section. Without it the first video is
        /// a camera, the first audio a microphone, the next ones a screen and its sound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sources: Option<BTreeMap<String, TrackSource>>,
    },
}

impl ClientMessage {
    /// The `action` that it is tagged by.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::KeepAlive => "keep_alive",
            Self::Chat { .. } => "chat",
            Self::DeleteMessage { .. } => "delete_message",
            Self::ClearMessages { .. } => "clear_messages",
            Self::SlowMode { .. } => "slow_mode",
            Self::Reaction { .. } => "reaction",
            Self::RequestGuest => "request_guest",
            Self::WithdrawRequest => "withdraw_request",
            Self::RespondGuest { .. } => "respond_guest",
            Self::ParticipantAction { .. } => "participant_action",
            Self::UpdateMediaStatus { .. } => "update_media_status",
            Self::StartBroadcast => "start_broadcast",
            Self::StopBroadcast => "stop_broadcast",
            Self::EndSession => "end_session",
            Self::Slot { .. } => "slot",
            Self::WebrtcSignal { .. } => "webrtc_signal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionDescription;
    use serde_json::json;

    #[test]
    fn a_tile_says_how_high_it_is_or_nothing() {
        for (json, height, priority) in [
            (
                json!({"action": "slot", "mid": "3", "height": 360, "priority": 1}),
                Some(360),
                1,
            ),
            (json!({"action": "slot", "mid": "3", "height": 0}), Some(0), 0),
            (json!({"action": "slot", "mid": "3"}), None, 0),
        ] {
            let expected = ClientMessage::Slot {
                mid: "3".into(),
                height,
                priority,
            };
            assert_eq!(serde_json::from_value::<ClientMessage>(json).expect("a wish"), expected);
        }
        let negative = json!({"action": "slot", "mid": "3", "height": -1});
        assert!(serde_json::from_value::<ClientMessage>(negative).is_err());
    }

    #[test]
    fn a_browsers_description_and_candidate_are_read_as_they_are() {
        let offer = json!({"action": "webrtc_signal", "connection": "subscribe", "signal_type": "offer",
            "signal_data": {"type": "offer", "sdp": "v=0"}});
        assert_eq!(
            serde_json::from_value::<ClientMessage>(offer).expect("offer"),
            ClientMessage::WebrtcSignal {
                to_user_id: None,
                connection: Some(Connection::Subscribe),
                signal_type: SignalType::Offer,
                signal_data: SignalData::Description(SessionDescription { sdp: "v=0".into() }),
                sources: None,
            }
        );
        let candidate = json!({"action": "webrtc_signal", "connection": "publish", "signal_type": "ice_candidate",
            "signal_data": {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "abcd"}});
        assert!(matches!(
            serde_json::from_value::<ClientMessage>(candidate).expect("candidate"),
            ClientMessage::WebrtcSignal {
                signal_data: SignalData::Candidate(_),
                ..
            }
        ));
    }

    #[test]
    fn an_unknown_action_is_named() {
        let error = serde_json::from_value::<ClientMessage>(json!({"action": "fly"})).expect_err("unknown");
        assert!(error.to_string().contains("fly"), "{error}");
    }
}
