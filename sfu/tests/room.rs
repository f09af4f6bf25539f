//! Rooms with several publishers: who gets whose sound, cameras and screens.

mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use footlight_sfu::{MediaKind, SfuEvent, Source};
use str0m::media::Direction as MediaDirection;
use str0m::rtp::Ssrc;
use world::{Offer, World, origin};

const QUIET: i8 = -90;

fn camera() -> Offer {
    Offer::publish()
}

fn camera_and_screen() -> Offer {
    Offer::publish().slots(2, 2)
}

/// What the slots of a client show, as it was told.
fn shown(world: &World, client: usize) -> BTreeMap<String, (String, Source)> {
    let mut slots = BTreeMap::new();
    for event in &world.events {
        if let SfuEvent::SlotAssigned {
            peer,
            mid,
            user,
            source,
            ..
        } = event
            && *peer == world.clients[client].peer
        {
            match user {
                Some(user) => slots.insert(mid.clone(), (user.as_str().to_owned(), *source)),
                None => slots.remove(mid),
            };
        }
    }
    slots
}

fn sources_shown(world: &World, client: usize, kind: MediaKind) -> BTreeSet<(String, Source)> {
    let slots = shown(world, client).into_values();
    slots.filter(|(_, source)| source.kind() == kind).collect()
}

fn wanted(world: &World, client: usize) -> Vec<(u32, u32)> {
    let told = world.events.iter().filter_map(|event| match event {
        SfuEvent::SlotsWanted { peer, audio, video } if *peer == world.clients[client].peer => Some((*audio, *video)),
        _ => None,
    });
    told.collect()
}

fn named(user: &str, source: Source) -> (String, Source) {
    (user.to_owned(), source)
}

#[test]
fn everybody_gets_all_others_whole_and_nobody_oneself() {
    const USERS: [&str; 5] = ["anna", "bert", "cleo", "dora", "emil"];
    let mut world = World::new(2);
    let publishers: Vec<_> = USERS
        .iter()
        .enumerate()
        .map(|(number, user)| {
            // The third shares a screen with its sound.
            let offer = if number == 2 { camera_and_screen() } else { camera() };
            world.connect(number % 2, "show", user, &offer)
        })
        .collect();
    world.run_room(&publishers, QUIET, Duration::from_millis(100));
    let stranger = world.connect(0, "elsewhere", "anna", &camera());
    let audience: Vec<_> = USERS
        .iter()
        .chain(&["zoe"])
        .enumerate()
        .map(|(number, user)| {
            let slots = Offer::subscribe().slots(6, 6);
            world.connect((number + 1) % 2, "show", user, &slots)
        })
        .collect();
    let all: Vec<_> = publishers.iter().copied().chain([stranger]).collect();
    world.run_room(&all, -33, Duration::from_secs(2));

    for (viewer, user) in audience.iter().zip(USERS.iter().chain(&["zoe"])) {
        let expected: BTreeSet<(usize, usize)> = publishers
            .iter()
            .zip(USERS)
            .filter(|(_, publisher)| publisher != user)
            .flat_map(|(client, _)| (0..world.clients[*client].mids.len()).map(|section| (*client, section)))
            .collect();
        let mut lines: HashMap<Ssrc, Vec<(usize, usize, u32)>> = HashMap::new();
        for packet in &world.clients[*viewer].received {
            lines.entry(packet.header.ssrc).or_default().push(origin(packet));
            let (_, section, _) = origin(packet);
            let is_sound = packet.payload.len() == 60;
            assert_eq!(packet.header.ext_vals.audio_level, is_sound.then_some(-33), "{section}");
        }
        let seen: BTreeSet<_> = lines.values().map(|line| (line[0].0, line[0].1)).collect();
        assert_eq!(seen, expected, "{user}");
        assert_eq!(lines.len(), expected.len(), "{user} has a slot for each track");
        for line in lines.values() {
            assert!(
                line.windows(2)
                    .all(|pair| (pair[0].0, pair[0].1, pair[0].2 + 1) == pair[1]),
                "one track, whole and in order: {line:?}"
            );
            assert!(line.len() > 55, "{}", line.len());
        }
        // What it was told is what it got.
        let slots = shown(&world, *viewer);
        let told: BTreeSet<_> = slots.values().cloned().collect();
        assert!(!told.iter().any(|(publisher, _)| publisher == user));
        assert_eq!(told.len(), expected.len());
        let mut confirmed = BTreeSet::new();
        for packet in &world.clients[*viewer].received {
            let (client, section, _) = origin(packet);
            let position = publishers.iter().position(|publisher| *publisher == client);
            let sources = if position == Some(2) {
                [Source::Microphone, Source::ScreenAudio, Source::Camera, Source::Screen].as_slice()
            } else {
                [Source::Microphone, Source::Camera].as_slice()
            };
            let mid = packet.header.ext_vals.mid.map(|mid| mid.to_string());
            // Only the first packets of a stream name their section (RFC 8843 §9.2).
            if let Some(mid) = mid {
                let user = position.map(|position| USERS[position]).expect("of this session");
                assert_eq!(slots.get(&mid), Some(&named(user, sources[section])));
                confirmed.insert(mid);
            }
        }
        assert_eq!(confirmed.len(), expected.len());
        assert!(wanted(&world, *viewer).is_empty());
    }
    let stats = world.workers[0].track_stats(&"show".into(), world.now);
    let screens = stats.iter().filter(|track| track.source == Source::Screen);
    assert_eq!(screens.map(|track| track.user.as_str()).collect::<Vec<_>>(), ["cleo"]);
}

