//! Whatever the network sends, nothing panics, nothing grows, and the show goes on.

mod world;

use std::time::{Duration, Instant};

use footlight_sfu::{
    Candidate, Direction, Identity, Muted, PeerRequest, Protocol, Sfu, SfuConfig, WorkerId, check_candidate,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use world::{Offer, World, server_address};

fn worker() -> Sfu {
    Sfu::new(SfuConfig {
        worker: WorkerId(0),
        candidates: vec![Candidate::host(server_address(), "udp").expect("a candidate")],
        identity: Identity::generate().expect("a key"),
    })
}

/// A real offer, for mutations that get past the first line.
fn offer() -> String {
    let mut world = World::new(1);
    let client = world.join(0, "s", "u", &Offer::publish());
    let mut api = world.clients[client].rtc.sdp_api();
    api.add_media(
        str0m::media::MediaKind::Video,
        str0m::media::Direction::SendOnly,
        None,
        None,
        None,
    );
    api.apply().expect("a change").0.to_sdp_string()
}

#[test]
fn noise_from_a_viewers_own_address_leaves_the_show_alone() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_millis(500));

    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..3_000_u32 {
        let mut noise = Vec::new();
        for _ in 0..(round % 160) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            noise.push(seed as u8);
        }
        // One of each kind that the first byte tells apart (RFC 7983 §7).
        if let Some(first) = noise.first_mut() {
            *first = [0, 1, 20, 22, 63, 128, 129, 191, 255][round as usize % 9];
        }
        let source = world.clients[if round % 2 == 0 { viewer } else { publisher }].address;
        let now = world.now;
        world.workers[0].handle_datagram((Protocol::Udp, source, server_address()), &noise, now);
        world.settle();
    }
    world.clients[viewer].received.clear();
    world.run_live(&[publisher], Duration::from_secs(1));
    assert!(world.clients[viewer].pictures().len() > 30);
    assert_eq!(world.workers[0].counters().peers, 2);
}

#[test]
fn datagrams_of_nobody_are_counted_and_forgotten() {
    let mut sfu = worker();
    let now = Instant::now();
    for port in 1..2_000_u16 {
        let path = (Protocol::Udp, ([203, 0, 113, 1], port).into(), server_address());
        sfu.handle_datagram(path, &[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], now);
    }
    assert_eq!(sfu.counters().unknown_datagrams, 1_999);
    assert_eq!(sfu.poll_timeout(), None);
    assert!(sfu.poll_transmit(Instant::now()).is_none());
}

#[test]
fn an_offer_without_end_is_refused() {
    let mut sfu = worker();
    let huge = format!("v=0\r\n{}", "a=x\r\n".repeat(100_000));
    let many = format!("v=0\r\n{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(100));
    for offer in [huge, many] {
        let request = PeerRequest {
            session: "s".into(),
            user: "u".into(),
            direction: Direction::Publish,
            offer: &offer,
            sources: None,
            muted: Muted::default(),
        };
        let error = sfu.accept(&request, Instant::now()).expect_err("too large");
        assert!(error.to_string().contains("more than"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_datagram_panics(datagrams in vec(vec(any::<u8>(), 0..300), 1..20)) {
        let mut sfu = worker();
        let now = Instant::now();
        for datagram in datagrams {
            sfu.handle_datagram((Protocol::Udp, ([203, 0, 113, 1], 9).into(), server_address()), &datagram, now);
        }
    }

    #[test]
    fn no_offer_panics(cuts in vec((any::<Index>(), ".{0,12}"), 0..6), end in any::<Index>()) {
        let mut sdp = offer();
        for (at, text) in cuts {
            let at = at.index(sdp.len());
            if sdp.is_char_boundary(at) {
                sdp.insert_str(at, &text);
            }
        }
        let end = end.index(sdp.len() + 1);
        if sdp.is_char_boundary(end) && end % 3 == 0 {
            sdp.truncate(end);
        }
        let mut sfu = worker();
        let now = Instant::now();
        for direction in [Direction::Publish, Direction::Subscribe] {
            let request = PeerRequest { session: "s".into(), user: "u".into(), direction, offer: &sdp, sources: None, muted: Muted::default() };
            if let Ok((peer, _)) = sfu.accept(&request, now) {
                let _ = sfu.reoffer(peer, &sdp, None, now);
                sfu.close(peer, now);
            }
        }
        prop_assert_eq!(sfu.counters().peers, 0);
    }

    #[test]
    fn no_candidate_panics(line in ".{0,80}") {
        let _ = check_candidate(&line);
    }
}
