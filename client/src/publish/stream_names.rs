//! Says with each packet which simulcast layer it belongs to (RFC 8852), retransmissions included (RFC 4588, RFC 8852 §3.2).
//!
//! Receivers of simulcast learn an SSRC's layer from its packets alone: browsers announce none in SDP, and servers therefore look for
//! none there. webrtc-rs' retransmissions carry no header extensions, so that they are named here, on their way out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;

/// URIs of the header extensions (RFC 8843 §14.3, RFC 8852 §4).
pub(super) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(super) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
pub(super) const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// The extensions that a stream's packets carry: id and content.
pub(super) type Names = Vec<(u8, Bytes)>;

/// What is known of the streams of one connection, by SSRC: nothing until they are negotiated.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownStreams(Arc<Mutex<HashMap<u32, Names>>>);

impl KnownStreams {
    /// Packets of `ssrc` carry `names` from now on.
    pub(super) fn name(&self, ssrc: u32, names: Names) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(ssrc, names);
    }
}

/// Names packets as they pass. Stands nearer to the wire than what retransmits.
pub(super) struct StreamNames {
    known: KnownStreams,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl StreamNames {
    pub(super) fn new(known: KnownStreams) -> Self {
        Self {
            known,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for StreamNames {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.inbound.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, mut packet: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            let known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, name) in known.get(&rtp.header.ssrc).into_iter().flatten() {
                rtp.header.set_extension(*id, name.clone())?;
            }
        }
        self.outbound.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for StreamNames {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::AttributedPacket;
    use rtc::shared::TransportContext;

    use super::*;

    #[test]
    fn packets_of_known_streams_are_named_and_others_left_as_they_are() {
        let known = KnownStreams::default();
        let mut chain = StreamNames::new(known.clone());
        known.name(7, vec![(3, Bytes::from_static(b"0")), (4, Bytes::from_static(b"q"))]);
        for ssrc in [7, 8] {
            let mut packet = rtc::rtp::Packet::default();
            packet.header.ssrc = ssrc;
            let packet = TaggedPacket {
                now: Instant::now(),
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtp(packet)),
            };
            chain.handle_write(packet).expect("takes packets");
        }
        let mut extension = |id| {
            let Packet::Rtp(rtp) = chain.poll_write()?.message.packet else {
                return None;
            };
            rtp.header.get_extension(id)
        };
        assert_eq!(extension(4), Some(Bytes::from_static(b"q")));
        assert_eq!(extension(4), None);
    }
}
