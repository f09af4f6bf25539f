//! Reading what a client sends, with errors that name what was wrong.

use footlight_protocol::{ClientMessage, Connection, ServerEvent};
use serde::Deserialize as _;
use serde_json::Value;

/// Longest `action` that is repeated in an error, in characters.
const MAX_ECHO_CHARS: usize = 40;

/// Why a message was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    code: &'static str,
    message: String,
    action: Option<String>,
    connection: Option<Connection>,
}

impl From<Problem> for ServerEvent {
    fn from(problem: Problem) -> Self {
        Self::Error {
            code: problem.code.to_owned(),
            message: problem.message,
            action: problem.action,
            connection: problem.connection,
        }
    }
}

/// Reads a text frame.
pub(super) fn read(text: &str) -> Result<ClientMessage, Problem> {
    let bad = |code, message: String, action| Problem {
        code,
        message,
        action,
        connection: None,
    };
    let value: Value = serde_json::from_str(text).map_err(|error| bad("bad_json", error.to_string(), None))?;
    let action = match value.get("action") {
        Some(Value::String(action)) => action.chars().take(MAX_ECHO_CHARS).collect::<String>(),
        Some(_) => return Err(bad("bad_message", "`action` must be a string".to_owned(), None)),
        None => return Err(bad("bad_message", "`action` is missing".to_owned(), None)),
    };
    let reason = what_is_missing(&value);
    let connection = value
        .get("connection")
        .and_then(|name| Connection::deserialize(name).ok());
    serde_json::from_value(value).map_err(|error| {
        let error = error.to_string();
        let code = if error.starts_with("unknown variant") && error.contains(&format!("`{action}`")) {
            "unknown_action"
        } else {
            "bad_message"
        };
        Problem {
            connection,
            ..bad(code, reason.map_or(error, str::to_owned), Some(action))
        }
    })
}

/// serde says of a `signal_data` that is neither description nor candidate only that nothing matched.
fn what_is_missing(value: &Value) -> Option<&'static str> {
    let data = value.get("signal_data")?;
    let has = |key: &str| data.get(key).is_some_and(Value::is_string);
    match value.get("signal_type")?.as_str()? {
        "offer" | "answer" if !has("sdp") => Some("`signal_data` of a description must have the string `sdp`"),
        "ice_candidate" if !has("candidate") => Some("`signal_data` of a candidate must have the string `candidate`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &str) -> Problem {
        read(text).expect_err(text)
    }

    #[test]
    fn what_the_protocol_has_is_read() {
        assert_eq!(read(r#"{"action":"ping"}"#), Ok(ClientMessage::Ping));
        assert_eq!(read(r#"{"action":"keep_alive"}"#), Ok(ClientMessage::KeepAlive));
    }

    #[test]
    fn it_names_what_was_wrong() {
        assert_eq!(problem("{").code, "bad_json");
        assert_eq!(problem("[]").message, "`action` is missing");
        assert_eq!(problem(r#"{"action":7}"#).message, "`action` must be a string");
        let unknown = problem(r#"{"action":"fly"}"#);
        assert_eq!(
            (unknown.code, unknown.action.as_deref()),
            ("unknown_action", Some("fly"))
        );
        let missing = problem(r#"{"action":"webrtc_signal","connection":"subscribe"}"#);
        assert_eq!(missing.code, "bad_message");
        assert!(missing.message.contains("signal_type"), "{}", missing.message);
        let data = problem(
            r#"{"action":"webrtc_signal","connection":"subscribe","signal_type":"offer","signal_data":{"type":"offer"}}"#,
        );
        assert!(data.message.contains("`sdp`"), "{}", data.message);
        assert_eq!(data.connection, Some(Connection::Subscribe));
    }

    #[test]
    fn a_long_action_is_not_echoed_in_full() {
        let text = format!(r#"{{"action":"{}"}}"#, "x".repeat(10_000));
        assert_eq!(problem(&text).action.map(|action| action.len()), Some(MAX_ECHO_CHARS));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC*|[\\[{\":,a-z0-9}\\]]{0,60}") {
            let _ = read(&text);
        }
    }
}
