//! What is made is freed: whatever way a peer goes, the figures return to where they were.

mod world;

use std::time::Duration;

use footlight_sfu::{
    CONNECT_TIMEOUT, CloseReason, Counters, Direction, IceCreds, Muted, PeerRequest, SfuError, SfuEvent,
};
use str0m::media::MediaKind;
use world::{Offer, World};

fn gauges(counters: Counters) -> (u64, u64, u64) {
    (counters.peers, counters.tracks, counters.slots)
}

fn reason_of(world: &World, client: usize) -> Option<CloseReason> {
    let peer = world.clients[client].peer;
    world.events.iter().find_map(|event| match event {
        SfuEvent::Closed { peer: p, reason } if *p == peer => Some(*reason),
        _ => None,
    })
}

#[test]
fn a_viewer_that_leaves_frees_everything() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(200));
    let before = gauges(world.workers[0].counters());
    assert_eq!(before, (1, 2, 0));
    let viewers: Vec<_> = (0..5)
        .map(|n| world.connect(0, "show", &format!("v{n}"), &Offer::subscribe()))
        .collect();
    assert_eq!(gauges(world.workers[0].counters()), (6, 2, 10));

    // In three ways: by the server, by DTLS, and by silence.
    world.close(viewers[0]);
    world.clients[viewers[1]].rtc.close().expect("closes");
    world.settle();
    for viewer in &viewers[2..] {
        world.clients[*viewer].is_cut = true;
    }
    world.run_live(&[publisher], Duration::from_secs(20));

    assert_eq!(gauges(world.workers[0].counters()), before);
    assert_eq!(reason_of(&world, viewers[0]), Some(CloseReason::Requested));
    assert_eq!(reason_of(&world, viewers[1]), Some(CloseReason::Remote));
    assert_eq!(reason_of(&world, viewers[2]), Some(CloseReason::IceTimeout));
    assert_eq!(reason_of(&world, publisher), None);
}

#[test]
fn a_publisher_that_falls_silent_takes_its_tracks_with_it() {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(200));
    world.connect(1, "show", "guest", &Offer::subscribe());
    world.clients[publisher].is_cut = true;
    world.run(Duration::from_secs(20));
    assert_eq!(reason_of(&world, publisher), Some(CloseReason::IceTimeout));
    assert_eq!(gauges(world.workers[0].counters()), (0, 0, 0));
    assert_eq!(gauges(world.workers[1].counters()), (1, 0, 0));
    let stopped = |event: &&SfuEvent| matches!(event, SfuEvent::TrackStopped { replaced: false, .. });
    assert_eq!(world.events.iter().filter(stopped).count(), 2);
}

#[test]
fn a_publisher_that_makes_no_checks_stays_for_as_long_as_its_media_comes() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.clients[publisher].makes_no_checks = true;
    world.run_live(&[publisher], Duration::from_secs(40));
    assert_eq!(reason_of(&world, publisher), None);

    // What is sent to it still arrives, and so does what it sends.
    world.clients[publisher].forget_requests();
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_secs(10));
    assert!(!world.clients[publisher].asked.is_empty());
    assert!(world.clients[viewer].pictures().len() > 300);

    world.run(Duration::from_secs(14));
    assert_eq!(reason_of(&world, publisher), None);
    world.run(Duration::from_secs(2));
    assert_eq!(reason_of(&world, publisher), Some(CloseReason::IceTimeout));
}

#[test]
fn a_publisher_whose_consent_had_run_out_restarts_ice() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.clients[publisher].makes_no_checks = true;
    world.run_live(&[publisher], Duration::from_secs(40));
    world.clients[publisher].makes_no_checks = false;
    let restart = |api: &mut str0m::change::SdpApi<'_>| {
        api.ice_restart(true);
        Vec::new()
    };
    world.reoffer(publisher, None, restart).expect("an answer");
    // Checks alone keep it now.
    world.run(Duration::from_secs(40));
    assert_eq!(reason_of(&world, publisher), None);
    world.clients[viewer].received.clear();
    world.run_live(&[publisher], Duration::from_secs(5));
    assert!(world.clients[viewer].pictures().len() > 100);
    world.clients[publisher].is_cut = true;
    world.run(Duration::from_secs(20));
    assert_eq!(reason_of(&world, publisher), Some(CloseReason::IceTimeout));
}

