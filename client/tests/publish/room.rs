//! A publisher as one of several people in a room.

use std::net::SocketAddr;
use std::time::Duration;

use footlight_client::publish::{
    ChatError, Ending, PublishConfig, PublishError, Publisher, SessionToken, SignalingError, State,
};
use footlight_protocol::{
    ChatMessage, ClientMessage, EndReason, MAX_CHAT_CHARS, MediaKind, Role, ServerEvent, ServerMessage,
};
use tokio::sync::{broadcast, mpsc};

use crate::server::{FakeServer, MediaPath, PATIENCE, Peer, Seat, config, reached, resuming, welcome};

/// Three parts with dots between them, as a JSON Web Token has; what they say is the server's business.
const PERSONAL_TOKEN: &str = "e30.e30.c2ln";

/// With a token that says who it is for.
fn as_participant(address: SocketAddr) -> PublishConfig {
    PublishConfig {
        resume: Some(SessionToken {
            session: "show".parse().expect("an id"),
            token: PERSONAL_TOKEN.to_owned(),
        }),
        username: Some("Ben & Co".to_owned()),
        ..config(address)
    }
}

/// By the address that everybody has.
fn as_stranger(address: SocketAddr) -> PublishConfig {
    PublishConfig {
        address: format!("http://{address}/watch/show").parse().expect("an address"),
        ..config(address)
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("no {what} in time"))
}

/// The next connection to the room, greeted.
async fn seated(seats: &mut mpsc::Receiver<Seat>, role: Role) -> Seat {
    let seat = within("connection to the room", seats.recv()).await.expect("a server");
    seat.tell(ServerEvent::CurrentParticipants(Box::new(welcome(role))))
        .await;
    seat
}

async fn keyframe(connections: &mut mpsc::Receiver<Peer>) -> Peer {
    let mut peer = within("connection", connections.recv()).await.expect("a server");
    let video = async {
        loop {
            let unit = peer.media.recv().await.expect("media");
            if unit.kind == str0m::media::MediaKind::Video {
                return unit;
            }
        }
    };
    let first = within("picture", video).await;
    assert!(first.keyframe);
    peer
}

async fn event(events: &mut broadcast::Receiver<ServerMessage>) -> ServerEvent {
    within("event", events.recv()).await.expect("no gap").event
}

fn media(audio_enabled: bool, video_enabled: bool) -> ClientMessage {
    ClientMessage::UpdateMediaStatus {
        audio_enabled,
        video_enabled,
    }
}

