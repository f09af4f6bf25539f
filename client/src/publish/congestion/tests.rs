//! A publisher on lines that change, in virtual time: an encoder that follows the estimate, the gate, and a line with a queue.

use std::collections::{BTreeMap, VecDeque};

use rtc::interceptor::{Attribute, AttributedPacket, PacerBuilder, Packet};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::marshal::MarshalSize;

use super::*;
use crate::publish::bandwidth::{Budget, PacingHeadroom};
use crate::publish::pacing_gate::PacingGate;
use crate::publish::probes::Probes;
use crate::units::Bitrate;

const SOUND: u32 = 1;
const PICTURE: u32 = 2;
const AGAIN: u32 = 3;

/// Of what the line carries, so much waits before it.
const QUEUE: Duration = Duration::from_millis(300);
const LEAST_QUEUE: u64 = 20_000;

/// What the other end says how often.
const FEEDBACK: Duration = Duration::from_millis(100);

/// Lines whose chances differ.
const SEEDS: u64 = 5;

/// One step of the simulation.
const STEP: Duration = Duration::from_millis(1);

struct World {
    start: Instant,
    now: Instant,
    budget: Budget,
    headroom: PacingHeadroom,
    gate: PacingGate,
    congestion: Congestion,
    estimates: Estimates,
    /// In bits per second.
    line: u64,
    delay: Duration,
    /// Of 1,000 packets.
    lost: u64,
    /// What each packet takes longer by at the most; none passes another.
    jitter: Duration,
    arrived_at: Instant,
    /// Whether the line has no queue, and loses what is beyond its rate and a burst of that many bits.
    police: Option<u64>,
    /// Bits that a policed line lets through now.
    credit: u64,
    credited_at: Instant,
    chance: u64,
    free_at: Instant,
    /// Of what the encoder is told, what it makes.
    zeal: f64,
    number: u16,
    id: u64,
    reports: VecDeque<(Instant, PacketReport)>,
    feedback_at: Instant,
    told: f64,
    /// The delay of each packet of sound that arrived, by its second.
    heard: BTreeMap<u64, Vec<Duration>>,
    /// Sequence numbers on the stream of retransmissions.
    again: Vec<u16>,
    /// Bits of all of them.
    again_bits: u64,
}

impl World {
    fn new(line: u64, delay: u64, ceiling: Bitrate) -> Self {
        let now = Instant::now();
        let budget = Budget::new(Bitrate::from_kbps(64), ceiling);
        let start = budget.start(None);
        let congestion = Congestion::new(start, now);
        congestion.set_desired(budget.desired_most(f64::INFINITY));
        let (estimates, _) = Estimates::new(congestion.clone(), budget.range());
        let pacer = PacerBuilder::new().with_target_bitrate(budget.pace(start)).build();
        let mut gate = PacingGate::new(pacer, Probes::new(congestion.clone()));
        gate.bind_local_stream(&StreamInfo {
            ssrc: SOUND,
            mime_type: "audio/opus".to_owned(),
            ..Default::default()
        });
        gate.bind_local_stream(&StreamInfo {
            ssrc: PICTURE,
            ssrc_rtx: Some(AGAIN),
            payload_type_rtx: Some(97),
            mime_type: "video/H264".to_owned(),
            ..Default::default()
        });
        Self {
            start: now,
            now,
            budget,
            headroom: PacingHeadroom::new(budget),
            gate,
            congestion,
            estimates,
            line,
            delay: Duration::from_millis(delay),
            lost: 0,
            jitter: Duration::ZERO,
            arrived_at: now,
            police: None,
            credit: 0,
            credited_at: now,
            chance: 1,
            free_at: now,
            zeal: 1.0,
            number: 0,
            id: 0,
            reports: VecDeque::new(),
            feedback_at: now,
            told: start,
            heard: BTreeMap::new(),
            again: Vec::new(),
            again_bits: 0,
        }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    fn send(&mut self, ssrc: u32, bytes: usize) {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.ssrc = ssrc;
        packet.header.sequence_number = self.number;
        packet.payload = vec![0; bytes].into();
        self.number = self.number.wrapping_add(1);
        let packet = TaggedPacket {
            now: self.now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        };
        self.gate.handle_write(packet).expect("is taken");
    }

    fn capture(&mut self) {
        let shares = self.budget.shares(self.estimates.target_bitrate());
        let millis = self.elapsed().as_millis() as u64;
        if millis.is_multiple_of(20) {
            self.send(SOUND, (shares.audio.bps() / 50 / 8) as usize);
        }
        // As the pipeline does, which sends fewer pictures before it sends smaller ones.
        let fps = if shares.video < Bitrate::from_kbps(100) { 10 } else { 30 };
        if millis.is_multiple_of(1_000 / fps) {
            let key = if millis.is_multiple_of(1_000 / fps * 5 * fps) {
                5.0
            } else {
                1.0
            };
            let bytes = (f64::from(shares.video.bps()) * self.zeal * key / fps as f64 / 8.0) as usize;
            for at in (0..bytes).step_by(1_140) {
                self.send(PICTURE, (bytes - at).min(1_140));
            }
        }
    }

    /// A number below that.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) % below
    }

