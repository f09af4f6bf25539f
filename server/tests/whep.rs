//! `POST /whep/{id}` and its resources, as draft-ietf-wish-whep has them.

mod rtc_client;
mod support;

use footlight_protocol::Connection;
use reqwest::StatusCode;
use rtc_client::{Client, LAYERS, Offered, Over};
use support::{TestServer, error_of, header, watch_offer};

#[tokio::test]
async fn a_player_of_a_known_session_is_answered_even_if_nobody_is_on_air() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let path = format!("/whep/{session}");
    let response = server.offer(&path, watch_offer()).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(header(&response, "location").starts_with(&format!("/whep/{session}/")));
    assert!(response.headers().contains_key("etag"));
    let answer = response.text().await.expect("text");
    assert!(
        answer.contains("a=candidate:") && answer.contains("127.0.0.1"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_unknown_session_is_said_to_be_unknown() {
    let server = TestServer::start();
    let response = server
        .offer("/whep/nothing", watch_offer())
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(
        header(&response, "retry-after").parse::<u32>().is_ok(),
        "it may be on air soon"
    );
    assert_eq!(error_of(response).await.code, "session_not_found");
}

#[tokio::test]
async fn a_player_counts_as_a_viewer_until_it_is_gone_and_a_preview_never() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut host = server.connect(&format!("/ws/live/{session}")).await;
    assert_eq!(host.next().await["viewer_count"], 1, "the one who looks");

    let preview = server.offer(&format!("/whep/{session}?preview=true"), watch_offer());
    assert_eq!(preview.send().await.expect("an answer").status(), StatusCode::CREATED);
    let player = server.offer(&format!("/whep/{session}?username=VLC"), watch_offer());
    let response = player.send().await.expect("an answer");
    let joined = host.next_of("user_joined").await;
    assert_eq!(
        (&joined["viewer_count"], &joined["username"]),
        (&2.into(), &"VLC".into())
    );

    let location = server.url(&header(&response, "location"));
    let deleted = server.client.delete(location).send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::OK);
    assert_eq!(host.next_of("user_left").await["viewer_count"], 1);
}

#[tokio::test]
async fn a_whep_resource_is_no_whip_resource() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let response = server
        .offer(&format!("/whep/{session}"), watch_offer())
        .send()
        .await
        .expect("an answer");
    let crossed = header(&response, "location").replace("/whep/", "/whip/");
    let deleted = server
        .client
        .delete(server.url(&crossed))
        .send()
        .await
        .expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_full_session_takes_no_player() {
    let server = TestServer::start_with(|config| config.max_participants = 1);
    let session = server.create_session().await.session_id;
    let path = format!("/whep/{session}");
    let watch = async || server.offer(&path, watch_offer()).send().await.expect("an answer");
    assert_eq!(watch().await.status(), StatusCode::CREATED);
    let response = watch().await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(error_of(response).await.code, "session_full");
}

/// Connects by WHIP or WHEP, sending or taking pictures in layers.
async fn connect(server: &TestServer, path: &str, connection: Connection) -> Client {
    let port = server.server.as_ref().expect("runs").media().port();
    let offered = Offered::new(port, connection, Over::Udp, true).await;
    let response = server.offer(path, offered.offer.clone()).send().await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED, "{path}");
    offered.accept(&response.text().await.expect("text"))
}

#[tokio::test]
async fn a_player_gets_the_layer_that_fills_the_height_that_it_shows() {
    let server = TestServer::start();
    let mut publisher = Box::pin(connect(&server, "/whip/show", Connection::Publish)).await;
    let mut tile = Box::pin(connect(
        &server,
        "/whep/show?preview=true&height=180",
        Connection::Subscribe,
    ))
    .await;
    let mut whole = Box::pin(connect(&server, "/whep/show", Connection::Subscribe)).await;
    let [(_, small), (_, large)] = LAYERS;
    // The tile goes on watching for as long as the other one needs to come to the large layer, and beyond.
    let watching = async {
        whole.until(|whole| whole.heights().contains(&large)).await;
        let shown = whole.received.len();
        whole.until(|whole| whole.received.len() > shown + 100).await;
    };
    tokio::select! {
        () = publisher.publish(1) => unreachable!("a publisher never ends by itself"),
        () = watching => {}
        () = tile.until(|_| false) => unreachable!("it watches without end"),
    }
    let heights = tile.heights();
    assert!(
        !heights.is_empty() && heights.iter().all(|height| *height == small),
        "{heights:?}"
    );
}

#[tokio::test]
async fn a_player_without_the_codec_of_the_picture_is_told_so_and_one_that_hears_it_is_taken() {
    let server = TestServer::start();
    let mut publisher = Box::pin(connect(&server, "/whip/show", Connection::Publish)).await;
    let mut rtc = str0m::RtcConfig::new()
        .clear_codecs()
        .enable_h264(true)
        .build(std::time::Instant::now());
    let mut changes = rtc.sdp_api();
    let direction = str0m::media::Direction::RecvOnly;
    changes.add_media(str0m::media::MediaKind::Video, direction, None, None, None);
    let offer = changes.apply().expect("there are changes").0.to_sdp_string();
    let watch = async |offer: String| {
        let request = server.offer("/whep/show?preview=true", offer);
        request.send().await.expect("an answer")
    };
    let told = async {
        loop {
            let response = watch(offer.clone()).await;
            if response.status() != StatusCode::CREATED {
                break response;
            }
            // Its picture is on its way.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = publisher.publish(1) => unreachable!("a publisher never ends by itself"),
        response = tokio::time::timeout(support::PATIENCE, told) => {
            let response = response.expect("it is told in time");
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            let error = error_of(response).await;
            assert_eq!(error.code, "codec_unsupported");
            assert!(error.message.contains("VP8"), "{error:?}");
        }
    }
    let with_sound = Offered::new(9, Connection::Subscribe, Over::Udp, false).await.offer;
    assert_eq!(watch(with_sound).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_height_that_is_none_is_refused_in_words_that_name_it() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    for wrong in ["0", "-180", "180.5", "tall", "", "4321", "99999999999"] {
        let path = format!("/whep/{session}?height={wrong}");
        let response = server.offer(&path, watch_offer()).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{wrong}");
        let error = error_of(response).await;
        assert_eq!(error.code, "bad_query", "{wrong}");
        assert!(
            error.message.contains("`height`") && error.message.contains("1 to 4320"),
            "{error:?}"
        );
    }
}