#[test]
fn a_viewer_that_makes_no_checks_is_sent_nothing_more() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.clients[viewer].makes_no_checks = true;
    world.run_live(&[publisher], Duration::from_secs(20));
    assert_eq!(reason_of(&world, viewer), Some(CloseReason::IceTimeout));
}

#[test]
fn a_peer_that_never_connects_is_reaped() {
    let mut world = World::new(1);
    let client = world.join(0, "show", "host", &Offer::publish());
    world.clients[client].is_cut = true;
    world.run(CONNECT_TIMEOUT + Duration::from_secs(1));
    assert_eq!(reason_of(&world, client), Some(CloseReason::NeverConnected));
    assert_eq!(gauges(world.workers[0].counters()), (0, 0, 0));
    assert_eq!(world.workers[0].poll_timeout(), None, "nothing is left to wait for");
}

#[test]
fn a_restart_of_ice_keeps_the_connection() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(200));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_millis(500));

    let now = world.now;
    let peer = world.clients[viewer].peer;
    let (offer, pending) = {
        let rtc = &mut world.clients[viewer].rtc;
        let mut api = rtc.sdp_api();
        api.ice_restart(true);
        api.apply().expect("a restart")
    };
    let answer = world.workers[0]
        .reoffer(peer, &offer.to_sdp_string(), None, now)
        .expect("an answer");
    let parsed = str0m::change::SdpAnswer::from_sdp_string(&answer).expect("SDP");
    world.clients[viewer]
        .rtc
        .sdp_api()
        .accept_answer(pending, parsed)
        .expect("accepted");
    world.settle();
    world.run(Duration::from_secs(1));
    world.clients[viewer].received.clear();
    world.run_live(&[publisher], Duration::from_secs(20));
    assert_eq!(reason_of(&world, viewer), None);
    assert!(world.clients[viewer].pictures().len() > 600);
}

#[test]
fn another_address_disturbs_nobody_and_is_told_to_who_joins_or_restarts_ice() {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(200));
    let viewer = world.connect(1, "show", "guest", &Offer::subscribe());
    let (before, after) = ("192.0.2.1 8444", "203.0.113.9 8444");
    assert!(world.clients[viewer].answer.contains(before));

    world.translate("203.0.113.9:8444".parse().expect("an address"));
    world.clients[viewer].received.clear();
    // Longer than either side waits for a check or its answer.
    world.run_live(&[publisher], Duration::from_secs(40));
    assert_eq!((reason_of(&world, publisher), reason_of(&world, viewer)), (None, None));
    assert!(world.clients[viewer].pictures().len() > 1_200);
    let late = world.connect(1, "show", "late", &Offer::subscribe());
    let told = |world: &World, client: usize| {
        let answer = &world.clients[client].answer;
        (answer.contains(before), answer.contains(after))
    };
    assert_eq!(told(&world, late), (false, true));

    // More sections alone change nothing on the way that media goes.
    let more = |api: &mut str0m::change::SdpApi<'_>| {
        let direction = str0m::media::Direction::RecvOnly;
        vec![(
            api.add_media(MediaKind::Video, direction, None, None, None),
            MediaKind::Video,
        )]
    };
    world.reoffer(viewer, None, more).expect("an answer");
    assert_eq!(told(&world, viewer), (true, false));
    let restart = |api: &mut str0m::change::SdpApi<'_>| {
        api.ice_restart(true);
        Vec::new()
    };
    world.reoffer(viewer, None, restart).expect("an answer");
    assert_eq!(told(&world, viewer), (false, true));
    world.run(Duration::from_secs(1));
    for client in [viewer, late] {
        world.clients[client].received.clear();
    }
    world.run_live(&[publisher], Duration::from_secs(40));
    for client in [viewer, late] {
        assert_eq!(reason_of(&world, client), None);
        assert!(world.clients[client].pictures().len() > 1_200);
    }
}