fn chat(id: &str, message: &str) -> ServerEvent {
    ServerEvent::ChatMessage {
        message_id: id.to_owned(),
        user_id: "ann".parse().expect("an id"),
        username: "Ann".to_owned(),
        role: Role::Host,
        message: message.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_closes_at_once_is_not_knocked_at_without_a_pause() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut seats = server.open_room();
    let _publisher = Publisher::start(as_participant(server.address)).await.expect("starts");
    let knocking = async {
        for _ in 0..15 {
            drop(seats.recv().await.expect("a server"));
        }
    };
    let knocked = tokio::time::timeout(Duration::from_secs(6), knocking).await;
    assert!(knocked.is_err(), "fifteen times in six seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_publishes_and_talks_through_the_room() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut seats = server.open_room();
    let publisher = Publisher::start(as_participant(server.address)).await.expect("starts");
    let mut events = publisher.events();
    let mut seat = seated(&mut seats, Role::Guest).await;
    assert_eq!(seat.query.get("token").map(String::as_str), Some(PERSONAL_TOKEN));
    assert_eq!(seat.query.get("username").map(String::as_str), Some("Ben & Co"));
    assert_eq!(seat.hear().await, Some(media(true, true)));
    keyframe(&mut connections).await;
    let status = reached(&mut publisher.status(), State::Live).await;
    assert_eq!((status.role, status.viewers), (Some(Role::Guest), Some(3)));
    assert_eq!(server.offers(), 0, "nothing goes by WHIP");

    seat.tell(chat("1", "welcome")).await;
    assert_eq!(event(&mut events).await, chat("1", "welcome"));
    publisher.chat(" \n").expect("nothing to say");
    assert_eq!(publisher.chat(&"x".repeat(MAX_CHAT_CHARS + 1)), Err(ChatError::TooLong));
    publisher.chat("thank you").expect("said");
    let said = ClientMessage::Chat {
        message: "thank you".to_owned(),
    };
    assert_eq!(seat.hear().await, Some(said));

    assert_eq!(publisher.stop().await.expect("ends well"), Ending::Stopped);
    assert_eq!(seat.hear().await, None, "a farewell is said");
    assert!(!server.ended(), "somebody else's session goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_asks_to_come_on_the_stage_and_goes_live_when_let() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut seats = server.open_room();
    let publisher = Publisher::start(as_stranger(server.address)).await.expect("starts");
    let mut status = publisher.status();
    let mut seat = seated(&mut seats, Role::Viewer).await;
    assert_eq!(seat.query.get("token"), None);
    assert_eq!(seat.hear().await, Some(ClientMessage::RequestGuest));
    let waiting = reached(&mut status, State::Waiting).await;
    assert!(waiting.reason.is_some_and(|reason| reason.contains("asked")));
    assert!(connections.try_recv().is_err(), "nothing is sent without leave");

    let approved_by = "Ann".to_owned();
    seat.tell(ServerEvent::GuestApproved { approved_by }).await;
    assert_eq!(seat.hear().await, Some(media(true, true)));
    let _peer = keyframe(&mut connections).await;
    reached(&mut status, State::Live).await;

    // Moved off the stage again, it waits to be called and does not press.
    let new_role = Role::Viewer;
    seat.tell(ServerEvent::Demoted { new_role }).await;
    reached(&mut status, State::Waiting).await;
    let new_role = Role::Cohost;
    seat.tell(ServerEvent::Promoted { new_role }).await;
    assert_eq!(seat.hear().await, Some(media(true, true)), "and not another request");
    keyframe(&mut connections).await;
    reached(&mut status, State::Live).await;
    publisher.stop().await.expect("ends well");
}

#[tokio::test]
async fn a_refusal_and_a_removal_end_it_and_name_who_did_it() {
    let by = || "Ann".to_owned();
    let cases = [
        (ServerEvent::GuestRejected { rejected_by: by() }, "Ann refused"),
        (
            ServerEvent::Kicked {
                by: by(),
                reason: String::new(),
            },
            "removed from the session by Ann",
        ),
    ];
    for (end, expected) in cases {
        let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
        let mut seats = server.open_room();
        let mut publisher = Publisher::start(as_stranger(server.address)).await.expect("starts");
        let mut seat = seated(&mut seats, Role::Viewer).await;
        assert_eq!(seat.hear().await, Some(ClientMessage::RequestGuest));
        seat.tell(end).await;
        let error = within("end", publisher.ended()).await.expect_err("sent away");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(seat.hear().await, None);
        assert!(seats.try_recv().is_err(), "nobody comes back who was sent away");
    }
}

#[tokio::test]
async fn close_codes_that_say_to_stay_away_are_kept() {
    for code in [4001, 4003] {
        let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
        let mut seats = server.open_room();
        let mut publisher = Publisher::start(as_stranger(server.address)).await.expect("starts");
        let seat = seated(&mut seats, Role::Viewer).await;
        seat.close(code).await;
        let error = within("end", publisher.ended()).await.expect_err("sent away");
        let fits = match error {
            PublishError::Replaced => code == 4001,
            PublishError::Kicked { by: None } => code == 4003,
            _ => false,
        };
        assert!(fits, "{code}: {error}");
    }
}

#[tokio::test]
async fn a_room_that_lets_nobody_in_is_not_asked_twice() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut publisher = Publisher::start(as_participant(server.address)).await.expect("starts");
    let error = within("end", publisher.ended()).await.expect_err("refused");
    assert!(
        matches!(
            error,
            PublishError::Signaling(SignalingError::Refused { status: 403, .. })
        ),
        "{error}"
    );
    assert!(error.to_string().contains("nobody is let in here"), "{error}");
}

#[tokio::test]
async fn a_room_that_is_not_there_is_given_up() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let address = server.address;
    drop(server);
    let mut publisher = Publisher::start(as_participant(address)).await.expect("starts");
    let error = within("end", publisher.ended()).await.expect_err("nobody there");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn the_hosts_mute_holds_until_it_is_taken_back() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut seats = server.open_room();
    let publisher = Publisher::start(as_participant(server.address)).await.expect("starts");
    let mut status = publisher.status();
    let mut events = publisher.events();
    let mut seat = seated(&mut seats, Role::Guest).await;
    assert_eq!(seat.hear().await, Some(media(true, true)));
    let by = || "Ann".to_owned();

    seat.tell(ServerEvent::ForceMuteAudio { by: by() }).await;
    assert_eq!(seat.hear().await, Some(media(false, true)));
    seat.tell(ServerEvent::ForceMuteVideo { by: by() }).await;
    assert_eq!(seat.hear().await, Some(media(false, false)));
    let told = status.wait_for(|status| status.muted && status.hidden);
    let told = within("status", told).await.expect("reports").clone();
    assert_eq!(told.audio_muted_by.as_deref(), Some("Ann"));
    assert_eq!(told.video_muted_by.as_deref(), Some("Ann"));
    assert!(publisher.set_muted(false).is_err() && publisher.set_hidden(false).is_err());
    assert!(publisher.muted() && publisher.hidden());

    for _ in 0..2 {
        event(&mut events).await;
    }
    let kind = MediaKind::Audio;
    seat.tell(ServerEvent::UnmuteAllowed { kind, by: by() }).await;
    assert!(matches!(event(&mut events).await, ServerEvent::UnmuteAllowed { .. }));
    assert!(publisher.muted(), "allowed is not yet turned on");
    publisher.set_muted(false).expect("allowed");
    while seat.hear().await != Some(media(true, false)) {}
    assert!(publisher.set_hidden(false).is_err(), "the picture was not allowed");
    publisher.stop().await.expect("ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_socket_comes_back_to_the_same_place_and_media_never_stops() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut seats = server.open_room();
    let mut publisher = Publisher::start(as_participant(server.address)).await.expect("starts");
    let mut events = publisher.events();
    let mut status = publisher.status();
    let seat = seated(&mut seats, Role::Guest).await;
    assert_eq!(seat.query.get("resume_token"), None);
    let mut peer = keyframe(&mut connections).await;
    reached(&mut status, State::Live).await;
    seat.tell(chat("1", "before")).await;
    assert_eq!(event(&mut events).await, chat("1", "before"));

    drop(seat);
    let seat = within("return", seats.recv()).await.expect("a server");
    assert_eq!(seat.query.get("resume_token").map(String::as_str), Some("come-back"));
    let said = |id: &str, message: &str| ChatMessage {
        message_id: id.to_owned(),
        user_id: "ann".parse().expect("an id"),
        username: "Ann".to_owned(),
        role: Role::Host,
        message: message.to_owned(),
        timestamp: "1970-01-01T00:00:00.000Z".to_owned(),
    };
    let mut greeting = welcome(Role::Guest);
    greeting.chat_history = vec![said("1", "before"), said("2", "meanwhile")];
    seat.tell(ServerEvent::CurrentParticipants(Box::new(greeting))).await;
    assert_eq!(event(&mut events).await, chat("2", "meanwhile"), "and no message twice");
    within("media", peer.media.recv()).await.expect("it goes on");
    assert!(connections.try_recv().is_err(), "no new connection was needed");
    assert_eq!(status.borrow_and_update().reconnects, 0);

    let reason = EndReason::EndedByHost;
    seat.tell(ServerEvent::SessionEnded { reason }).await;
    let ending = within("end", publisher.ended()).await;
    assert_eq!(ending.expect("ends well"), Ending::SessionEnded(reason));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_joins_the_room_once_on_air_and_goes_on_without_it() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut seats = server.open_room();
    let publisher = Publisher::start(resuming(server.address)).await.expect("starts");
    let _peer = keyframe(&mut connections).await;
    let mut seat = seated(&mut seats, Role::Host).await;
    assert_eq!(seat.hear().await, Some(media(true, true)));
    assert_eq!(server.offers(), 1, "a host's media goes by WHIP");
    let mut status = publisher.status();
    within("role", status.wait_for(|status| status.role == Some(Role::Host)))
        .await
        .expect("reports");

    // The host opened the page in a browser as well.
    seat.close(4001).await;
    assert_eq!(seat.hear().await, None);
    let alone = status.wait_for(|status| status.viewers.is_none());
    assert_eq!(within("status", alone).await.expect("reports").state, State::Live);
    publisher.stop().await.expect("ends well");
}
