//! A receiver's media, once the engine has connected it: counts what arrives, and reports it to the server as a browser
//! does (RFC 3550, RFC 4585, RFC 4588, transport-wide feedback).
//!
//! The engine would open every packet and keep books on it that nobody reads here. What it is left with is STUN and DTLS;
//! it is never given RTP or RTCP. Of most packets the header alone is read ([`count`] says which are opened), which means
//! that those are not checked to be genuine: a measurement is not made where others forge packets.

mod count;
mod header;
mod line;
mod transport;

use std::time::{Duration, Instant};

use footlight_sfu::wire::Srtp;
use str0m::{Rtc, media::Mid, rtp::Extension};

use crate::{probe::Stamp, tally::Tally};
use count::{Count, Payload, SHORT};
use header::Header;
use line::{Line, Place, extend};
use transport::Register;

/// Between two transport-wide reports, as str0m has it: often enough for an estimate to follow the line.
const TRANSPORT_INTERVAL: Duration = Duration::from_millis(50);

/// Between two receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Who reports: receivers send nothing by which they would need a number that nobody else has. libwebrtc uses the same.
const REPORTER: u32 = 1;

/// Streams that are told apart: one, unless the server begins another.
const MOST_LINES: usize = 8;

/// Payload types of RTCP, with RTP's marker bit, in the second byte of a datagram (RFC 5761 §4).
const CONTROL: std::ops::RangeInclusive<u8> = 192..=223;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

/// Number of a retransmitted packet before its payload (RFC 4588 §4).
const ORIGINAL_NUMBER: usize = 2;

/// Whether a datagram is RTP or RTCP (RFC 7983 §7).
pub(crate) fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

/// What the payload types of a connection carry, and how its packets are numbered.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Terms {
    /// Sets of payload types, a bit for each.
    media: u128,
    repair: u128,
    /// Of the extension that numbers all packets; 0 where their arrival is not reported.
    transport_id: u8,
}

impl Terms {
    /// What `answer` made of the media section `mid`.
    pub(crate) fn new(rtc: &Rtc, mid: Mid, answer: &str) -> Self {
        let set = |types: &mut dyn Iterator<Item = u8>| types.fold(0, |set, one| set | 1_u128 << (one & 0x7f));
        let params = rtc.codec_config().params();
        let map = rtc.media(mid).map(str0m::media::Media::remote_extmap);
        let is_reported = answer
            .lines()
            .any(|line| line.starts_with("a=rtcp-fb:") && line.trim_end().ends_with("transport-cc"));
        Self {
            media: set(&mut params.iter().map(|format| *format.pt())),
            repair: set(&mut params.iter().filter_map(|format| Some(*format.resend()?))),
            transport_id: map
                .filter(|_| is_reported)
                .and_then(|map| map.id_of(Extension::TransportSequenceNumber))
                .unwrap_or(0),
        }
    }
}

/// Room to work in, shared by all receivers of a thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    opened: Vec<u8>,
    report: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    terms: Terms,
    /// `None` until DTLS has agreed on keys.
    srtp: Option<Srtp>,
    /// The one that media came on last is at the end.
    lines: Vec<Line>,
    /// Streams of retransmissions, with the newest index of each.
    repairs: Vec<(u32, u64)>,
    register: Register,
    count: Count,
    is_receiving: bool,
    transport_at: Instant,
    report_at: Instant,
}

impl Receiver {
    /// `phase` makes it sample other packets than its neighbours.
    pub(crate) fn new(phase: u32, now: Instant) -> Self {
        Self {
            terms: Terms::default(),
            srtp: None,
            lines: Vec::new(),
            repairs: Vec::new(),
            register: Register::default(),
            count: Count::new(phase),
            is_receiving: false,
            transport_at: now,
            report_at: now,
        }
    }

    pub(crate) fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    pub(crate) fn set_keys(&mut self, srtp: Srtp) {
        self.srtp = Some(srtp);
    }