#[test]
fn a_restart_by_credentials_alone_gives_new_ones_of_ours() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    let (peer, now) = (world.clients[publisher].peer, world.now);
    let remote = IceCreds {
        ufrag: "abcd".into(),
        pass: "0123456789012345678901".into(),
    };
    let first = world.workers[0].restart_ice(peer, &remote, now).expect("a restart");
    assert!(
        first.credentials.ufrag.starts_with("00"),
        "the fragment tells the worker"
    );
    let again = world.workers[0]
        .restart_ice(peer, &remote, now)
        .expect("the same again");
    assert_eq!(first, again, "known credentials restart nothing");
    let [candidate] = first.candidates.as_slice() else {
        panic!("one address: {:?}", first.candidates)
    };
    assert!(candidate.starts_with("candidate:") && candidate.contains("192.0.2.1 8444"));
    assert!(candidate.ends_with(&first.credentials.ufrag), "{candidate}");
    assert_eq!(first.mid.as_deref(), Some(&*world.clients[publisher].mids[0].0));
    let other = "203.0.113.9:8444".parse().expect("an address");
    world.translate(other);
    let remote = IceCreds {
        ufrag: "efgh".into(),
        ..remote
    };
    let moved = world.workers[0].restart_ice(peer, &remote, now).expect("a restart");
    let [candidate] = moved.candidates.as_slice() else {
        panic!("one address: {:?}", moved.candidates)
    };
    assert!(candidate.contains("203.0.113.9 8444"), "{candidate}");
    let bad = IceCreds {
        ufrag: "a\r\nm=audio".into(),
        ..remote
    };
    assert!(matches!(
        world.workers[0].restart_ice(peer, &bad, now),
        Err(SfuError::BadCredentials)
    ));
}

#[test]
fn a_second_offer_adds_slots() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    let bert = world.connect(0, "show", "bert", &Offer::publish());
    world.run_live(&[anna, bert], Duration::from_millis(200));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    assert_eq!(world.workers[0].counters().slots, 2);

    let (peer, now) = (world.clients[viewer].peer, world.now);
    let (offer, pending) = {
        let mut api = world.clients[viewer].rtc.sdp_api();
        let direction = str0m::media::Direction::RecvOnly;
        api.add_media(MediaKind::Video, direction, None, None, None);
        api.apply().expect("a change")
    };
    let answer = world.workers[0]
        .reoffer(peer, &offer.to_sdp_string(), None, now)
        .expect("an answer");
    let parsed = str0m::change::SdpAnswer::from_sdp_string(&answer).expect("SDP");
    world.clients[viewer]
        .rtc
        .sdp_api()
        .accept_answer(pending, parsed)
        .expect("accepted");
    world.settle();
    world.run_live(&[anna, bert], Duration::from_secs(1));
    assert_eq!(world.workers[0].counters().slots, 3);
    let streams: std::collections::HashSet<_> = world.clients[viewer]
        .of_kind(MediaKind::Video)
        .iter()
        .map(|p| p.header.ssrc)
        .collect();
    assert_eq!(streams.len(), 2);
}

#[test]
fn statistics_tell_what_comes_in_and_who_gets_it() {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(200));
    world.connect(0, "show", "a", &Offer::subscribe());
    world.connect(1, "show", "b", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_secs(3));
    let now = world.now;
    let here = world.workers[0].track_stats(&"show".into(), now);
    let there = world.workers[1].track_stats(&"show".into(), now);
    assert_eq!(
        here.iter().map(|t| (t.codec, t.receivers)).collect::<Vec<_>>(),
        there.iter().map(|t| (t.codec, t.receivers)).collect::<Vec<_>>()
    );
    for track in &here {
        let ingest = track.ingest.expect("published here");
        // 200 bytes every 30 ms, 60 bytes every 20 ms.
        let expected = if track.codec == "H264" { 53_333 } else { 24_000 };
        assert!(ingest.bits_per_second.abs_diff(expected) < expected / 5, "{ingest:?}");
        assert!(ingest.loss.abs() < f32::EPSILON);
    }
    assert!(there.iter().all(|track| track.ingest.is_none()));
    assert!(
        world.workers[1]
            .viewer_stats(None)
            .iter()
            .all(|viewer| viewer.packets > 100)
    );
}

#[test]
fn an_offer_that_leads_nowhere_is_refused_by_name() {
    let mut world = World::new(1);
    let now = world.now;
    for (direction, offer, expected) in [
        (Direction::Publish, "nonsense", "SDP"),
        (Direction::Publish, "", ""),
        (Direction::Subscribe, "v=0\r\n", ""),
    ] {
        let request = PeerRequest {
            session: "show".into(),
            user: "u".into(),
            direction,
            offer,
            sources: None,
            muted: Muted::default(),
        };
        let error = world.workers[0].accept(&request, now).expect_err("no offer");
        assert!(
            matches!(&error, SfuError::BadOffer(text) if text.contains(expected)),
            "{error}"
        );
    }
    assert_eq!(gauges(world.workers[0].counters()), (0, 0, 0));
}
