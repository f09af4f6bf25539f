//! Which packets of a connection arrived and when, for the sender's estimate of the line
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::VecDeque;

/// Packets that one report tells of: with two bytes for each it still fits into a datagram.
const MOST_TOLD: usize = 400;

/// Packets that are remembered, so that nobody is told of more than went by in a second or so.
const MOST_KEPT: usize = 2_048;

/// Packets that are remembered after they were told of: one that comes late is told with its neighbours.
const KEPT: usize = 100;

/// Of the reference time and of the steps after it, in nanoseconds.
const REFERENCE_STEP: u64 = 64_000_000;
const DELTA_STEP: u64 = 250_000;
const DELTAS_PER_REFERENCE: i64 = (REFERENCE_STEP / DELTA_STEP) as i64;

/// The longest run of one status that a chunk can tell.
const LONGEST_RUN: usize = 0x1fff;
/// Statuses of a chunk of one and of two bits each.
const ONE_BIT: usize = 14;
const TWO_BITS: usize = 7;

/// How a packet arrived: not at all, a short step of time after the one before, or a long step of either sign.
const NEVER: u8 = 0;
const SHORTLY: u8 = 1;
const FAR: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Register {
    /// The number, extended, of the first that is remembered.
    first: u64,
    /// From there on, when each arrived, in steps of a delta.
    arrivals: VecDeque<Option<i64>>,
    /// Where the next report begins.
    untold: u64,
    reports: u8,
}

impl Register {
    /// Packet `number` arrived, at a time in nanoseconds.
    pub(super) fn note(&mut self, number: u16, arrived: u64) {
        let at = (arrived / DELTA_STEP) as i64;
        if self.arrivals.is_empty() {
            // Far enough from 0 that earlier ones may follow.
            self.first = 1 << 16 | u64::from(number);
            self.untold = self.first;
            self.arrivals.push_back(Some(at));
            return;
        }
        let newest = self.end() - 1;
        let step = number.wrapping_sub(newest as u16) as i16;
        let number = newest.wrapping_add_signed(i64::from(step));
        if number < self.first {
            return;
        }
        let place = (number - self.first) as usize;
        if place < self.arrivals.len() {
            if self.arrivals[place].is_none() {
                self.arrivals[place] = Some(at);
                self.untold = self.untold.min(number);
            }
            return;
        }
        if place >= self.arrivals.len() + MOST_KEPT {
            *self = Self {
                reports: self.reports,
                ..Self::default()
            };
            self.note(number as u16, arrived);
            return;
        }
        self.arrivals.resize(place, None);
        self.arrivals.push_back(Some(at));
        self.forget(MOST_KEPT);
    }

    fn end(&self) -> u64 {
        self.first + self.arrivals.len() as u64
    }

    /// Forgets the oldest, so that no more than `most` are left.
    fn forget(&mut self, most: usize) {
        let surplus = self.arrivals.len().saturating_sub(most);
        self.arrivals.drain(..surplus);
        self.first += surplus as u64;
        self.untold = self.untold.max(self.first);
    }

    pub(super) fn has_news(&self) -> bool {
        self.untold < self.end()
    }