    /// Takes in RTP or RTCP that arrived at `arrived`, in nanoseconds of UNIX time. Whether it is the first of the media.
    pub(crate) fn receive(
        &mut self,
        datagram: &[u8],
        arrived: u64,
        now: Instant,
        to: (&mut Tally, &mut Scratch),
    ) -> bool {
        let (tally, scratch) = to;
        if datagram.get(1).is_some_and(|kind| CONTROL.contains(kind)) {
            self.control(datagram, now, scratch);
            return false;
        }
        let Some(header) = Header::read(datagram, self.terms.transport_id) else {
            return false;
        };
        let kind = 1_u128 << header.payload_type;
        let is_media = if header.ssrc == 0 {
            // A bandwidth probe of libwebrtc's before any media: nothing but its arrival matters.
            self.arrived(&header, arrived);
            false
        } else if self.terms.repair & kind != 0 {
            self.repair(&header, datagram, arrived, tally, scratch).unwrap_or(false)
        } else if self.terms.media & kind != 0 {
            self.media(&header, datagram, arrived, tally, scratch).unwrap_or(false)
        } else {
            false
        };
        if is_media {
            tally.bytes += datagram.len() as u64;
        }
        is_media && !std::mem::replace(&mut self.is_receiving, true)
    }

    /// For transport-wide feedback.
    fn arrived(&mut self, header: &Header, arrived: u64) {
        if let Some(number) = header.transport_number {
            self.register.note(number, arrived);
        }
    }

    /// Whether it was media; `None`: the packet is to be ignored.
    fn media(
        &mut self,
        header: &Header,
        datagram: &[u8],
        arrived: u64,
        tally: &mut Tally,
        scratch: &mut Scratch,
    ) -> Option<bool> {
        let known = self.lines.iter().position(|line| line.ssrc == header.ssrc);
        let (index, place) = match known {
            Some(at) => self.lines[at].place(header.sequence_number)?,
            None => (u64::from(header.sequence_number), Place::InTurn { skipped: 0 }),
        };
        if place == Place::Known {
            return None;
        }
        let is_long = datagram.len() - header.length > SHORT && !header.has_padding;
        let is_plain = known.is_some() && is_long && place == Place::InTurn { skipped: 0 };
        let payload = if is_plain && !self.count.wants() {
            Payload::Sealed
        } else {
            let opened = self.open(header, index, datagram, scratch)?;
            if opened.is_empty() {
                // Padding alone is a bandwidth probe, and may come on a stream of retransmissions by any type.
                self.arrived(header, arrived);
                if let Some(at) = known {
                    self.note(at, (index, place), tally);
                    self.lines[at].received(header.timestamp, arrived);
                }
                return Some(false);
            }
            Payload::Opened(Stamp::read(opened))
        };
        self.arrived(header, arrived);
        let at = known.unwrap_or_else(|| self.begin(header.ssrc));
        self.note(at, (index, place), tally);
        self.lines[at].received(header.timestamp, arrived);
        self.count.came(place, is_long, payload, arrived, tally);
        let last = self.lines.len() - 1;
        self.lines.swap(at, last);
        Some(true)
    }

    /// A line of its own for a new stream; its place.
    fn begin(&mut self, ssrc: u32) -> usize {
        if self.lines.len() >= MOST_LINES {
            self.lines.remove(0);
        }
        self.lines.push(Line::new(ssrc));
        self.lines.len() - 1
    }

    fn note(&mut self, line: usize, (index, place): (u64, Place), tally: &mut Tally) {
        if let Place::InTurn { skipped } = place {
            self.count.skipped(skipped, tally);
        }
        self.lines[line].note((index, place));
    }

    /// A retransmission (RFC 4588 §4). Whether it brought media that was not there yet.
    fn repair(
        &mut self,
        header: &Header,
        datagram: &[u8],
        arrived: u64,
        tally: &mut Tally,
        scratch: &mut Scratch,
    ) -> Option<bool> {
        let known = self.repairs.iter().position(|(ssrc, _)| *ssrc == header.ssrc);
        let highest = known.map(|at| self.repairs[at].1);
        let index = extend(highest, header.sequence_number)?;
        let opened = self.open(header, index, datagram, scratch)?;
        let original = opened.split_first_chunk::<ORIGINAL_NUMBER>();
        let found =
            original.map(|(number, payload)| (u16::from_be_bytes(*number), payload.is_empty(), Stamp::read(payload)));
        self.arrived(header, arrived);
        let at = known.unwrap_or_else(|| {
            if self.repairs.len() >= MOST_LINES {
                self.repairs.remove(0);
            }
            self.repairs.push((header.ssrc, index));
            self.repairs.len() - 1
        });
        self.repairs[at].1 = highest.unwrap_or(index).max(index);
        let (number, is_empty, stamp) = found?;
        let line = self.lines.len().checked_sub(1)?;
        let (index, place) = self.lines[line].place(number)?;
        if place == Place::Known {
            return None;
        }
        self.note(line, (index, place), tally);
        if !is_empty {
            self.count.came(place, false, Payload::Opened(stamp), arrived, tally);
        }
        Some(!is_empty)
    }