    fn has_credit(&mut self, bits: u64, burst: u64) -> bool {
        let since = (self.now - self.credited_at).as_micros() as u64;
        self.credit = (self.credit + since * self.line / 1_000_000).min(burst);
        self.credited_at = self.now;
        let has_credit = bits <= self.credit;
        self.credit -= if has_credit { bits } else { 0 };
        has_credit
    }

    /// What leaves is on the line.
    fn carry(&mut self) {
        while let Some(packet) = self.gate.poll_write() {
            let Packet::Rtp(rtp) = &packet.message.packet else {
                continue;
            };
            // With the number that it gets.
            let size = rtp.marshal_size() + 8;
            let line = self.line;
            let takes = |bytes: u64| Duration::from_nanos(bytes * 8_000_000_000 / line);
            let begins = self.free_at.max(self.now);
            let bytes = size as u64 + u64::from(BELOW_RTP);
            let has_room = match self.police {
                Some(burst) => self.has_credit(bytes * 8, burst),
                None => begins - self.now <= takes(LEAST_QUEUE).max(QUEUE),
            };
            let is_lost = self.draw(1_000) < self.lost;
            let late = Duration::from_micros(self.draw(self.jitter.as_micros() as u64 + 1));
            if self.police.is_some() {
                self.free_at = self.now;
            } else if has_room {
                self.free_at = begins + takes(bytes);
            }
            let arrival = (has_room && !is_lost).then(|| (self.free_at + self.delay + late).max(self.arrived_at));
            self.arrived_at = arrival.unwrap_or(self.arrived_at);
            if rtp.header.ssrc == SOUND
                && let Some(at) = arrival
            {
                let second = self.elapsed().as_secs();
                self.heard.entry(second).or_default().push(at - self.now);
            }
            if rtp.header.ssrc == AGAIN {
                assert!(packet.message.has(&Attribute::Retransmission));
                self.again.push(rtp.header.sequence_number);
                self.again_bits += size as u64 * 8;
            }
            let report = PacketReport {
                ssrc: rtp.header.ssrc,
                id: self.id,
                rtp_sequence_number: rtp.header.sequence_number,
                is_twcc: true,
                twcc_sequence_number: self.id as u16,
                size,
                arrived: arrival.is_some(),
                departure: packet.now,
                arrival: arrival.map(|at| at - self.start + Duration::from_secs(7)),
                ecn: rtc::rtcp::transport_feedbacks::cc_feedback_report::Ecn::NotEct,
            };
            self.id += 1;
            let known_at = arrival.unwrap_or(self.free_at + self.delay);
            self.reports.push_back((known_at, report));
        }
    }

