//! The whole server in one process: from a [`Config`] to something that serves.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use footlight_protocol::IceServer;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::{AuthError, Authority};
use crate::config::{Config, TlsMode};
use crate::data_dir::{DataDir, DataDirError};
use crate::discovery::Announcement;
use crate::http::{self, App, ListenError, Listener, Neighbors};
use crate::ice_servers::{IceServers, OwnRelay, Reached};
use crate::media::{Media, MediaConfig, MediaError, RELAY_CAPACITY, Relayed};
use crate::metrics::Metrics;
use crate::public_address;
use crate::sessions::{Limits, Sessions};
use crate::tls::{self, Names, TlsError};
use crate::token::HostKey;
use crate::turn::{Turn, TurnSecret, open_udp};

/// Why the server does not start. Each names the thing and a way on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The keys that decide who may come in.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port of pages and signaling.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The port of media.
    #[error("{0}. The media port is chosen with --media-port")]
    Media(#[from] MediaError),
}

/// A running server. Dropping it stops it at once; [`Server::drain`] is the way to stop it.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    authority: Arc<Authority>,
    addresses: Vec<SocketAddr>,
    fingerprint: Option<String>,
    media: Media,
    sessions: Sessions,
    closing: CancellationToken,
    serving: JoinHandle<()>,
    events: JoinHandle<()>,
    announcement: Option<Announcement>,
    following: AbortOnDropHandle<()>,
}

impl Server {
    /// Opens the data folder and the ports, and serves. It is ready when this returns.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let data = DataDir::open(config.data_dir.as_deref())?;
        let key = HostKey::load_or_create(&data)?;
        let authority = Arc::new(Authority::load_or_create(&config.auth, &data)?);
        tracing::info!(access = authority.summary());
        let advertise = config.advertised(&config.public_addresses);
        let names = Names::of_this_machine(own_addresses().into_iter().chain(advertise.iter().copied()));
        let identity = tls::identity(&config.tls, &data, &names)?;
        let listener = Listener::bind(&config.listen, config.listen_is_default)?;
        let addresses = listener.addresses().to_vec();
        let (relay, relayed) = mpsc::channel(RELAY_CAPACITY);
        let (media, reports) = Media::start(media_config(&config, advertise, &addresses, relay))?;
        let closing = CancellationToken::new();
        let (turn, own) = if config.turn {
            let secret = TurnSecret::load_or_create(&data)?;
            let turn = Turn::new(secret.clone(), media.clone());
            tokio::spawn(turn.clone().run(relayed));
            let udp = serve_by_udp(&turn, &addresses, &closing);
            let tls = config.tls != TlsMode::Off;
            (Some(turn), Some(OwnRelay { secret, udp, tls }))
        } else {
            (None, None)
        };
        let limits = Limits {
            sessions: config.max_sessions,
            participants: config.max_participants,
            idle: config.session_idle,
            host_grace: config.host_grace,
        };
        let ice_servers = IceServers::new(config.ice_servers.clone(), own);
        let sessions = Sessions::new(media.clone(), key, authority.clone(), limits, ice_servers);
        let config = Arc::new(config);
        let app = App {
            sessions: sessions.clone(),
            media: media.clone(),
            config: config.clone(),
            authority: authority.clone(),
            metrics: Arc::new(Metrics::new(sessions.clone(), media.clone(), turn.clone())),
            port: addresses.first().map_or(0, SocketAddr::port),
        };
        let neighbors = Neighbors {
            turn,
            media: config.ice_tcp.then(|| media.clone()),
        };
        let fingerprint = identity.as_ref().map(|identity| identity.fingerprint.clone());
        let serving = tokio::spawn(listener.serve(
            http::router(app),
            identity.map(|identity| identity.config),
            neighbors,
            config.max_connections,
            closing.clone(),
        ));
        let events = tokio::spawn(sessions.clone().run(reports));
        let following = tokio::spawn(public_address::follow(config.clone(), media.clone()));
        let announcement = if config.mdns {
            announce(&config, &addresses)
        } else {
            None
        };
        Ok(Self {
            config,
            authority,
            addresses,
            fingerprint,
            media,
            sessions,
            closing,
            serving,
            events,
            announcement,
            following: AbortOnDropHandle::new(following),
        })
    }

    /// What it was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who may do what.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where it listens for pages and signaling.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The media engine.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// The live sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The server's own relay, with credentials; `None` where there is none.
    pub(crate) fn own_relay(&self) -> Option<IceServer> {
        let reached = Reached {
            host: "localhost".to_owned(),
            port: self.addresses.first()?.port(),
        };
        let own = self.config.turn.then(|| self.sessions.ice_servers(Some(&reached)));
        own?.pop()
    }

    /// The advertised addresses at the ports of the pages, where the relay is as well.
    pub(crate) fn relay_addresses(&self) -> Vec<SocketAddr> {
        let listens = |ip: IpAddr| {
            let covers =
                |own: &&SocketAddr| own.ip() == ip || own.ip().is_unspecified() && own.is_ipv4() == ip.is_ipv4();
            self.addresses
                .iter()
                .find(covers)
                .map(|own| SocketAddr::new(ip, own.port()))
        };
        let advertised = self.media.candidates();
        advertised.iter().map(SocketAddr::ip).filter_map(listens).collect()
    }

    /// SHA-256 of the certificate; `None` without TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// `https`, or `http` without TLS.
    pub fn scheme(&self) -> &'static str {
        scheme(&self.config)
    }

    /// The addresses to open in a browser, the one that other devices can use first.
    pub fn urls(&self) -> Vec<String> {
        if let Some(url) = &self.config.public_url {
            return vec![url.clone()];
        }
        let mut hosts = BTreeSet::new();
        for address in &self.addresses {
            if address.ip().is_unspecified() {
                let same_family = own_addresses()
                    .into_iter()
                    .filter(|ip| ip.is_ipv4() == address.is_ipv4());
                hosts.extend(same_family.map(|ip| SocketAddr::new(ip, address.port())));
            } else {
                hosts.insert(*address);
            }
        }
        let mut hosts: Vec<SocketAddr> = hosts.into_iter().collect();
        hosts.sort_by_key(|host| (host.ip().is_loopback(), host.is_ipv6()));
        hosts.iter().map(|host| format!("{}://{host}", self.scheme())).collect()
    }

    /// Stops: no longer ready, viewers told, connections closed, media stopped. Takes at most the configured time.
    pub async fn drain(self) {
        let Self {
            config,
            media,
            sessions,
            closing,
            serving,
            events,
            announcement,
            following,
            ..
        } = self;
        drop((announcement, following));
        sessions.drain();
        let stopped = tokio::time::timeout(config.drain, async {
            closing.cancel();
            // The listener's task ends when its last connection has; that it panicked is logged by the runtime.
            let _ = serving.await;
            media.shutdown().await;
        });
        if stopped.await.is_err() {
            tracing::warn!(seconds = config.drain.as_secs(), "not everything ended in time");
        }
        events.abort();
    }
}

