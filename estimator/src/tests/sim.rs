//! A seeded simulation of a sender of layered video, a line and a receiver, in virtual time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::{Estimator, Probe, Report};

/// Step of the simulation and resolution of the feedback, in microseconds.
const TICK_US: i64 = 250;
/// Time between feedbacks in microseconds.
const FEEDBACK_US: i64 = 100_000;
/// Rates of the layers in bit/s.
pub(crate) const LAYERS: [f64; 3] = [200_000.0, 600_000.0, 1_700_000.0];
/// Rate of the sound in bit/s.
pub(crate) const SOUND: f64 = 40_000.0;
/// What all the best takes, in bit/s.
pub(crate) const DESIRED: u64 = 1_740_000;
/// Time after a fall of the layer in which it does not rise, in microseconds.
const HOLD_US: i64 = 2_000_000;

/// xorshift64*.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The line; times in microseconds.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) rate: f64,
    pub(crate) delay: i64,
    pub(crate) jitter: f64,
    pub(crate) loss: f64,
    pub(crate) burst: u32,
    /// Drops what exceeds the rate instead of queueing it, with a bucket of so many bytes.
    pub(crate) policer: Option<f64>,
}

impl Line {
    pub(crate) fn new(rate: f64, delay_ms: i64) -> Self {
        Self {
            rate,
            delay: delay_ms * 1_000,
            jitter: 0.0,
            loss: 0.0,
            burst: 1,
            policer: None,
        }
    }

    fn queue_bytes(&self) -> f64 {
        (self.rate * 0.3 / 8.0).max(20_000.0)
    }
}

struct Packet {
    sent: i64,
    bytes: u32,
    probe: Option<u16>,
    arrived: Option<i64>,
    reported: bool,
}

/// One instant of the record, each 50 ms.
pub(crate) struct Sample {
    pub(crate) at: f64,
    pub(crate) estimate: f64,
    pub(crate) layer: usize,
    pub(crate) queue_ms: f64,
}

pub(crate) struct Sim {
    pub(crate) line: Line,
    pub(crate) estimator: Estimator,
    pub(crate) record: Vec<Sample>,
    pub(crate) switches: Vec<f64>,
    pub(crate) probes: Vec<(f64, Probe)>,
    /// Feedback is held back in this span, in microseconds.
    pub(crate) deaf: (i64, i64),
    pub(crate) feedback_us: i64,
    pub(crate) feedback_loss: f64,
    /// Nothing is sent in this span, in microseconds.
    pub(crate) pause: (i64, i64),
    /// Until then the sender is held up, and sends a packet each time that so long has passed; both in microseconds.
    pub(crate) held_up: (i64, i64),
    /// Added to the receiver's clock from a time on, both in microseconds.
    pub(crate) clock_jump: (i64, i64),
    origin: Instant,
    random: Random,
    now: i64,
    packets: Vec<Packet>,
    first_open: usize,
    pacer: VecDeque<u32>,
    pacer_credit: f64,
    line_queue: VecDeque<usize>,
    line_credit: f64,
    queued: f64,
    bucket: f64,
    burst_left: u32,
    feedbacks: VecDeque<(i64, i64, Vec<usize>)>,
    layer: usize,
    fell_at: i64,
    next_frame: i64,
    next_sound: i64,
    next_key: i64,
    cluster: Option<(Probe, u32, u32, i64)>,
}

impl Sim {
    pub(crate) fn new(seed: u64, line: Line, start: u64) -> Self {
        let origin = Instant::now() + Duration::from_secs(1_000);
        let mut estimator = Estimator::new(start, origin);
        estimator.set_desired(DESIRED);
        Self {
            line,
            estimator,
            record: Vec::new(),
            switches: Vec::new(),
            probes: Vec::new(),
            deaf: (-1, -1),
            feedback_us: FEEDBACK_US,
            feedback_loss: 0.0,
            pause: (-1, -1),
            held_up: (0, 0),
            clock_jump: (i64::MAX, 0),
            origin,
            random: Random(seed * 0x9E37_79B9 + 1),
            now: 0,
            packets: Vec::new(),
            first_open: 0,
            pacer: VecDeque::new(),
            pacer_credit: 0.0,
            line_queue: VecDeque::new(),
            line_credit: 0.0,
            queued: 0.0,
            bucket: 0.0,
            burst_left: 0,
            feedbacks: VecDeque::new(),
            layer: usize::MAX,
            fell_at: -HOLD_US,
            next_frame: 0,
            next_sound: 0,
            next_key: 0,
            cluster: None,
        }
    }

    fn instant(&self, at: i64) -> Instant {
        self.origin + Duration::from_micros(at as u64)
    }

