//! A browser of the world's.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use footlight_sfu::PeerId;
use str0m::format::Codec;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{RawPacket, RtpPacket};
use str0m::{Event, Output, Rtc};

use super::{Datagram, IDR};

/// Whether it is RTP and not RTCP (RFC 7983 §7, RFC 5761 §4).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(64..96).contains(&(second & 0x7f)))
}

/// RFC 7983 §7.
fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0..=3, ..])
}

/// A browser, as far as the server can tell.
pub(crate) struct Client {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    /// The worker whose socket gets what it sends.
    pub(crate) worker: usize,
    pub(crate) peer: PeerId,
    pub(crate) answer: String,
    pub(crate) mids: Vec<(Mid, MediaKind)>,
    pub(crate) received: Vec<RtpPacket>,
    /// When it was asked for a keyframe.
    pub(crate) asked: Vec<Instant>,
    pub(crate) is_connected: bool,
    /// Cut off from the network.
    pub(crate) is_cut: bool,
    /// It makes no checks of ICE any more, as programs do that only send.
    pub(crate) makes_no_checks: bool,
    /// Of so many datagrams that it sends one is lost.
    pub(crate) loses_every: Option<usize>,
    /// So many RTP packets that it sends next do not arrive.
    pub(crate) holds: usize,
    pub(super) held: Vec<Datagram>,
    /// How often it was asked to send packets again.
    pub(crate) nacks: usize,
    pub(super) datagrams: usize,
    pub(super) answered: usize,
    /// Of its pictures.
    pub(crate) sequence_number: u64,
    pub(super) sounds: u64,
    /// Packets of either kind.
    pub(crate) sent: usize,
    pub(crate) frame: u32,
    /// Of the packets of [`World::send_own`], by their section.
    pub(super) lines: HashMap<Mid, u64>,
    /// Sections that a keyframe is asked of.
    pub(super) wanted: HashSet<Mid>,
}

impl Client {
    pub(super) fn is_asked(&self) -> bool {
        self.asked.len() > self.answered
    }

    /// Forgets when it was asked for keyframes, but not that it was.
    pub(crate) fn forget_requests(&mut self) {
        let is_asked = self.is_asked();
        self.asked.drain(..self.asked.len() - usize::from(is_asked));
        self.answered = 0;
    }

    /// Whether it was asked for a keyframe since the last time.
    pub(crate) fn take_asked(&mut self) -> bool {
        let is_asked = self.is_asked();
        self.answered = self.asked.len();
        is_asked
    }

    pub(super) fn payload_type(&self, kind: MediaKind) -> Pt {
        let params = self.rtc.codec_config().find(|p| {
            let is_mode_one = p.spec().codec != Codec::H264 || p.spec().format.packetization_mode == Some(1);
            p.spec().codec.kind() == kind && is_mode_one
        });
        params.expect("a codec of the kind").pt()
    }

    pub(super) fn drain(&mut self, now: Instant, datagrams: &mut VecDeque<Datagram>) {
        loop {
            // A client that is cut off gives up its handshake after a while.
            let Ok(output) = self.rtc.poll_output() else { return };
            match output {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => {
                    self.datagrams += 1;
                    let is_lost = self.is_cut
                        || (self.makes_no_checks && is_stun(&transmit.contents))
                        || self
                            .loses_every
                            .is_some_and(|every| self.datagrams.is_multiple_of(every));
                    let datagram = Datagram {
                        source: transmit.source,
                        destination: transmit.destination,
                        contents: transmit.contents.into(),
                    };
                    if self.holds > 0 && is_rtp(&datagram.contents) {
                        self.holds -= 1;
                        self.held.push(datagram);
                    } else if !is_lost {
                        datagrams.push_back(datagram);
                    }
                }
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.received.push(packet),
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.asked.push(now);
                    self.wanted.insert(request.mid);
                }
                Output::Event(Event::RawPacket(packet)) => {
                    self.nacks += usize::from(matches!(*packet, RawPacket::RtcpRx(Rtcp::Nack(_))));
                }
                Output::Event(_) => {}
            }
        }
    }

    /// The packets that came in for one slot, in the order of arrival.
    pub(crate) fn of_kind(&self, kind: MediaKind) -> Vec<&RtpPacket> {
        let is_video = |packet: &&RtpPacket| (packet.payload.len() > 100) == kind.is_video();
        self.received.iter().filter(is_video).collect()
    }

    /// The first bytes of the pictures that came in.
    pub(crate) fn pictures(&self) -> Vec<u8> {
        self.of_kind(MediaKind::Video)
            .iter()
            .map(|packet| packet.payload[0])
            .collect()
    }

    /// How many keyframes came in.
    pub(crate) fn keyframes(&self) -> usize {
        let mut pictures = self.pictures();
        pictures.retain(|first| *first == IDR);
        pictures.len()
    }

    /// Extended sequence numbers of the pictures that came in.
    pub(crate) fn sequence_numbers(&self) -> Vec<u64> {
        self.of_kind(MediaKind::Video)
            .iter()
            .map(|packet| *packet.seq_no)
            .collect()
    }
}
