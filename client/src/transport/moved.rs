//! Noticing that this machine is in another network, sooner than ICE does by silence.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How often it is looked. Three system calls each time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Any port will do: nothing is sent to it.
const PORT: u16 = 9;

/// Resolves when the address from which this machine reaches `host` is gone and there is another one. Never where the host
/// cannot be found, or is this machine.
///
/// A second network beside the first is no reason to leave that: its path still carries what is sent.
pub(crate) async fn moved(host: &str) {
    let host = host.trim_matches(['[', ']']);
    let server = tokio::net::lookup_host((host, PORT)).await;
    let Some(server) = server.ok().and_then(|mut found| found.next()) else {
        return std::future::pending().await;
    };
    let mut from = source_towards(server);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if has_moved(&mut from, source_towards(server), is_here) {
            return;
        }
    }
}

/// Whether the address that was used is gone, where there is another one `now`. While there is none, the next one is
/// waited for.
fn has_moved(from: &mut Option<IpAddr>, now: Option<IpAddr>, is_here: impl Fn(IpAddr) -> bool) -> bool {
    match (*from, now) {
        (Some(before), Some(now)) => before != now && !is_here(before),
        (None, Some(_)) => {
            *from = now;
            false
        }
        (_, None) => false,
    }
}

/// The address from which the system would send. Connecting a datagram socket chooses one and sends nothing.
fn source_towards(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether an interface still has the address: a socket can be bound to no other.
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_here_or_it_is_not() {
        assert!(is_here(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_here(Ipv4Addr::new(192, 0, 2, 1).into()), "an address of nobody's");
        assert_eq!(
            source_towards(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))),
            Some(Ipv4Addr::LOCALHOST.into())
        );
    }

    #[test]
    fn an_address_that_is_gone_and_has_a_successor_is_a_move() {
        let [wifi, cellular] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let nowhere = |_| false;
        let mut from = Some(wifi);
        assert!(!has_moved(&mut from, Some(wifi), nowhere));
        // A second network is no reason to leave the first, nor is a moment without any.
        assert!(!has_moved(&mut from, Some(cellular), |ip| ip == wifi));
        assert!(!has_moved(&mut from, None, nowhere));
        assert!(has_moved(&mut from, Some(cellular), nowhere));
        let mut from = None;
        assert!(!has_moved(&mut from, Some(wifi), nowhere));
        assert!(has_moved(&mut from, Some(cellular), nowhere));
    }
}