    /// Runs up to a time in seconds.
    pub(crate) fn run(&mut self, until: f64) {
        while (self.now as f64) < until * 1e6 {
            self.feed();
            self.choose_layer();
            if self.now < self.pause.0 || self.now >= self.pause.1 {
                self.make_media();
                self.send_probes();
                self.pace();
            }
            self.carry();
            self.receive();
            if self.now % 50_000 == 0 {
                let queue_ms = self.queued * 8e3 / self.line.rate;
                let estimate = self.estimator.estimate() as f64;
                self.record.push(Sample {
                    at: self.now as f64 / 1e6,
                    estimate,
                    layer: self.layer,
                    queue_ms,
                });
            }
            self.now += TICK_US;
        }
    }

    fn choose_layer(&mut self) {
        let room = 0.95 * self.estimator.estimate() as f64;
        let fitting = LAYERS.iter().rposition(|rate| rate + SOUND <= room).unwrap_or(0);
        let old = self.layer;
        if fitting < old || (fitting > old && self.now - self.fell_at >= HOLD_US) {
            if old != usize::MAX {
                self.switches.push(self.now as f64 / 1e6);
                if fitting < old {
                    self.fell_at = self.now;
                    self.pacer.clear();
                }
            }
            self.layer = fitting;
            self.next_key = self.now;
        }
    }

    fn make_media(&mut self) {
        if self.now >= self.next_sound {
            self.next_sound = self.now + 20_000;
            self.put_media((SOUND / 50.0 / 8.0) as u32);
        }
        if self.now >= self.next_frame {
            self.next_frame = self.now + 33_333;
            let mut bytes = LAYERS[self.layer] / 30.0 / 8.0 * (0.8 + 0.4 * self.random.unit());
            if self.now >= self.next_key {
                self.next_key = self.now + 5_000_000 + (self.random.unit() * 10e6) as i64;
                bytes *= 5.0 + 3.0 * self.random.unit();
            }
            let count = (bytes / 1_100.0).ceil();
            for _ in 0..count as u32 {
                self.pacer.push_back((bytes / count) as u32);
            }
        }
    }

    /// Whether the sender gets to a packet now.
    fn is_free(&self) -> bool {
        let (until, step) = self.held_up;
        self.now >= until || self.packets.last().is_none_or(|last| self.now - last.sent >= step)
    }

    fn send_probes(&mut self) {
        let now = self.instant(self.now);
        if self.cluster.is_none()
            && let Some(probe) = self.estimator.poll_probe(now)
        {
            self.probes.push((self.now as f64 / 1e6, probe));
            self.cluster = Some((probe, 0, 0, self.now));
        }
        while let Some((probe, bytes, count, at)) = self.cluster {
            if self.now < at || !self.is_free() {
                return;
            }
            if bytes >= probe.bytes && count >= 5 {
                self.cluster = None;
                return;
            }
            self.put(1_100, Some(probe.id));
            self.count(1_100, at);
        }
    }

    /// Counts a packet of the probe, which was due.
    fn count(&mut self, of: u32, due: i64) {
        if let Some((probe, bytes, count, at)) = &mut self.cluster {
            *at = due + (f64::from(of) * 8e6 / probe.rate as f64) as i64;
            *bytes += of;
            *count += 1;
        }
    }

    /// Sends a packet of the sound's or the picture's, which are part of a steady probe.
    fn put_media(&mut self, bytes: u32) {
        let steady = self.cluster.filter(|(probe, ..)| probe.is_steady);
        self.put(bytes, steady.map(|(probe, ..)| probe.id));
        if let Some((.., at)) = steady {
            self.count(bytes, at);
        }
    }

    fn pace(&mut self) {
        let haste = if self.estimator.may_be_policed() { 1.25 } else { 2.5 };
        let rate = haste * self.estimator.estimate() as f64;
        self.pacer_credit = (self.pacer_credit + rate * TICK_US as f64 / 8e6).min(1_500.0);
        while let Some(&bytes) = self.pacer.front() {
            if self.pacer_credit < 0.0 || !self.is_free() {
                return;
            }
            self.pacer_credit -= f64::from(bytes);
            self.pacer.pop_front();
            self.put_media(bytes);
        }
        self.pacer_credit = self.pacer_credit.min(0.0);
    }

    fn put(&mut self, bytes: u32, probe: Option<u16>) {
        self.estimator.on_sent(bytes, self.instant(self.now));
        self.packets.push(Packet {
            sent: self.now,
            bytes,
            probe,
            arrived: None,
            reported: false,
        });
        let size = f64::from(bytes);
        if self.line.policer.is_some() {
            if self.bucket >= size {
                self.bucket -= size;
                self.arrive(self.packets.len() - 1);
            }
        } else if self.queued + size <= self.line.queue_bytes() {
            self.queued += size;
            self.line_queue.push_back(self.packets.len() - 1);
        }
    }

