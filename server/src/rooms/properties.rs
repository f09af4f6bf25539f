//! What holds for every sequence of commands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use footlight_protocol::{
    ClientMessage, Connection, EndReason, MediaKind, ParticipantAction, Reaction, Right, Role, ServerEvent,
    SessionMode, SignalData, SignalType, Topology, UserId, Visibility,
};
use proptest::prelude::*;

use super::{Badge, Badges, Command, Effect, Now, Publication, Room, RoomSettings};

const HOST_GRACE: Duration = Duration::from_secs(6);
const RESUME: Duration = Duration::from_secs(3);

fn user(number: u8) -> UserId {
    format!("u{number}").parse().expect("a user id")
}

/// Few enough that they meet.
fn someone() -> impl Strategy<Value = UserId> {
    prop_oneof![4 => (0..8u8).prop_map(user), 1 => (0..60u8).prop_map(user)]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        1 => Just(Role::Host),
        2 => Just(Role::Cohost),
        3 => Just(Role::Guest),
        6 => Just(Role::Viewer),
    ]
}

fn participant_action() -> impl Strategy<Value = ParticipantAction> {
    use ParticipantAction::{Ban, Demote, Kick, MuteAudio, MuteVideo, Promote, UnmuteAudio, UnmuteVideo};
    prop::sample::select(vec![
        MuteAudio,
        UnmuteAudio,
        MuteVideo,
        UnmuteVideo,
        Promote,
        Promote,
        Demote,
        Kick,
        Ban,
    ])
}

