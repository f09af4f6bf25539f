//! STUN messages (RFC 8489 §5) with the attributes of TURN (RFC 8656 §18), read and written as a server needs them: every
//! attribute of a kind, those that are not known, and errors that carry them. ICE's own codec knows neither.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use constant_time_eq::constant_time_eq;
use is::{DefaultSha1HmacProvider, Sha1HmacProvider as _};

/// RFC 8489 §5.
pub(crate) const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Bytes before the attributes.
pub(crate) const HEADER: usize = 20;

/// The port of an address is combined with the cookie's first half (RFC 8489 §14.2).
const PORT_MASK: u16 = 0x2112;

const INTEGRITY_BYTES: usize = 20;

/// What a message is about (RFC 8489 §18.2, RFC 8656 §17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Binding,
    Allocate,
    Refresh,
    Send,
    Data,
    CreatePermission,
    ChannelBind,
}

impl Method {
    const ALL: [(Self, u16); 7] = [
        (Self::Binding, 1),
        (Self::Allocate, 3),
        (Self::Refresh, 4),
        (Self::Send, 6),
        (Self::Data, 7),
        (Self::CreatePermission, 8),
        (Self::ChannelBind, 9),
    ];

    fn number(self) -> u16 {
        Self::ALL
            .iter()
            .find(|(method, _)| *method == self)
            .map_or(0, |(_, number)| *number)
    }
}

/// RFC 8489 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// Types of attributes (RFC 8489 §18.3, RFC 8656 §18). Below 0x8000 they have to be understood.
pub(crate) mod attribute {
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
    pub(crate) const LIFETIME: u16 = 0x000d;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub(crate) const EVEN_PORT: u16 = 0x0018;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const RESERVATION_TOKEN: u16 = 0x0022;
    /// ICE's own (RFC 8445 §16.1), which some clients send to a server as well.
    pub(crate) const PRIORITY: u16 = 0x0024;
    pub(crate) const USE_CANDIDATE: u16 = 0x0025;
    pub(crate) const FIRST_OPTIONAL: u16 = 0x8000;
}

/// A well-formed message; its attributes have been walked once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
}

/// Rounded up to whole words (RFC 8489 §14).
pub(crate) fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

impl<'a> Message<'a> {
    /// `None` for what is no STUN message, or one that contradicts itself.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [first, _, high, low, c0, c1, c2, c3, ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let fits = bytes.len() == HEADER + length && length.is_multiple_of(4);
        if first & 0xc0 != 0 || [*c0, *c1, *c2, *c3] != COOKIE || !fits {
            return None;
        }
        let mut message = Self {
            bytes,
            integrity_at: None,
        };
        let mut at = HEADER;
        while at < bytes.len() {
            let (kind, value) = message.at(at)?;
            if kind == attribute::MESSAGE_INTEGRITY {
                if value.len() != INTEGRITY_BYTES {
                    return None;
                }
                message.integrity_at.get_or_insert(at);
            }
            at += 4 + padded(value.len());
        }
        Some(message)
    }

    fn at(&self, at: usize) -> Option<(u16, &'a [u8])> {
        let [k0, k1, l0, l1] = *self.bytes.get(at..at + 4)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = self.bytes.get(at + 4..at + 4 + length)?;
        Some((u16::from_be_bytes([k0, k1]), value))
    }

    fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// `None` for one that is not of these.
    pub(crate) fn method(&self) -> Option<Method> {
        let number = self.kind() & 0x3eef;
        Method::ALL
            .iter()
            .find(|(_, known)| *known == number)
            .map(|(method, _)| *method)
    }

    pub(crate) fn class(&self) -> Class {
        match self.kind() & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }

    pub(crate) fn transaction(&self) -> [u8; 12] {
        self.bytes[8..HEADER].first_chunk().copied().unwrap_or_default()
    }

    /// In their order, up to MESSAGE-INTEGRITY: what stands behind it is not covered by it and does not count
    /// (RFC 8489 §14.5).
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let message = *self;
        let end = self.integrity_at.unwrap_or(self.bytes.len());
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let (kind, value) = (at < end).then(|| message.at(at)).flatten()?;
            at += 4 + padded(value.len());
            Some((kind, value))
        })
    }

    /// The first of a kind (RFC 8489 §14).
    pub(crate) fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        self.attributes()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self, wanted: u16) -> Option<&'a str> {
        std::str::from_utf8(self.attribute(wanted)?).ok()
    }

    /// 32 bits.
    pub(crate) fn number(&self, wanted: u16) -> Option<u32> {
        self.attribute(wanted)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The address in an attribute of the XOR kind.
    pub(crate) fn address(&self, value: &[u8]) -> Option<SocketAddr> {
        read_address(value, &self.transaction())
    }

    pub(crate) fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether MESSAGE-INTEGRITY is there and is of this key. Compares in constant time.
    pub(crate) fn is_signed_by(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let Some((_, signature)) = self.at(at) else {
            return false;
        };
        // The length that was signed ends with the attribute itself (RFC 8489 §14.5).
        let length = (at - HEADER + 4 + INTEGRITY_BYTES) as u16;
        let parts = [&self.bytes[..2], &length.to_be_bytes(), &self.bytes[4..at]];
        constant_time_eq(signature, &DefaultSha1HmacProvider.sha1_hmac(key, &parts))
    }
}

