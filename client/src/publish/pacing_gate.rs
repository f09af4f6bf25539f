//! What goes past the pacer, and what does not get into it.
//!
//! Sound goes past: it is never a burst, and on a slow path it would wait for seconds behind what is left of the picture. What is
//! asked for again gets in once, and only where it leaves soon: who misses a packet asks for it several times, at intervals of a round trip,
//! and on a slow path each answer that waits would bring on the next question, until there is room for nothing else.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use rtc::interceptor::{Attribute, Interceptor, PacerInterceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::marshal::MarshalSize;

use crate::publish::probes::Probes;

/// The longest that a retransmission waits in the pacer. What would wait for longer is asked for again by then, or given up.
const RETRANSMISSION_WAIT: Duration = Duration::from_millis(300);

/// Right after it has left, a packet is on its way, whoever asks for it: receivers that do not know the round trip yet take this one.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// Retransmissions of which it is known when they left. More are looked through for those that may be forgotten.
const RETRANSMISSIONS_KNOWN: usize = 256;

/// A packet that was asked for again: its stream, and its number there.
type Missing = (u32, u16);

/// A pacer, and the gate before it. Stands in its slot.
pub(super) struct PacingGate {
    pacer: PacerInterceptor,
    /// SSRCs.
    sound: HashSet<u32>,
    /// SSRCs of retransmission streams (RFC 4588 §4).
    retransmission: HashSet<u32>,
    /// When each left the pacer; none while it is in there.
    retransmitted: HashMap<Missing, Option<Instant>>,
    /// What is in the pacer.
    waiting_bits: f64,
    probes: Probes,
    outbound: VecDeque<TaggedPacket>,
}

impl PacingGate {
    pub(super) fn new(pacer: PacerInterceptor, probes: Probes) -> Self {
        Self {
            pacer,
            probes,
            sound: HashSet::new(),
            retransmission: HashSet::new(),
            retransmitted: HashMap::new(),
            waiting_bits: 0.0,
            outbound: VecDeque::new(),
        }
    }

    /// The packet of which this is a retransmission.
    fn missing(&self, packet: &TaggedPacket) -> Option<Missing> {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            return None;
        };
        if !packet.message.has(&Attribute::Retransmission) {
            return None;
        }
        let ssrc = rtp.header.ssrc;
        let number = match rtp.payload.get(..2) {
            // The original sequence number stands first (RFC 4588 §4).
            Some(&[high, low]) if self.retransmission.contains(&ssrc) => u16::from_be_bytes([high, low]),
            _ => rtp.header.sequence_number,
        };
        Some((ssrc, number))
    }

    /// Whether a retransmission is of use at `now`.
    fn is_of_use(&self, missing: Missing, now: Instant) -> bool {
        let is_under_way = self.retransmitted.get(&missing).is_some_and(|left| {
            // In the pacer, or out of it a moment ago.
            left.is_none_or(|left| now.saturating_duration_since(left) < ON_ITS_WAY)
        });
        !is_under_way && self.waiting_bits <= self.pacer.pacer().target_bitrate() * RETRANSMISSION_WAIT.as_secs_f64()
    }

    fn forget(&mut self, now: Instant) {
        if self.retransmitted.len() > RETRANSMISSIONS_KNOWN {
            self.retransmitted
                .retain(|_, left| left.is_none_or(|left| now.saturating_duration_since(left) < ON_ITS_WAY));
        }
    }

    /// What the pacer lets go is on its way.
    fn release(&mut self) {
        while let Some(packet) = self.pacer.poll_write() {
            if let Packet::Rtp(rtp) = &packet.message.packet {
                self.waiting_bits = (self.waiting_bits - bits(rtp)).max(0.0);
            }
            if let Some(missing) = self.missing(&packet) {
                self.retransmitted.insert(missing, Some(packet.now));
            }
            self.leave(packet);
        }
    }

    fn leave(&mut self, mut packet: TaggedPacket) {
        self.probes.left(&mut packet);
        self.outbound.push_back(packet);
    }
}

