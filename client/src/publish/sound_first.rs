//! Lets sound past the pacer: it is never a burst, and on a slow path it would wait for seconds behind what is left of the picture.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use rtc::interceptor::{Interceptor, PacerInterceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;

/// A pacer for all but sound. Stands in its slot.
pub(super) struct SoundFirst {
    pacer: PacerInterceptor,
    /// SSRCs.
    sound: HashSet<u32>,
    outbound: VecDeque<TaggedPacket>,
}

impl SoundFirst {
    pub(super) fn new(pacer: PacerInterceptor) -> Self {
        Self {
            pacer,
            sound: HashSet::new(),
            outbound: VecDeque::new(),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for SoundFirst {
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
        if matches!(&packet.message.packet, Packet::Rtp(rtp) if self.sound.contains(&rtp.header.ssrc)) {
            self.outbound.push_back(packet);
            return Ok(());
        }
        self.pacer.handle_write(packet)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front().or_else(|| self.pacer.poll_write())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        self.pacer.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.pacer.poll_timeout()
    }
}

impl Interceptor for SoundFirst {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        if info.mime_type.to_ascii_lowercase().starts_with("audio/") {
            self.sound.insert(info.ssrc);
        }
        self.pacer.bind_local_stream(info);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.sound.remove(&info.ssrc);
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
    use std::time::Duration;

    use rtc::interceptor::{AttributedPacket, PacerBuilder};
    use rtc::shared::TransportContext;

    use super::*;

    const SOUND: u32 = 1;
    const PICTURE: u32 = 2;

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
        let mut chain = SoundFirst::new(PacerBuilder::new().with_target_bitrate(10_000.0).build());
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
}
