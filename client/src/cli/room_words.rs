//! What happens in the room, in words.

use footlight_protocol::{MediaKind, Role, ServerEvent};

/// A line for the terminal; `None` for what is told elsewhere or of no interest here.
///
/// Every line of chat begins with its writer's role in a column of its own, and every other line with a dash: no name and no
/// message can therefore look like somebody else's or like the program's own words.
pub(super) fn words(event: &ServerEvent) -> Option<String> {
    Some(match event {
        ServerEvent::ChatMessage {
            username,
            role,
            message,
            ..
        } => format!("{:<6} {username}: {message}", name(*role)),
        ServerEvent::MessageDeleted { by, .. } => format!("— {by} deleted a message"),
        ServerEvent::MessagesCleared { by, .. } => format!("— {by} deleted somebody's messages"),
        ServerEvent::SlowMode { seconds: 0, by } => format!("— {by} turned slow mode off"),
        ServerEvent::SlowMode { seconds, by } => format!("— {by} turned slow mode on: one message in {seconds} s"),
        ServerEvent::GuestRequest { username, .. } => {
            format!("— {username} asks to come on the stage: y lets them, n does not")
        }
        ServerEvent::GuestApproved { approved_by } => format!("— {approved_by} lets you come on the stage"),
        ServerEvent::GuestJoined { username, .. } => format!("— {username} is on the stage"),
        ServerEvent::Demoted { new_role: Role::Viewer } => {
            "— you were moved off the stage: g asks to come back".to_owned()
        }
        ServerEvent::Promoted { new_role } | ServerEvent::Demoted { new_role } => {
            format!("— you are {} now", with_article(*new_role))
        }
        ServerEvent::ForceMuteAudio { by } => format!("— {by} turned your sound off"),
        ServerEvent::ForceMuteVideo { by } => format!("— {by} turned your picture off"),
        ServerEvent::UnmuteAllowed {
            kind: MediaKind::Audio,
            by,
        } => format!("— {by} allows your sound again: m turns it on"),
        ServerEvent::UnmuteAllowed {
            kind: MediaKind::Video,
            by,
        } => format!("— {by} allows your picture again: v turns it on"),
        ServerEvent::HostAway { grace_seconds } => {
            format!("— the host is away and has {grace_seconds} s to come back")
        }
        ServerEvent::HostBack => "— the host is back".to_owned(),
        ServerEvent::RoleChanged {
            username,
            role: Role::Host,
            ..
        } => format!("— {username} is the host now"),
        ServerEvent::Error { message, .. } => format!("— the server refused: {message}"),
        _ => return None,
    })
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Guest => "guest",
        Role::Cohost => "cohost",
        Role::Host => "host",
    }
}

fn with_article(role: Role) -> String {
    match role {
        Role::Host => "the host".to_owned(),
        role => format!("a {}", name(role)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(username: &str, role: Role, message: &str) -> ServerEvent {
        ServerEvent::ChatMessage {
            message_id: "1".to_owned(),
            user_id: "u".parse().expect("an id"),
            username: username.to_owned(),
            role,
            message: message.to_owned(),
        }
    }

    #[test]
    fn nobody_can_write_as_the_host_or_as_the_program() {
        let host = words(&chat("Ann", Role::Host, "hello")).expect("a line");
        assert_eq!(host, "host   Ann: hello");
        for name in ["host   Ann", "— Ann", "\u{8}\u{8}host   Ann"] {
            let line = words(&chat(name, Role::Viewer, "hello")).expect("a line");
            assert!(line.starts_with("viewer "), "{line}");
        }
    }

    #[test]
    fn a_mute_names_who_did_it() {
        let by = "Ann".to_owned();
        let line = words(&ServerEvent::ForceMuteAudio { by }).expect("a line");
        assert!(line.contains("Ann") && line.contains("sound"), "{line}");
        assert_eq!(words(&ServerEvent::Pong), None);
    }
}
