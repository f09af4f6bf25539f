//! Sends the probes that the estimator asks for: for some 20 ms, as many packets as make up the rate that it wants to know of.
//!
//! They go out on the stream of retransmissions, as browsers' do: a packet that was sent before, of which receivers drop what they have,
//! or on a slow path padding alone, which is smaller. (Padding of any length is not to be had: webrtc-rs' packets have four bytes of it.)

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use footlight_estimator::{LEAST_PACKETS, Probe};
use rtc::interceptor::{Attribute, AttributedPacket, Packet, StreamInfo, TaggedPacket};
use rtc::shared::TransportContext;
use rtc::shared::marshal::MarshalSize;

use crate::publish::bandwidth::BELOW_RTP;
use crate::publish::congestion::Congestion;

/// Packets to choose from.
const RECENT: usize = 32;

/// Older packets than this may no longer be told from those of the next turn of their numbers (RFC 3550 §A.1). In packets of pictures.
const OLDEST: u64 = 1_024;

/// What numbering adds to a packet on its way: a header extension of one number, in bytes (RFC 8285 §4.2).
const NUMBER_BYTES: u32 = 8;

/// A retransmission says which packet it is of (RFC 4588 §4).
const ORIGINAL_NUMBER_BYTES: u32 = 2;

/// A header, and four bytes of padding.
const PADDING_BYTES: u32 = 12 + 4 + NUMBER_BYTES + BELOW_RTP;

/// What a probe takes at the least, by which its packets are chosen.
const TIME: Duration = Duration::from_millis(20);

/// How far a probe may be ahead of its rate: timers are no finer.
const BURST: Duration = Duration::from_millis(2);

/// A probe that is not done by then was held up, and says nothing.
const LONGEST: Duration = Duration::from_millis(300);

/// Between the end of a probe and the next, so that the first is not taken for the second's congestion.
const BETWEEN: Duration = Duration::from_millis(20);