fn scheme(config: &Config) -> &'static str {
    if config.tls == TlsMode::Off { "http" } else { "https" }
}

/// A server that nobody finds by itself is as good as any, so a failure is told and no more.
fn announce(config: &Config, addresses: &[SocketAddr]) -> Option<Announcement> {
    Announcement::start(addresses, scheme(config)).unwrap_or_else(|error| {
        tracing::warn!(%error, "the server is not announced on the local network");
        None
    })
}

/// Opens the relay's UDP sockets beside the listener's. Whether there are any: the port may be somebody else's by UDP, and
/// the relay is of use without.
fn serve_by_udp(turn: &Arc<Turn>, addresses: &[SocketAddr], closing: &CancellationToken) -> bool {
    let mut serves = false;
    for &address in addresses {
        match open_udp(address) {
            Ok(socket) => {
                let (turn, closing) = (turn.clone(), closing.clone());
                tokio::spawn(async move {
                    if let Err(error) = turn.serve_udp(socket, closing).await {
                        tracing::error!(%address, %error, "the relay no longer listens by UDP");
                    }
                });
                serves = true;
            }
            Err(error) => tracing::warn!(%address, %error, "the relay does not listen by UDP"),
        }
    }
    serves
}

fn media_config(
    config: &Config,
    advertise: Vec<IpAddr>,
    addresses: &[SocketAddr],
    relay: mpsc::Sender<Relayed>,
) -> MediaConfig {
    let bind: BTreeSet<IpAddr> = if config.media_listen.is_empty() {
        addresses.iter().map(SocketAddr::ip).collect()
    } else {
        config.media_listen.iter().copied().collect()
    };
    MediaConfig {
        bind: bind.into_iter().collect(),
        port: config.media_port,
        advertise,
        workers: match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        },
        pinning: config.pinning,
        ice_tcp: config.ice_tcp,
        pages: addresses.to_vec(),
        relay: config.turn.then_some(relay),
    }
}

/// The addresses under which this machine can be reached. Link-local IPv6 addresses are left out: they need a zone, which
/// no URL can carry (RFC 9844).
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = interfaces.iter().filter(|interface| !interface.is_link_local());
    addresses.map(if_addrs::Interface::ip).collect()
}
