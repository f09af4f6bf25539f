//! What a publisher does when the server says no, or says nothing.

use std::time::{Duration, Instant};

use crate::server::{FakeServer, MediaPath, PATIENCE, config, reached, resuming};
use footlight_client::publish::{PublishError, Publisher, SignalingError, State};

async fn refusal_of(publisher: &mut Publisher) -> PublishError {
    tokio::time::timeout(PATIENCE, publisher.ended())
        .await
        .expect("gives up")
        .expect_err("a refusal")
}

#[tokio::test]
async fn a_wrong_token_ends_with_words_that_name_the_token() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[(401, None)]).await;
    let mut publisher = Publisher::start(resuming(server.address)).await.expect("starts");
    let words = refusal_of(&mut publisher).await.to_string();
    assert!(
        words.contains("as the test wants it") && words.contains("--token"),
        "{words}"
    );
    assert_eq!(server.offers(), 1, "a refusal is not asked twice");
    let status = reached(&mut publisher.status(), State::Ended).await;
    assert_eq!(status.reason, Some(words));
}

#[tokio::test]
async fn an_offer_that_conflicts_or_is_malformed_is_not_repeated() {
    for status in [400, 409, 415, 501] {
        let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[(status, None)]).await;
        let mut publisher = Publisher::start(resuming(server.address)).await.expect("starts");
        let error = refusal_of(&mut publisher).await;
        assert!(
            matches!(error, PublishError::Signaling(SignalingError::Refused { status: got, .. }) if got == status),
            "{error}"
        );
        assert_eq!(server.offers(), 1);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_wants_to_be() {
    let busy = [(503, Some(1)), (404, None), (503, None), (401, None)];
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &busy).await;
    let start = Instant::now();
    let mut publisher = Publisher::start(resuming(server.address)).await.expect("starts");
    let error = refusal_of(&mut publisher).await;
    assert!(
        matches!(
            error,
            PublishError::Signaling(SignalingError::Refused { status: 401, .. })
        ),
        "{error}"
    );
    assert_eq!(server.offers(), 4);
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After was not kept");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_given_up() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let address = server.address;
    drop(server);
    let error = Publisher::start(config(address)).await.expect_err("nobody there");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let mut publisher = Publisher::start(resuming(address)).await.expect("starts");
    let error = refusal_of(&mut publisher).await;
    assert!(
        matches!(error, PublishError::Signaling(SignalingError::Unreachable { .. })),
        "{error}"
    );
}
