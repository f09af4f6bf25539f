//! What a probe cluster reached (the practice of libwebrtc's `ProbeBitrateEstimator`).

use super::Probe;
use super::probe::LEAST_PACKETS;

/// Probes remembered until their packets are reported.
const REMEMBERED: usize = 4;
/// A receive rate below this share of the send rate is the line's limit.
const LIMITED: f64 = 0.9;
/// The same for a steady probe.
const LIMITED_STEADY: f64 = 0.95;
/// Share of the line's limit that is used.
const UTILISATION: f64 = 0.95;
/// A receive rate so many times the send rate is no measurement.
const MAX_RATIO: f64 = 2.0;
/// Shortest interval that gives a rate, in microseconds.
const MIN_INTERVAL_US: i64 = 1_000;
/// A cluster is judged with less than all its packets after so long, in microseconds.
const PATIENCE_US: i64 = 1_000_000;
/// Packets of a cluster that must have arrived, so that the rates mean something.
const MIN_ARRIVED: u32 = LEAST_PACKETS - 1;

/// The result of a probe, rates in bit/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    /// The rate that was asked for.
    pub(crate) asked: f64,
    /// The rate that the path carries, no more than was asked for.
    pub(crate) reached: f64,
    /// Whether the path, not the sender, set it.
    pub(crate) limited: bool,
    pub(crate) is_steady: bool,
}

/// Sums over packets from the first of a probe; other packets in between take their share of the line, so they count.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    sent_bytes: f64,
    arrived_bytes: f64,
    arrived: u32,
    last_arrived: i64,
}

/// The cluster whose packets are being reported.
#[derive(Debug)]
struct Cluster {
    probe: Probe,
    begun: i64,
    first_sent: i64,
    last_sent: i64,
    last_bytes: u32,
    first_arrived: Option<(i64, u32)>,
    probe_bytes: u64,
    packets: u32,
    /// Up to the last packet of the probe.
    closed: Sums,
    /// Up to the last packet of any kind.
    open: Sums,
}

/// Measures probe clusters.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    known: [Option<Probe>; REMEMBERED],
    at: usize,
    current: Option<Cluster>,
}

impl Cluster {
    /// Counts a packet.
    fn add(&mut self, sent: i64, arrived: Option<i64>, bytes: u32, of_probe: bool) {
        self.open.sent_bytes += f64::from(bytes);
        if let Some(arrived) = arrived {
            self.open.arrived_bytes += f64::from(bytes);
            self.open.arrived += u32::from(of_probe);
            self.open.last_arrived = self.open.last_arrived.max(arrived);
            if self.first_arrived.is_none_or(|(first, _)| arrived < first) {
                self.first_arrived = Some((arrived, bytes));
            }
        }
        if of_probe {
            self.last_sent = self.last_sent.max(sent);
            self.last_bytes = bytes;
            self.probe_bytes += u64::from(bytes);
            self.packets = self.packets.saturating_add(1);
            self.closed = self.open;
        }
    }

    /// Whether all packets were reported.
    fn is_complete(&self) -> bool {
        self.probe_bytes >= u64::from(self.probe.bytes) && self.packets >= LEAST_PACKETS
    }

    /// The rates that were reached; `inherent` is the share lost at any rate.
    fn outcome(&self, inherent: f64) -> Option<Outcome> {
        let (first_arrived, first_bytes) = self.first_arrived?;
        let send_time = self.last_sent - self.first_sent;
        let receive_time = self.closed.last_arrived - first_arrived;
        let enough = self.closed.arrived >= MIN_ARRIVED && self.probe_bytes * 2 >= u64::from(self.probe.bytes);
        if !enough || send_time < MIN_INTERVAL_US || receive_time < MIN_INTERVAL_US {
            return None;
        }
        let send = (self.closed.sent_bytes - f64::from(self.last_bytes)) * 8e6 / send_time as f64;
        let received = (self.closed.arrived_bytes - f64::from(first_bytes)) * 8e6 / receive_time as f64;
        let receive = received / (1.0 - inherent).max(0.5);
        if send <= 0.0 || receive <= 0.0 || receive > MAX_RATIO * send {
            return None;
        }
        let is_steady = self.probe.is_steady;
        let limited = receive < send * if is_steady { LIMITED_STEADY } else { LIMITED };
        let reached = if limited && !is_steady {
            UTILISATION * receive
        } else {
            send.min(receive)
        };
        let asked = self.probe.rate as f64;
        Some(Outcome {
            asked,
            reached: reached.min(asked),
            limited,
            is_steady,
        })
    }
}

impl Clusters {
    /// Remembers a probe that begins.
    pub(crate) fn on_probe(&mut self, probe: Probe) {
        self.known[self.at] = Some(probe);
        self.at = (self.at + 1) % REMEMBERED;
    }

    /// Whether a probe is under way or its packets are being reported.
    pub(crate) fn is_current(&self) -> bool {
        self.current.is_some()
    }

    /// Takes a reported packet; times in microseconds. Gives the result of the cluster that it ends, if any.
    pub(crate) fn on_packet(
        &mut self,
        (sent, arrived): (i64, Option<i64>),
        bytes: u32,
        probe: Option<u16>,
        inherent: f64,
        now: i64,
    ) -> Option<Outcome> {
        let mut outcome = None;
        if let (Some(cluster), Some(id)) = (&self.current, probe)
            && cluster.probe.id != id
        {
            outcome = self.finish(inherent);
        }
        if let (None, Some(id)) = (&self.current, probe) {
            self.begin(id, sent, now);
        }
        let cluster = self.current.as_mut()?;
        cluster.add(sent, arrived, bytes, probe.is_some());
        if cluster.is_complete() {
            return outcome.or(self.finish(inherent));
        }
        outcome
    }

    /// Begins to measure a probe that is known.
    fn begin(&mut self, id: u16, sent: i64, now: i64) {
        let known = self
            .known
            .iter_mut()
            .find(|known| known.is_some_and(|probe| probe.id == id));
        let Some(probe) = known.and_then(Option::take) else {
            return;
        };
        self.current = Some(Cluster {
            probe,
            begun: now,
            first_sent: sent,
            last_sent: sent,
            last_bytes: 0,
            first_arrived: None,
            probe_bytes: 0,
            packets: 0,
            closed: Sums {
                last_arrived: i64::MIN / 2,
                ..Sums::default()
            },
            open: Sums {
                last_arrived: i64::MIN / 2,
                ..Sums::default()
            },
        });
    }

    /// The result of a cluster whose remaining packets were waited for long enough, if any.
    pub(crate) fn expire(&mut self, inherent: f64, now: i64) -> Option<Outcome> {
        let late = self
            .current
            .as_ref()
            .is_some_and(|cluster| now - cluster.begun > PATIENCE_US + cluster.probe.micros());
        if late { self.finish(inherent) } else { None }
    }

    /// Ends the cluster.
    fn finish(&mut self, inherent: f64) -> Option<Outcome> {
        self.current.take()?.outcome(inherent)
    }
}
