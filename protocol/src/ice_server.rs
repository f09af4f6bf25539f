//! STUN and TURN servers that browsers are told of.

use serde::{Deserialize, Serialize};

/// `RTCIceServer` (W3C WebRTC §4.2.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
pub struct IceServer {
    /// URIs of RFC 7064 (`stun:`, `stuns:`) and RFC 7065 (`turn:`, `turns:`) by which this one server is reached.
    pub urls: Vec<String>,
    /// Where the server asks for it, as TURN does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. A secret of those who take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    /// Without username and credential: messages end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_what_a_browser_takes_and_no_log_shows_its_credential() {
        let stun = IceServer {
            urls: vec!["stun:stun.example.org".into()],
            username: None,
            credential: None,
        };
        assert_eq!(
            serde_json::to_value(&stun).expect("serialises"),
            json!({"urls": ["stun:stun.example.org"]})
        );
        let turn = IceServer {
            username: Some("ann".into()),
            credential: Some("password of ann".into()),
            ..stun
        };
        let value = serde_json::to_value(&turn).expect("serialises");
        assert_eq!(
            (&value["username"], &value["credential"]),
            (&json!("ann"), &json!("password of ann"))
        );
        assert!(!format!("{turn:?}").contains("ann"));
    }
}
