use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader as _;

use super::*;
use crate::units::Bitrate;
use crate::video::encoder::{Encoder, EncoderTarget};
use crate::video::frame::Frame;
use crate::video::mailbox::Delivery;
use crate::video::{pattern, strip};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A publisher of the test pattern, whose packets the test hands over.
struct Publisher {
    clock: MediaClock,
    encoder: Encoder,
    payloader: H264Payloader,
    frame: Frame,
    number: u32,
    sequence: i64,
}

impl Publisher {
    fn new(clock: MediaClock) -> Self {
        let target = EncoderTarget {
            bitrate: Bitrate::from_kbps(1_000),
            fps: 30.0,
        };
        Self {
            clock,
            encoder: Encoder::new(target),
            payloader: H264Payloader::default(),
            frame: Frame::black(Resolution::new(320, 180)),
            number: 0,
            sequence: 0,
        }
    }

    /// The next picture's packets, as if captured just now.
    fn next(&mut self) -> Vec<PicturePacket> {
        let now = self.clock.now();
        self.number += 1;
        pattern::draw(&mut self.frame, &self.clock, now, self.number);
        self.frame.capture = now;
        let unit = self.encoder.encode(&self.frame).expect("encodes");
        let payloads = unit.map_or_else(Vec::new, |unit| {
            self.payloader.payload(500, &unit.data).expect("can be cut")
        });
        let last = payloads.len().saturating_sub(1);
        let packet = |(place, payload): (usize, Bytes)| {
            self.sequence += 1;
            PicturePacket {
                sequence: self.sequence,
                timestamp: i64::from(now.rtp_ticks(90_000)),
                marker: place == last,
                codec: PictureCodec::H264,
                arrival: micros(now),
                rotation: (place == last && self.number == 1).then_some(Rotation::Quarter),
                payload,
            }
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }
}

fn take(mailbox: &Mailbox) -> Frame {
    match mailbox.take(Instant::now() + PATIENCE) {
        Delivery::Frame(frame) => frame,
        other => panic!("{other:?}"),
    }
}

fn number(frame: &Frame) -> u32 {
    strip::read(&frame.y, frame.width(), frame.width(), frame.height())
        .expect("a strip")
        .frame_number
}

fn slot() -> (Publisher, PictureInlet, Arc<Mailbox>, Arc<PictureFigures>) {
    slot_beside(&Arc::default())
}

/// A slot whose pictures go by `encoded` where they are not decoded.
fn slot_beside(encoded: &Arc<EncodedPictures>) -> (Publisher, PictureInlet, Arc<Mailbox>, Arc<PictureFigures>) {
    let (clock, mailbox, figures) = (MediaClock::start(), Mailbox::new(), Arc::new(PictureFigures::default()));
    let inlet = start(clock, Arc::default(), &mailbox, encoded, &figures).expect("a thread");
    (Publisher::new(clock), inlet, mailbox, figures)
}

fn send(inlet: &PictureInlet, packets: Vec<PicturePacket>) {
    for packet in packets {
        inlet.send(PictureEvent::Packet(packet));
    }
}

#[test]
fn each_picture_is_shown_with_its_rotation() {
    let (mut publisher, inlet, mailbox, figures) = slot();
    for expected in 1..10 {
        send(&inlet, publisher.next());
        let frame = take(&mailbox);
        assert_eq!(number(&frame), expected);
        assert_eq!(
            frame.rotation,
            Rotation::Quarter,
            "told once, true until it is told anew"
        );
        mailbox.recycle(frame);
    }
    assert_eq!((figures.decoded(), figures.size()), (9, Resolution::new(320, 180)));
    assert_eq!(figures.keyframes_wanted(), 0);
    assert_eq!(figures.buffered().1, 9);
}

#[test]
fn whoever_would_take_what_is_not_decoded_here_asks_for_no_keyframe_of_what_is() {
    let encoded = Arc::default();
    let (mut publisher, inlet, mailbox, figures) = slot_beside(&encoded);
    encoded.restart();
    for expected in 1..10 {
        let waiting = pin!(encoded.receive());
        assert!(waiting.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        send(&inlet, publisher.next());
        let frame = take(&mailbox);
        assert_eq!(number(&frame), expected);
        mailbox.recycle(frame);
    }
    assert_eq!((figures.keyframes_wanted(), figures.dropped()), (0, 0));
}

#[test]
fn after_a_loss_that_is_not_repaired_a_keyframe_is_asked_for_and_shown() {
    let (mut publisher, inlet, mailbox, figures) = slot();
    send(&inlet, publisher.next());
    assert_eq!(number(&take(&mailbox)), 1);
    let lost = publisher.next();
    drop(lost);
    let deadline = Instant::now() + PATIENCE;
    while !figures.take_keyframe_wish() {
        assert!(Instant::now() < deadline, "nothing was asked for");
        send(&inlet, publisher.next());
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        figures.decoded(),
        1,
        "nothing is decoded that refers to what is missing"
    );
    publisher.encoder.request_keyframe();
    send(&inlet, publisher.next());
    assert_eq!(number(&take(&mailbox)), publisher.number);
    assert!(figures.dropped() > 0);
}

#[test]
fn what_cannot_be_decoded_is_followed_by_the_wish_for_a_keyframe() {
    let (mut publisher, inlet, mailbox, figures) = slot();
    send(&inlet, publisher.next());
    take(&mailbox);
    let mut damaged = publisher.next();
    for packet in &mut damaged {
        packet.payload = Bytes::from_static(&[0x65, 0xff, 0xff, 0xff, 0xff]);
    }
    send(&inlet, damaged);
    let deadline = Instant::now() + PATIENCE;
    while !figures.take_keyframe_wish() {
        assert!(Instant::now() < deadline, "nothing was asked for");
        thread::yield_now();
    }
    publisher.encoder.request_keyframe();
    send(&inlet, publisher.next());
    assert_eq!(number(&take(&mailbox)), publisher.number);
}

#[test]
fn what_comes_far_too_late_for_a_slow_machine_is_left_out_up_to_the_next_keyframe() {
    let (mut publisher, inlet, mailbox, figures) = slot();
    send(&inlet, publisher.next());
    take(&mailbox);
    // The thread sees these at once, when they are all seconds old but the first.
    let mut frozen: Vec<_> = (0..60).flat_map(|_| publisher.next()).collect();
    for packet in &mut frozen {
        packet.arrival -= 2_000 * MILLISECOND;
        packet.timestamp -= 2 * 90_000;
    }
    // Their timestamps go on from the first picture's, two seconds before it would have been shown.
    send(&inlet, frozen);
    let deadline = Instant::now() + PATIENCE;
    while !figures.take_keyframe_wish() {
        assert!(Instant::now() < deadline, "it never gave up");
        thread::yield_now();
    }
    publisher.encoder.request_keyframe();
    send(&inlet, publisher.next());
    while number(&take(&mailbox)) < publisher.number {}
}

#[test]
fn closing_ends_the_thread_and_nothing_is_shown_any_more() {
    let (mut publisher, inlet, mailbox, figures) = slot();
    send(&inlet, publisher.next());
    take(&mailbox);
    inlet.close();
    let deadline = Instant::now() + PATIENCE;
    // The thread owns the other handle of the mailbox and of the figures.
    while Arc::strong_count(&figures) > 2 {
        assert!(Instant::now() < deadline, "it never ended");
        send(&inlet, publisher.next());
        thread::yield_now();
    }
}

/// A slot with somebody in it who sends VP8, and the sound that it is in time with.
struct Vp8Slot {
    clock: MediaClock,
    inlet: PictureInlet,
    encoded: Arc<EncodedPictures>,
    figures: Arc<PictureFigures>,
    pair: Arc<Pair>,
}

impl Vp8Slot {
    fn open() -> Self {
        let (clock, encoded, figures, pair) = (MediaClock::start(), Arc::default(), Arc::default(), Arc::default());
        let inlet = start(clock, Arc::clone(&pair), &Mailbox::new(), &encoded, &figures).expect("a thread");
        Self {
            clock,
            inlet,
            encoded,
            figures,
            pair,
        }
    }

    /// One packet of a picture that is captured and comes now.
    fn send(&self, sequence: i64, keyframe: bool) -> i64 {
        const KEYFRAME: &[u8] = &[0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 7];
        let now = self.clock.now();
        let timestamp = i64::from(now.rtp_ticks(90_000));
        self.inlet.send(PictureEvent::Packet(PicturePacket {
            sequence,
            timestamp,
            marker: true,
            codec: PictureCodec::Encoded(EncodedCodec::Vp8),
            arrival: micros(now),
            rotation: keyframe.then_some(Rotation::Half),
            payload: Bytes::from_static(if keyframe { KEYFRAME } else { &[0x10, 0x11, 7] }),
        }));
        timestamp
    }

    async fn next(&self) -> EncodedPicture {
        let waiting = tokio::time::timeout(PATIENCE, self.encoded.receive());
        waiting.await.expect("a picture").expect("it goes on")
    }
}

#[tokio::test]
async fn vp8_is_handed_on_as_it_came_with_its_rotation() {
    let slot = Vp8Slot::open();
    for sequence in 0..5 {
        slot.send(sequence, sequence == 0);
        let picture = slot.next().await;
        assert_eq!((picture.keyframe, picture.rotation), (sequence == 0, Rotation::Half));
        assert_eq!(picture.data.last(), Some(&7));
    }
    let figures = &slot.figures;
    assert_eq!((figures.decoded(), figures.size()), (5, Resolution::new(320, 180)));
    assert_eq!((figures.codec(), figures.keyframes_wanted()), ("VP8", 0));
}

#[tokio::test]
async fn vp8_that_could_not_be_decoded_is_followed_by_the_wish_for_a_keyframe() {
    let slot = Vp8Slot::open();
    slot.send(0, true);
    slot.next().await;
    slot.encoded.restart();
    let deadline = Instant::now() + PATIENCE;
    let mut sequence = 1;
    let asking = async {
        while !slot.figures.take_keyframe_wish() {
            assert!(Instant::now() < deadline, "nothing was asked for");
            slot.send(sequence, false);
            sequence += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slot.send(sequence, true);
    };
    let (picture, ()) = tokio::join!(slot.next(), asking);
    assert!(picture.keyframe, "nothing else is of any use");
}

#[tokio::test]
async fn vp8_waits_for_the_sound_of_the_same_person() {
    const LATER: Duration = Duration::from_millis(400);
    let slot = Vp8Slot::open();
    let begun = Instant::now();
    let now = slot.clock.now();
    // The server's clock says 700 s, and what it sends as sound then is heard 400 ms later.
    slot.inlet
        .send(PictureEvent::Report(700 << 32, i64::from(now.rtp_ticks(90_000))));
    slot.pair.sound_plays(
        micros(now) + LATER.as_micros() as Micros - 700 * crate::subscribe::micros::SECOND,
        micros(now),
    );
    slot.send(0, true);
    slot.next().await;
    let waited = begun.elapsed();
    // Less what passed before the packet was made.
    assert!(waited + Duration::from_millis(20) >= LATER, "{waited:?}");
}

#[test]
fn a_frame_that_waits_is_slept_for_whatever_is_missing_behind_it() {
    let (clock, mailbox) = (MediaClock::start(), Mailbox::new());
    let mut publisher = Publisher::new(clock);
    let mut show = Show::new(clock, Arc::default(), mailbox.sender(), Arc::default(), Arc::default());
    let keyframe = publisher.next();
    let timestamp = keyframe[0].timestamp;
    for packet in keyframe {
        show.take(PictureEvent::Packet(packet));
    }
    let mut waiting = show.frames.pop(show.now()).expect("a keyframe");
    // Something is missing behind it, and has been for so long that it is given up.
    let mut behind = publisher.next().pop().expect("a packet");
    behind.sequence += 1;
    behind.arrival -= 10_000 * MILLISECOND;
    show.take(PictureEvent::Packet(behind));
    assert!(
        show.next_deadline().is_some_and(|at| at < show.now()),
        "it is given up at once"
    );

    // A later frame of the same time on the way is due half a second later.
    show.timing.arrived(timestamp, show.now());
    waiting.timestamp += 45_000;
    show.waiting = Some(waiting);
    let now = show.now();
    let deadline = show.next_deadline().expect("it is due");
    assert!(deadline > now + 100 * MILLISECOND, "{} µs from now", deadline - now);
}
