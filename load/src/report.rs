//! What a run found.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::tally::{Tally, histogram};

/// The figures of one run. Times are in the unit that the name ends with; where nothing was measured they are zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Publishers whose connection stood when the measurement began.
    pub publishers: u32,
    /// Receivers that were asked for.
    pub receivers: u32,
    /// Receivers that had got a packet when the measurement began.
    pub receiving: u32,
    /// Peers whose connection ended before the run did.
    pub failed: u32,
    /// Why peers were refused, the first few of them.
    pub refusals: Vec<String>,
    /// How long was measured.
    pub seconds: f64,
    /// RTP packets that receivers got.
    pub packets: u64,
    /// The same for each second.
    pub packets_per_second: f64,
    /// UDP payload of those packets.
    pub bytes: u64,
    /// The same as a rate, in 10⁹ bit/s.
    pub gigabits_per_second: f64,
    /// RTP packets that publishers sent.
    pub sent: u64,
    /// Times that publishers were asked for a keyframe, joins included.
    pub keyframe_requests: u32,
    /// Packets of a publisher that a receiver did not get when it was their turn, by the publisher's own count.
    pub missing: u64,
    /// Those of them that came later, by retransmission.
    pub repaired: u64,
    /// Share of all packets that was missing, before retransmission.
    pub missing_share: f64,
    /// RTP sequence numbers that receivers saw skipped: what was lost behind the server.
    pub sequence_gaps: u64,
    /// Packets that carried no stamp: parameter sets, or a stream that is not of this tool.
    pub unstamped: u64,
    /// Datagrams that this process could not send.
    pub unsent: u64,
    /// Packets whose delay was measured: one of 17 that carry a stamp.
    pub sampled: u64,
    /// From the publisher's send to the arrival at the receiver's socket, in µs.
    pub delay_us: Quantiles,
    /// From the WHEP request to the first packet, in ms.
    pub join_ms: Quantiles,
    /// The WHEP request alone, in ms.
    pub http_ms: Quantiles,
    /// Processor time that this process used while it measured, where the system tells.
    pub cpu_seconds: Option<f64>,
    /// The same of the process that `--server-pid` names.
    pub server_cpu_seconds: Option<f64>,
}

/// Points of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half are below.
    pub p50: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// From nanoseconds, in units of `unit`.
    pub(crate) fn of(histogram: &Histogram<u64>, unit: Duration) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let scaled = |ns: u64| ns as f64 / unit.as_nanos() as f64;
        Self {
            p50: scaled(histogram.value_at_quantile(0.5)),
            p99: scaled(histogram.value_at_quantile(0.99)),
            max: scaled(histogram.max()),
        }
    }

    pub(crate) fn of_durations(durations: &[Duration], unit: Duration) -> Self {
        let mut all = histogram();
        for duration in durations {
            all.saturating_record(crate::probe::as_ns(*duration));
        }
        Self::of(&all, unit)
    }
}

/// What the run knows besides the packets.
#[derive(Debug, Default)]
pub(crate) struct Circumstances {
    pub(crate) publishers: u32,
    pub(crate) receivers: u32,
    pub(crate) receiving: u32,
    pub(crate) failed: u32,
    pub(crate) keyframe_requests: u32,
    pub(crate) refusals: Vec<String>,
    pub(crate) measured: Duration,
    pub(crate) joins: Vec<Duration>,
    pub(crate) requests: Vec<Duration>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) server_cpu: Option<Duration>,
}

