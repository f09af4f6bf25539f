use super::*;
use crate::audio::encoder::Encoder;
use crate::audio::{PACKET_SAMPLES, PACKET_VALUES};
use crate::subscribe::micros::SECOND;
use crate::units::Bitrate;

const HERTZ: f32 = 440.0;
/// Of the fastest packet.
const TRANSIT: Micros = 1_000 * MILLISECOND;
const BLOCK: Micros = 10 * MILLISECOND;

/// A tone as it is sent: 20 ms packets, each delayed by what `delay` says.
fn packets(count: i64, delay: impl Fn(i64) -> Micros) -> Vec<SoundPacket> {
    let mut encoder = Encoder::new(Bitrate::from_kbps(64)).expect("an encoder");
    (0..count)
        .map(|number| {
            let samples: [f32; PACKET_VALUES] = std::array::from_fn(|value| {
                let sample = number as usize * PACKET_SAMPLES + value / CHANNELS;
                (std::f32::consts::TAU * HERTZ * sample as f32 / SAMPLE_RATE as f32).sin() * 0.25
            });
            let timestamp = number * USUAL_TICKS;
            SoundPacket {
                sequence: number,
                timestamp,
                ticks: USUAL_TICKS,
                arrival: TRANSIT + from_ticks(timestamp, AUDIO_RATE) + delay(number),
                payload: encoder.encode(&samples).expect("encodes"),
            }
        })
        .collect()
}

/// Listens by a clock that is off by `drift` parts per million. What was heard on the left, and the delay at the end.
fn listen(stream: &mut SoundStream, mut packets: Vec<SoundPacket>, drift: i64) -> (Vec<f32>, Micros) {
    packets.sort_by_key(|packet| packet.arrival);
    let end = packets.last().expect("packets").arrival;
    let mut arriving = packets.into_iter().peekable();
    let mut heard = Vec::new();
    let (mut now, mut delay) = (TRANSIT, 0);
    while now < end {
        while let Some(packet) = arriving.next_if(|packet| packet.arrival <= now) {
            stream.insert(packet);
        }
        let mut block = [0.0; BLOCK_VALUES];
        stream.pull(now, 0, &mut block);
        heard.extend(block.chunks(CHANNELS).map(|frame| frame[0]));
        now += BLOCK + BLOCK * drift / 1_000_000;
        delay = stream.jitter.delay(now, stream.pending()).unwrap_or(0);
    }
    (heard, delay)
}

fn pitch(samples: &[f32]) -> f32 {
    let rising = samples
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
        .count();
    rising as f32 * SAMPLE_RATE as f32 / samples.len() as f32
}

fn stream() -> SoundStream {
    SoundStream::new(Arc::default()).expect("a decoder")
}

#[test]
fn an_even_tone_is_heard_as_it_was() {
    let mut stream = stream();
    let (heard, delay) = listen(&mut stream, packets(500, |_| 0), 0);
    let settled = &heard[48_000..];
    assert!((pitch(settled) - HERTZ).abs() < 1.0, "{}", pitch(settled));
    let peak = settled.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
    assert!((0.2..0.3).contains(&peak), "{peak}");
    assert!(delay <= 40 * MILLISECOND, "{delay}");
}

#[test]
fn a_clock_that_drifts_is_followed_without_a_gap() {
    for drift in [-2_000, 2_000] {
        let mut stream = stream();
        let (heard, delay) = listen(&mut stream, packets(3_000, |_| 0), drift);
        assert!((-MILLISECOND..=60 * MILLISECOND).contains(&delay), "{drift}: {delay}");
        let counts = stream.counts();
        assert_eq!((counts.late, counts.skipped), (0, 0));
        // Two in a thousand of a minute are 120 ms, which were worked off in periods.
        assert!((pitch(&heard[48_000..]) - HERTZ).abs() < 4.0, "{}", pitch(&heard));
        let silence = heard[48_000..]
            .chunks(480)
            .filter(|block| block.iter().all(|value| value.abs() < 1e-3))
            .count();
        assert_eq!(silence, 0, "{drift}");
    }
}

#[test]
fn the_delay_of_a_burst_is_worked_off_step_by_step() {
    let mut stream = stream();
    let burst = |number: i64| {
        if (50..57).contains(&number) {
            (57 - number) * 20 * MILLISECOND
        } else {
            0
        }
    };
    let (_, delay) = listen(&mut stream, packets(90, burst), 0);
    assert!(delay > 80 * MILLISECOND, "{delay}");
    let mut later = packets(3_000, burst);
    later.retain(|packet| packet.sequence >= 90);
    let (_, delay) = listen_on(&mut stream, later);
    assert!(delay <= 60 * MILLISECOND, "{delay}");
}

/// Goes on where `listen` has stopped.
fn listen_on(stream: &mut SoundStream, packets: Vec<SoundPacket>) -> (Vec<f32>, Micros) {
    let (mut now, mut delay) = (packets[0].arrival, 0);
    let mut heard = Vec::new();
    let end = packets.last().expect("packets").arrival;
    let mut arriving = packets.into_iter().peekable();
    while now < end {
        while let Some(packet) = arriving.next_if(|packet| packet.arrival <= now) {
            stream.insert(packet);
        }
        let mut block = [0.0; BLOCK_VALUES];
        stream.pull(now, 0, &mut block);
        heard.extend_from_slice(&block);
        now += BLOCK;
        delay = stream.jitter.delay(now, stream.pending()).unwrap_or(0);
    }
    (heard, delay)
}

#[test]
fn lost_packets_leave_no_hole() {
    let mut stream = stream();
    let mut sent = packets(500, |_| 0);
    sent.retain(|packet| packet.sequence % 10 != 7);
    let (heard, _) = listen(&mut stream, sent, 0);
    let counts = stream.counts();
    assert!((45..=50).contains(&counts.repaired), "{counts:?}");
    let quiet = heard[48_000..]
        .chunks(480)
        .filter(|block| block.iter().all(|value| value.abs() < 0.02))
        .count();
    assert_eq!(quiet, 0, "blocks in which the tone is missing");
}

#[test]
fn sound_waits_for_pictures_that_take_longer_and_says_when_it_is_heard() {
    let pair = Arc::new(Pair::default());
    let mut stream = SoundStream::new(Arc::clone(&pair)).expect("a decoder");
    // The server's clock shows 500 s where this stream's timestamps are zero.
    stream.report(500 << 32, 0);
    let earliest = TRANSIT - 500 * SECOND;
    let slow = earliest + 250 * MILLISECOND;
    let mut now = TRANSIT;
    let mut arriving = packets(1_000, |_| 0).into_iter().peekable();
    let mut shown = 0;
    for _ in 0..1_900 {
        while let Some(packet) = arriving.next_if(|packet| packet.arrival <= now) {
            stream.insert(packet);
        }
        stream.pull(now, 30 * MILLISECOND, &mut [0.0; BLOCK_VALUES]);
        shown = pair.picture_ready(slow, now);
        now += BLOCK;
    }
    // The picture is shown when the sound of the same moment is heard, and that is not much later than it could be.
    let heard = earliest + stream.jitter.delay(now - BLOCK, stream.pending()).expect("it plays") + 30 * MILLISECOND;
    assert!((shown - heard).abs() <= 2 * BLOCK, "{shown} and {heard}");
    assert!(
        (slow - TOLERANCE..=slow + 2 * TOLERANCE).contains(&heard),
        "{heard} for {slow}"
    );
}
