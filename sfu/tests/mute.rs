//! A publisher who is muted at the server: nothing of it is forwarded, whatever it sends, and afterwards all goes on.

mod world;

use std::time::Duration;

use footlight_sfu::{MediaKind, SfuError, SfuEvent};
use world::{IDR, Offer, SLICE, World, origin};

const LOUD: i8 = -20;

fn set_muted(world: &mut World, client: usize, kind: MediaKind, is_muted: bool) {
    let (peer, now) = (world.clients[client].peer, world.now);
    let worker = usize::from(peer.worker().0);
    world.workers[worker]
        .set_muted(peer, kind, is_muted, now)
        .expect("a publisher");
    world.settle();
}

fn goes_on(world: &World, viewer: usize, kind: MediaKind) {
    let packets = world.clients[viewer].of_kind(kind);
    assert!(
        packets
            .windows(2)
            .all(|pair| pair[0].header.ssrc == pair[1].header.ssrc)
    );
    let numbers: Vec<_> = packets.iter().map(|packet| *packet.seq_no).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "a gap reads as loss: {numbers:?}"
    );
    let times: Vec<_> = packets.iter().map(|packet| packet.header.timestamp).collect();
    assert!(times.windows(2).all(|pair| pair[1] > pair[0]), "{times:?}");
}

#[test]
fn nothing_of_a_muted_kind_reaches_anybody_and_the_other_kind_goes_on() {
    for muted in [MediaKind::Audio, MediaKind::Video] {
        let mut world = World::new(2);
        let anna = world.connect(0, "show", "anna", &Offer::publish().slots(2, 2));
        world.run_room(&[anna], LOUD, Duration::from_millis(100));
        let viewers = [0, 1].map(|worker| {
            let offer = Offer::subscribe().slots(2, 2);
            world.connect(worker, "show", &format!("v{worker}"), &offer)
        });
        world.run_room(&[anna], LOUD, Duration::from_secs(1));
        let slots = world.workers[0].counters().slots;
        let told = world.events.len();

        set_muted(&mut world, anna, muted, true);
        let asked = world.clients[anna].asked.len();
        let before = viewers.map(|viewer| world.clients[viewer].received.len());
        world.run_room(&[anna], LOUD, Duration::from_secs(3));
        for (viewer, before) in viewers.iter().zip(before) {
            let client = &mut world.clients[*viewer];
            let leaked = client.received[before..]
                .iter()
                .filter(|packet| (packet.payload.len() > 100) == muted.is_video());
            assert_eq!(leaked.count(), 0);
            assert!(client.received.len() - before > 150, "the other kind goes on");
        }
        if muted.is_video() {
            assert_eq!(
                world.clients[anna].asked.len(),
                asked,
                "a keyframe that nobody would be shown"
            );
        }
        assert!(world.workers[0].counters().muted > 150);
        assert_eq!(world.workers[0].counters().slots, slots, "the slots stay");
        let changed = |event: &SfuEvent| matches!(event, SfuEvent::SlotAssigned { .. } | SfuEvent::TrackStopped { .. });
        assert!(!world.events[told..].iter().any(changed));

        set_muted(&mut world, anna, muted, false);
        let before = viewers.map(|viewer| world.clients[viewer].received.len());
        world.run_room(&[anna], LOUD, Duration::from_secs(1));
        for (viewer, before) in viewers.iter().zip(before) {
            let again: Vec<_> = world.clients[*viewer].received[before..]
                .iter()
                .filter(|packet| (packet.payload.len() > 100) == muted.is_video())
                .collect();
            assert!(again.len() > 60, "{}", again.len());
            for section in if muted.is_video() { [2, 3] } else { [0, 1] } {
                let mut of_section = again.iter().filter(|packet| origin(packet).1 == section);
                let first = of_section.next().expect("both sources are back");
                let expected = if muted.is_video() { IDR } else { 7 };
                assert_eq!(first.payload[0], expected);
            }
        }
    }
}

#[test]
fn the_line_of_each_viewer_goes_on_without_a_gap() {
    for muted in [MediaKind::Audio, MediaKind::Video] {
        let mut world = World::new(2);
        let anna = world.connect(0, "show", "anna", &Offer::publish());
        world.run_room(&[anna], LOUD, Duration::from_millis(100));
        let viewers = [0, 1].map(|worker| world.connect(worker, "show", "v", &Offer::subscribe()));
        for _ in 0..3 {
            world.run_room(&[anna], LOUD, Duration::from_secs(1));
            set_muted(&mut world, anna, muted, true);
            world.run_room(&[anna], LOUD, Duration::from_secs(2));
            set_muted(&mut world, anna, muted, false);
        }
        world.run_room(&[anna], LOUD, Duration::from_secs(1));
        for viewer in viewers {
            goes_on(&world, viewer, MediaKind::Audio);
            goes_on(&world, viewer, MediaKind::Video);
            assert!(world.clients[viewer].of_kind(muted).len() > 100);
            if muted.is_video() {
                assert!(world.clients[viewer].keyframes() >= 4, "each start is a keyframe");
            }
        }
    }
}