#[test]
fn twenty_one_publishers_fill_the_slots_of_all() {
    let mut world = World::new(1);
    let publishers: Vec<_> = (0..21)
        .map(|number| world.connect(0, "show", &format!("u{number}"), &camera()))
        .collect();
    world.run_room(&publishers, QUIET, Duration::from_millis(60));
    let guest = world.connect(0, "show", "u7", &Offer::subscribe().slots(20, 20));
    world.run_room(&publishers, QUIET, Duration::from_millis(300));
    assert_eq!(shown(&world, guest).len(), 40);
    assert_eq!(world.workers[0].counters().slots, 40);
    assert!(wanted(&world, guest).is_empty());
    let seen: BTreeSet<_> = world.clients[guest]
        .received
        .iter()
        .map(|packet| origin(packet).0)
        .collect();
    assert_eq!(seen.len(), 20);
    assert!(!seen.contains(&7));
    // Sound and picture of one person are one stream for the browser: the n-th audio and the n-th video section.
    let slots = shown(&world, guest);
    let mids = &world.clients[guest].mids;
    for pair in 0..20 {
        let user = |at: usize| slots.get(&mids[at].0.to_string()).map(|(user, _)| user);
        assert_eq!(user(pair), user(20 + pair));
    }
}

#[test]
fn a_viewer_with_too_few_slots_is_told_and_sees_the_screen_first() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &camera());
    world.run_room(&[anna], QUIET, Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(2, 2));
    let bert = world.connect(0, "show", "bert", &camera());
    world.run_room(&[anna, bert], QUIET, Duration::from_millis(300));
    assert_eq!(wanted(&world, viewer), []);

    let added = |api: &mut str0m::change::SdpApi<'_>| {
        let kind = MediaKind::Video;
        vec![(api.add_media(kind, MediaDirection::SendOnly, None, None, None), kind)]
    };
    world.reoffer(anna, None, added).expect("a screen");
    world.run_room(&[anna, bert], QUIET, Duration::from_secs(1));
    assert_eq!(wanted(&world, viewer), [(2, 3)]);
    assert_eq!(
        sources_shown(&world, viewer, MediaKind::Video),
        BTreeSet::from([named("anna", Source::Camera), named("anna", Source::Screen)])
    );
    world.run_room(&[anna, bert], QUIET, Duration::from_secs(1));
    // Somebody who never sent anything leaves, and all slots are looked at again.
    let nobody = world.connect(0, "show", "cleo", &camera());
    world.close(nobody);
    assert_eq!(wanted(&world, viewer), [(2, 3)], "told once");

    // One slot more, and the camera is back.
    let slot = |api: &mut str0m::change::SdpApi<'_>| {
        let kind = MediaKind::Video;
        vec![(api.add_media(kind, MediaDirection::RecvOnly, None, None, None), kind)]
    };
    world.reoffer(viewer, None, slot).expect("a slot");
    world.clients[viewer].received.clear();
    world.run_room(&[anna, bert], QUIET, Duration::from_secs(1));
    let all = sources_shown(&world, viewer, MediaKind::Video);
    assert!(
        all.contains(&named("bert", Source::Camera)) && all.len() == 3,
        "{all:?}"
    );
    let seen: BTreeSet<_> = world.clients[viewer]
        .of_kind(MediaKind::Video)
        .iter()
        .map(|packet| (origin(packet).0, origin(packet).1))
        .collect();
    assert_eq!(seen, BTreeSet::from([(anna, 1), (anna, 2), (bert, 1)]));
}

