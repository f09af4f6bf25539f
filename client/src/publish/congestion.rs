//! What the path to the server carries: our estimator, fed by what webrtc-rs knows of sent packets and of feedback.
//!
//! webrtc-rs' own estimator rises by some percent a second and never asks, and takes all loss for congestion; this one asks with probes
//! ([`Probes`](super::probes::Probes) sends them), and tells loss that has nothing to do with the rate from other loss.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use footlight_estimator::{Estimator, LEAST_PACKETS, Probe, Report};
use rtc::interceptor::{
    BandwidthEstimator, CongestionControlBuilder, Interceptor, PacketReport, StreamInfo, TaggedPacket,
    TwccSenderBuilder,
};
use rtc::sansio::Protocol;
use tokio::sync::watch;

use crate::publish::bandwidth::BELOW_RTP;

/// Probes of which it is remembered when they left. The next begins once one is answered, or after 1.5 seconds.
const REMEMBERED: usize = 8;

/// Of the time of a slow path, probes that find nothing take no more than one of so many parts: sound waits behind each.
const PART: u32 = 50;

/// When the packets of a probe left.
#[derive(Debug, Clone, Copy)]
struct Span {
    probe: u16,
    first: Instant,
    last: Instant,
}

#[derive(Debug)]
struct State {
    estimator: Estimator,
    spans: VecDeque<Span>,
    /// Of the packets that probes are made of, in bytes.
    filling: u32,
    /// When the last probe began, and the estimate then, in bits per second.
    probed: Option<(Instant, u64)>,
}

/// The estimate of one connection, which the packet path asks and tells.
#[derive(Debug, Clone)]
pub(crate) struct Congestion(Arc<Mutex<State>>);

impl Congestion {
    /// Begins with an assumption in bits per second.
    pub(super) fn new(start: f64, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            estimator: Estimator::for_encoder(start as u64, now),
            spans: VecDeque::with_capacity(REMEMBERED),
            filling: 0,
            probed: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What would be sent if the path carried it, in bits per second. Asked for with probes; what is carried beyond is not.
    pub(crate) fn set_desired(&self, bits_per_second: f64) {
        self.state().estimator.set_desired(bits_per_second as u64);
    }

    /// In bits per second.
    pub(super) fn estimate(&self) -> u64 {
        self.state().estimator.estimate()
    }

    /// So many bytes left on the wire at `now`, as part of that probe if of any.
    pub(super) fn sent(&self, bytes: u32, probe: Option<Probe>, now: Instant) {
        let mut state = self.state();
        state.estimator.on_sent(bytes, now);
        let Some(probe) = probe else { return };
        if let Some(span) = state.spans.back_mut().filter(|span| span.probe == probe.id) {
            span.last = now;
            return;
        }
        if state.spans.len() == REMEMBERED {
            state.spans.pop_front();
        }
        state.spans.push_back(Span {
            probe: probe.id,
            first: now,
            last: now,
        });
    }

    /// When there may be a probe to send, of packets of so many bytes.
    pub(super) fn next_probe_at(&self, filling: u32) -> Option<Instant> {
        let state = self.state();
        let at = state.estimator.next_probe_at()?;
        Some(state.bearable_at(filling).map_or(at, |bearable_at| at.max(bearable_at)))
    }

    /// A probe to send, of packets of so many bytes.
    pub(super) fn poll_probe(&self, filling: u32, now: Instant) -> Option<Probe> {
        let mut state = self.state();
        if state.bearable_at(filling).is_some_and(|at| now < at) {
            return None;
        }
        if state.filling != filling {
            state.filling = filling;
            state.estimator.set_filling(filling);
        }
        let probe = state.estimator.poll_probe(now)?;
        state.probed = Some((now, state.estimator.estimate()));
        Some(probe)
    }

    fn on_reports(&self, now: Instant, reports: &[PacketReport]) {
        let mut state = self.state();
        let taken: Vec<_> = reports.iter().map(|report| state.report(report)).collect();
        let newest = reports.iter().rev().find(|report| report.arrived);
        let round_trip = newest.map(|report| now.saturating_duration_since(report.departure));
        state.estimator.on_feedback(&taken, round_trip, now);
    }
}

impl State {
    /// Before when a probe is too much for the path, unless the last one found that it carries more.
    fn bearable_at(&self, filling: u32) -> Option<Instant> {
        let (at, before) = self.probed?;
        let estimate = self.estimator.estimate();
        let bits = u64::from(LEAST_PACKETS) * u64::from(filling) * 8;
        let takes = Duration::from_micros(bits * 1_000_000 / estimate.max(1));
        (estimate <= before).then(|| at + takes * PART)
    }

