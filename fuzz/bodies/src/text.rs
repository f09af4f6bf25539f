//! What people and programs write: JSON, SDP, TOML, addresses, and the strip in a picture.

use std::str::FromStr;

use footlight_client::publish::ServerAddress;
use footlight_client::trust::Fingerprint;
use footlight_client::units::{Bitrate, Resolution};
use footlight_client::video::strip as picture_strip;
use footlight_protocol::{ClientMessage, CreateSession, MAX_ID_CHARS, ServerMessage, SessionId, UserId};
use footlight_server::http::sdp_fragment as fragment;

/// A WebSocket frame, or the body of `POST /api/sessions`. What is understood says the same when it is written again.
pub fn client_message(data: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<ClientMessage>(data) {
        let written = serde_json::to_vec(&message).expect("what was read can be written");
        let again: ClientMessage = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, message);
    }
    if let Ok(message) = serde_json::from_slice::<ServerMessage>(data) {
        let written = serde_json::to_vec(&message).expect("what was read can be written");
        let again: ServerMessage = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, message);
    }
    if let Ok(request) = serde_json::from_slice::<CreateSession>(data) {
        let written = serde_json::to_vec(&request).expect("what was read can be written");
        let again: CreateSession = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, request);
    }
}

/// An identifier in a URL. What is accepted needs no escaping and is not too long.
pub fn identifier(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let accepted = SessionId::from_str(text).is_ok();
    assert_eq!(accepted, UserId::from_str(text).is_ok(), "both kinds follow one rule");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert_eq!(
        accepted,
        (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(plain),
        "{text:?}"
    );
}

/// The body of a WHIP or WHEP `PATCH`. Credentials come in pairs.
pub fn sdp_fragment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(parsed) = fragment::parse(text) {
        assert_eq!(parsed.ufrag.is_some(), parsed.pwd.is_some());
        assert!(
            parsed
                .candidates
                .iter()
                .all(|candidate| candidate.starts_with("candidate:"))
        );
    }
}

/// The configuration file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match footlight_server::config::parse(text) {
        Ok(settings) => {
            if let Err(error) = settings.resolve() {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What stands on the publisher's command line.
pub fn quantities(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(size) = Resolution::from_str(text) {
        assert_eq!(Resolution::from_str(&size.to_string()), Ok(size));
    }
    if let Ok(bitrate) = Bitrate::from_str(text) {
        assert!(bitrate.bps() > 0);
        assert_eq!(Bitrate::from_str(&bitrate.bps().to_string()), Ok(bitrate));
    }
    if let Ok(fingerprint) = Fingerprint::from_str(text) {
        assert_eq!(Fingerprint::from_str(&fingerprint.to_string()), Ok(fingerprint));
    }
    let _ = ServerAddress::from_str(text);
}

/// A luma plane of any shape: the first bytes are its width, stride and height.
pub fn strip(data: &[u8]) {
    let Some((shape, luma)) = data.split_at_checked(6) else {
        return;
    };
    let side = |at: usize| usize::from(u16::from_be_bytes([shape[at], shape[at + 1]]));
    if let Some(reading) = picture_strip::read(luma, side(2), side(0), side(4)) {
        assert_ne!(reading.frame_number, 0, "no frame has this number");
    }
    // Shapes whose product is no number.
    let _ = picture_strip::read(luma, usize::MAX, side(0), usize::MAX);
}