/// What a probe is made of.
#[derive(Clone, Copy)]
enum Filling<'a> {
    /// This packet once more.
    Again(&'a rtc::rtp::Packet),
    /// Padding, as if it belonged to this one.
    Padding(&'a rtc::rtp::Packet),
}

#[derive(Debug, Clone, Copy)]
struct Repair {
    ssrc: u32,
    payload_type: u8,
}

#[derive(Debug)]
struct Running {
    probe: Probe,
    begun: Instant,
    sent: u32,
    packets: u32,
}

impl Running {
    /// When the next packet is due.
    fn next_at(&self) -> Instant {
        let takes = Duration::from_micros(u64::from(self.sent) * 8_000_000 / self.probe.rate.max(1));
        (self.begun + takes).checked_sub(BURST).unwrap_or(self.begun)
    }

    fn is_done(&self) -> bool {
        self.sent >= self.probe.bytes && self.packets >= LEAST_PACKETS
    }
}

/// Fills a connection up to the rate of a probe.
pub(super) struct Probes {
    congestion: Congestion,
    /// By the SSRC of what they repair (RFC 4588 §4).
    repair: HashMap<u32, Repair>,
    /// The next sequence number of each stream of retransmissions, by its SSRC: what answers a question and what fills have one line. Kept
    /// for good, as what is left of a stream in the pacer leaves after its end: no number may be sealed twice (RFC 7714 §8.1).
    numbers: HashMap<u32, u16>,
    /// What was sent of pictures, with how many packets had been by then.
    recent: VecDeque<(u64, rtc::rtp::Packet)>,
    pictures: u64,
    running: Option<Running>,
    not_before: Option<Instant>,
}

/// On the wire.
fn bytes(rtp: &rtc::rtp::Packet) -> u32 {
    u32::try_from(rtp.marshal_size()).map_or(u32::MAX, |bytes| bytes.saturating_add(NUMBER_BYTES + BELOW_RTP))
}

impl Probes {
    pub(super) fn new(congestion: Congestion) -> Self {
        Self {
            congestion,
            repair: HashMap::new(),
            numbers: HashMap::new(),
            recent: VecDeque::with_capacity(RECENT),
            pictures: 0,
            running: None,
            not_before: None,
        }
    }

    pub(super) fn bind(&mut self, info: &StreamInfo) {
        if let (Some(ssrc), Some(payload_type)) = (info.ssrc_rtx, info.payload_type_rtx) {
            self.repair.insert(info.ssrc, Repair { ssrc, payload_type });
            self.numbers.entry(ssrc).or_insert_with(rand::random);
        }
    }

    pub(super) fn unbind(&mut self, info: &StreamInfo) {
        self.repair.remove(&info.ssrc);
        self.recent.retain(|(_, rtp)| rtp.header.ssrc != info.ssrc);
    }

    /// A packet leaves, on whichever stream.
    pub(super) fn left(&mut self, packet: &mut TaggedPacket) {
        let is_again = packet.message.has(&Attribute::Retransmission);
        let Packet::Rtp(rtp) = &mut packet.message.packet else {
            return;
        };
        let ssrc = rtp.header.ssrc;
        if is_again && let Some(number) = self.numbers.get_mut(&ssrc) {
            rtp.header.sequence_number = *number;
            *number = number.wrapping_add(1);
        }
        let bytes = bytes(rtp);
        if !is_again && self.repair.contains_key(&ssrc) {
            self.keep(rtp);
        }
        let probe = self.running.as_mut().map(|running| {
            running.sent = running.sent.saturating_add(bytes);
            running.packets += 1;
            running.probe
        });
        self.congestion.sent(bytes, probe, packet.now);
        if self.running.as_ref().is_some_and(Running::is_done) {
            self.end(packet.now);
        }
    }

    fn keep(&mut self, rtp: &rtc::rtp::Packet) {
        self.pictures += 1;
        self.recent.push_back((self.pictures, rtp.clone()));
        let oldest = self.pictures.saturating_sub(OLDEST);
        while self.recent.len() > RECENT || self.recent.front().is_some_and(|(at, _)| *at < oldest) {
            self.recent.pop_front();
        }
    }

    fn end(&mut self, now: Instant) {
        self.running = None;
        self.not_before = Some(now + BETWEEN);
    }

    /// What to fill with at the present estimate, and how many bytes that is: five of it are a probe, neither much longer nor of many
    /// more packets.
    fn filling(&self) -> Option<(Filling<'_>, u32)> {
        let bits = self.congestion.estimate().saturating_mul(TIME.as_millis() as u64) / 1_000;
        let wanted = u32::try_from(bits / 8 / u64::from(LEAST_PACKETS)).unwrap_or(u32::MAX);
        let (_, newest) = self.recent.back()?;
        let sent = self.recent.iter().rev();
        let sent = sent.map(|(_, rtp)| (Filling::Again(rtp), bytes(rtp).saturating_add(ORIGINAL_NUMBER_BYTES)));
        std::iter::once((Filling::Padding(newest), PADDING_BYTES))
            .chain(sent)
            .min_by_key(|(_, bytes)| bytes.abs_diff(wanted))
    }

    /// The next packet of a probe, which begins if it is time. Until there is none, and then again at [`Self::next_at`].
    pub(super) fn poll(&mut self, now: Instant) -> Option<TaggedPacket> {
        if self.running.is_none() {
            self.begin(now);
        }
        let running = self.running.as_ref()?;
        if now.saturating_duration_since(running.begun) > LONGEST {
            self.end(now);
            return None;
        }
        if running.next_at() > now {
            return None;
        }
        let Some(rtp) = self.filling().and_then(|(filling, _)| self.make(filling)) else {
            self.end(now);
            return None;
        };
        Some(TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(rtp)).with(Attribute::Retransmission),
        })
    }

    fn begin(&mut self, now: Instant) {
        if self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let Some(filling) = self.filling().map(|(_, bytes)| bytes) else {
            return;
        };
        self.running = self.congestion.poll_probe(filling, now).map(|probe| Running {
            probe,
            begun: now,
            sent: 0,
            packets: 0,
        });
    }

    /// A packet on the stream of retransmissions (RFC 4588 §4); its number comes as it leaves.
    fn make(&self, filling: Filling<'_>) -> Option<rtc::rtp::Packet> {
        let (Filling::Again(rtp) | Filling::Padding(rtp)) = filling;
        let repair = self.repair.get(&rtp.header.ssrc)?;
        let header = rtc::rtp::header::Header {
            version: 2,
            ssrc: repair.ssrc,
            payload_type: repair.payload_type,
            timestamp: rtp.header.timestamp,
            ..Default::default()
        };
        let mut packet = rtc::rtp::Packet {
            header,
            payload: Bytes::new(),
        };
        if let Filling::Again(_) = filling {
            packet.header.marker = rtp.header.marker;
            packet.payload = [&rtp.header.sequence_number.to_be_bytes(), &rtp.payload[..]]
                .concat()
                .into();
        } else {
            packet.header.padding = true;
        }
        Some(packet)
    }

    /// When [`Self::poll`] may have something.
    pub(super) fn next_at(&self) -> Option<Instant> {
        if let Some(running) = &self.running {
            return Some(running.next_at());
        }
        let at = self.congestion.next_probe_at(self.filling()?.1)?;
        Some(self.not_before.map_or(at, |not_before| at.max(not_before)))
    }
}
