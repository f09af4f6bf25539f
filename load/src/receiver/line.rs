//! One RTP stream as its sequence numbers tell it: what is new, what is missing, and what its sender is told of that.

use std::time::{Duration, Instant};

/// A missing packet so far behind the newest is given up (as str0m does).
const MOST_BEHIND: u64 = 100;

/// How often a packet is asked for.
const MOST_ASKED: u8 = 5;

/// Between two times of asking for the same packet: a round trip of 100 ms and some more.
const ASK_AGAIN: Duration = Duration::from_millis(105);

/// Between two times of asking for anything.
const ASK_INTERVAL: Duration = Duration::from_millis(33);

/// Of all video formats, in hertz (RFC 6184 §8.2.1, RFC 7741 §6.1, RFC 9628 §6.1).
const CLOCK_RATE: u64 = 90_000;

/// What a sequence number says of its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The newest, behind so many that did not come (yet).
    InTurn { skipped: u32 },
    /// One that was missing.
    Late,
    /// It was here before, or is too old for that to be known.
    Known,
}

#[derive(Debug, Clone, Copy)]
struct Lost {
    index: u64,
    asked: u8,
    asked_at: Option<Instant>,
}

impl Lost {
    /// When it is to be asked for; `None`: no more.
    fn ask_at(&self, now: Instant) -> Option<Instant> {
        (self.asked < MOST_ASKED).then(|| self.asked_at.map_or(now, |at| at + ASK_AGAIN))
    }
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) ssrc: u32,
    /// Index, which is the extended sequence number, of the newest packet.
    highest: Option<u64>,
    /// By index.
    lost: Vec<Lost>,
    asked_at: Option<Instant>,
    reception: Reception,
}

/// What receiver reports tell (RFC 3550 §6.4.1, §A.3, §A.8).
#[derive(Debug, Default)]
struct Reception {
    first: u64,
    received: u64,
    /// Expected and received, as of the last report.
    reported: (u64, u64),
    /// Sixteen times the jitter, and the last packet's transit time, in ticks.
    jitter: u64,
    transit: Option<u32>,
    /// The middle of the time in the last sender report, and when that came.
    sender_report: Option<(u32, Instant)>,
}

/// The index of a sequence number, where the newest index is known (RFC 3711 §3.3.1).
pub(super) fn extend(highest: Option<u64>, number: u16) -> Option<u64> {
    let Some(highest) = highest else {
        return Some(u64::from(number));
    };
    let step = number.wrapping_sub(highest as u16) as i16;
    highest.checked_add_signed(i64::from(step))
}

