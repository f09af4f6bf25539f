//! The sockets of pages and signaling: accepting, TLS, and the limits that keep strangers from holding connections.
//!
//! HTTP/1.1 alone: its head is read under a timer from the first byte on, while hyper reads an HTTP/2 preface without one, and
//! a page of a few files gains nothing from HTTP/2.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::error::Failure;
use super::extract::origin;
use crate::media::Media;
use crate::turn::{Turn, speaks_turn};

/// Connections that the system completes before they are accepted. A whole audience may arrive in the same second.
const BACKLOG: u32 = 4096;

/// How long a TLS handshake may take, from the first byte or its absence on.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request's head may take, and how long a connection may stay without a request. Longer than a phone on a bad
/// network needs.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest request head, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// How long sent data may stay unacknowledged, or a full receive window closed, before the system drops the connection
/// (tcp(7), `TCP_USER_TIMEOUT`): a reader that stops reading would otherwise hold its connection for ever.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause after a failed accept. Out of file descriptors, the next one fails at once as well, and a loop without a pause
/// would take the core that could close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A TLS connection begins with a handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Below this is the first byte of TURN (RFC 8656: a message's type), and that of ICE-TCP (RFC 4571: the upper half of a
/// length that is less than 2048). No method of HTTP begins with one of these.
const FRAMED_BELOW: u8 = 8;

/// By so many the two are told apart: TURN has the cookie at 4, and ICE-TCP at 6.
const FRAMED_BYTES: usize = 10;

/// What is read of a TLS connection at first. Larger reads go past the buffer.
const FIRST_BYTES: usize = 512;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port.
    #[error(
        "port {port} is in use on {ip}: is another server running? Stop it, or choose another port with --listen {ip}:PORT",
        port = .0.port(), ip = .0.ip()
    )]
    InUse(SocketAddr),
    /// Ports below 1024 belong to the system.
    #[error(
        "this user may not listen on {0}: ports below 1024 need a privilege (on Linux CAP_NET_BIND_SERVICE). Choose a higher one with --listen"
    )]
    Forbidden(SocketAddr),
    /// No interface has this address.
    #[error("this machine has no address {ip}: choose one that it has, or 0.0.0.0 for all, with --listen", ip = .0.ip())]
    NoSuchAddress(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::Forbidden(address),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(address),
            _ => Self::Other { address, source },
        }
    }
}

/// The listening sockets.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// Counts a connection, upgraded ones included: whoever goes on with the connection keeps a clone.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionPermit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The other end of a connection, which may be a proxy's: [`ClientAddress`](super::ClientAddress) is who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// Who else speaks on this port, besides HTTP.
#[derive(Debug, Clone, Default)]
pub struct Neighbors {
    /// The relay, with TLS and without.
    pub turn: Option<Arc<Turn>>,
    /// Media by ICE-TCP, without TLS.
    pub media: Option<Media>,
}

/// What all connections share.
#[derive(Clone)]
struct Service {
    router: Router,
    redirect: Router,
    tls: Option<TlsAcceptor>,
    neighbors: Neighbors,
    closing: CancellationToken,
}

