//! The numbers that all packets of a connection share, and what became of each packet
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::feedback::Arrivals;
use footlight_estimator::Report;

/// Packets that wait to be reported: feedback comes every 250 ms at the latest, and a line of 20 Mb/s carries 600 packets in
/// that time. Beyond it the oldest are forgotten.
const MOST_WAITING: usize = 2_048;

/// Of the reference time, and of the steps after it.
const REFERENCE_STEP: i64 = 64_000;
const DELTA_STEP: i64 = 250;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// Reported as not there yet: it may have been overtaken.
    Missing,
    Arrived,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    bytes: u16,
    probe: u16,
    state: State,
}

#[derive(Debug, Default)]
pub(super) struct Transport {
    /// The next number, extended.
    next: u64,
    sent: VecDeque<Sent>,
    /// The newest reference time, unwrapped, in its own steps.
    reference: Option<i64>,
}

impl Transport {
    /// The number of the next packet.
    pub(super) fn number(&self) -> u16 {
        self.next as u16
    }

    /// It was sent; for a probe if that is not 0.
    pub(super) fn note(&mut self, bytes: usize, probe: u16, now: Instant) {
        if self.sent.len() >= MOST_WAITING {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent {
            at: now,
            bytes: u16::try_from(bytes).unwrap_or(u16::MAX),
            probe,
            state: State::Waiting,
        });
        self.next += 1;
    }

    /// What `arrivals` say of packets that were not yet known to have arrived, in the order of sending; and the round trip
    /// of the newest one.
    pub(super) fn reported(
        &mut self,
        arrivals: &Arrivals<'_>,
        now: Instant,
        reports: &mut Vec<Report>,
    ) -> Option<Duration> {
        reports.clear();
        let below = u64::from((self.next as u16).wrapping_sub(arrivals.first));
        let first = self.next.checked_sub(below)?;
        let reference = self.unwrap(arrivals.reference);
        // What was missing last time, and is not spoken of again, is lost.
        while self.oldest() < first {
            let Some(sent) = self.sent.pop_front() else { break };
            if sent.state == State::Missing {
                reports.push(report(&sent, None));
            }
        }
        let oldest = self.oldest();
        let mut newest = None;
        // What was never sent cannot have arrived.
        for (number, arrival) in (first..self.next).zip(arrivals.iter()) {
            let at = number.checked_sub(oldest).and_then(|at| usize::try_from(at).ok());
            let Some(sent) = at.and_then(|at| self.sent.get_mut(at)) else {
                continue;
            };
            match arrival {
                Some(delta) if sent.state != State::Arrived => {
                    sent.state = State::Arrived;
                    newest = Some(sent.at);
                    let micros = reference * REFERENCE_STEP + delta * DELTA_STEP;
                    let arrived_at = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
                    reports.push(report(sent, Some(arrived_at)));
                }
                None if sent.state == State::Waiting => sent.state = State::Missing,
                _ => {}
            }
        }
        while self.sent.front().is_some_and(|sent| sent.state == State::Arrived) {
            self.sent.pop_front();
        }
        newest.map(|sent_at| now.saturating_duration_since(sent_at))
    }

    /// The number of the oldest packet that is still remembered.
    fn oldest(&self) -> u64 {
        self.next - self.sent.len() as u64
    }

    /// The 24 bits of a reference time as a number that does not go around; never below 0.
    fn unwrap(&mut self, reference: i32) -> i64 {
        /// Far enough from 0 that the first steps may be backwards.
        const START: i64 = 1 << 24;
        let bits = i64::from(reference) & 0xff_ffff;
        let unwrapped = match self.reference {
            None => START + bits,
            Some(before) => {
                let step = (bits - before) & 0xff_ffff;
                before + if step < 1 << 23 { step } else { step - (1 << 24) }
            }
        };
        let unwrapped = unwrapped.max(0);
        self.reference = Some(self.reference.map_or(unwrapped, |before| before.max(unwrapped)));
        unwrapped
    }
}

