use std::sync::mpsc::{Receiver, sync_channel};

use rtc::rtcp::transport_feedbacks::transport_layer_nack::NackPair;

use super::*;
use crate::subscribe::sync::Pair;
use crate::video::mailbox::Mailbox;

const VIDEO: u32 = 10;
const REPAIR: u32 = 11;
const AUDIO: u32 = 12;
/// 20 ms of Opus: a packet of one frame, whose content does not matter here (RFC 6716 §3.1).
const OPUS: [u8; 3] = [0x78, 1, 2];

struct World {
    intake: Intake,
    clock: MediaClock,
    figures: Arc<PictureFigures>,
    sounds: Receiver<SoundEvent>,
}

fn world() -> World {
    let clock = MediaClock::start();
    let streams = Streams::default();
    let (events, sounds) = sync_channel(100);
    let figures = Arc::new(PictureFigures::default());
    let mailbox = Mailbox::new();
    let inlet =
        crate::subscribe::picture::show::start(clock, Arc::new(Pair::default()), &mailbox, &Arc::default(), &figures);
    let picture = Inlet::Picture {
        inlet: inlet.expect("a thread"),
        figures: Arc::clone(&figures),
    };
    streams.add(VIDEO, Some(REPAIR), || Some(picture));
    streams.add(AUDIO, None, || Some(Inlet::Sound { place: 3, events }));
    World {
        intake: Intake::new(clock, streams),
        clock,
        figures,
        sounds,
    }
}

impl World {
    fn receive(&mut self, ssrc: u32, sequence_number: u16, payload: &[u8], ms: u64) {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.ssrc = ssrc;
        packet.header.sequence_number = sequence_number;
        packet.payload = Bytes::copy_from_slice(payload);
        self.hand_over(Packet::Rtp(packet), ms);
        assert!(self.intake.poll_read().is_none(), "media ends here");
    }

    fn hand_over(&mut self, packet: Packet, ms: u64) {
        let packet = TaggedPacket {
            now: self.at(ms),
            transport: TransportContext::default(),
            message: AttributedPacket::new(packet),
        };
        self.intake.handle_read(packet).expect("takes packets");
    }

    fn at(&self, ms: u64) -> Instant {
        let start = self.clock.instant(crate::clock::MediaTime::default());
        start + Duration::from_millis(ms)
    }

    /// What is asked for at that time: the numbers of lost packets, and whether a keyframe.
    fn asked(&mut self, ms: u64) -> (Vec<u16>, bool) {
        self.intake.handle_timeout(self.at(ms)).expect("takes time");
        let (mut numbers, mut keyframe) = (Vec::new(), false);
        while let Some(out) = self.intake.poll_write() {
            let Packet::Rtcp(packets) = out.message.packet else {
                panic!("only RTCP is sent");
            };
            for packet in &packets {
                if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() {
                    assert_eq!(nack.media_ssrc, VIDEO);
                    numbers.extend(nack.nacks.iter().flat_map(NackPair::packet_list));
                }
                if let Some(pli) = packet.as_any().downcast_ref::<PictureLossIndication>() {
                    assert_eq!(pli.media_ssrc, VIDEO);
                    keyframe = true;
                }
            }
        }
        (numbers, keyframe)
    }
}

#[test]
fn lost_pictures_are_asked_for_until_their_retransmission_comes() {
    let mut world = world();
    world.receive(VIDEO, 65_534, &[0x65, 1], 0);
    world.receive(VIDEO, 1, &[0x61, 1], 1);
    assert_eq!(world.asked(15).0, [65_535, 0]);
    assert!(world.asked(30).0.is_empty(), "not again within a round trip");
    // Number 65,535, in a packet of the stream that repairs.
    world.receive(REPAIR, 77, &[0xff, 0xff, 0x61, 1], 40);
    // Padding on it, which repairs nothing.
    world.receive(REPAIR, 78, &[0], 41);
    assert_eq!(world.asked(80).0, [0]);
    let figures = world.intake.streams.figures();
    let video = figures
        .iter()
        .find(|stream| stream.figures.is_some())
        .expect("a stream");
    assert_eq!((video.reception.received(), video.reception.bytes()), (2, 6));
    assert_eq!(video.reception.lost(), 2, "as the server is told");
}

#[test]
fn lost_sound_is_not_asked_for() {
    let mut world = world();
    world.receive(AUDIO, 5, &OPUS, 0);
    world.receive(AUDIO, 9, &OPUS, 1);
    assert_eq!(world.asked(50), (vec![], false));
    let packets: Vec<_> = world.sounds.try_iter().collect();
    assert!(
        matches!(&packets[..], [SoundEvent::Packet(3, first), SoundEvent::Packet(3, second)]
            if first.ticks == 960 && second.sequence - first.sequence == 4 && second.arrival == 1_000)
    );
}

#[test]
fn sender_reports_go_to_their_slot_and_on() {
    let mut world = world();
    world.receive(AUDIO, 5, &OPUS, 0);
    let report = SenderReport {
        ssrc: AUDIO,
        ntp_time: 99,
        rtp_time: u32::MAX,
        ..Default::default()
    };
    world.hand_over(Packet::Rtcp(vec![Box::new(report)]), 1);
    assert!(world.intake.poll_read().is_some());
    let last = world.sounds.try_iter().last();
    assert!(
        matches!(last, Some(SoundEvent::Report(3, 99, -1))),
        "one tick before the first packet"
    );
}

#[test]
fn a_keyframe_is_asked_for_when_a_slot_wants_one() {
    let mut world = world();
    // Not the start of a keyframe.
    world.receive(VIDEO, 1, &[0x61, 1], 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.figures.keyframes_wanted() == 0 {
        assert!(Instant::now() < deadline, "the slot never asked");
        std::thread::yield_now();
    }
    assert_eq!(world.asked(20), (vec![], true));
    assert_eq!(world.asked(40), (vec![], false), "once for each wish");
}

#[test]
fn nothing_is_looked_for_while_nobody_sends() {
    let mut world = world();
    assert_eq!(world.intake.poll_timeout(), None);
    world.receive(AUDIO, 1, &OPUS, 0);
    assert!(world.intake.poll_timeout().is_some());
    world.asked(1_990);
    assert!(world.intake.poll_timeout().is_some());
    world.asked(2_000);
    assert_eq!(world.intake.poll_timeout(), None);
}

#[test]
fn packets_of_streams_that_nobody_announced_are_dropped() {
    let mut world = world();
    world.receive(99, 1, &OPUS, 0);
    assert_eq!(world.sounds.try_iter().count(), 0);
    assert_eq!(
        world
            .intake
            .streams
            .figures()
            .iter()
            .map(|stream| stream.reception.received())
            .sum::<u64>(),
        0
    );
}

#[test]
fn orientation_is_told_in_quarter_turns() {
    let turns = [0, 1, 2, 3, 0b1001].map(|value| rotation(value).degrees());
    assert_eq!(turns, [0, 90, 180, 270, 90]);
}
