//! Runs against a forwarder on loopback, whose faults are known.

mod forwarder;

use std::time::Duration;

use clap::Parser;
use footlight_load::{options::Options, report::Report, run};
use forwarder::{Behaviour, Heard};

const HONEST: Behaviour = Behaviour {
    drop_every: None,
    lose_every: None,
    asks_for_arrivals: true,
    accept: usize::MAX,
    bearer: None,
};

async fn load(behaviour: Behaviour, arguments: &str) -> Report {
    load_and_hear(behaviour, arguments).await.0
}

/// The report, and what the forwarder heard of the receivers.
async fn load_and_hear(behaviour: Behaviour, arguments: &str) -> (Report, Heard) {
    let (server, heard) = forwarder::start(behaviour);
    let line = format!(
        "footlight-load --whip http://{server}/whip/a --whep http://{server}/whep/a --settle 0.2 --seconds 1.5 \
         --join-timeout 20 {arguments}"
    );
    let report = run::run(&Options::parse_from(line.split_whitespace()))
        .await
        .expect("a run");
    let heard = *heard.lock().expect("nobody panicked");
    (report, heard)
}

#[tokio::test]
async fn what_is_forwarded_arrives_and_is_timed() {
    let report = load(HONEST, "--receivers 3 --bitrate 500k --threads 2").await;
    assert!(report.everyone_served(), "{report}");
    assert_eq!((report.receivers, report.receiving, report.publishers), (3, 3, 1));
    assert_eq!(report.missing, 0, "{report}");
    assert!(report.sent > 0 && report.packets > 2 * report.sent, "{report}");
    assert!(
        report.delay_us.p50 > 0.0 && report.delay_us.p50 <= report.delay_us.max,
        "{report}"
    );
    assert!(report.join_ms.p50 > report.http_ms.p50, "{report}");
}

#[tokio::test]
async fn a_server_that_wants_a_token_gets_it_of_publishers_and_receivers_until_the_end() {
    let closed = Behaviour {
        bearer: Some("of-the-test"),
        ..HONEST
    };
    let (report, heard) = load_and_hear(closed, "--receivers 2 --bitrate 500k --token of-the-test").await;
    assert!(report.everyone_served(), "{report}");
    assert_eq!(heard.unauthorized, 0, "leaving is a request as well");
    assert!(!report.to_string().contains("of-the-test"), "{report}");
}

#[tokio::test]
async fn receivers_report_what_they_got() {
    let (report, heard) = load_and_hear(HONEST, "--receivers 1 --bitrate 500k").await;
    assert!(report.sampled > 0 && report.sampled < report.packets / 10, "{report}");
    assert_eq!(
        (heard.nacks, heard.loss, heard.transport_loss),
        (0, Some(0.0), Some(0.0))
    );
    let round_trip = heard.round_trip.expect("receiver reports answer sender reports");
    assert!(round_trip < Duration::from_millis(500), "{round_trip:?}");
}

#[tokio::test]
async fn what_the_network_loses_is_missing_and_repaired() {
    let lossy = Behaviour {
        lose_every: Some(20),
        ..HONEST
    };
    let (report, heard) = load_and_hear(lossy, "--receivers 1 --bitrate 1M").await;
    assert!((0.03..0.07).contains(&report.missing_share), "{report}");
    // Each gap is asked for at once; the last ones' repair may be under way at the end.
    assert!(report.repaired + 5 > report.missing * 9 / 10, "{report}");
    assert!(report.sequence_gaps + 5 > report.missing, "{report}");
    assert!(heard.nacks > 0 && heard.loss > Some(0.01), "{heard:?}");
    assert!(heard.transport_loss > Some(0.01), "{heard:?}");
}

#[tokio::test]
async fn a_server_that_asks_for_no_arrivals_is_measured_as_well() {
    let plain = Behaviour {
        asks_for_arrivals: false,
        ..HONEST
    };
    let (report, heard) = load_and_hear(plain, "--receivers 2 --bitrate 500k").await;
    assert!(report.everyone_served(), "{report}");
    assert_eq!((report.missing, report.sequence_gaps), (0, 0), "{report}");
    assert!(
        heard.round_trip.is_some() && heard.transport_loss.is_none(),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_packet_that_the_server_hides_is_missing_all_the_same() {
    let report = load(
        Behaviour {
            drop_every: Some(10),
            ..HONEST
        },
        "--receivers 1 --bitrate 500k",
    )
    .await;
    assert!((0.07..0.14).contains(&report.missing_share), "{report}");
    assert_eq!(report.sequence_gaps, 0, "the forwarder renumbers: {report}");
}

#[tokio::test]
async fn a_receiver_that_is_refused_is_reported_and_the_others_go_on() {
    // One request is the publisher's.
    let report = load(
        Behaviour { accept: 2, ..HONEST },
        "--receivers 2 --join-concurrency 1 --bitrate 300k",
    )
    .await;
    assert!(!report.everyone_served());
    assert_eq!(report.receiving, 1, "{report}");
    assert_eq!(report.refusals.len(), 1);
    assert!(report.refusals[0].contains("503: full"), "{:?}", report.refusals);
}

#[tokio::test]
async fn a_publisher_hears_that_a_keyframe_is_wanted() {
    let report = load(HONEST, "--receivers 2 --bitrate 300k").await;
    // The forwarder asks once for each that connects.
    assert!(report.keyframe_requests >= 1, "{report}");
}