    /// What arrived long enough ago that word of it is here.
    fn feed(&mut self) {
        if self.now < self.feedback_at {
            return;
        }
        self.feedback_at = self.now + FEEDBACK;
        let told = self.reports.iter().take_while(|(at, _)| *at + self.delay <= self.now);
        let count = told.count();
        let reports: Vec<_> = self.reports.drain(..count).map(|(_, report)| report).collect();
        self.estimates.on_reports(self.now, &reports);
        let target = self.estimates.target_bitrate();
        if (target - self.told).abs() > 1.0 {
            self.told = target;
            let mut packet = TaggedPacket {
                now: self.now,
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtcp(Vec::new())),
            };
            packet.message.add(Attribute::TargetBitrateChanged {
                bits_per_second: target,
            });
            self.headroom.handle_read(packet).expect("is taken");
            let packet = self.headroom.poll_read().expect("goes through");
            self.gate.handle_read(packet).expect("is taken");
            assert!(self.gate.poll_read().is_some());
        }
    }

    /// Until so many seconds after the start; the first time at which `is_reached` was, in seconds.
    fn run(&mut self, until: f64, is_reached: impl Fn(f64) -> bool) -> Option<f64> {
        let mut reached = None;
        while self.elapsed().as_secs_f64() < until {
            self.capture();
            if self.gate.poll_timeout().is_some_and(|at| at <= self.now) {
                self.gate.handle_timeout(self.now).expect("works");
            }
            self.carry();
            self.feed();
            if reached.is_none() && is_reached(self.estimates.target_bitrate()) {
                reached = Some(self.elapsed().as_secs_f64());
            }
            self.now += STEP;
        }
        reached
    }

    /// Until so many seconds after the start: the mean and the least of what it was told, in bits per second.
    fn told(&mut self, until: f64) -> (f64, f64) {
        let (mut sum, mut count, mut least) = (0.0, 0.0, f64::MAX);
        while self.elapsed().as_secs_f64() < until {
            self.run(self.elapsed().as_secs_f64() + 0.1, |_| false);
            sum += self.told;
            count += 1.0;
            least = least.min(self.told);
        }
        (sum / count, least)
    }

    /// Sound that arrived within `most`, of what was sent in these seconds: 50 each.
    fn heard_in_time(&self, seconds: std::ops::Range<u64>, most: Duration) -> f64 {
        let sent = 50 * (seconds.end - seconds.start);
        let delays = self.heard.range(seconds).flat_map(|(_, delays)| delays);
        delays.filter(|delay| **delay <= most).count() as f64 / sent as f64
    }
}

/// Kilobits and milliseconds that a line is narrow with, of 6 Mb/s before and after; how long the way up takes at the most, in seconds;
/// and how much of the sound arrives in time meanwhile.
const NARROW: [(u64, u64, f64, f64); 8] = [
    (60, 20, 10.0, 0.4),
    (80, 20, 10.0, 0.6),
    (100, 10, 10.0, 0.6),
    (130, 30, 10.0, 0.8),
    (300, 10, 10.0, 0.95),
    (300, 100, 10.0, 0.95),
    (1_000, 30, 10.0, 0.95),
    (1_000, 200, 10.0, 0.95),
];

#[test]
fn a_line_that_is_wide_again_is_used_within_seconds() {
    for (narrow, delay, within, least) in NARROW {
        for zeal in [1.0, 0.6] {
            let mut world = World::new(6_000_000, delay, Bitrate::from_kbps(4_000));
            world.zeal = zeal;
            world.run(20.0, |_| false);
            world.line = narrow * 1_000;
            let down = world.run(50.0, |target| target < narrow as f64 * 1_100.0);
            world.line = 6_000_000;
            let up = world.run(110.0, |target| target >= 3_800_000.0);
            let down = down.map_or(f64::MAX, |at| at - 20.0);
            let up = up.map_or(f64::MAX, |at| at - 50.0);
            let heard = world.heard_in_time(25..50, Duration::from_millis(400));
            let then = world.heard_in_time(60..110, Duration::from_millis(400));
            println!(
                "{narrow} kb/s, {delay} ms, zeal {zeal}: down {down:.1} s, up {up:.1} s, heard {heard:.2}, {then:.2}"
            );
            assert!(down <= 4.0 && up <= within, "down {down} s, up {up} s");
            assert!(heard >= least && then >= 0.99, "heard {heard}, then {then}");
        }
    }
}

/// Kilobits and milliseconds of a line, and its jitter in milliseconds.
const JITTERY: [(u64, u64, u64); 4] = [(6_000, 30, 20), (6_000, 30, 60), (1_000, 30, 30), (300, 50, 40)];

#[test]
fn jitter_is_no_reason_to_send_less() {
    for (line, delay, jitter) in JITTERY {
        for seed in 0..SEEDS {
            let mut world = World::new(line * 1_000, delay, Bitrate::from_kbps(4_000));
            (world.jitter, world.chance) = (Duration::from_millis(jitter), seed);
            world.run(15.0, |_| false);
            let (mean, least) = world.told(60.0);
            let of = (line * 1_000).min(4_375_600) as f64;
            println!(
                "{line} kb/s, jitter {jitter} ms: mean {:.2}, least {:.2} of it",
                mean / of,
                least / of
            );
            assert!(mean >= 0.85 * of && least >= 0.65 * of, "{mean}, {least}");
        }
    }
}

