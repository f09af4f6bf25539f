//! The table of permissions.

use super::*;

#[test]
fn every_action_is_allowed_or_refused_as_the_table_says() {
    use ParticipantAction::{Ban, Demote, Kick, MuteAudio, MuteVideo, Promote, UnmuteAudio, UnmuteVideo};

    let roles = ["viewer", "guest", "cohost", "host"];
    let target = |name: &str| user(name);
    for by in roles {
        let role = World::full_house().role(by).expect("in the room");
        let simple: [(ClientMessage, Option<Right>); 12] = [
            (ClientMessage::Ping, None),
            (ClientMessage::KeepAlive, None),
            (
                ClientMessage::Chat {
                    message: "hello".into(),
                },
                Some(Right::Chat),
            ),
            (
                ClientMessage::Reaction {
                    reaction: Reaction::Fire,
                },
                Some(Right::React),
            ),
            (ClientMessage::RequestGuest, Some(Right::RequestGuest)),
            (
                ClientMessage::ClearMessages {
                    target_user_id: target("viewer"),
                },
                Some(Right::ClearMessages),
            ),
            (ClientMessage::SlowMode { seconds: 5 }, Some(Right::SlowMode)),
            (
                ClientMessage::UpdateMediaStatus {
                    audio_enabled: true,
                    video_enabled: true,
                },
                Some(Right::Publish),
            ),
            (ClientMessage::StartBroadcast, Some(Right::Broadcast)),
            (ClientMessage::StopBroadcast, Some(Right::Broadcast)),
            (ClientMessage::EndSession, Some(Right::EndSession)),
            (ClientMessage::WithdrawRequest, None),
        ];
        for (message, right) in simple {
            let mut world = World::full_house();
            let expected = right.filter(|right| !role.may(*right)).map(|_| "forbidden".to_owned());
            let effects = world.act(by, message.clone());
            assert_eq!(refusal(by, &effects), expected, "{by}: {message:?}");
        }
        let mut world = World::full_house();
        world.say("viewer2", "to be deleted");
        let effects = world.act(
            by,
            ClientMessage::DeleteMessage {
                message_id: "m1".into(),
            },
        );
        assert_eq!(refusal(by, &effects).is_none(), role.may(Right::DeleteMessage), "{by}");

        let mut world = World::full_house();
        world.act("viewer2", ClientMessage::RequestGuest);
        let effects = world.respond(by, "viewer2", true);
        assert_eq!(refusal(by, &effects).is_none(), role.may(Right::RespondGuest), "{by}");
        assert_eq!(
            world.role("viewer2") == Some(Role::Guest),
            role.may(Right::RespondGuest),
            "{by}"
        );

        for action in [
            MuteAudio,
            UnmuteAudio,
            MuteVideo,
            UnmuteVideo,
            Kick,
            Ban,
            Promote,
            Demote,
        ] {
            for on in ["viewer2", "guest2", "cohost", "host"] {
                let mut world = World::full_house();
                let target_role = world.role(on).expect("in the room");
                let effects = world.moderate(by, on, action);
                let impossible = match action {
                    MuteAudio | UnmuteAudio | MuteVideo | UnmuteVideo | Demote => target_role == Role::Viewer,
                    Promote => target_role == Role::Cohost,
                    Kick | Ban => false,
                };
                let allowed = role.may(action.into()) && target_role != Role::Host && by != on && !impossible;
                assert_eq!(
                    refusal(by, &effects).is_none(),
                    allowed,
                    "{by} {action:?} {on}: {effects:?}"
                );
                if !allowed {
                    assert_eq!(effects.len(), 1, "a refusal changes nothing: {effects:?}");
                    assert_eq!(world.role(on), Some(target_role));
                }
            }
        }
    }
}
