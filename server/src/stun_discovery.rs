//! The address that this machine has from outside, behind a router that translates: asked of a STUN server (RFC 8489 §3).
//!
//! Nobody is asked whom the operator has not named.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::turn::message::{Class, Message, Method, Writer, attribute};

/// RFC 8489 §6.2.1, without the doubling: this is done now and then, and a start should not wait long.
const RESEND_AFTER: Duration = Duration::from_millis(500);

/// Requests to one address of a server's: with them it is given up after two seconds.
const ATTEMPTS: usize = 4;

/// Addresses of one name that are asked. A large service has a handful in each family; more answer no sooner.
const MOST_ASKED: usize = 16;

/// An answer is some 60 bytes.
const BUFFER_BYTES: usize = 1500;

/// Why no address was found.
#[derive(Debug, thiserror::Error)]
pub enum StunError {
    /// No such name, or no network.
    #[error("the STUN server {0} cannot be found: {1}. Check `stun_discovery`, or name the address with --advertise")]
    Lookup(String, io::Error),
    /// None of its addresses did.
    #[error("the STUN server {0} does not answer. Check `stun_discovery`, or name the address with --advertise")]
    Silent(String),
}

/// The addresses under which `servers`, a `HOST:PORT` or several with commas between them, see this machine: one of each family
/// that it has at most. All their addresses are asked at once, and whichever answers first is believed.
pub async fn public_addresses(servers: &str) -> Result<Vec<IpAddr>, StunError> {
    let names: Vec<&str> = servers
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let found = join_all(names.iter().map(|name| async move {
        let found = lookup_host(name).await;
        found.map_err(|error| StunError::Lookup((*name).to_owned(), error))
    }));
    let (mut addresses, mut failure) = (Vec::new(), None);
    for found in found.await {
        match found {
            Ok(found) => addresses.extend(found.take(MOST_ASKED)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some(error) = failure.filter(|_| addresses.is_empty()) {
        return Err(error);
    }
    let (ipv4, ipv6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    let (ipv4, ipv6) = join(first_answer(&ipv4), first_answer(&ipv6)).await;
    let seen: Vec<_> = ipv4.into_iter().chain(ipv6).collect();
    if seen.is_empty() {
        return Err(StunError::Silent(names.join(" or ")));
    }
    Ok(seen)
}

/// Of servers of one family.
async fn first_answer(servers: &[SocketAddr]) -> Option<IpAddr> {
    let asked: FuturesUnordered<_> = servers.iter().map(|server| ask(*server)).collect();
    let mut answers = asked.filter_map(std::future::ready);
    answers.next().await
}

/// `None` where nothing answers, as in a family that this machine does not have.
async fn ask(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    // From nobody else anything is taken.
    socket.connect(server).await.ok()?;
    let transaction = rand::random();
    let request = Writer::new(Method::Binding, Class::Request, transaction).finish(None);
    let mut buffer = [0; BUFFER_BYTES];
    for _ in 0..ATTEMPTS {
        // Both fail once for each ICMP error that came meanwhile. A server that is being started refuses as one does that is none, so
        // that it says no more than silence.
        let _ = socket.send(&request).await;
        let answer = timeout(RESEND_AFTER, async {
            loop {
                let received = socket.recv(&mut buffer).await;
                let address = received
                    .ok()
                    .and_then(|length| mapped_address(&buffer[..length], transaction));
                if let Some(address) = address {
                    return address;
                }
            }
        });
        if let Ok(address) = answer.await {
            return Some(address);
        }
    }
    None
}

fn mapped_address(answer: &[u8], transaction: [u8; 12]) -> Option<IpAddr> {
    let message = Message::parse(answer)?;
    let is_answer = message.transaction() == transaction
        && message.class() == Class::Success
        && message.method() == Some(Method::Binding);
    let value = message.attribute(attribute::XOR_MAPPED_ADDRESS).filter(|_| is_answer)?;
    message.address(value).map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A STUN server that sees everybody at one address, after `lost` requests that it does not answer and after an
    /// answer that is for somebody else.
    async fn stun_server(seen: SocketAddr, lost: usize) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = socket.local_addr().expect("bound");
        serve(socket, seen, lost);
        address
    }

    fn serve(socket: UdpSocket, seen: SocketAddr, lost: usize) {
        tokio::spawn(async move {
            let mut buffer = [0; BUFFER_BYTES];
            for number in 0.. {
                let (length, client) = socket.recv_from(&mut buffer).await.expect("a request");
                let request = Message::parse(&buffer[..length]).expect("STUN");
                let mut transaction = request.transaction();
                let answer = |transaction| {
                    Writer::new(Method::Binding, Class::Success, transaction)
                        .address(attribute::XOR_MAPPED_ADDRESS, seen)
                        .finish(None)
                };
                if number >= lost {
                    let good = answer(transaction);
                    transaction[0] ^= 1;
                    socket.send_to(&answer(transaction), client).await.expect("sends");
                    socket.send_to(&good, client).await.expect("sends");
                }
            }
        });
    }

    /// Where nobody listens, so that the system refuses.
    async fn closed_port() -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        socket.local_addr().expect("bound")
    }

    #[tokio::test]
    async fn one_server_that_answers_among_those_that_do_not_is_enough() {
        let seen: SocketAddr = "203.0.113.7:4711".parse().expect("an address");
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let (silent_at, closed) = (silent.local_addr().expect("bound"), closed_port().await);
        let server = stun_server(seen, 1).await;
        let found = first_answer(&[silent_at, closed, server]).await;
        assert_eq!(found, Some(seen.ip()), "of the addresses of one name");
        let named = format!("no port, {silent_at},{server},");
        assert_eq!(public_addresses(&named).await.expect("found"), [seen.ip()]);
    }

    #[tokio::test]
    async fn a_refusal_is_no_answer_for_good() {
        let seen: SocketAddr = "203.0.113.7:4711".parse().expect("an address");
        let server = closed_port().await;
        let starts = async {
            // It begins between the first request and the last.
            tokio::time::sleep(RESEND_AFTER / 2).await;
            serve(UdpSocket::bind(server).await.expect("still free"), seen, 0);
        };
        let (found, ()) = join(ask(server), starts).await;
        assert_eq!(found, Some(seen.ip()));
    }

    #[tokio::test]
    async fn the_address_is_the_one_that_the_server_sees() {
        let seen: SocketAddr = "203.0.113.7:4711".parse().expect("an address");
        for lost in [0, 2] {
            let server = stun_server(seen, lost).await.to_string();
            assert_eq!(public_addresses(&server).await.expect("found"), [seen.ip()]);
        }
    }

    #[tokio::test]
    async fn a_server_that_is_silent_or_nowhere_is_named() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let server = socket.local_addr().expect("bound").to_string();
        let error = public_addresses(&server).await.expect_err("silent").to_string();
        assert!(error.contains(&server) && error.contains("--advertise"), "{error}");
        let error = public_addresses("no port").await.expect_err("no address").to_string();
        assert!(error.contains("no port"), "{error}");
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let seen: SocketAddr = "203.0.113.7:4711".parse().expect("an address");
        let bytes = |class| {
            Writer::new(Method::Binding, class, [1; 12])
                .address(attribute::XOR_MAPPED_ADDRESS, seen)
                .finish(None)
        };
        assert_eq!(mapped_address(&bytes(Class::Success), [1; 12]), Some(seen.ip()));
        assert_eq!(mapped_address(&bytes(Class::Success), [2; 12]), None);
        assert_eq!(mapped_address(&bytes(Class::Error), [1; 12]), None);
        assert_eq!(mapped_address(b"nonsense", [1; 12]), None);
    }
}
