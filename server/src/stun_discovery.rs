//! The address that this machine has from outside, behind a router that translates: asked of a STUN server (RFC 8489 §3).
//!
//! Nobody is asked whom the operator has not named.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::turn::message::{Class, Message, Method, Writer, attribute};

/// RFC 8489 §6.2.1, without the doubling: this is done now and then, and a start should not wait long.
const RESEND_AFTER: Duration = Duration::from_millis(500);

/// Requests to one address of the server's.
const ATTEMPTS: usize = 4;

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

/// The addresses under which `server`, a `HOST:PORT`, sees this machine: one of each family that it has at most.
pub async fn public_addresses(server: &str) -> Result<Vec<IpAddr>, StunError> {
    let found = lookup_host(server).await;
    let servers: Vec<SocketAddr> = found
        .map_err(|error| StunError::Lookup(server.to_owned(), error))?
        .collect();
    let mut addresses = Vec::new();
    for is_ipv4 in [true, false] {
        let of_family = servers.iter().find(|address| address.is_ipv4() == is_ipv4);
        if let Some(address) = of_family
            && let Some(seen) = ask(*address).await
        {
            addresses.push(seen);
        }
    }
    if addresses.is_empty() {
        return Err(StunError::Silent(server.to_owned()));
    }
    Ok(addresses)
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
        socket.send(&request).await.ok()?;
        let answer = timeout(RESEND_AFTER, async {
            loop {
                // An ICMP error of the request before, or the end of the time.
                let length = socket.recv(&mut buffer).await.ok()?;
                if let Some(address) = mapped_address(&buffer[..length], transaction) {
                    return Some(address);
                }
            }
        });
        if let Ok(Some(address)) = answer.await {
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
        address
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
