//! ICE-TCP (RFC 6544) on a real socket: the decoder of its frames (RFC 4571) lives in the server's worker thread.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use footlight_server::media::{Media, MediaConfig};

/// A worker that is alive closes a connection that has ended at once; one that panicked never does.
const ALIVE: Duration = Duration::from_secs(20);

/// A connection that says anything, in two writes so that a frame may be cut anywhere. The worker survives it.
pub fn tcp_frames(data: &[u8]) {
    static SERVER: OnceLock<Media> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let bind = vec![Ipv4Addr::LOCALHOST.into()];
        let config = MediaConfig {
            bind: bind.clone(),
            port: 0,
            advertise: bind,
            workers: 1,
            pinning: false,
            ice_tcp: true,
            pages: Vec::new(),
            relay: None,
        };
        Media::start(config).expect("a free port of the loopback interface").0
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let mut stream = TcpStream::connect_timeout(&address, ALIVE).expect("a worker that listens");
    stream.set_read_timeout(Some(ALIVE)).expect("a socket takes a timeout");
    let (first, second) = data.split_at(data.len() / 2);
    // It may close as soon as it has seen enough.
    let _ = stream.write_all(first).and_then(|()| stream.write_all(second));
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = [0; 2048];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                let timed_out = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!timed_out, "the worker does not answer any more");
                return;
            }
        }
    }
}