    /// Tells `out` of what arrived since the last time, as feedback of `reporter` on `ssrc` (§3.1).
    pub(super) fn report(&mut self, (reporter, ssrc): (u32, u32), out: &mut Vec<u8>) {
        let from = (self.untold - self.first) as usize;
        let told = self.arrivals.iter().skip(from).take(MOST_TOLD);
        let Some(first_arrival) = told.clone().flatten().next() else {
            self.untold = self.end();
            return;
        };
        let reference = first_arrival.div_euclid(DELTAS_PER_REFERENCE);
        let mut before = reference * DELTAS_PER_REFERENCE;
        let (mut statuses, mut deltas) = (Vec::with_capacity(64), Vec::with_capacity(64));
        for arrival in told {
            let Some(at) = arrival else {
                statuses.push(NEVER);
                continue;
            };
            let step = at - before;
            if let Ok(short) = u8::try_from(step) {
                statuses.push(SHORTLY);
                deltas.push(short);
            } else if let Ok(far) = i16::try_from(step) {
                statuses.push(FAR);
                deltas.extend(far.to_be_bytes());
            } else {
                // Too far for a delta: the next report has a reference time of its own.
                break;
            }
            before = *at;
        }
        let start = out.len();
        out.extend([2 << 6 | 15, 205, 0, 0]);
        out.extend(reporter.to_be_bytes());
        out.extend(ssrc.to_be_bytes());
        out.extend((self.untold as u16).to_be_bytes());
        out.extend((statuses.len() as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.reports);
        write_chunks(&statuses, out);
        out.extend(deltas);
        finish(start, out);
        self.reports = self.reports.wrapping_add(1);
        self.untold += statuses.len() as u64;
        if !self.has_news() {
            self.forget(KEPT);
        }
    }
}

/// Pads an RTCP packet that began at `start`, and says in it how long it is (RFC 3550 §6.4.1). Nothing may follow it in a
/// compound where it was padded.
fn finish(start: usize, out: &mut Vec<u8>) {
    let length = out.len() - start;
    let padding = length.next_multiple_of(4) - length;
    if padding > 0 {
        out[start] |= 0x20;
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
    }
    let words = ((length + padding) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// Packs statuses into chunks of 16 bits (§3.1.2 to §3.1.4).
fn write_chunks(mut statuses: &[u8], out: &mut Vec<u8>) {
    while let Some(first) = statuses.first() {
        let run = statuses.iter().take_while(|status| *status == first).count();
        let run = run.min(LONGEST_RUN);
        let next = &statuses[..statuses.len().min(ONE_BIT)];
        let (length, chunk) = if run >= ONE_BIT || run == statuses.len() {
            (run, u16::from(*first) << 13 | run as u16)
        } else if next.iter().all(|status| *status < FAR) {
            (next.len(), 0x8000 | symbols(next, 1, 13))
        } else {
            let next = &next[..next.len().min(TWO_BITS)];
            (next.len(), 0xC000 | symbols(next, 2, 12))
        };
        out.extend(chunk.to_be_bytes());
        statuses = &statuses[length..];
    }
}

/// Statuses side by side, the first of them shifted by `shift`.
fn symbols(statuses: &[u8], width: usize, shift: usize) -> u16 {
    let each = statuses.iter().enumerate();
    each.map(|(at, status)| u16::from(*status) << (shift - width * at))
        .sum()
}

#[cfg(test)]
mod tests {
    use footlight_sfu::wire::{Heard, read_feedback};
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    /// What a server reads from the next report: the first number, and when each packet arrived, in steps of a delta.
    fn told(register: &mut Register) -> (u16, Vec<Option<i64>>) {
        let mut out = Vec::new();
        register.report((1, 9), &mut out);
        assert!(out.len() <= 1_100, "{} bytes", out.len());
        let heard = read_feedback(&out);
        let [
            Heard::Arrivals {
                first,
                reference,
                steps,
            },
        ] = &heard[..]
        else {
            panic!("{heard:?}")
        };
        let base = i64::from(*reference) * DELTAS_PER_REFERENCE;
        let times = steps.iter().map(|step| step.map(|step| base + step));
        (*first, times.collect())
    }

    fn noted(packets: &[(u16, u64)]) -> Register {
        let mut register = Register::default();
        for (number, at) in packets {
            register.note(*number, *at);
        }
        register
    }

    #[test]
    fn each_packet_is_told_once_and_gaps_between_reports_too() {
        let mut register = noted(&[(0xfffe, 10 * MS), (0xffff, 10 * MS), (1, 400 * MS)]);
        assert_eq!(
            told(&mut register),
            (0xfffe, vec![Some(40), Some(40), None, Some(1_600)])
        );
        assert!(!register.has_news());
        register.note(4, 410 * MS);
        assert_eq!(told(&mut register), (2, vec![None, None, Some(1_640)]));
    }

    #[test]
    fn what_comes_late_is_told_with_its_neighbours() {
        let mut register = noted(&[(5, MS), (8, 2 * MS)]);
        told(&mut register);
        register.note(6, 3 * MS);
        assert!(register.has_news());
        assert_eq!(told(&mut register), (6, vec![Some(12), None, Some(8)]));
        register.note(6, 4 * MS);
        assert!(!register.has_news(), "it was there before");
    }

    #[test]
    fn a_pause_that_no_delta_can_say_begins_a_report_of_its_own() {
        let mut register = noted(&[(5, 1_000 * MS), (6, 20_000 * MS)]);
        assert_eq!(told(&mut register), (5, vec![Some(4_000)]));
        assert!(register.has_news());
        assert_eq!(told(&mut register), (6, vec![Some(80_000)]));
    }

    #[test]
    fn numbers_that_begin_anew_are_followed() {
        let mut register = noted(&[(5, MS), (20_000, 2 * MS)]);
        assert_eq!(told(&mut register), (20_000, vec![Some(8)]));
        assert!(register.arrivals.len() <= MOST_KEPT);
    }

    proptest! {
        /// Steps in numbers and in time, both of either sign; what the server reads is what arrived.
        #[test]
        fn a_server_reads_what_arrived(
            steps in prop::collection::vec((prop_oneof![8 => Just(1_i16), 1 => 2..40_i16, 1 => -5..0_i16], -200..9_000_i64), 1..900),
            first: u16,
            reports_after in 1..300_usize,
        ) {
            let mut register = Register::default();
            // As the register extends it: only what follows the first goes on into the next cycle.
            let (mut newest, mut at) = (1 << 16 | u64::from(first), 1_000_000_i64);
            let mut expected = std::collections::BTreeMap::new();
            let mut read = std::collections::BTreeMap::new();
            let mut read_all = |register: &mut Register| {
                let around = register.untold;
                let (from, times) = told(register);
                assert_eq!(from, around as u16);
                for (number, time) in (around..).zip(times) {
                    read.insert(number, time);
                }
            };
            for (count, (step, pause)) in steps.into_iter().enumerate() {
                let number = if expected.is_empty() {
                    newest
                } else {
                    newest.wrapping_add_signed(i64::from(step))
                };
                // What comes before the first is not told of.
                if expected.first_key_value().is_some_and(|(oldest, _)| number < *oldest) {
                    continue;
                }
                newest = newest.max(number);
                at = (at + pause).max(1);
                register.note(number as u16, at as u64 * DELTA_STEP);
                expected.entry(number).or_insert(at);
                if count % reports_after == 0 {
                    while register.has_news() {
                        read_all(&mut register);
                    }
                }
            }
            while register.has_news() {
                read_all(&mut register);
            }
            prop_assert!(register.arrivals.len() <= MOST_KEPT);
            let arrived: std::collections::BTreeMap<_, _> =
                read.into_iter().filter_map(|(number, time)| Some((number, time?))).collect();
            prop_assert_eq!(arrived, expected);
        }
    }
}
