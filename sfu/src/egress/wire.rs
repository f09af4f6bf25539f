//! For programs that measure servers from the viewer's end of the wire: the keys that DTLS agreed on, SRTP by them, and what
//! a server of this crate reads from feedback. The server itself is built without.

use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::{KeyingMaterial, SrtpProfile};

use super::arena::Arena;
use super::feedback::{self, Feedback};
use super::srtp::Opener;

/// What one DTLS handshake agreed on.
pub struct Keys(super::Keys);

impl Keys {
    /// Of a handshake that somebody else made; `is_client` where we were its client.
    pub fn new(material: &[u8], profile: SrtpProfile, is_client: bool) -> Self {
        Self(super::Keys {
            material: KeyingMaterial::new(material),
            profile,
            is_client,
        })
    }
}

/// The platform's cryptography, for an engine whose keys [`take_keys`] is to find.
pub fn provider() -> CryptoProvider {
    super::provider()
}

/// The keys that an engine of this thread agreed on since the last call. To be asked after every poll of one.
pub fn take_keys() -> Option<Keys> {
    super::take_keys().map(Keys)
}

/// SRTP and SRTCP of one connection.
#[derive(Debug)]
pub struct Srtp {
    control: super::Srtp,
    media: Opener,
    sealed: Arena,
}

impl Srtp {
    /// `None` for a profile that is not known here.
    pub fn new(keys: &Keys, crypto: &CryptoProvider) -> Option<Self> {
        Some(Self {
            control: super::Srtp::new(&keys.0, crypto)?,
            media: Opener::new(&keys.0, crypto)?,
            sealed: Arena::default(),
        })
    }

    /// Puts the payload of an RTP packet into `opened`, with its padding. Its first `header` bytes are the header; `index` is
    /// its extended sequence number (RFC 3711 §3.3.1). Whether it is genuine.
    pub fn open_rtp(&mut self, datagram: &[u8], place: (usize, u32, u64), opened: &mut Vec<u8>) -> bool {
        self.media.open(datagram, place, opened)
    }

    /// An RTP packet, sealed: of its `header`, which says `ssrc` and the low 16 bits of `index`, and its payload.
    pub fn seal_rtp(&mut self, header: &[u8], (ssrc, index): (u32, u64), payload: &[u8]) -> Option<&[u8]> {
        self.sealed.truncate(0);
        self.sealed.push(header);
        let place = (header.len(), ssrc, index);
        let is_sealed = self.control.seal_rtp(&mut self.sealed, place, payload);
        is_sealed.then(|| self.sealed.grow(0).0)
    }

    /// Puts an RTCP packet into `opened`. Whether it is genuine and new.
    pub fn open_rtcp(&mut self, datagram: &[u8], opened: &mut Vec<u8>) -> bool {
        self.control.open_rtcp(datagram, opened)
    }

    /// An RTCP packet, compound or reduced-size, sealed.
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        self.sealed.truncate(0);
        let is_sealed = self.control.seal_rtcp(&mut self.sealed, packet);
        is_sealed.then(|| self.sealed.grow(0).0)
    }
}

/// What a server of this crate reads from one packet of feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// How a stream is received (RFC 3550 §6.4.1).
    Report {
        /// The stream.
        ssrc: u32,
        /// Of 256, since the last report.
        fraction_lost: u8,
        /// In ticks of the stream's clock.
        jitter: u32,
        /// The middle of the NTP time of the last sender report.
        last_report: u32,
        /// How long ago that came, in 1/65,536 s.
        delay: u32,
    },
    /// Packets that did not come (RFC 4585 §6.2.1).
    Nack {
        /// Their stream.
        ssrc: u32,
        /// Their sequence numbers.
        numbers: Vec<u16>,
    },
    /// A picture cannot be decoded until a keyframe comes (RFC 4585 §6.3.1, RFC 5104 §4.3.1).
    Keyframe {
        /// Its stream.
        ssrc: u32,
    },
    /// Which packets arrived, and when (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    Arrivals {
        /// Number of the first.
        first: u16,
        /// In 64 ms; 24 bits, signed.
        reference: i32,
        /// Of each from the first on, in 250 µs since the reference; `None`: it did not.
        steps: Vec<Option<i64>>,
    },
}

/// Reads a compound packet of RTCP up to the first thing that is malformed.
pub fn read_feedback(compound: &[u8]) -> Vec<Heard> {
    let mut heard = Vec::new();
    feedback::read(compound, |feedback| {
        heard.push(match feedback {
            Feedback::Report(block) => Heard::Report {
                ssrc: block.ssrc,
                fraction_lost: block.fraction_lost,
                jitter: block.jitter,
                last_report: block.last_report,
                delay: block.delay,
            },
            Feedback::Nack { ssrc, entries } => Heard::Nack {
                ssrc,
                numbers: feedback::lost(entries).collect(),
            },
            Feedback::Keyframe { ssrc } => Heard::Keyframe { ssrc },
            Feedback::Arrivals(arrivals) => Heard::Arrivals {
                first: arrivals.first,
                reference: arrivals.reference,
                steps: arrivals.iter().collect(),
            },
        });
    });
    heard
}