impl Line {
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            highest: None,
            lost: Vec::new(),
            asked_at: None,
            reception: Reception::default(),
        }
    }

    /// A packet's index, and what its number says.
    pub(super) fn place(&self, number: u16) -> Option<(u64, Place)> {
        let index = extend(self.highest, number)?;
        let place = match self.highest {
            None => Place::InTurn { skipped: 0 },
            Some(highest) if index > highest => Place::InTurn {
                skipped: (index - highest - 1) as u32,
            },
            Some(_) if self.lost.iter().any(|lost| lost.index == index) => Place::Late,
            Some(_) => Place::Known,
        };
        Some((index, place))
    }

    /// The packet at `index` is here.
    pub(super) fn note(&mut self, (index, place): (u64, Place)) {
        match (place, self.highest) {
            (Place::InTurn { .. }, None) => {
                self.highest = Some(index);
                self.reception.first = index;
            }
            (Place::InTurn { skipped }, Some(highest)) => {
                self.highest = Some(index);
                if skipped > 0 || !self.lost.is_empty() {
                    let oldest = index.saturating_sub(MOST_BEHIND);
                    self.lost.retain(|lost| lost.index >= oldest);
                    self.lost.extend((oldest.max(highest + 1)..index).map(|index| Lost {
                        index,
                        asked: 0,
                        asked_at: None,
                    }));
                }
            }
            (Place::Late | Place::Known, _) => self.lost.retain(|lost| lost.index != index),
        }
    }

    /// For the reports: a packet came on this stream itself, with `timestamp`, at `arrived` in nanoseconds.
    pub(super) fn received(&mut self, timestamp: u32, arrived: u64) {
        let reception = &mut self.reception;
        reception.received += 1;
        let ticks = (arrived / 1_000 * (CLOCK_RATE / 10_000) / 100) as u32;
        let transit = ticks.wrapping_sub(timestamp);
        if let Some(before) = reception.transit.replace(transit) {
            let step = u64::from((transit.wrapping_sub(before) as i32).unsigned_abs());
            reception.jitter = reception.jitter + step - ((reception.jitter + 8) >> 4);
        }
    }

    /// The stream's sender reported; `middle` is that of its NTP time.
    pub(super) fn sender_reported(&mut self, middle: u32, now: Instant) {
        self.reception.sender_report = Some((middle, now));
    }

    /// When something is to be asked for.
    pub(super) fn ask_at(&self, now: Instant) -> Option<Instant> {
        let next = self.lost.iter().filter_map(|lost| lost.ask_at(now)).min()?;
        let pause = self.asked_at.map(|at| at + ASK_INTERVAL);
        Some(pause.map_or(next, |pause| pause.max(next)))
    }

    /// Asks for what is missing, where it is time for that (generic NACK, RFC 4585 §6.2.1).
    pub(super) fn ask(&mut self, reporter: u32, now: Instant, out: &mut Vec<u8>) {
        if self.ask_at(now).is_none_or(|at| at > now) {
            return;
        }
        self.asked_at = Some(now);
        let mut entries: Vec<(u64, u16)> = Vec::new();
        let is_due = |lost: &&mut Lost| lost.ask_at(now).is_some_and(|at| at <= now);
        for lost in self.lost.iter_mut().filter(is_due) {
            lost.asked += 1;
            lost.asked_at = Some(now);
            match entries.last_mut() {
                Some((first, following)) if lost.index - *first <= 16 => *following |= 1 << (lost.index - *first - 1),
                _ => entries.push((lost.index, 0)),
            }
        }
        out.extend([2 << 6 | 1, 205]);
        out.extend((2 + entries.len() as u16).to_be_bytes());
        out.extend(reporter.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        for (first, following) in entries {
            out.extend((first as u16).to_be_bytes());
            out.extend(following.to_be_bytes());
        }
    }

    /// The block of a receiver report on this stream; nothing before its first packet.
    pub(super) fn report(&mut self, now: Instant, out: &mut Vec<u8>) {
        let (Some(highest), reception) = (self.highest, &mut self.reception) else {
            return;
        };
        let (expected, received) = (highest - reception.first + 1, reception.received);
        let before = std::mem::replace(&mut reception.reported, (expected, received));
        let due = expected - before.0;
        let lost = due.saturating_sub(received - before.1);
        let fraction = (256 * lost).checked_div(due).unwrap_or(0).min(255);
        // Never negative here, and 24 bits with a sign.
        let total = expected.saturating_sub(received).min(0x7f_ffff);
        out.extend(self.ssrc.to_be_bytes());
        out.extend(((fraction << 24 | total) as u32).to_be_bytes());
        out.extend((highest as u32).to_be_bytes());
        out.extend(((reception.jitter >> 4) as u32).to_be_bytes());
        let (middle, ago) = reception.sender_report.map_or((0, 0), |(middle, at)| {
            let ago = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (middle, u32::try_from(ago).unwrap_or(u32::MAX))
        });
        out.extend(middle.to_be_bytes());
        out.extend(ago.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use footlight_sfu::wire::{Heard, read_feedback};

    use super::*;

    /// What came of `numbers`, in this order.
    fn came(line: &mut Line, numbers: &[u16]) -> Vec<Place> {
        let place = |number: &u16| {
            let found = line.place(*number).expect("a place");
            if found.1 != Place::Known {
                line.note(found);
            }
            found.1
        };
        numbers.iter().map(place).collect()
    }

    fn asked(line: &mut Line, now: Instant) -> Vec<u16> {
        let mut out = Vec::new();
        line.ask(1, now, &mut out);
        match &read_feedback(&out)[..] {
            [] => Vec::new(),
            [Heard::Nack { ssrc: 9, numbers }] => numbers.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_packet_is_new_once() {
        let mut line = Line::new(9);
        let next = Place::InTurn { skipped: 0 };
        let skips = |skipped| Place::InTurn { skipped };
        assert_eq!(
            came(&mut line, &[0xfffe, 0xffff, 2, 0, 0, 2, 1, 3, 0xfffd]),
            [
                next,
                next,
                skips(2),
                Place::Late,
                Place::Known,
                Place::Known,
                Place::Late,
                next,
                Place::Known
            ]
        );
    }

    #[test]
    fn what_is_far_behind_is_given_up() {
        let mut line = Line::new(9);
        came(&mut line, &[0, 2, 30_000]);
        assert_eq!(line.lost.len(), 100);
        assert_eq!(
            came(&mut line, &[1, 29_899, 29_900]),
            [Place::Known, Place::Known, Place::Late]
        );
    }

    #[test]
    fn what_is_missing_is_asked_for_five_times_and_not_at_once() {
        let mut line = Line::new(9);
        let start = Instant::now();
        came(&mut line, &[0xfff0, 1]);
        let missing: Vec<u16> = (0xfff1..=0xffff).chain([0]).collect();
        assert_eq!(asked(&mut line, start), missing);
        came(&mut line, &[3]);
        assert!(asked(&mut line, start + Duration::from_millis(20)).is_empty());
        assert_eq!(asked(&mut line, start + Duration::from_millis(33)), [2]);
        came(&mut line, &[2]);
        assert_eq!(line.ask_at(start), Some(start + ASK_AGAIN));
        for again in 1..5 {
            assert_eq!(asked(&mut line, start + ASK_AGAIN * again), missing);
        }
        assert_eq!(line.ask_at(start + ASK_AGAIN * 9), None);
    }

    #[test]
    fn a_report_says_what_was_lost_and_when_the_sender_reported() {
        let mut line = Line::new(9);
        let now = Instant::now();
        // Every second packet of a hundred, a tick each, and each later by nine ticks than the one before.
        for number in (0..100_u16).step_by(2) {
            came(&mut line, &[number]);
            line.received(u32::from(number), u64::from(number) * 100_000);
        }
        line.sender_reported(0xabcd, now);
        let block = |line: &mut Line| {
            let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
            line.report(now + Duration::from_millis(500), &mut report);
            read_feedback(&report)
        };
        let Heard::Report {
            ssrc,
            fraction_lost,
            jitter,
            last_report,
            delay,
        } = block(&mut line)[0]
        else {
            panic!("no report")
        };
        assert_eq!((ssrc, last_report, delay), (9, 0xabcd, 32_768));
        // 49 of 99.
        assert_eq!(fraction_lost, 126);
        assert!((14..=16).contains(&jitter), "{jitter}");
        // Nothing since.
        assert!(matches!(block(&mut line)[0], Heard::Report { fraction_lost: 0, .. }));
    }
}
