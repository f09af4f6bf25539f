use proptest::prelude::*;

use super::*;

const PACKET: Micros = 20 * MILLISECOND;
/// Of the fastest packet.
const TRANSIT: Micros = 1_000 * MILLISECOND;

fn packet(number: i64, delay: Micros) -> SoundPacket {
    SoundPacket {
        sequence: 100 + number,
        timestamp: 5_000 + number * USUAL_TICKS,
        ticks: USUAL_TICKS,
        arrival: TRANSIT + media_time(5_000 + number * USUAL_TICKS) + delay,
        payload: number.to_be_bytes().to_vec().into(),
    }
}

fn number(payload: &Bytes) -> i64 {
    i64::from_be_bytes(payload.as_ref().try_into().expect("eight bytes"))
}

/// Plays `packets` in the order of their arrival, 20 ms at a time, by a device whose clock is off by `drift` parts per
/// million. Each step is taken note of with the delay after it. Delays that are wrong are worked off by 5 ms at a time.
fn play(mut packets: Vec<SoundPacket>, drift: i64) -> (Vec<(Step, Option<Micros>)>, SoundCounts) {
    packets.sort_by_key(|packet| packet.arrival);
    let (first, last) = (packets[0].arrival, packets[packets.len() - 1].arrival);
    let mut buffer = JitterBuffer::default();
    let mut arriving = packets.into_iter().peekable();
    let mut steps = Vec::new();
    let mut now = first;
    while now < last + 200 * MILLISECOND {
        while let Some(packet) = arriving.next_if(|packet| packet.arrival <= now) {
            buffer.insert(packet);
        }
        let step = buffer.step(now, 0);
        let played = matches!(step, Step::Play(_));
        steps.push((step, buffer.delay(now, PACKET)));
        now += PACKET + PACKET * drift / 1_000_000;
        // As the stretching does it: a packet that is shorter or longer moves the next step.
        let correction = 5 * MILLISECOND;
        match buffer.excess(now, 0) {
            Some(excess) if played && excess > 20 * MILLISECOND => now -= correction,
            Some(excess) if played && excess < -20 * MILLISECOND => now += correction,
            _ => {}
        }
    }
    (steps, buffer.counts())
}

fn played(steps: &[(Step, Option<Micros>)]) -> Vec<i64> {
    let payloads = steps.iter().filter_map(|(step, _)| match step {
        Step::Play(payload) => Some(number(payload)),
        _ => None,
    });
    payloads.collect()
}

/// A linear congruential generator (Numerical Recipes): the same on every machine.
fn random(seed: u32) -> impl FnMut(i64) -> i64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i64::from(state >> 8) % below
    }
}

#[test]
fn an_even_stream_waits_at_first_and_is_then_played_without_a_gap() {
    let (steps, counts) = play((0..100).map(|n| packet(n, 0)).collect(), 0);
    assert_eq!(played(&steps), (0..100).collect::<Vec<_>>());
    let waited = steps.iter().take_while(|(step, _)| *step == Step::Silence).count();
    assert_eq!(waited, 2, "40 ms");
    assert_eq!((counts.late, counts.skipped, counts.repaired), (0, 0, 0));
}

#[test]
fn packets_that_overtake_each_other_are_played_in_order() {
    let mut random = random(3);
    let packets = (0..500).map(|n| packet(n, random(35) * MILLISECOND)).collect();
    let (steps, counts) = play(packets, 0);
    assert_eq!(played(&steps), (0..500).collect::<Vec<_>>());
    assert_eq!(counts.late, 0);
}

#[test]
fn one_lost_packet_is_rebuilt_from_the_next_and_of_three_the_last() {
    let lost = [20, 40, 41, 42];
    let packets = (0..60).filter(|n| !lost.contains(n)).map(|n| packet(n, 0)).collect();
    let (steps, counts) = play(packets, 0);
    let repaired: Vec<_> = steps
        .iter()
        .filter_map(|(step, _)| match step {
            Step::Repair(payload, ticks) => Some((number(payload), *ticks)),
            _ => None,
        })
        .collect();
    assert_eq!(repaired, [(21, USUAL_TICKS), (43, USUAL_TICKS)]);
    // Two that nothing can rebuild, and what stands in after the end.
    assert_eq!(counts.concealed, 2 * USUAL_TICKS as u64 + MOST_CONCEALED as u64);
    assert_eq!(played(&steps).len(), 56);
}

