//! Remotes that are reached through a relay within this process instead of a socket.
//!
//! Each has an address that is a name and no more, of blocks to which no network delivers: nobody else is ever meant by
//! one, and what comes to a socket under such a name is somebody's invention.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Of nobody: RFC 7600 §4.8 keeps it for hosts without an address of IPv4, as a source alone.
const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8));

/// Of nobody: in the block that routers discard (RFC 6666).
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1));

/// Datagrams that wait for the relay: 50 ms of a gigabit. What does not fit is dropped, as a network would.
pub const RELAY_CAPACITY: usize = 4096;

/// A datagram to a remote behind the relay.
#[derive(Debug)]
pub struct Relayed {
    /// The name of the remote.
    pub remote: SocketAddr,
    /// The media address that it is sent from.
    pub local: SocketAddr,
    /// DTLS, SRTP or STUN.
    pub contents: Vec<u8>,
}

/// The address under which remotes behind the relay are known; their ports differ.
pub fn relayed_ip(ipv4: bool) -> IpAddr {
    if ipv4 { IPV4 } else { IPV6 }
}

/// Whether a remote is behind the relay.
pub(super) fn is_relayed(ip: IpAddr) -> bool {
    ip == IPV4 || ip == IPV6
}