    fn report(&self, report: &PacketReport) -> Report {
        let is_within = |span: &&Span| (span.first..=span.last).contains(&report.departure);
        Report {
            sent_at: report.departure,
            bytes: u32::try_from(report.size).map_or(u32::MAX, |bytes| bytes.saturating_add(BELOW_RTP)),
            arrived_at: report.arrival.filter(|_| report.arrived),
            probe: self.spans.iter().find(is_within).map(|span| span.probe),
        }
    }
}

/// Stands in webrtc-rs' place for an estimator, and tells who watches.
pub(super) struct Estimates {
    congestion: Congestion,
    /// In bits per second: the least that a connection is worth having with, and the most that it is asked to carry.
    range: (f64, f64),
    target: watch::Sender<f64>,
}

impl Estimates {
    /// And where they can be watched, in bits per second.
    pub(super) fn new(congestion: Congestion, range: (f64, f64)) -> (Self, watch::Receiver<f64>) {
        let (least, most) = range;
        let start = (congestion.estimate() as f64).clamp(least, most);
        let (target, targets) = watch::channel(start);
        let estimates = Self {
            congestion,
            range,
            target,
        };
        (estimates, targets)
    }
}

impl BandwidthEstimator for Estimates {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.congestion.on_reports(now, reports);
        let now = self.target_bitrate();
        self.target.send_if_modified(|target| {
            let changed = (*target - now).abs() > f64::EPSILON;
            *target = now;
            changed
        });
    }

    fn target_bitrate(&self) -> f64 {
        let (least, most) = self.range;
        (self.congestion.estimate() as f64).clamp(least, most)
    }
}

/// Numbers all packets that leave, retransmissions among them (webrtc-rs' own registration leaves those out).
pub(super) fn numbering() -> impl Interceptor + 'static {
    WithRepair(TwccSenderBuilder::new().build())
}

/// Knows what left, and gives the estimator what feedback says of it.
pub(super) fn history(estimates: Estimates) -> impl Interceptor + 'static {
    WithRepair(CongestionControlBuilder::new(estimates).build())
}

/// Makes an interceptor take a stream's retransmissions (RFC 4588 §4) for a stream as well.
struct WithRepair<I>(I);

impl<I: Interceptor> Protocol<TaggedPacket, TaggedPacket, ()> for WithRepair<I> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.0.handle_read(packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.0.poll_read()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.0.handle_write(packet)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.0.poll_write()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        self.0.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.0.poll_timeout()
    }
}

/// The stream of a stream's retransmissions.
fn repair(info: &StreamInfo) -> Option<StreamInfo> {
    Some(StreamInfo {
        ssrc: info.ssrc_rtx?,
        ssrc_rtx: None,
        ..info.clone()
    })
}

impl<I: Interceptor> Interceptor for WithRepair<I> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.0.bind_local_stream(info);
        if let Some(repair) = repair(info) {
            self.0.bind_local_stream(&repair);
        }
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_local_stream(info);
        if let Some(repair) = repair(info) {
            self.0.unbind_local_stream(&repair);
        }
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_remote_stream(info);
    }
}

#[cfg(test)]
mod tests;