#[test]
fn what_is_late_by_more_than_the_delay_is_waited_for_and_not_lost() {
    // A path that stops for 150 ms, and then delivers everything at once.
    let stalled = |n: i64| if (100..108).contains(&n) { (108 - n) * PACKET } else { 0 };
    let (steps, counts) = play((0..400).map(|n| packet(n, stalled(n))).collect(), 0);
    assert_eq!(played(&steps), (0..400).collect::<Vec<_>>(), "{counts:?}");
    let delay_after = |n: i64| {
        let place = steps
            .iter()
            .position(|(step, _)| matches!(step, Step::Play(p) if number(p) == n));
        steps[place.expect("played")].1.expect("it plays")
    };
    assert!(delay_after(110) > 100 * MILLISECOND);
}

#[test]
fn the_delay_comes_down_again_after_a_burst() {
    let burst = |n: i64| if n == 200 { 200 * MILLISECOND } else { 0 };
    let (steps, _) = play((0..4_000).map(|n| packet(n, burst(n))).collect(), 0);
    let last = steps
        .iter()
        .rev()
        .find_map(|(step, delay)| matches!(step, Step::Play(_)).then_some(*delay));
    assert!(last.flatten().expect("it plays") <= 50 * MILLISECOND, "{last:?}");
}

#[test]
fn a_device_that_runs_fast_or_slow_changes_nothing_in_the_long_run() {
    for drift in [-300, 300] {
        let (steps, counts) = play((0..15_000).map(|n| packet(n, 0)).collect(), drift);
        assert_eq!(played(&steps).len(), 15_000, "{drift} ppm: {counts:?}");
        let delays = steps[1_000..14_000].iter().filter_map(|(_, delay)| *delay);
        assert!(delays.clone().max().expect("it plays") < 80 * MILLISECOND);
        assert!(delays.min().expect("it plays") >= 0);
    }
}

#[test]
fn after_a_pause_it_waits_anew_and_conceals_nothing() {
    // The publisher was muted for two seconds: numbers go on, timestamps have passed.
    let resumed = |n: i64| {
        let pause = 100 * USUAL_TICKS;
        let mut packet = packet(n, 0);
        packet.timestamp += pause;
        packet.arrival += media_time(pause);
        packet
    };
    let packets = (0..50).map(|n| packet(n, 0)).chain((50..100).map(resumed)).collect();
    let (steps, counts) = play(packets, 0);
    assert_eq!(played(&steps), (0..100).collect::<Vec<_>>());
    // Once when it ran dry, and once at the end.
    assert_eq!(counts.concealed, 2 * MOST_CONCEALED as u64);
}

#[test]
fn after_a_freeze_what_is_far_too_old_is_left_out() {
    let mut buffer = JitterBuffer::default();
    for n in 0..100 {
        buffer.insert(packet(n, 0));
    }
    let now = packet(99, 0).arrival;
    let Step::Play(first) = buffer.step(now, 0) else {
        panic!("it plays")
    };
    assert!((94..=98).contains(&number(&first)), "{}", number(&first));
    assert!(buffer.counts().skipped > 90);
}

#[test]
fn the_picture_can_make_the_sound_wait() {
    let mut buffer = JitterBuffer::default();
    buffer.set_minimum(300 * MILLISECOND);
    buffer.insert(packet(0, 0));
    let arrival = packet(0, 0).arrival;
    assert_eq!(buffer.step(arrival + 299 * MILLISECOND, 0), Step::Silence);
    assert!(matches!(buffer.step(arrival + 300 * MILLISECOND, 0), Step::Play(_)));
}

proptest! {
    /// Whatever the network does, what is played goes forward only, nothing twice, and nothing that arrived within the
    /// delay is missing.
    #[test]
    fn what_is_played_only_goes_forward(
        seed: u32,
        loss in 0i64..30,
        jitter in 1i64..150,
        drift in -200i64..200,
    ) {
        let mut random = random(seed);
        let packets: Vec<_> = (0..300)
            .filter_map(|n| {
                let packet = packet(n, random(jitter) * MILLISECOND);
                (random(100) >= loss).then_some(packet)
            })
            .collect();
        prop_assume!(!packets.is_empty());
        let sent = packets.len();
        let (steps, counts) = play(packets, drift);
        let played = played(&steps);
        prop_assert!(played.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(played.len() as u64 + counts.late + counts.skipped, sent as u64);
    }

    #[test]
    fn no_packets_make_it_panic_or_grow(
        packets in prop::collection::vec((any::<i16>(), any::<i32>(), 120i64..5_760, 0i64..100_000_000), 0..400),
    ) {
        let mut buffer = JitterBuffer::default();
        for (sequence, timestamp, ticks, arrival) in packets {
            buffer.insert(SoundPacket {
                sequence: sequence.into(),
                timestamp: timestamp.into(),
                ticks,
                arrival,
                payload: Bytes::new(),
            });
            buffer.step(arrival, 0);
            prop_assert!(buffer.packets.len() <= MOST_PACKETS);
        }
    }
}
