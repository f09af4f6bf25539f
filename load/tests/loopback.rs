//! Runs against a forwarder on loopback, whose faults are known.

mod forwarder;

use clap::Parser;
use footlight_load::{options::Options, report::Report, run};
use forwarder::Behaviour;

const HONEST: Behaviour = Behaviour {
    drop_every: None,
    accept: usize::MAX,
};

async fn load(behaviour: Behaviour, arguments: &str) -> Report {
    let server = forwarder::start(behaviour);
    let line = format!(
        "footlight-load --whip http://{server}/whip/a --whep http://{server}/whep/a --settle 0.2 --seconds 1.5 \
         --join-timeout 20 {arguments}"
    );
    run::run(&Options::parse_from(line.split_whitespace()))
        .await
        .expect("a run")
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
