//! Loss and reordering on the way in, and time on the way out.

mod world;

use std::time::Duration;

use footlight_sfu::MediaKind;
use world::{IDR, Offer, SLICE, World};

#[test]
fn a_gap_of_the_publisher_stays_a_gap_and_late_packets_fill_it() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.send_frame(publisher);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    let base = world.clients[publisher].sequence_number;
    for (offset, first) in [(1, IDR), (2, SLICE), (5, SLICE), (4, SLICE), (7, SLICE)] {
        world.clients[publisher].sequence_number = base + offset - 1;
        let now = world.now;
        world.send_packet(
            publisher,
            MediaKind::Video,
            offset as u32 * 3_000,
            vec![first; 200],
            now,
        );
        world.run(Duration::from_millis(5));
    }
    let numbers = world.clients[viewer].sequence_numbers();
    let first = numbers[0];
    assert_eq!(
        numbers.iter().map(|n| n - first + 1).collect::<Vec<_>>(),
        [1, 2, 5, 4, 7]
    );
}

#[test]
fn the_line_survives_the_wrap_of_the_publishers_numbers() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.clients[publisher].sequence_number = 65_500;
    world.send_frame(publisher);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_secs(3));
    assert!(world.clients[publisher].sequence_number > 65_600);
    let numbers = world.clients[viewer].sequence_numbers();
    assert!(
        numbers.len() > 90 && numbers.iter().all(|number| *number < 1_000),
        "{numbers:?}"
    );
}

/// What a viewer does to keep lips in time: map a packet's timestamp to the sender's clock by the last sender report
/// (RFC 3550 §6.4.1).
#[test]
fn the_reports_of_a_viewers_streams_tell_when_sound_and_picture_were_captured() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.send_frame(publisher);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    // The picture comes 200 ms late: its encoder is slow. The publisher's reports know.
    let video_delay = Duration::from_millis(200);
    for step in 0..400_u32 {
        // The picture that comes now was captured when the sound of 200 ms ago was.
        let captured = world.now;
        let since = (captured - world.start).as_millis() as u32;
        if step % 2 == 0 {
            world.send_packet(publisher, MediaKind::Audio, since * 48, vec![7; 60], captured);
        }
        if step % 3 == 0 {
            let first = if step % 30 == 0 { IDR } else { SLICE };
            let video_captured = captured.checked_sub(video_delay).expect("a later time");
            let since_video = since.saturating_sub(200);
            world.send_packet(
                publisher,
                MediaKind::Video,
                since_video * 90,
                vec![first; 200],
                video_captured,
            );
        }
        world.run(Duration::from_millis(10));
    }
    let mut captured = Vec::new();
    for (kind, rate) in [(MediaKind::Audio, 48_000.0), (MediaKind::Video, 90_000.0)] {
        let packets = world.clients[viewer].of_kind(kind);
        let last = packets.last().expect("media came in");
        let report = last.last_sender_info.expect("reports came in");
        let ticks = last.header.timestamp.wrapping_sub(report.rtp_time.numer() as u32) as i32;
        let wall = report
            .ntp_time
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs_f64();
        captured.push(wall + f64::from(ticks) / rate);
    }
    // The last sound was captured 10 ms before the last picture was sent.
    let apart = (captured[0] - captured[1]) - video_delay.as_secs_f64() + 0.01;
    assert!(apart.abs() < 0.01, "sound and picture are {apart} s apart");
}
