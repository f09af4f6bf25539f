//! The address that the server has from outside changes while it runs: who is connected stays so, and who comes is told the
//! new one.

mod rtc_client;
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use footlight_protocol::{Connection, MediaKind};
use footlight_server::Server;
use footlight_server::config::Config;
use footlight_server::media::{Media, MediaConfig, MediaError, MediaEvent};
use footlight_server::self_test;
use reqwest::StatusCode;
use rtc_client::{Client, Over};
use support::{PATIENCE, TestServer, header, watch_offer};
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

const FIRST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// A STUN server that sees everybody at the address of one's choice, or is silent.
struct StunServer {
    name: String,
    sees: watch::Sender<Option<Ipv4Addr>>,
    /// Requests so far.
    asked: watch::Receiver<usize>,
}

impl StunServer {
    async fn start(first: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let name = socket.local_addr().expect("bound").to_string();
        let (sees, shown) = watch::channel(Some(first));
        let (count, asked) = watch::channel(0);
        tokio::spawn(async move {
            let mut request = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut request).await {
                let now = *shown.borrow();
                if let Some(address) = now {
                    let answer = binding_success(&request[..length], address);
                    socket.send_to(&answer, client).await.expect("sends");
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Self { name, sees, asked }
    }

    fn see(&self, address: Option<Ipv4Addr>) {
        self.sees.send(address).expect("it runs");
    }

    /// Waits for so many more requests.
    async fn asked(&mut self, more: usize) {
        let enough = *self.asked.borrow() + more;
        let asked = self.asked.wait_for(|count| *count >= enough);
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        asked.expect("asked in time").expect("it runs");
    }

    fn configure(&self, config: &mut Config) {
        config.stun_discovery = Some(self.name.clone());
        config.stun_interval = Duration::from_millis(20);
    }
}

/// With an XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn binding_success(request: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let mut answer = vec![0x01, 0x01, 0, 12];
    answer.extend(&request[4..20]);
    answer.extend([0x00, 0x20, 0, 8, 0, 1, 0x12, 0x34]);
    answer.extend(
        address
            .octets()
            .iter()
            .zip(MAGIC_COOKIE)
            .map(|(byte, mask)| byte ^ mask),
    );
    answer
}

/// Waits until `address` is advertised.
async fn until_advertised(server: &Server, address: Ipv4Addr) {
    let is_there = || server.media().candidates().iter().any(|known| known.ip() == address);
    let polled = async {
        while !is_there() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polled)
        .await
        .expect("advertised in time");
}

/// Whether a text has a candidate at each of these.
fn tells(text: &str, addresses: [Ipv4Addr; 2]) -> [bool; 2] {
    addresses.map(|address| {
        let word = format!(" {address} ");
        let mut candidates = text.lines().filter(|line| line.starts_with("a=candidate:"));
        candidates.any(|candidate| candidate.contains(&word))
    })
}

#[tokio::test]
async fn who_comes_after_a_change_is_told_the_new_address() {
    let mut stun = StunServer::start(FIRST).await;
    let server = TestServer::start_with(|config| stun.configure(config));
    let running = server.server.as_ref().expect("runs");
    let session = server.create_session().await.session_id;
    let path = format!("/whep/{session}");
    let watch = async || server.offer(&path, watch_offer()).send().await.expect("an answer");

    until_advertised(running, FIRST).await;
    let before = watch().await;
    assert_eq!(before.status(), StatusCode::CREATED);
    let location = server.url(&header(&before, "location"));
    let answer = before.text().await.expect("text");
    assert_eq!(tells(&answer, [FIRST, SECOND]), [true, false], "{answer}");
    assert!(
        tells(&answer, [Ipv4Addr::LOCALHOST; 2])[0],
        "besides the others: {answer}"
    );

    // A whole question without an answer is over when the next one begins.
    stun.see(None);
    stun.asked(5).await;
    let answer = watch().await.text().await.expect("text");
    assert_eq!(tells(&answer, [FIRST, SECOND]), [true, false], "the last that is known");

    stun.see(Some(SECOND));
    until_advertised(running, SECOND).await;
    let answer = watch().await.text().await.expect("text");
    assert_eq!(tells(&answer, [FIRST, SECOND]), [false, true], "{answer}");

    let restart = server.client.patch(location).header("if-match", "*");
    let restart = restart.header("content-type", "application/trickle-ice-sdpfrag");
    let restart = restart.body("a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n");
    let restarted = restart.send().await.expect("an answer");
    assert_eq!(restarted.status(), StatusCode::OK);
    let fragment = restarted.text().await.expect("text");
    assert_eq!(tells(&fragment, [FIRST, SECOND]), [false, true], "{fragment}");
}

/// On Linux all of 127.0.0.0/8 is the machine itself, so that each address can be tried out.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn all_ways_lead_to_the_new_address_and_the_relay_as_well() {
    let [first, second] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
    let stun = StunServer::start(first).await;
    let server = TestServer::start_with(|config| {
        stun.configure(config);
        config.listen = vec![(Ipv4Addr::UNSPECIFIED, 0).into()];
        config.public_addresses = vec![first.into()];
    });
    let running = server.server.as_ref().expect("runs");
    let mut ways = Vec::new();
    for address in [first, second] {
        stun.see(Some(address));
        until_advertised(running, address).await;
        let report = self_test::run(running).await.expect("a report");
        let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{failures:?}");
        let at_it = report.all().iter().filter(|tested| tested.address.ip() == address);
        ways.push(at_it.map(|tested| tested.way).collect::<Vec<_>>());
    }
    // By UDP, by TCP to both ports, and by the relay in two ways.
    assert_eq!((ways[0].len(), &ways[0]), (5, &ways[1]));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_viewer_who_is_connected_goes_on_watching() {
    let [first, second] = [2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
    let config = MediaConfig {
        bind: vec![Ipv4Addr::UNSPECIFIED.into()],
        port: 0,
        advertise: vec![first],
        workers: 2,
        pinning: false,
        ice_tcp: true,
        pages: Vec::new(),
        relay: None,
    };
    let (media, mut events) = Media::start(config).expect("a media engine");
    let mut publisher = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    let on_air = async {
        let is_picture = |event: &MediaEvent| {
            let kind = MediaKind::Video;
            matches!(event, MediaEvent::TrackStarted { kind: k, .. } if *k == kind)
        };
        while !events.recv().await.as_ref().is_some_and(is_picture) {}
    };
    tokio::select! {
        () = publisher.publish(2) => {}
        on_air = tokio::time::timeout(PATIENCE, on_air) => on_air.expect("on air in time"),
    }
    let mut viewer = Client::join(&media, "show", "early", Connection::Subscribe, Over::Udp).await;
    let watched = async {
        viewer.until(|client| client.pictures().len() > 30).await;
        media.advertise(vec![second]).expect("told");
        viewer.received.clear();
        let mut late = Client::join(&media, "show", "late", Connection::Subscribe, Over::Udp).await;
        let enough = |client: &Client| client.pictures().len() > 60;
        tokio::join!(viewer.until(enough), late.until(enough));
    };
    tokio::select! {
        () = publisher.publish(2) => {}
        () = watched => {}
    }
    let told: Vec<IpAddr> = media.candidates().iter().map(SocketAddr::ip).collect();
    assert_eq!(told, [second]);
    media.shutdown().await;
    assert!(matches!(media.advertise(vec![first]), Err(MediaError::Stopped)));
    let told: Vec<IpAddr> = media.candidates().iter().map(SocketAddr::ip).collect();
    assert_eq!(told, [second], "nobody was told of another");
}