fn bits(rtp: &rtc::rtp::Packet) -> f64 {
    (rtp.marshal_size() * 8) as f64
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for PacingGate {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.pacer.handle_read(packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.pacer.poll_read()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            return self.pacer.handle_write(packet);
        };
        if self.sound.contains(&rtp.header.ssrc) {
            self.leave(packet);
            return Ok(());
        }
        let bits = bits(rtp);
        let missing = self.missing(&packet);
        if missing.is_some_and(|missing| !self.is_of_use(missing, packet.now)) {
            return Ok(());
        }
        self.forget(packet.now);
        let queued = self.pacer.queued();
        self.pacer.handle_write(packet)?;
        // It has none of what it had no room for.
        if self.pacer.queued() > queued {
            self.waiting_bits += bits;
            self.retransmitted.extend(missing.map(|missing| (missing, None)));
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.release();
        self.outbound.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        self.pacer.handle_timeout(now)?;
        self.release();
        while let Some(packet) = self.probes.poll(now) {
            self.leave(packet);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        [self.pacer.poll_timeout(), self.probes.next_at()]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Interceptor for PacingGate {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        if info.mime_type.to_ascii_lowercase().starts_with("audio/") {
            self.sound.insert(info.ssrc);
        }
        self.retransmission.extend(info.ssrc_rtx);
        self.probes.bind(info);
        self.pacer.bind_local_stream(info);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.sound.remove(&info.ssrc);
        if let Some(ssrc) = info.ssrc_rtx {
            self.retransmission.remove(&ssrc);
        }
        self.probes.unbind(info);
        self.pacer.unbind_local_stream(info);
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.pacer.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.pacer.unbind_remote_stream(info);
    }
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::{AttributedPacket, PacerBuilder};
    use rtc::shared::TransportContext;

    use super::*;
    use crate::publish::congestion::Congestion;

    const SOUND: u32 = 1;
    const PICTURE: u32 = 2;
    const AGAIN: u32 = 3;

    fn packet(ssrc: u32, bytes: usize, now: Instant) -> TaggedPacket {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.ssrc = ssrc;
        packet.payload = vec![0; bytes].into();
        TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        }
    }

    #[test]
    fn sound_does_not_wait_behind_a_picture() {
        let start = Instant::now();
        let mut chain = PacingGate::new(PacerBuilder::new().with_target_bitrate(10_000.0).build(), no_probes());
        for (ssrc, mime_type) in [(SOUND, "audio/opus"), (PICTURE, "video/H264")] {
            chain.bind_local_stream(&StreamInfo {
                ssrc,
                mime_type: mime_type.to_owned(),
                ..Default::default()
            });
        }
        let mut left = Vec::new();
        for step in 0..50 {
            let now = start + step * Duration::from_millis(20);
            for _ in 0..10 {
                chain.handle_write(packet(PICTURE, 1_000, now)).expect("is taken");
            }
            chain.handle_write(packet(SOUND, 30, now)).expect("is taken");
            chain.handle_timeout(now).expect("works");
            while let Some(packet) = chain.poll_write() {
                if let Packet::Rtp(rtp) = packet.message.packet {
                    left.push((rtp.header.ssrc, now));
                }
            }
        }
        let sound = left.iter().filter(|(ssrc, _)| *ssrc == SOUND);
        let each = sound
            .zip(0..)
            .filter(|((_, at), step)| *at == start + *step * Duration::from_millis(20));
        assert_eq!(each.count(), 50);
        let pictures = left.iter().filter(|(ssrc, _)| *ssrc == PICTURE).count();
        assert!((1..4).contains(&pictures), "{pictures}");
        chain.unbind_local_stream(&StreamInfo {
            ssrc: SOUND,
            ..Default::default()
        });
        chain.handle_write(packet(SOUND, 30, start)).expect("is taken");
        assert!(chain.poll_write().is_none());
    }

    /// A retransmission of the picture's packet of this number.
    fn again(number: u16, bytes: usize, now: Instant) -> TaggedPacket {
        let mut packet = packet(AGAIN, bytes, now);
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            let mut payload = vec![0; bytes];
            payload[..2].copy_from_slice(&number.to_be_bytes());
            rtp.payload = payload.into();
        }
        packet.message.add(Attribute::Retransmission);
        packet
    }

    /// Of a path that nobody wants more of.
    fn no_probes() -> Probes {
        Probes::new(Congestion::new(1e6, Instant::now()))
    }

    fn gate(bitrate: f64) -> PacingGate {
        let pacer = PacerBuilder::new().with_target_bitrate(bitrate).build();
        let mut gate = PacingGate::new(pacer, no_probes());
        gate.bind_local_stream(&StreamInfo {
            ssrc: PICTURE,
            ssrc_rtx: Some(AGAIN),
            mime_type: "video/H264".to_owned(),
            ..Default::default()
        });
        gate
    }

    /// How many leave by `now`.
    fn leave(gate: &mut PacingGate, now: Instant) -> usize {
        gate.handle_timeout(now).expect("works");
        std::iter::from_fn(|| gate.poll_write()).count()
    }

    #[test]
    fn a_retransmission_is_under_way_once() {
        let start = Instant::now();
        let mut gate = gate(1_000_000.0);
        for number in [7, 7, 8, 7] {
            gate.handle_write(again(number, 1_000, start)).expect("is taken");
        }
        assert_eq!(leave(&mut gate, start + Duration::from_millis(50)), 2);
        for (after, expected) in [(60, 0), (140, 0), (160, 1)] {
            let now = start + Duration::from_millis(after);
            gate.handle_write(again(7, 1_000, now)).expect("is taken");
            assert_eq!(leave(&mut gate, now), expected, "after {after} ms");
        }
    }

    #[test]
    fn on_a_slow_path_retransmissions_do_not_keep_the_picture_from_leaving() {
        let start = Instant::now();
        let mut gate = gate(100_000.0);
        let mut pictures = 0;
        for step in 0..200_u16 {
            let now = start + u32::from(step) * Duration::from_millis(50);
            // Half of what the path carries, and twice as much of what was lost before.
            gate.handle_write(packet(PICTURE, 300, now)).expect("is taken");
            for lost in 0..4 {
                gate.handle_write(again(4 * step + lost, 300, now)).expect("is taken");
            }
            gate.handle_timeout(now).expect("works");
            while let Some(packet) = gate.poll_write() {
                pictures += usize::from(!packet.message.has(&Attribute::Retransmission));
            }
        }
        assert!(pictures > 190, "{pictures}");
        assert!(gate.retransmitted.len() < 2 * RETRANSMISSIONS_KNOWN);
    }

    #[test]
    fn what_the_pacer_had_no_room_for_does_not_count_as_under_way() {
        let start = Instant::now();
        let mut gate = PacingGate::new(
            PacerBuilder::new()
                .with_target_bitrate(1_000_000.0)
                .with_queue_limit(1)
                .build(),
            no_probes(),
        );
        gate.bind_local_stream(&StreamInfo {
            ssrc: PICTURE,
            ssrc_rtx: Some(AGAIN),
            ..Default::default()
        });
        gate.handle_write(packet(PICTURE, 500, start)).expect("is taken");
        gate.handle_write(again(1, 500, start)).expect("is left out");
        assert_eq!(leave(&mut gate, start), 1);
        gate.handle_write(again(1, 500, start)).expect("is taken");
        assert_eq!(leave(&mut gate, start), 1);
        assert!(gate.waiting_bits < 1.0);
    }
}