#[test]
fn what_was_sent_while_muted_does_not_come_out_later_by_retransmission() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    world.send_frame(anna);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    let base = world.clients[anna].sequence_number;
    // The third byte tells when it was sent; 0 is before, 1 while and 2 after the mute.
    let send = |world: &mut World, offset: u64, first: u8, when: u8| {
        world.clients[anna].sequence_number = base + offset - 1;
        let mut payload = vec![first; 200];
        payload[2] = when;
        let now = world.now;
        world.send_packet(anna, MediaKind::Video, offset as u32 * 3_000, payload, now);
        world.run(Duration::from_millis(5));
    };
    send(&mut world, 1, IDR, 0);
    send(&mut world, 2, SLICE, 0);
    set_muted(&mut world, anna, MediaKind::Video, true);
    for offset in [4, 5, 9] {
        send(&mut world, offset, IDR, 1);
    }
    set_muted(&mut world, anna, MediaKind::Video, false);
    // Lost at first, they come again: a keyframe among them, which would start the line.
    for offset in [6, 7, 8] {
        send(&mut world, offset, IDR, 1);
    }
    send(&mut world, 12, IDR, 2);
    // Sent after 9 while it was muted, and later than 12.
    send(&mut world, 10, IDR, 1);
    send(&mut world, 11, SLICE, 1);
    send(&mut world, 13, SLICE, 2);
    let pictures = world.clients[viewer].of_kind(MediaKind::Video);
    let when: Vec<_> = pictures.iter().map(|packet| packet.payload[2]).collect();
    assert_eq!(when, [0, 0, 2, 2]);
    goes_on(&world, viewer, MediaKind::Video);
}

#[test]
fn a_publisher_can_be_muted_before_it_sends_anything() {
    let mut world = World::new(1);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    let anna = world.connect(0, "show", "anna", &Offer::publish().muted(true, true));
    world.run_room(&[anna], LOUD, Duration::from_secs(1));
    assert!(world.clients[viewer].received.is_empty());
    assert_eq!(world.workers[0].counters().tracks, 2, "it is there");
    assert_eq!(world.workers[0].counters().slots, 2);

    set_muted(&mut world, anna, MediaKind::Audio, false);
    world.run_room(&[anna], LOUD, Duration::from_secs(1));
    assert!(world.clients[viewer].of_kind(MediaKind::Video).is_empty());
    assert!(world.clients[viewer].of_kind(MediaKind::Audio).len() > 45);

    set_muted(&mut world, anna, MediaKind::Video, false);
    world.run_room(&[anna], LOUD, Duration::from_secs(1));
    assert_eq!(world.clients[viewer].pictures().first(), Some(&IDR));
}

#[test]
fn a_mute_holds_for_tracks_that_come_later() {
    let mut world = World::new(1);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(2, 2));
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    set_muted(&mut world, anna, MediaKind::Video, true);
    world.run_room(&[anna], LOUD, Duration::from_millis(200));
    let screen = |api: &mut str0m::change::SdpApi<'_>| {
        let direction = str0m::media::Direction::SendOnly;
        vec![(
            api.add_media(MediaKind::Video, direction, None, None, None),
            MediaKind::Video,
        )]
    };
    world.reoffer(anna, None, screen).expect("a screen");
    world.run_room(&[anna], LOUD, Duration::from_secs(1));
    assert_eq!(world.workers[0].counters().tracks, 3);
    assert!(world.clients[viewer].of_kind(MediaKind::Video).is_empty());
    assert!(world.clients[viewer].of_kind(MediaKind::Audio).len() > 45);
}

#[test]
fn a_short_mute_ends_with_a_keyframe_at_once() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_room(&[anna], LOUD, Duration::from_secs(2));
    set_muted(&mut world, anna, MediaKind::Video, true);
    world.run_room(&[anna], LOUD, Duration::from_millis(200));
    set_muted(&mut world, anna, MediaKind::Video, false);
    world.clients[viewer].received.clear();
    world.run_room(&[anna], LOUD, Duration::from_millis(100));
    assert_eq!(world.clients[viewer].pictures().first(), Some(&IDR));
}

#[test]
fn a_viewer_without_the_codec_is_not_told_again_by_every_mute() {
    use str0m::format::Codec;
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    let offer = Offer::subscribe().codecs(&[Codec::Vp8, Codec::Opus]);
    world.connect(0, "show", "guest", &offer);
    for _ in 0..3 {
        world.run_room(&[anna], LOUD, Duration::from_millis(300));
        set_muted(&mut world, anna, MediaKind::Video, true);
        set_muted(&mut world, anna, MediaKind::Video, false);
    }
    let told = |event: &&SfuEvent| matches!(event, SfuEvent::CodecUnsupported { .. });
    assert_eq!(world.events.iter().filter(told).count(), 1);
}

#[test]
fn only_publishers_can_be_muted() {
    let mut world = World::new(1);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    let (peer, now) = (world.clients[viewer].peer, world.now);
    let error = world.workers[0].set_muted(peer, MediaKind::Audio, true, now);
    assert!(matches!(error, Err(SfuError::UnknownPeer(_))));
    world.close(viewer);
    let error = world.workers[0].set_muted(peer, MediaKind::Audio, true, now);
    assert!(matches!(error, Err(SfuError::UnknownPeer(_))));
}
