//! Sound that carries that of packets before it once more (RFC 2198).

mod world;

use std::time::Duration;

use footlight_sfu::{MediaKind, SfuEvent};
use str0m::format::Codec;
use str0m::media::Pt;
use world::{Offer, World};

/// One packet's worth, in ticks.
const TICKS: u32 = 960;

/// The payload types of a client: of plain sound, and of redundant.
fn payload_types(world: &World, client: usize) -> (Pt, Pt) {
    let config = world.clients[client].rtc.codec_config();
    let opus = config.find(|params| params.spec().codec == Codec::Opus).expect("Opus");
    (opus.pt(), opus.red().expect("redundant sound was agreed on"))
}

/// The sound of the packet `number`, and of the one before it, as libwebrtc packs them.
fn redundant(plain: Pt, number: u8) -> Vec<u8> {
    let [high, low] = ((TICKS as u16) << 2).to_be_bytes();
    let headers = [0x80 | *plain, high, low, 3, *plain];
    [&headers[..], &[number - 1; 3], &[number; 5]].concat()
}

fn send(world: &mut World, publisher: usize, number: u8, is_redundant: bool) {
    let (plain, red) = payload_types(world, publisher);
    let (payload_type, payload) = if is_redundant {
        (red, redundant(plain, number))
    } else {
        (plain, vec![number; 5])
    };
    let now = world.now;
    let timestamp = u32::from(number) * TICKS;
    world.send_as(publisher, (MediaKind::Audio, payload_type), timestamp, payload, now);
    world.run(Duration::from_millis(20));
}

fn payloads(world: &World, viewer: usize) -> Vec<Vec<u8>> {
    let packets = world.clients[viewer].of_kind(MediaKind::Audio);
    packets.iter().map(|packet| packet.payload.to_vec()).collect()
}

#[test]
fn whoever_takes_redundant_sound_gets_it_and_the_others_the_packets_own() {
    // Two workers, so that it crosses as well.
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish().redundant());
    send(&mut world, publisher, 1, true);
    let with = world.connect(0, "show", "with", &Offer::subscribe().redundant());
    let without = world.connect(1, "show", "without", &Offer::subscribe());
    // Encoders leave the redundancy out where it would be too large.
    for number in 2..=20 {
        send(&mut world, publisher, number, number % 5 != 0);
    }
    let (plain, red) = payload_types(&world, with);
    for (packet, number) in world.clients[with].of_kind(MediaKind::Audio).iter().zip(2..=20_u8) {
        let expected = if number % 5 == 0 {
            (plain, vec![number; 5])
        } else {
            (red, redundant(plain, number))
        };
        assert_eq!((packet.header.payload_type, packet.payload.to_vec()), expected);
    }
    let own: Vec<_> = (2..=20).map(|number| vec![number; 5]).collect();
    assert_eq!(payloads(&world, without), own);
    for viewer in [with, without] {
        let numbers: Vec<_> = world.clients[viewer]
            .of_kind(MediaKind::Audio)
            .iter()
            .map(|packet| *packet.seq_no)
            .collect();
        assert_eq!(numbers.len(), 19);
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "one line: {numbers:?}"
        );
    }
    let started = world
        .events
        .iter()
        .filter(|event| matches!(event, SfuEvent::TrackStarted { .. }));
    assert_eq!(started.count(), 1, "one track, however its packets are packed");
}

#[test]
fn what_makes_no_sense_is_left_out() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish().redundant());
    let viewer = world.connect(0, "show", "viewer", &Offer::subscribe().redundant());
    let (plain, red) = payload_types(&world, publisher);
    send(&mut world, publisher, 1, true);
    let foreign = Pt::from(*plain - 1);
    for payload in [
        vec![],
        vec![0x80 | *plain],
        redundant(plain, 2)[..7].to_vec(),
        redundant(foreign, 2),
    ] {
        let now = world.now;
        world.send_as(publisher, (MediaKind::Audio, red), 2 * TICKS, payload, now);
    }
    send(&mut world, publisher, 3, true);
    assert_eq!(payloads(&world, viewer), [redundant(plain, 1), redundant(plain, 3)]);
}

#[test]
fn what_was_said_while_muted_does_not_come_out_with_what_follows() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish().redundant());
    let viewer = world.connect(0, "show", "viewer", &Offer::subscribe().redundant());
    let (plain, _) = payload_types(&world, publisher);
    send(&mut world, publisher, 1, true);
    let (peer, now) = (world.clients[publisher].peer, world.now);
    for is_muted in [true, false] {
        let muted = world.workers[0].set_muted(peer, MediaKind::Audio, is_muted, now);
        muted.expect("a publisher");
        if is_muted {
            send(&mut world, publisher, 2, true);
        }
    }
    for number in 3..=250 {
        send(&mut world, publisher, number, true);
    }
    let heard = payloads(&world, viewer);
    assert_eq!(heard[..2], [redundant(plain, 1), vec![3; 5]]);
    assert_eq!(
        heard[heard.len() - 1],
        redundant(plain, 250),
        "in the end it is redundant again"
    );
    assert!(heard.iter().all(|payload| !payload.contains(&2)));
}

#[test]
fn whoever_would_rather_send_redundant_sound_is_answered_so() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish().redundant());
    let (plain, red) = payload_types(&world, publisher);
    let formats = |answer: &str| {
        let line = answer.lines().find(|line| line.starts_with("m=audio")).expect("sound");
        line.split(' ').skip(3).map(str::to_owned).collect::<Vec<_>>()
    };
    let [plain, red] = [plain, red].map(|payload_type| payload_type.to_string());
    assert_eq!(formats(&world.clients[publisher].answer), [&*red, &*plain]);

    world.rewrite_offers = Some((format!("SAVPF {red} {plain}"), format!("SAVPF {plain} {red}")));
    let publisher = world.join(0, "show", "guest", &Offer::publish().redundant());
    assert_eq!(formats(&world.clients[publisher].answer), [plain, red]);
}