#[test]
fn a_screen_comes_and_goes_on_the_connection_of_its_camera() {
    for way in ["inactive", "stopped"] {
        let mut world = World::new(2);
        let anna = world.connect(0, "show", "anna", &camera());
        let viewer = world.connect(1, "show", "guest", &Offer::subscribe().slots(2, 2));
        world.run_room(&[anna], QUIET, Duration::from_millis(300));
        for round in 0..3 {
            let added = |api: &mut str0m::change::SdpApi<'_>| {
                [MediaKind::Audio, MediaKind::Video]
                    .map(|kind| (api.add_media(kind, MediaDirection::SendOnly, None, None, None), kind))
                    .to_vec()
            };
            world.reoffer(anna, None, added).expect("a screen");
            world.clients[viewer].received.clear();
            world.run_room(&[anna], QUIET, Duration::from_millis(500));
            assert_eq!(shown(&world, viewer).len(), 4, "{way} {round}");
            assert!(
                shown(&world, viewer)
                    .values()
                    .any(|s| *s == named("anna", Source::Screen))
            );
            assert_eq!(world.workers[0].counters().tracks, 4);

            let mids: Vec<_> = world.clients[anna].mids.split_off(2);
            let gone = |api: &mut str0m::change::SdpApi<'_>| {
                for (mid, _) in mids {
                    if way == "inactive" {
                        api.set_direction(mid, MediaDirection::Inactive);
                    } else {
                        api.stop_media(mid);
                    }
                }
                Vec::new()
            };
            world.reoffer(anna, None, gone).expect("an end");
            world.clients[viewer].received.clear();
            world.run_room(&[anna], QUIET, Duration::from_millis(500));
            assert_eq!(
                sources_shown(&world, viewer, MediaKind::Video),
                BTreeSet::from([named("anna", Source::Camera)]),
                "{way} {round}"
            );
            assert_eq!(shown(&world, viewer).len(), 2);
            assert_eq!(world.workers[0].counters().tracks, 2);
            assert_eq!(world.workers[1].counters().slots, 2);
            let sections: BTreeSet<_> = world.clients[viewer].received.iter().map(|p| origin(p).1).collect();
            assert_eq!(sections, BTreeSet::from([0, 1]), "camera and microphone go on");
        }
        let stopped = |event: &&SfuEvent| {
            matches!(
                event,
                SfuEvent::TrackStopped {
                    source: Source::Screen | Source::ScreenAudio,
                    replaced: false,
                    ..
                }
            )
        };
        assert_eq!(world.events.iter().filter(stopped).count(), 6);
    }
}

#[test]
fn a_screen_that_was_there_from_the_start_frees_its_slot_when_it_ends() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &camera_and_screen());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(2, 2));
    world.run_room(&[anna], QUIET, Duration::from_millis(300));
    assert_eq!(shown(&world, viewer).len(), 4);
    let screen = world.clients[anna].mids[3].0;
    let gone = |api: &mut str0m::change::SdpApi<'_>| {
        api.set_direction(screen, MediaDirection::Inactive);
        Vec::new()
    };
    world.reoffer(anna, None, gone).expect("an end");
    assert_eq!(
        sources_shown(&world, viewer, MediaKind::Video),
        BTreeSet::from([named("anna", Source::Camera)])
    );
    // It is shared again in the same section.
    let again = |api: &mut str0m::change::SdpApi<'_>| {
        api.set_direction(screen, MediaDirection::SendOnly);
        Vec::new()
    };
    world.reoffer(anna, None, again).expect("a screen");
    world.clients[viewer].received.clear();
    world.run_room(&[anna], QUIET, Duration::from_millis(500));
    assert_eq!(shown(&world, viewer).len(), 4);
    let sections: BTreeSet<_> = world.clients[viewer].received.iter().map(|p| origin(p).1).collect();
    assert_eq!(sections, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn a_slot_that_goes_leaves_the_others_as_they_are() {
    let mut world = World::new(1);
    let publishers = ["anna", "bert", "cleo"].map(|user| world.connect(0, "show", user, &camera().slots(0, 1)));
    world.run_room(&publishers, QUIET, Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(0, 3));
    world.run_room(&publishers, QUIET, Duration::from_millis(500));
    let first = world.clients[viewer].mids[0].0;
    let gone = |api: &mut str0m::change::SdpApi<'_>| {
        api.set_direction(first, MediaDirection::Inactive);
        Vec::new()
    };
    world.reoffer(viewer, None, gone).expect("fewer slots");
    world.clients[viewer].received.clear();
    world.run_room(&publishers, QUIET, Duration::from_secs(1));
    let lines: BTreeSet<_> = world.clients[viewer]
        .received
        .iter()
        .map(|packet| (*packet.header.ssrc, origin(packet).0))
        .collect();
    assert_eq!(lines.len(), 2, "one publisher per line: {lines:?}");
    let numbers: Vec<_> = world.clients[viewer].received.iter().map(origin).collect();
    for publisher in &publishers[1..] {
        let count = numbers.iter().filter(|(client, ..)| client == publisher).count();
        assert!((32..=35).contains(&count), "{count}");
    }
    assert_eq!(wanted(&world, viewer), [(0, 3)]);
}