impl Listener {
    /// Opens the sockets. With `ipv6_optional`, a machine without IPv6 does without it.
    pub fn bind(addresses: &[SocketAddr], ipv6_optional: bool) -> Result<Self, ListenError> {
        let mut sockets = Vec::new();
        let mut bound = Vec::new();
        for &address in addresses {
            let opened = listen(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
            match opened {
                Ok((address, socket)) => {
                    sockets.push(socket);
                    bound.push(address);
                }
                Err(error) if ipv6_optional && address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse => {
                    tracing::info!(%address, %error, "no IPv6 here");
                }
                Err(error) => return Err(ListenError::new(address, error)),
            }
        }
        Ok(Self {
            sockets,
            addresses: bound,
        })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `closing`, and then until the last connection has ended.
    pub async fn serve(
        self,
        router: Router,
        tls: Option<Arc<ServerConfig>>,
        neighbors: Neighbors,
        max_connections: usize,
        closing: CancellationToken,
    ) {
        let limit = max_connections.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let permits = Arc::new(Semaphore::new(limit));
        let service = Service {
            router,
            redirect: Router::new().fallback(to_https),
            tls: tls.map(TlsAcceptor::from),
            neighbors,
            closing,
        };
        let mut accepting = tokio::task::JoinSet::new();
        for socket in self.sockets {
            accepting.spawn(accept(socket, service.clone(), permits.clone()));
        }
        while accepting.join_next().await.is_some() {}
        // Every connection holds a permit, so that having them all is being alone. The semaphore is never closed.
        let _ = permits.acquire_many(limit as u32).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A server that is started again at once gets its port; on Windows the option would let others take it as well.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // IPv4 has its own socket; without this, [::] would contend with 0.0.0.0.
        socket2::SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(socket: TcpListener, service: Service, permits: Arc<Semaphore>) {
    loop {
        let next = async {
            // At the limit newcomers wait in the backlog; idle connections end within HEAD_TIMEOUT.
            let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (stream, address) = socket.accept().await?;
            Ok::<_, io::Error>((stream, address, permit))
        };
        let accepted = tokio::select! {
            () = service.closing.cancelled() => return,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, address, permit)) => {
                let permit = ConnectionPermit {
                    _permit: Arc::new(permit),
                };
                tokio::spawn(service.clone().connection(stream, address, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Service {
    async fn connection(self, stream: TcpStream, remote: SocketAddr, permit: ConnectionPermit) {
        // Both only make a connection better; one that refuses them is served as it is.
        let _ = stream.set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(STALL_TIMEOUT));
        let opened = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.open(stream));
        let opened = match opened.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return tracing::debug!(%error, "connection not opened"),
            Err(_) => return tracing::debug!("nothing came of a connection"),
        };
        let address = PeerAddress(remote.ip());
        let (turn, media) = (self.neighbors.turn.clone(), self.neighbors.media.clone());
        match opened {
            Opened::Tls(stream) => {
                let router = self.router.clone();
                self.http(*stream, router, (address, permit)).await;
            }
            Opened::Plain(stream) if self.tls.is_none() => {
                let router = self.router.clone();
                self.http(stream, router, (address, permit)).await;
            }
            // Somebody typed the address without https://.
            Opened::Plain(stream) => {
                let redirect = self.redirect.clone();
                self.http(stream, redirect, (address, permit)).await;
            }
            Opened::TurnTls(stream) => {
                if let Some(turn) = turn {
                    turn.serve(*stream, remote, Vec::new(), self.closing).await;
                }
            }
            Opened::Framed { stream, read } if speaks_turn(&read) => {
                if let Some(turn) = turn {
                    turn.serve(stream, remote, read, self.closing).await;
                }
            }
            // The media workers have limits of their own, and find out what it is.
            Opened::Framed { stream, read } => {
                if let Some(media) = media {
                    media.take_connection(stream, read);
                }
            }
        }
    }

    /// Finds out what is spoken. Without TLS by the first byte: a letter is HTTP's, 22 is TLS's, and the lengths and types
    /// of ICE-TCP and TURN are less than 8.
    async fn open(&self, mut stream: TcpStream) -> io::Result<Opened> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match (first[0], &self.tls) {
            (TLS_HANDSHAKE, Some(tls)) => {
                let mut stream = BufReader::with_capacity(FIRST_BYTES, tls.accept(stream).await?);
                // A browser speaks as soon as it has the key, and has HEAD_TIMEOUT for what it says.
                let first = stream.fill_buf().await?.first().copied();
                Ok(match first {
                    Some(0..FRAMED_BELOW) => Opened::TurnTls(Box::new(stream)),
                    _ => Opened::Tls(Box::new(stream)),
                })
            }
            (0..FRAMED_BELOW, _) => {
                let mut read = vec![0; FRAMED_BYTES];
                stream.read_exact(&mut read).await?;
                Ok(Opened::Framed { stream, read })
            }
            _ => Ok(Opened::Plain(stream)),
        }
    }

    async fn http<S>(self, stream: S, router: Router, (address, permit): (PeerAddress, ConnectionPermit))
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(address);
            request.extensions_mut().insert(permit.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}

type TlsStream = BufReader<tokio_rustls::server::TlsStream<TcpStream>>;

enum Opened {
    Tls(Box<TlsStream>),
    TurnTls(Box<TlsStream>),
    Plain(TcpStream),
    /// What was read of it already decides between TURN and ICE-TCP.
    Framed {
        stream: TcpStream,
        read: Vec<u8>,
    },
}

async fn to_https(headers: HeaderMap, uri: Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match origin(&headers, &uri, true) {
        Some(origin) => Redirect::permanent(&format!("{origin}{path}")).into_response(),
        None => Failure::new(StatusCode::BAD_REQUEST, "https_only", "this port speaks https").into_response(),
    }
}