    /// The payload, without padding; `None` if the packet is not genuine.
    fn open<'a>(&mut self, header: &Header, index: u64, datagram: &[u8], scratch: &'a mut Scratch) -> Option<&'a [u8]> {
        let srtp = self.srtp.as_mut()?;
        if !srtp.open_rtp(datagram, (header.length, header.ssrc, index), &mut scratch.opened) {
            return None;
        }
        if !header.has_padding {
            return Some(&scratch.opened);
        }
        // The last byte counts itself and what is before it (RFC 3550 §5.1).
        let padding = usize::from(*scratch.opened.last()?);
        let length = scratch.opened.len().checked_sub(padding).filter(|_| padding > 0)?;
        scratch.opened.get(..length)
    }

    /// Sender reports of the server's, for receiver reports to answer.
    fn control(&mut self, datagram: &[u8], now: Instant, scratch: &mut Scratch) {
        let Some(srtp) = &mut self.srtp else { return };
        if !srtp.open_rtcp(datagram, &mut scratch.opened) {
            return;
        }
        sender_reports(&scratch.opened, |ssrc, middle| {
            if let Some(line) = self.lines.iter_mut().find(|line| line.ssrc == ssrc) {
                line.sender_reported(middle, now);
            }
        });
    }

    /// When [`Self::report`] has something to tell.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let asks = self.lines.iter().filter_map(|line| line.ask_at(now)).min();
        let transport = self.register.has_news().then_some(self.transport_at);
        // It goes along with what is told of arrivals, where there is something.
        let report = (self.is_receiving && transport.is_none()).then_some(self.report_at);
        [asks, transport, report].into_iter().flatten().min()
    }

    /// What the server is to be told now, as a sealed datagram.
    pub(crate) fn report<'a>(&'a mut self, now: Instant, scratch: &mut Scratch) -> Option<&'a [u8]> {
        if self.deadline(now).is_none_or(|at| at > now) {
            return None;
        }
        let out = &mut scratch.report;
        out.clear();
        if self.is_receiving && self.report_at <= now {
            self.report_at = now + REPORT_INTERVAL;
            out.extend([2 << 6 | self.lines.len() as u8, RECEIVER_REPORT]);
            out.extend((1 + 6 * self.lines.len() as u16).to_be_bytes());
            out.extend(REPORTER.to_be_bytes());
            for line in &mut self.lines {
                line.report(now, out);
            }
        }
        for line in &mut self.lines {
            line.ask(REPORTER, now, out);
        }
        // At the end, because it may be padded.
        if self.register.has_news() && self.transport_at <= now {
            let ssrc = self.lines.last().map_or(0, |line| line.ssrc);
            self.register.report((REPORTER, ssrc), out);
            self.transport_at = if self.register.has_news() {
                now
            } else {
                now + TRANSPORT_INTERVAL
            };
        }
        self.srtp.as_mut()?.seal_rtcp(out)
    }
}

/// The stream of each sender report in a compound, and the middle of the NTP time that it tells (RFC 3550 §6.4.1).
fn sender_reports(mut compound: &[u8], mut found: impl FnMut(u32, u32)) {
    let word = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    while let Some(start) = word(compound, 0) {
        let length = 4 * ((start & 0xffff) as usize + 1);
        let Some((packet, rest)) = compound.split_at_checked(length) else {
            return;
        };
        if (start >> 16) as u8 == SENDER_REPORT
            && let (Some(ssrc), Some(seconds), Some(fraction)) = (word(packet, 4), word(packet, 8), word(packet, 12))
        {
            found(ssrc, seconds << 16 | fraction >> 16);
        }
        compound = rest;
    }
}

#[cfg(test)]
mod tests;