    fn carry(&mut self) {
        let credit = self.line.rate * TICK_US as f64 / 8e6;
        if let Some(most) = self.line.policer {
            self.bucket = (self.bucket + credit).min(most);
        }
        self.line_credit += credit;
        while let Some(&id) = self.line_queue.front() {
            let size = f64::from(self.packets[id].bytes);
            if self.line_credit < size {
                return;
            }
            self.line_credit -= size;
            self.queued -= size;
            self.line_queue.pop_front();
            self.arrive(id);
        }
        self.line_credit = 0.0;
    }

    fn arrive(&mut self, id: usize) {
        let begins = self.random.unit() < self.line.loss / f64::from(self.line.burst);
        if self.burst_left > 0 {
            self.burst_left -= 1;
        } else if begins {
            self.burst_left = self.line.burst - 1;
        } else {
            let jitter = (self.random.unit() * self.line.jitter) as i64;
            self.packets[id].arrived = Some(self.now + self.line.delay + jitter);
        }
    }

    fn receive(&mut self) {
        if self.now % self.feedback_us != 0 {
            return;
        }
        let settled = self.now - self.line.jitter as i64;
        let arrived = |packet: &Packet| packet.arrived.is_some_and(|at| at <= settled);
        let Some(last) = (self.first_open..self.packets.len())
            .rev()
            .find(|id| arrived(&self.packets[*id]))
        else {
            return;
        };
        let ids: Vec<usize> = (self.first_open..=last)
            .filter(|id| !self.packets[*id].reported)
            .collect();
        for id in &ids {
            self.packets[*id].reported = true;
        }
        self.first_open = last + 1;
        if self.random.unit() < self.feedback_loss {
            return;
        }
        let sent_back = if self.now >= self.deaf.0 && self.now < self.deaf.1 {
            self.deaf.1
        } else {
            self.now
        };
        self.feedbacks.push_back((sent_back + self.line.delay, settled, ids));
    }

    fn feed(&mut self) {
        while self.feedbacks.front().is_some_and(|(at, ..)| *at <= self.now) {
            let Some((_, settled, ids)) = self.feedbacks.pop_front() else {
                return;
            };
            let mut reports = Vec::new();
            let mut round_trip = None;
            for id in ids {
                let packet = &self.packets[id];
                let arrived = packet.arrived.filter(|at| *at <= settled + self.line.jitter as i64);
                let jump = |at: i64| if at >= self.clock_jump.0 { self.clock_jump.1 } else { 0 };
                if let Some(at) = arrived {
                    let trip = at - packet.sent + self.line.delay;
                    round_trip = Some(round_trip.map_or(trip, |least: i64| least.min(trip)));
                }
                reports.push(Report {
                    sent_at: self.instant(packet.sent),
                    bytes: packet.bytes,
                    arrived_at: arrived
                        .map(|at| Duration::from_micros((at / 250 * 250 + jump(at) + 77_000_000) as u64)),
                    probe: packet.probe,
                });
            }
            let round_trip = round_trip.map(|trip| Duration::from_micros(trip as u64));
            self.estimator.on_feedback(&reports, round_trip, self.instant(self.now));
        }
    }

    /// The samples of a span in seconds.
    pub(crate) fn span(&self, from: f64, until: f64) -> impl Iterator<Item = &Sample> {
        self.record
            .iter()
            .filter(move |sample| sample.at >= from && sample.at < until)
    }

    /// The least and the most of the estimate in a span, in bit/s.
    pub(crate) fn range(&self, from: f64, until: f64) -> (f64, f64) {
        self.span(from, until).fold((f64::MAX, 0.0), |(least, most), s| {
            (least.min(s.estimate), most.max(s.estimate))
        })
    }

    /// The time at which a condition holds first, after a time in seconds.
    pub(crate) fn first(&self, from: f64, holds: impl Fn(&Sample) -> bool) -> Option<f64> {
        self.record
            .iter()
            .find(|sample| sample.at >= from && holds(sample))
            .map(|sample| sample.at)
    }

    /// The longest time in seconds in which the queue stays above so many milliseconds, in a span.
    pub(crate) fn standing(&self, from: f64, until: f64, above_ms: f64) -> f64 {
        let (mut longest, mut run) = (0, 0);
        for sample in self.span(from, until) {
            run = if sample.queue_ms > above_ms { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        f64::from(longest) * 0.05
    }
}
