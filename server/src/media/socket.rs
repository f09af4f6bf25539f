//! Opening the media port: for each worker one UDP socket and one TCP listener per address, all on one port number.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::MediaError;

/// Kernel buffer asked for per UDP socket, each way: a keyframe of 100 kB to a thousand viewers is 100 MB, which no
/// buffer holds; 4 MiB ride out some milliseconds of it. The kernel grants less where its limit (`net.core.rmem_max`)
/// is lower.
const UDP_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Connections that the kernel keeps for a listener that is busy.
const TCP_BACKLOG: i32 = 256;

/// How often another port is tried where any will do and the one the kernel chose for UDP is taken for TCP.
const PORT_ATTEMPTS: usize = 16;

/// What one worker listens on.
#[derive(Debug, Default)]
pub(super) struct WorkerSockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

/// Sharing a port among sockets needs `SO_REUSEPORT`, which Windows has not.
pub(super) fn worker_limit() -> usize {
    if cfg!(unix) { usize::from(u8::MAX) + 1 } else { 1 }
}

/// Opens `port` (0: any) on each of `bind` for `workers`. The port in use comes with the sockets.
pub(super) fn open(
    bind: &[IpAddr],
    port: u16,
    workers: usize,
    tcp: bool,
) -> Result<(u16, Vec<WorkerSockets>), MediaError> {
    let attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
    let mut result = try_open(bind, port, workers, tcp);
    for _ in 1..attempts {
        if result.is_ok() {
            break;
        }
        result = try_open(bind, port, workers, tcp);
    }
    result
}

fn try_open(
    bind: &[IpAddr],
    mut port: u16,
    workers: usize,
    tcp: bool,
) -> Result<(u16, Vec<WorkerSockets>), MediaError> {
    let mut sockets: Vec<_> = std::iter::repeat_with(WorkerSockets::default).take(workers).collect();
    for ip in bind {
        let at = |port| SocketAddr::new(*ip, port);
        let failed = |port| {
            move |source| MediaError::Bind {
                address: at(port),
                source,
            }
        };
        if port != 0 {
            check_free(at(port), tcp).map_err(failed(port))?;
        }
        for worker in &mut sockets {
            let udp = udp_socket(at(port)).map_err(failed(port))?;
            if port == 0 {
                port = udp.local_addr().map_err(failed(port))?.port();
            }
            worker.udp.push(udp);
            if tcp {
                worker.tcp.push(tcp_listener(at(port)).map_err(failed(port))?);
            }
        }
    }
    Ok((port, sockets))
}

/// A second server must not slip in among our own sockets and take every other viewer: without `SO_REUSEPORT` a bind
/// fails where anybody else holds the port.
fn check_free(address: SocketAddr, tcp: bool) -> io::Result<()> {
    let probe = |kind, protocol| -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if cfg!(unix) && kind == Type::STREAM {
            // Connections of an earlier run that are still in TIME_WAIT do not count.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(address))
    };
    probe(Type::DGRAM, Protocol::UDP)?;
    if tcp {
        probe(Type::STREAM, Protocol::TCP)
    } else {
        Ok(())
    }
}

fn shared(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = shared(address, Type::DGRAM, Protocol::UDP)?;
    for granted in [
        socket.set_recv_buffer_size(UDP_BUFFER_BYTES),
        socket.set_send_buffer_size(UDP_BUFFER_BYTES),
    ] {
        if let Err(error) = granted {
            tracing::debug!(%error, "UDP buffer size not granted");
        }
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = shared(address, Type::STREAM, Protocol::TCP)?;
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];

    #[test]
    fn all_workers_share_one_port_for_both_transports() {
        let (port, sockets) = open(&LOOPBACK, 0, 3.min(worker_limit()), true).expect("a free port");
        for worker in &sockets {
            assert_eq!(worker.udp[0].local_addr().expect("bound").port(), port);
            assert_eq!(worker.tcp[0].local_addr().expect("bound").port(), port);
        }
    }

    #[test]
    fn a_port_that_somebody_else_holds_is_refused() {
        let (port, _held) = open(&LOOPBACK, 0, 1, true).expect("a free port");
        let error = open(&LOOPBACK, port, 1, true).expect_err("taken");
        assert!(matches!(error, MediaError::Bind { address, .. } if address.port() == port));
    }
}