#[test]
fn a_screen_that_is_not_shared_again_after_a_reconnect_frees_its_slot() {
    let mut world = World::new(1);
    let old = world.connect(0, "show", "anna", &camera_and_screen());
    world.run_room(&[old], QUIET, Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(2, 2));
    world.run_room(&[old], QUIET, Duration::from_millis(100));
    assert_eq!(shown(&world, viewer).len(), 4);
    let before = world.events.len();
    let new = world.connect(0, "show", "anna", &camera());
    world.run_room(&[new], QUIET, Duration::from_millis(500));
    assert_eq!(
        shown(&world, viewer).into_values().collect::<BTreeSet<_>>(),
        BTreeSet::from([named("anna", Source::Camera), named("anna", Source::Microphone)])
    );
    let moved = |event: &&SfuEvent| {
        matches!(
            event,
            SfuEvent::SlotAssigned {
                source: Source::Camera | Source::Microphone,
                ..
            }
        )
    };
    assert_eq!(
        world.events[before..].iter().filter(moved).count(),
        0,
        "they kept their slots"
    );
}

#[test]
fn signaling_names_what_a_section_is() {
    let mut world = World::new(1);
    // A microphone and two pictures, the screen first.
    let offer = Offer::publish()
        .slots(1, 2)
        .named(&[Source::Microphone, Source::Screen, Source::Camera]);
    let anna = world.connect(0, "show", "anna", &offer);
    world.run_room(&[anna], QUIET, Duration::from_millis(100));
    let started: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            SfuEvent::TrackStarted { source, kind, .. } => Some((*source, *kind)),
            _ => None,
        })
        .collect();
    assert_eq!(
        started.into_iter().collect::<HashMap<_, _>>(),
        HashMap::from([
            (Source::Microphone, MediaKind::Audio),
            (Source::Screen, MediaKind::Video),
            (Source::Camera, MediaKind::Video)
        ])
    );
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_room(&[anna], QUIET, Duration::from_millis(300));
    assert_eq!(
        sources_shown(&world, viewer, MediaKind::Video),
        BTreeSet::from([named("anna", Source::Screen)])
    );
    let sections = world.clients[viewer].of_kind(MediaKind::Video);
    assert!(sections.iter().all(|packet| origin(packet).1 == 1) && !sections.is_empty());

    // Two of one kind are refused, and the connection goes on.
    let mids = world.clients[anna].mids.clone();
    let twice = BTreeMap::from([
        (mids[1].0.to_string(), Source::Camera),
        (mids[2].0.to_string(), Source::Camera),
    ]);
    let restart = |api: &mut str0m::change::SdpApi<'_>| {
        api.ice_restart(true);
        Vec::new()
    };
    let error = world.reoffer(anna, Some(&twice), restart).expect_err("a contradiction");
    assert!(error.to_string().contains("more than one Camera"), "{error}");
    world.clients[viewer].received.clear();
    world.run_room(&[anna], QUIET, Duration::from_millis(300));
    assert!(!world.clients[viewer].received.is_empty());
}

#[test]
fn more_sections_than_a_person_has_sources_are_not_forwarded() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish().slots(5, 5));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(5, 5));
    world.run_room(&[anna], QUIET, Duration::from_millis(500));
    assert_eq!(world.workers[0].counters().tracks, 4);
    let sections: BTreeSet<_> = world.clients[viewer].received.iter().map(|p| origin(p).1).collect();
    assert_eq!(sections, BTreeSet::from([0, 1, 5, 6]));
}

#[test]
fn an_offer_to_publish_gets_the_audio_levels_negotiated() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &camera());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    for client in [anna, viewer] {
        let answer = &world.clients[client].answer;
        let sound = answer
            .split("m=")
            .find(|section| section.starts_with("audio"))
            .expect("sound");
        assert!(sound.contains("urn:ietf:params:rtp-hdrext:ssrc-audio-level"), "{sound}");
    }
}