/// Kilobits of lines that lose what is above, and the milliseconds of it that they let through at once.
const POLICED: [(u64, u64); 8] = [
    (300, 50),
    (300, 200),
    (600, 100),
    (1_000, 30),
    (1_000, 100),
    (1_000, 300),
    (2_500, 50),
    (2_500, 200),
];

#[test]
fn a_line_that_loses_what_is_too_much_is_filled_and_found_wide_again() {
    for (line, burst) in POLICED {
        for zeal in [1.0, 0.6] {
            let mut world = World::new(line * 1_000, 30, Bitrate::from_kbps(4_000));
            (world.police, world.zeal) = (Some(line * burst), zeal);
            world.run(15.0, |_| false);
            let (mean, least) = world.told(60.0);
            let heard = world.heard_in_time(15..60, Duration::from_millis(400));
            (world.line, world.police) = (6_000_000, None);
            let up = world
                .run(120.0, |target| target >= 3_800_000.0)
                .map_or(f64::MAX, |at| at - 60.0);
            let of = line as f64 * 1e3;
            println!(
                "{line} kb/s policed, burst of {burst} ms, zeal {zeal}: mean {:.2}, least {:.2} of it, heard {heard:.3}, up {up:.1} s",
                mean / of,
                least / of
            );
            assert!(zeal * mean <= 1.25 * of && mean >= 0.6 * of, "{mean}");
            assert!(heard >= 0.98 && up <= 40.0, "heard {heard}, up {up} s");
        }
    }
}

#[test]
fn what_a_line_loses_at_any_rate_is_no_reason_to_send_less() {
    for (line, lost, least) in [
        (6_000, 20, 4_000),
        (6_000, 50, 4_000),
        (6_000, 100, 3_000),
        (1_000, 100, 500),
    ] {
        let mut world = World::new(line * 1_000, 50, Bitrate::from_kbps(4_000));
        world.lost = lost;
        world.run(15.0, |_| false);
        let fell = world.run(60.0, |target| target < f64::from(least) * 1e3);
        println!(
            "{lost} of 1,000 lost on {line} kb/s: {:.0}",
            world.estimates.target_bitrate()
        );
        assert_eq!(fell, None);
    }
}

#[test]
fn a_probe_is_made_of_what_was_sent_and_numbered_in_one_line() {
    let mut world = World::new(6_000_000, 30, Bitrate::from_kbps(4_000));
    world.zeal = 0.6;
    world.run(10.0, |_| false);
    assert!(world.estimates.target_bitrate() > 4_000_000.0);
    assert!(world.again.len() >= LEAST_PACKETS as usize, "{}", world.again.len());
    let is_next = |pair: &[u16]| pair[1] == pair[0].wrapping_add(1);
    assert!(world.again.windows(2).all(is_next));
    let before = world.again_bits;
    world.run(60.0, |_| false);
    assert_eq!(world.again_bits, before, "what is carried comfortably is not asked for");
}

#[test]
fn what_is_left_of_a_stream_after_its_end_is_numbered_in_the_same_line() {
    let mut world = World::new(6_000_000, 30, Bitrate::from_kbps(4_000));
    world.zeal = 0.6;
    world.run(10.0, |_| false);
    let last = *world.again.last().expect("there was a probe");
    world.gate.unbind_local_stream(&StreamInfo {
        ssrc: PICTURE,
        ssrc_rtx: Some(AGAIN),
        ..Default::default()
    });
    let mut packet = rtc::rtp::Packet::default();
    packet.header.ssrc = AGAIN;
    packet.payload = vec![0; 100].into();
    world
        .gate
        .handle_write(TaggedPacket {
            now: world.now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)).with(Attribute::Retransmission),
        })
        .expect("is taken");
    world.gate.handle_timeout(world.now).expect("works");
    world.carry();
    assert_eq!(world.again.last(), Some(&last.wrapping_add(1)));
}

#[test]
fn what_nobody_wants_is_not_asked_for() {
    let mut world = World::new(6_000_000, 30, Bitrate::from_kbps(4_000));
    world.zeal = 0.3;
    world.congestion.set_desired(0.0);
    world.run(30.0, |_| false);
    assert!(world.again.is_empty());
}

#[test]
fn a_line_that_carries_nothing_back_leaves_the_estimate_where_it_is() {
    let mut world = World::new(6_000_000, 30, Bitrate::from_kbps(4_000));
    let start = world.estimates.target_bitrate();
    world.feedback_at = world.start + Duration::from_hours(1);
    world.run(20.0, |_| false);
    assert!((world.estimates.target_bitrate() - start).abs() < 1.0);
}
