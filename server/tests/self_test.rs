//! The self-test says by which ways media can come; and so it tries them all on real sockets.

mod support;

use std::collections::BTreeSet;

use footlight_server::announce;
use footlight_server::config::TlsMode;
use footlight_server::self_test::{self, Way};
use support::TestServer;

async fn ways(change: impl FnOnce(&mut footlight_server::config::Config)) -> BTreeSet<Way> {
    let server = TestServer::start_with(change);
    let report = self_test::run(server.server.as_ref().expect("runs"))
        .await
        .expect("a report");
    let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{failures:?}");
    report.working().into_iter().map(|(way, _)| way).collect()
}

#[tokio::test]
async fn all_ways_lead_to_the_server() {
    let all = [
        Way::Udp,
        Way::Tcp,
        Way::PagesTcp,
        Way::RelayUdp,
        Way::RelayTcp,
        Way::RelayTls,
    ];
    assert_eq!(ways(|config| config.tls = TlsMode::SelfSigned).await, all.into());
}

#[tokio::test]
async fn several_workers_hand_over_what_belongs_to_one() {
    let found = ways(|config| {
        config.tls = TlsMode::SelfSigned;
        config.workers = 3;
    });
    assert_eq!(found.await.len(), 6);
}

#[tokio::test]
async fn it_tries_the_ways_that_are_there() {
    let without_tls = [Way::Udp, Way::Tcp, Way::PagesTcp, Way::RelayUdp, Way::RelayTcp];
    assert_eq!(ways(|_| {}).await, without_tls.into());
    let without_turn = [Way::Udp, Way::Tcp, Way::PagesTcp];
    assert_eq!(ways(|config| config.turn = false).await, without_turn.into());
    let without_tcp = [Way::Udp, Way::RelayUdp, Way::RelayTcp];
    assert_eq!(ways(|config| config.ice_tcp = false).await, without_tcp.into());
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_told_beside_one_that_works() {
    // Of a network that is for examples (RFC 5737).
    let nowhere = "192.0.2.1";
    let server = TestServer::start_with(|config| {
        config.advertise.push(nowhere.parse().expect("an address"));
    });
    let running = server.server.as_ref().expect("runs");
    let report = self_test::run(running).await.expect("a report");
    assert!(!report.working().is_empty(), "by the loopback interface");
    let summary = announce::summary(running, Some(&report));
    let told = format!("Reached     at {nowhere} by no way at all");
    assert!(summary.contains(&told), "{summary}");
    let addresses = announce::addresses(&report);
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert_eq!(
        (&addresses[0]["address"], &addresses[0]["works"]),
        (&nowhere.into(), &"none".into())
    );
    let fails = addresses[0]["fails"].as_str().expect("words");
    assert!(fails.contains("by UDP") && fails.contains("TCP"), "{fails}");
}