fn read_address(value: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let [_, family, p0, p1, ip @ ..] = value else {
        return None;
    };
    let port = u16::from_be_bytes([*p0, *p1]) ^ PORT_MASK;
    let ip: IpAddr = match (family, ip.len()) {
        (1, 4) => Ipv4Addr::from(masked::<4>(ip, transaction)).into(),
        (2, 16) => Ipv6Addr::from(masked::<16>(ip, transaction)).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Combined with the cookie and the transaction (RFC 8489 §14.2), which undoes itself.
fn masked<const N: usize>(octets: &[u8], transaction: &[u8; 12]) -> [u8; N] {
    let mask = COOKIE.iter().chain(transaction);
    let mut result = [0; N];
    for ((result, octet), mask) in result.iter_mut().zip(octets).zip(mask) {
        *result = octet ^ mask;
    }
    result
}

/// A message in the making.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    transaction: [u8; 12],
}

impl Writer {
    pub(crate) fn new(method: Method, class: Class, transaction: [u8; 12]) -> Self {
        let class = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&(method.number() | class).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&transaction);
        Self { bytes, transaction }
    }

    /// `value` has at most 65,535 bytes, which no datagram reaches.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(padded(self.bytes.len()), 0);
        self
    }

    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// An address of the XOR kind.
    pub(crate) fn address(self, kind: u16, address: SocketAddr) -> Self {
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        value.extend_from_slice(&(address.port() ^ PORT_MASK).to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => value.extend_from_slice(&masked::<4>(&ip.octets(), &self.transaction)),
            IpAddr::V6(ip) => value.extend_from_slice(&masked::<16>(&ip.octets(), &self.transaction)),
        }
        self.attribute(kind, &value)
    }

    /// Without a phrase, which no program reads and which would make the answer to a stranger longer.
    pub(crate) fn error(self, code: u16) -> Self {
        let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// The message, with MESSAGE-INTEGRITY where there is a key.
    pub(crate) fn finish(mut self, key: Option<&[u8]>) -> Vec<u8> {
        let body = self.bytes.len() - HEADER;
        let length = body + if key.is_some() { 4 + INTEGRITY_BYTES } else { 0 };
        self.bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        match key {
            Some(key) => {
                let signature = DefaultSha1HmacProvider.sha1_hmac(key, &[&self.bytes]);
                self.attribute(attribute::MESSAGE_INTEGRITY, &signature).bytes
            }
            None => self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use is::stun::{StunMessage, StunMessageBuilder, TransId};
    use proptest::prelude::*;

    fn sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
        DefaultSha1HmacProvider.sha1_hmac(key, parts)
    }

    #[test]
    fn the_other_codec_reads_what_this_one_writes() {
        for address in ["192.0.2.7:4711", "[2001:db8::7]:4711"] {
            let address: SocketAddr = address.parse().expect("an address");
            let bytes = Writer::new(Method::Allocate, Class::Success, [7; 12])
                .address(attribute::XOR_RELAYED_ADDRESS, address)
                .number(attribute::LIFETIME, 600)
                .attribute(attribute::NONCE, b"odd")
                .finish(Some(b"key"));
            let read = StunMessage::parse(&bytes).expect("a message");
            assert_eq!(read.xor_relayed_address(), Some(address));
            assert_eq!((read.lifetime(), read.nonce()), (Some(600), Some("odd")));
            assert!(read.verify(b"key", sha1) && !read.verify(b"kez", sha1));
            let own = Message::parse(&bytes).expect("a message");
            let value = own.attribute(attribute::XOR_RELAYED_ADDRESS).expect("is there");
            assert_eq!(own.address(value), Some(address));
        }
    }

    #[test]
    fn this_codec_reads_what_the_other_one_writes() {
        let peer: SocketAddr = "[2001:db8::7]:4711".parse().expect("an address");
        let written = StunMessageBuilder::new()
            .channel_bind()
            .request()
            .username("ann")
            .channel_number(0x4001)
            .xor_peer_address(peer)
            .build(TransId::new());
        let mut bytes = [0; 512];
        let length = written.to_bytes(Some(b"key"), &mut bytes, sha1).expect("fits");
        let message = Message::parse(&bytes[..length]).expect("a message");
        assert_eq!(
            (message.method(), message.class()),
            (Some(Method::ChannelBind), Class::Request)
        );
        assert_eq!(message.text(attribute::USERNAME), Some("ann"));
        assert_eq!(message.number(attribute::CHANNEL_NUMBER), Some(0x4001_0000));
        let value = message.attribute(attribute::XOR_PEER_ADDRESS).expect("is there");
        assert_eq!(message.address(value), Some(peer));
        assert!(message.is_signed_by(b"key") && !message.is_signed_by(b"kez"));
        bytes[30] ^= 1;
        let changed = Message::parse(&bytes[..length]);
        assert!(changed.is_none_or(|message| !message.is_signed_by(b"key")));
    }

    #[test]
    fn what_stands_behind_the_integrity_does_not_count() {
        let signed = Writer::new(Method::Refresh, Class::Request, [1; 12]).finish(Some(b"key"));
        let mut bytes = signed;
        bytes.extend_from_slice(&[0, 0x0d, 0, 4, 0, 0, 0, 0]);
        let length = (bytes.len() - HEADER) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&bytes).expect("a message");
        assert!(message.is_signed_by(b"key"));
        assert_eq!(message.attribute(attribute::LIFETIME), None);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), is_framed: bool) {
            if is_framed && bytes.len() >= HEADER {
                bytes.truncate(HEADER + (bytes.len() - HEADER) / 4 * 4);
                bytes[0] &= 0x3f;
                let length = (bytes.len() - HEADER) as u16;
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[4..8].copy_from_slice(&COOKIE);
            }
            if let Some(message) = Message::parse(&bytes) {
                let (_, _, _) = (message.method(), message.class(), message.is_signed_by(b"key"));
                for (_, value) in message.attributes() {
                    let _ = message.address(value);
                }
            }
        }
    }
}