impl Report {
    pub(crate) fn new(tally: &Tally, circumstances: Circumstances) -> Self {
        let seconds = circumstances.measured.as_secs_f64();
        let rate = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        // On time or not at all; what came late is among the missing.
        let due = (tally.packets - tally.late.min(tally.packets)) + tally.missing;
        Self {
            publishers: circumstances.publishers,
            receivers: circumstances.receivers,
            receiving: circumstances.receiving,
            failed: circumstances.failed,
            refusals: circumstances.refusals,
            seconds,
            packets: tally.packets,
            packets_per_second: rate(tally.packets as f64),
            bytes: tally.bytes,
            gigabits_per_second: rate(tally.bytes as f64 * 8.0 / 1e9),
            sent: tally.sent,
            keyframe_requests: circumstances.keyframe_requests,
            missing: tally.missing,
            repaired: tally.late,
            missing_share: if due > 0 {
                tally.missing as f64 / due as f64
            } else {
                0.0
            },
            sequence_gaps: tally.sequence_gaps,
            unstamped: tally.unstamped,
            unsent: tally.unsent,
            sampled: tally.delay.len(),
            delay_us: Quantiles::of(&tally.delay, Duration::from_micros(1)),
            join_ms: Quantiles::of_durations(&circumstances.joins, Duration::from_millis(1)),
            http_ms: Quantiles::of_durations(&circumstances.requests, Duration::from_millis(1)),
            cpu_seconds: circumstances.cpu.map(|cpu| cpu.as_secs_f64()),
            server_cpu_seconds: circumstances.server_cpu.map(|cpu| cpu.as_secs_f64()),
        }
    }

    /// Whether every receiver that was asked for got packets, to the end.
    pub fn everyone_served(&self) -> bool {
        self.receiving == self.receivers && self.failed == 0 && self.refusals.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "publishers        {}, {} packets sent", self.publishers, self.sent)?;
        writeln!(
            out,
            "receivers         {} of {}, {} failed",
            self.receiving, self.receivers, self.failed
        )?;
        for refusal in &self.refusals {
            writeln!(out, "                  {refusal}")?;
        }
        writeln!(out, "measured          {:.1} s", self.seconds)?;
        writeln!(out, "packets           {:.0}/s", self.packets_per_second)?;
        writeln!(out, "throughput        {:.3} Gb/s", self.gigabits_per_second)?;
        let percent = 100.0 * self.missing_share;
        writeln!(
            out,
            "missing           {} ({percent:.3} %), {} repaired",
            self.missing, self.repaired
        )?;
        writeln!(out, "lost on the way   {}", self.sequence_gaps)?;
        writeln!(out, "delay taken of    {} packets", self.sampled)?;
        let rows = [
            ("forwarding delay", self.delay_us, "µs"),
            ("join", self.join_ms, "ms"),
            ("request", self.http_ms, "ms"),
        ];
        for (name, times, unit) in rows {
            writeln!(
                out,
                "{name:17} p50 {:.1}, p99 {:.1}, max {:.1} {unit}",
                times.p50, times.p99, times.max
            )?;
        }
        for (name, cpu) in [
            ("own processor", self.cpu_seconds),
            ("server processor", self.server_cpu_seconds),
        ] {
            if let Some(cpu) = cpu {
                let share = 100.0 * cpu / self.seconds.max(f64::MIN_POSITIVE);
                writeln!(out, "{name:17} {share:.0} % of one core")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_late_was_missing_once() {
        let mut tally = Tally::new();
        (tally.packets, tally.missing, tally.late) = (99, 2, 1);
        let report = Report::new(&tally, Circumstances::default());
        // 98 on time, one late, one never: two of a hundred were missing.
        assert!((report.missing_share - 0.02).abs() < 1e-9);
    }

    #[test]
    fn an_empty_run_divides_by_nothing() {
        let report = Report::new(&Tally::new(), Circumstances::default());
        let text = serde_json::to_string(&report).expect("a report is JSON");
        // JSON has no NaN and writes null instead; the two CPU figures alone may be missing.
        assert_eq!(text.matches("null").count(), 2, "{text}");
        assert!(!report.to_string().contains("NaN"));
    }

    #[test]
    fn a_report_is_read_back() {
        let report = Report::new(
            &Tally::new(),
            Circumstances {
                receivers: 3,
                ..Circumstances::default()
            },
        );
        let text = serde_json::to_string(&report).expect("a report is JSON");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("the same"), report);
        assert!(!report.everyone_served());
    }
}
