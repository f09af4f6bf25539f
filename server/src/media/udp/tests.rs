use std::time::Duration;

use mio::Poll;

use super::*;

const UDP_BUFFER_BYTES: usize = 1024 * 1024;
const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Port {
    udp: UdpPort,
    address: SocketAddr,
    addresses: Addresses,
    _poll: Poll,
}

fn port() -> Port {
    let socket = std::net::UdpSocket::bind((LOCAL, 0)).expect("a socket");
    socket.set_nonblocking(true).expect("not blocking");
    socket2::SockRef::from(&socket)
        .set_recv_buffer_size(UDP_BUFFER_BYTES)
        .expect("a buffer");
    let address = socket.local_addr().expect("an address");
    let poll = Poll::new().expect("a poll");
    Port {
        udp: UdpPort::new(vec![socket], poll.registry(), 0).expect("a port"),
        address,
        addresses: Addresses::new(&[LOCAL], Vec::new(), address.port()),
        _poll: poll,
    }
}

impl Port {
    fn send(&mut self, destination: SocketAddr, contents: &[u8], segment_size: usize) {
        let transmit = Transmit {
            protocol: Protocol::Udp,
            source: self.address,
            destination,
            contents,
            segment_size,
        };
        self.udp.send(&transmit, &self.addresses);
    }

    /// How many datagrams a turn reads.
    fn turn(&mut self, are_for_somebody: bool) -> usize {
        let mut count = 0;
        self.udp.receive(&self.addresses, |_, _, _| {
            count += 1;
            are_for_somebody
        });
        count
    }
}

fn peer() -> (std::net::UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind((LOCAL, 0)).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time limit");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn next(socket: &std::net::UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).expect("a datagram");
    buffer[..length].to_vec()
}

#[test]
fn all_datagrams_arrive_in_order_whoever_they_are_for() {
    let mut port = port();
    let peers: Vec<_> = (0..5).map(|_| peer()).collect();
    // More than one call takes, now and then several of one size.
    for number in 0..60_u8 {
        for (_, address) in &peers {
            let size = 1 + usize::from(number % 7);
            port.send(*address, &[number; 20], if number % 3 == 0 { size } else { 20 });
        }
    }
    port.udp.flush(&port.addresses);
    for (socket, _) in &peers {
        for number in 0..60_u8 {
            let size = 1 + usize::from(number % 7);
            let sizes = [20; 20];
            let expected: Vec<_> = if number % 3 == 0 {
                sizes.chunks(size).map(<[u8]>::len).collect()
            } else {
                vec![20]
            };
            for length in expected {
                assert_eq!(next(socket), vec![number; length]);
            }
        }
    }
    assert_eq!(port.udp.lost, 0);
}

#[test]
fn one_that_cannot_be_sent_takes_no_others_with_it() {
    let mut port = port();
    let (socket, address) = peer();
    let nowhere: SocketAddr = (LOCAL, 0).into();
    port.send(address, b"before", 6);
    port.send(nowhere, b"lost", 4);
    port.send(nowhere, b"lost too", 4);
    port.send("[::1]:9".parse().expect("an address"), b"there is no socket for it", 25);
    port.send(address, b"after", 5);
    port.udp.flush(&port.addresses);
    assert_eq!(next(&socket), b"before");
    assert_eq!(next(&socket), b"after");
    assert_eq!(port.udp.lost, 4);
}

#[test]
fn what_waits_for_room_goes_first() {
    let mut port = port();
    let (socket, address) = peer();
    port.udp.waiting.push_back(Waiting {
        source: port.address,
        destination: address,
        segment_size: 5,
        contents: b"first".to_vec(),
    });
    for contents in [&b"second"[..], b"third"] {
        port.send(address, contents, 10);
    }
    port.udp.flush(&port.addresses);
    for contents in [&b"first"[..], b"second", b"third"] {
        assert_eq!(next(&socket), contents);
    }
}

#[test]
fn a_socket_that_turns_do_not_empty_is_read_further_but_not_for_what_is_for_nobody() {
    const TURN: usize = BATCHES_PER_TURN * BATCH_SIZE;
    let (sender, _) = peer();
    for (are_for_somebody, then) in [(true, TURN + 100), (false, TURN)] {
        let mut port = port();
        let fill = |port: &Port, count| {
            for _ in 0..count {
                sender.send_to(b"x", port.address).expect("sent");
            }
        };
        fill(&port, TURN + 100);
        assert_eq!(port.turn(are_for_somebody), TURN);
        fill(&port, TURN);
        assert_eq!(port.turn(are_for_somebody), then);
    }
}