fn message() -> impl Strategy<Value = ClientMessage> {
    prop_oneof![
        1 => "[a-z \u{200b}]{0,20}".prop_map(|message| ClientMessage::Chat { message }),
        1 => (0..20u8).prop_map(|n| ClientMessage::DeleteMessage { message_id: format!("m{n}") }),
        1 => someone().prop_map(|target_user_id| ClientMessage::ClearMessages { target_user_id }),
        1 => (0..1000u32).prop_map(|seconds| ClientMessage::SlowMode { seconds }),
        1 => Just(ClientMessage::Reaction { reaction: Reaction::Heart }),
        1 => Just(ClientMessage::RequestGuest),
        1 => Just(ClientMessage::WithdrawRequest),
        1 => (someone(), any::<bool>()).prop_map(|(target_user_id, approved)| ClientMessage::RespondGuest {
            target_user_id,
            approved
        }),
        4 => (someone(), participant_action()).prop_map(|(target_user_id, action_type)| {
            ClientMessage::ParticipantAction { target_user_id, action_type }
        }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(audio_enabled, video_enabled)| ClientMessage::UpdateMediaStatus {
            audio_enabled,
            video_enabled
        }),
        1 => Just(ClientMessage::StartBroadcast),
        1 => Just(ClientMessage::StopBroadcast),
        1 => someone().prop_map(|to| ClientMessage::WebrtcSignal {
            to_user_id: Some(to),
            connection: None,
            signal_type: SignalType::Offer,
            signal_data: SignalData::Description(footlight_protocol::SessionDescription { sdp: String::new() }),
            sources: None,
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let publication = (0..6u64).prop_map(Publication);
    let connection = prop::sample::select(vec![Connection::Publish, Connection::Subscribe]);
    prop_oneof![
        8 => (0..60u8, role(), any::<bool>()).prop_map(|(n, role, has_socket)| Command::Join {
            user: user(n),
            username: format!("name {n}"),
            role: if n == 0 { Role::Host } else { role },
            badges: Badges {
                visitor: Some(Badge(u64::from(n))),
                address: Some(Badge(1000 + u64::from(n / 4))),
                bearer: None,
            },
            resume_token: has_socket.then(|| format!("token {n}")),
        }),
        2 => someone().prop_map(|user| Command::Leave { user }),
        3 => someone().prop_map(|user| Command::Lose { user }),
        3 => someone().prop_map(|user| Command::Resume { user, resume_token: "next".into() }),
        20 => (someone(), message()).prop_map(|(user, message)| Command::Act { user, message }),
        3 => (publication.clone(), someone(), role(), any::<bool>()).prop_map(|(publication, user, role, with_place)| {
            Command::Publish { publication, user, username: None, role, badges: Badges::default(), with_place }
        }),
        3 => (publication.clone(), any::<bool>()).prop_map(|(publication, audio)| Command::MediaStarted {
            publication,
            kind: if audio { MediaKind::Audio } else { MediaKind::Video },
        }),
        2 => publication.prop_map(|publication| Command::PublishStopped { publication }),
        2 => (someone(), prop::option::of(-60..0i8)).prop_map(|(user, level)| Command::Speaking { user, level }),
        1 => (someone(), connection, prop::option::of(0..5u8)).prop_map(|(user, connection, level)| {
            Command::Quality { user, connection, level }
        }),
        6 => Just(Command::Tick),
    ]
}

fn settings(topology: Topology) -> RoomSettings {
    RoomSettings {
        id: "show".parse().expect("a session id"),
        title: String::new(),
        mode: SessionMode::Voice,
        topology,
        visibility: Visibility::Public,
        owner: user(0),
        idle_limit: Duration::from_secs(10),
        host_grace: HOST_GRACE,
        resume_within: RESUME,
        max_participants: 40,
    }
}

/// What somebody believes who has heard everything that was told to all.
#[derive(Default)]
struct Listener {
    viewer_count: Option<u32>,
    on_air: BTreeSet<UserId>,
    speakers: Vec<UserId>,
}

impl Listener {
    fn hear(&mut self, event: &ServerEvent) {
        match event {
            ServerEvent::UserJoined { viewer_count, .. }
            | ServerEvent::UserLeft { viewer_count, .. }
            | ServerEvent::RoleChanged { viewer_count, .. } => self.viewer_count = Some(*viewer_count),
            ServerEvent::BroadcastStarted { user_id, .. } => {
                assert!(self.on_air.insert(user_id.clone()), "{user_id} started twice");
            }
            ServerEvent::BroadcastStopped { user_id, .. } => {
                assert!(self.on_air.remove(user_id), "{user_id} stopped without having started");
            }
            ServerEvent::ActiveSpeakers { user_ids } => self.speakers.clone_from(user_ids),
            _ => {}
        }
    }
}

/// All that a participant may do something to.
fn state(room: &Room) -> String {
    let mut members: Vec<_> = room.members.values().cloned().collect();
    for member in &mut members {
        // Counting what somebody says is no change of the room.
        member.allowance = super::chat::Allowance::new(room_epoch());
    }
    format!(
        "{members:?} {:?} {:?} {:?} {:?} {:?}",
        room.requests,
        room.barred_users,
        room.barred_badges,
        room.on_air,
        room.chat.history()
    )
}

fn room_epoch() -> std::time::Instant {
    static EPOCH: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(std::time::Instant::now)
}

/// The right that a message needs.
fn right_of(message: &ClientMessage) -> Option<Right> {
    Some(match message {
        ClientMessage::Chat { .. } => Right::Chat,
        ClientMessage::DeleteMessage { .. } => Right::DeleteMessage,
        ClientMessage::ClearMessages { .. } => Right::ClearMessages,
        ClientMessage::SlowMode { .. } => Right::SlowMode,
        ClientMessage::Reaction { .. } => Right::React,
        ClientMessage::RequestGuest => Right::RequestGuest,
        ClientMessage::RespondGuest { .. } => Right::RespondGuest,
        ClientMessage::ParticipantAction { action_type, .. } => (*action_type).into(),
        ClientMessage::UpdateMediaStatus { .. } => Right::Publish,
        ClientMessage::StartBroadcast | ClientMessage::StopBroadcast => Right::Broadcast,
        ClientMessage::EndSession => Right::EndSession,
        _ => return None,
    })
}

fn check_effects(room: &Room, roles: &BTreeMap<UserId, Role>, effects: &[Effect]) -> Result<(), TestCaseError> {
    for effect in effects {
        match effect {
            Effect::Tell { user, event } => {
                let role = room.role(user).or_else(|| roles.get(user).copied());
                prop_assert!(role.is_some(), "{user} is not there and is told {event:?}");
                let for_moderators = matches!(
                    event,
                    ServerEvent::GuestRequest { .. } | ServerEvent::GuestRequestClosed { .. }
                );
                let moderates = role >= Some(Role::Cohost) || roles.get(user) >= Some(&Role::Cohost);
                prop_assert!(!for_moderators || moderates, "{user} hears of requests");
                if let ServerEvent::CurrentParticipants(welcome) = event {
                    prop_assert!(welcome.guest_requests.is_empty() || welcome.you.role >= Role::Cohost);
                    prop_assert_eq!(&welcome.you.user_id, user);
                }
            }
            Effect::TellAll { event, .. } => {
                let private = matches!(
                    event,
                    ServerEvent::GuestRequest { .. }
                        | ServerEvent::GuestRequestClosed { .. }
                        | ServerEvent::CurrentParticipants(_)
                        | ServerEvent::WebrtcSignal { .. }
                        | ServerEvent::Kicked { .. }
                        | ServerEvent::Error { .. }
                );
                prop_assert!(!private, "all are told {event:?}");
            }
            Effect::Disconnect(user) => prop_assert!(!room.has_place(user)),
            Effect::Mute { .. } | Effect::ClosePublication(_) => {}
            Effect::Over => prop_assert!(room.is_over()),
        }
    }
    Ok(())
}

fn check_room(room: &Room, listener: &Listener, now: Now) -> Result<(), TestCaseError> {
    let members = room.members.values();
    let hosts = members.clone().filter(|member| member.role == Role::Host).count();
    prop_assert!(hosts <= 1, "{hosts} hosts");
    let viewers = members.clone().filter(|member| member.role == Role::Viewer).count();
    prop_assert_eq!(room.viewer_count() as usize, viewers);
    let guests = members
        .clone()
        .filter(|member| matches!(member.role, Role::Guest | Role::Cohost))
        .count();
    // A host who is host no more is not sent off a stage that is full.
    prop_assert!(guests <= 8 + 1, "{guests} guests");
    prop_assert_eq!(&room.on_air, &listener.on_air);
    prop_assert_eq!(room.on_air_since().is_some(), !room.on_air.is_empty());
    for user in &room.on_air {
        let role = room
            .role_of(user)
            .or((*user == room.settings.owner).then_some(Role::Host));
        prop_assert!(
            role.is_some_and(|role| role.may(Right::Publish)),
            "{user} is on air as {role:?}"
        );
    }
    for user in room.publishing.keys() {
        prop_assert!(
            room.role_of(user).is_some_and(|role| role.may(Right::Publish)),
            "{user} publishes"
        );
    }
    for asking in &room.requests {
        prop_assert_eq!(room.role(asking), Some(Role::Viewer), "{} asks", asking);
    }
    for user in &listener.speakers {
        prop_assert!(room.on_air.contains(user) && !room.muted(user).audio, "{user} speaks");
    }
    for user in &room.barred_users {
        prop_assert!(!room.has_place(user));
        prop_assert!(!room.may_resume(user, |_| true, now));
        prop_assert!(room.admits(Some(user), Role::Viewer, Badges::default()).is_err());
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_rules_hold_whatever_happens(
        topology in prop::sample::select(vec![Topology::Sfu, Topology::Sfu, Topology::Mesh]),
        commands in prop::collection::vec((command(), 0..700u64), 1..160),
    ) {
        let mut now = Now::read();
        let mut room = Room::new(settings(topology), now);
        let mut listener = Listener::default();
        let mut hostless_since = None;
        for (command, pause) in commands {
            now.instant += Duration::from_millis(pause);
            now.wall += Duration::from_millis(pause);
            let was_over = room.is_over();
            let before = state(&room);
            let roles: BTreeMap<_, _> = room.members.values().map(|m| (m.user.clone(), m.role)).collect();
            let effects = room.handle(command.clone(), now);
            if was_over {
                prop_assert_eq!(&effects, &[]);
                continue;
            }
            for effect in &effects {
                if let Effect::TellAll { event, .. } = effect {
                    listener.hear(event);
                }
            }
            check_effects(&room, &roles, &effects)?;
            if room.is_over() {
                continue;
            }
            check_room(&room, &listener, now)?;

            if let Command::Act { user, message } = &command {
                let role = roles.get(user).copied();
                let may = |right: Right| role.is_some_and(|role| role.may(right));
                if right_of(message).is_some_and(|right| !may(right)) {
                    prop_assert_eq!(&state(&room), &before, "{:?} did {:?}", role, message);
                }
                if let ClientMessage::ParticipantAction { target_user_id, .. } = message
                    && (roles.get(target_user_id) == Some(&Role::Host) || target_user_id == user)
                {
                    prop_assert_eq!(&state(&room), &before, "{:?} on {}", message, target_user_id);
                }
            }

            // With a host who was there and is no more, somebody takes over or it ends, in time.
            let has_host = room.members.values().any(|m| m.role == Role::Host && m.is_here())
                || !room.publishing.is_empty();
            let someone_is_here = room.members.values().any(super::member::Member::is_here);
            if has_host || !room.had_host || !someone_is_here {
                hostless_since = None;
            } else {
                let since = *hostless_since.get_or_insert(now.instant);
                let ticked = matches!(command, Command::Tick);
                prop_assert!(
                    !ticked || now.instant.duration_since(since) < HOST_GRACE,
                    "without a host for too long"
                );
            }
        }
        // Once nobody comes or goes, the last count that was told is the true one.
        if !room.is_over() && room.members.values().any(super::member::Member::is_here) {
            now.instant += Duration::from_secs(1);
            for effect in room.handle(Command::Tick, now) {
                if let Effect::TellAll { event, .. } = effect {
                    listener.hear(&event);
                }
            }
            if let Some(told) = listener.viewer_count {
                prop_assert_eq!(told, room.viewer_count());
            }
        }
    }

    #[test]
    fn who_was_sent_away_never_comes_back(
        commands in prop::collection::vec((command(), 0..2000u64), 1..100),
        ban in any::<bool>(),
    ) {
        let mut now = Now::read();
        let mut room = Room::new(RoomSettings { idle_limit: Duration::from_hours(1), ..settings(Topology::Sfu) }, now);
        let host = Command::Join {
            user: user(0),
            username: "host".into(),
            role: Role::Host,
            badges: Badges::default(),
            resume_token: None,
        };
        let troll = user(200);
        let badges = Badges { visitor: Some(Badge(77)), address: Some(Badge(78)), bearer: None };
        let come = |user: UserId| Command::Join {
            user,
            username: "troll".into(),
            role: Role::Viewer,
            badges,
            resume_token: Some("troll".into()),
        };
        let _ = room.handle(host, now);
        let _ = room.handle(come(troll.clone()), now);
        let action_type = if ban { ParticipantAction::Ban } else { ParticipantAction::Kick };
        let message = ClientMessage::ParticipantAction { target_user_id: troll.clone(), action_type };
        let _ = room.handle(Command::Act { user: user(0), message }, now);
        for (command, pause) in commands {
            now.instant += Duration::from_millis(pause);
            let _ = room.handle(command, now);
            let _ = room.handle(come(troll.clone()), now);
            let _ = room.handle(come(user(201)), now);
            let _ = room.handle(Command::Resume { user: troll.clone(), resume_token: "x".into() }, now);
            prop_assert!(!room.has_place(&troll) && !room.has_place(&user(201)));
        }
        if !room.is_over() {
            let reason = EndReason::EndedByHost;
            let _ = room.handle(Command::End { reason }, now);
        }
    }
}