fn report(sent: &Sent, arrived_at: Option<Duration>) -> Report {
    Report {
        sent_at: sent.at,
        bytes: u32::from(sent.bytes),
        arrived_at,
        probe: (sent.probe != 0).then_some(sent.probe),
    }
}

#[cfg(test)]
mod tests {
    use super::super::feedback::{Feedback, read};
    use super::*;

    /// Feedback on packets from `first` on: of each, whether it arrived, one every 10 ms.
    fn feedback(first: u16, reference: i32, arrived: &[bool]) -> Vec<u8> {
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        packet.extend(first.to_be_bytes());
        packet.extend((arrived.len() as u16).to_be_bytes());
        packet.extend(&reference.to_be_bytes()[1..]);
        packet.push(0);
        for fourteen in arrived.chunks(14) {
            let bits = fourteen.iter().enumerate().map(|(at, is)| u16::from(*is) << (13 - at));
            packet.extend((0x8000 | bits.sum::<u16>()).to_be_bytes());
        }
        packet.extend(arrived.iter().filter(|is| **is).map(|_| 40));
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        packet
    }

    fn reported(transport: &mut Transport, packet: &[u8], now: Instant) -> Vec<Report> {
        let mut reports = Vec::new();
        read(packet, |found| {
            if let Feedback::Arrivals(arrivals) = found {
                transport.reported(&arrivals, now, &mut reports);
            }
        });
        reports
    }

    fn sent(count: u64, now: Instant) -> Transport {
        let mut transport = Transport {
            next: 0xfffe,
            ..Transport::default()
        };
        for _ in 0..count {
            transport.note(1_000, 0, now);
        }
        transport
    }

    #[test]
    fn each_packet_is_reported_once_across_the_rollover() {
        let now = Instant::now();
        let mut transport = sent(6, now);
        let first = reported(&mut transport, &feedback(0xfffe, 5, &[true, true, true]), now);
        assert!(first.len() == 3 && first.iter().all(|report| report.arrived_at.is_some()));
        assert_eq!(
            reported(&mut transport, &feedback(0xfffe, 5, &[true, true, true]), now).len(),
            0
        );
        let second = reported(&mut transport, &feedback(1, 6, &[true, true, true]), now);
        assert_eq!(second.len(), 3);
        assert!(second[0].arrived_at > first[2].arrived_at);
        assert!(transport.sent.is_empty());
    }

    #[test]
    fn what_was_overtaken_is_not_lost_and_what_stays_away_is() {
        let now = Instant::now();
        let mut transport = sent(6, now);
        let arrived = |reports: &[Report]| reports.iter().filter(|report| report.arrived_at.is_some()).count();
        let first = reported(&mut transport, &feedback(0xfffe, 5, &[true, false, false, true]), now);
        assert_eq!((first.len(), arrived(&first)), (2, 2));
        // The second came late; the third never.
        let second = reported(&mut transport, &feedback(0xffff, 5, &[true, false, true, true]), now);
        assert_eq!((second.len(), arrived(&second)), (2, 2));
        transport.note(1_000, 0, now);
        let third = reported(&mut transport, &feedback(4, 6, &[true]), now);
        assert_eq!((third.len(), arrived(&third)), (2, 1));
    }

    #[test]
    fn the_reference_time_goes_on_where_its_bits_go_around() {
        let mut transport = Transport::default();
        let before = transport.unwrap(-2);
        assert_eq!(transport.unwrap(3) - before, 5);
        assert_eq!(transport.unwrap(-1) - before, 1);
        assert_eq!(transport.unwrap(0x7f_ffff) - before, 0x80_0001);
    }

    #[test]
    fn what_nobody_reports_is_forgotten() {
        let now = Instant::now();
        let transport = sent(10_000, now);
        assert_eq!(transport.sent.len(), MOST_WAITING);
    }
}
