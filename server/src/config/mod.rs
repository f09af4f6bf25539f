//! What the server is told: by flags, by the environment, by a file, in this order of precedence.
//!
//! [`Settings`] is one struct for all three, so that no key can exist in one and be forgotten in another. The manual of
//! every key is its comment in `assets/footlight.toml`, which a test holds against this code.

mod auth;
mod ice_server;
mod load;
mod network;
mod private_file;
mod secret;
mod settings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use auth::{AuthConfig, AuthSettings, MIN_API_KEY_CHARS, MIN_SECRET_BYTES, SecretSource};
pub(crate) use auth::{check_api_key, check_secret};
pub use ice_server::{IceServer, IceServerError, links};
pub use load::{Cli, Command, ConfigError, TokenArgs, load, parse};
pub use network::{Network, NetworkError};
pub use private_file::PrivateFileError;
pub(crate) use private_file::read as read_private;
pub use secret::Secret;
pub use settings::Settings;

/// Port of pages and signaling. 443 needs privileges, and 8443 is its usual stand-in.
const DEFAULT_PORT: u16 = 8443;

/// Port of media, UDP and TCP.
const DEFAULT_MEDIA_PORT: u16 = 8444;

/// How often the STUN server is asked again. Whoever comes within that time after a change is told the former address and has
/// to come again. For the STUN server, often somebody else's, it is a datagram or two every two minutes; WebRTC clients send
/// theirs every ten seconds or so.
const STUN_INTERVAL: Duration = Duration::from_mins(2);

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// Made on the first start and kept in the data folder.
    SelfSigned,
    /// Two PEM files.
    Files {
        /// The chain, own certificate first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Plain HTTP, for a reverse proxy on the same machine or for tests.
    Off,
}

/// Everything that can be configured, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own, on or off")]
pub struct Config {
    /// Where pages and signaling are served.
    pub listen: Vec<SocketAddr>,
    /// Whether `listen` was left to the default, in which case a machine without IPv6 is no error.
    pub listen_is_default: bool,
    /// Addresses of the media sockets; empty means those of `listen`.
    pub media_listen: Vec<IpAddr>,
    /// UDP and TCP port of media; 0 takes a free one.
    pub media_port: u16,
    /// Addresses that are told to the other side; empty means those of this machine's interfaces.
    pub advertise: Vec<IpAddr>,
    /// The STUN server (`HOST:PORT`) that is asked for this machine's address from outside, or several with commas between them;
    /// `None` asks nobody.
    pub stun_discovery: Option<String>,
    /// How often it is asked again while the server runs.
    pub stun_interval: Duration,
    /// What it has said before the server starts; empty where it was not asked or did not answer.
    pub public_addresses: Vec<IpAddr>,
    /// Media worker threads; 0 means one per core.
    pub workers: usize,
    /// Whether each media worker keeps to a core of its own, on Linux.
    pub pinning: bool,
    /// Whether media may come by TCP where UDP is blocked.
    pub ice_tcp: bool,
    /// Told to WHIP and WHEP clients and to participants, besides the server's own relay.
    pub ice_servers: Vec<IceServer>,
    /// Whether there is a relay (TURN) on the port of the pages, for who reaches no other.
    pub turn: bool,
    /// Whether the server is announced on the local network, where it can be reached from there.
    pub mdns: bool,
    /// The data folder; `None` means the platform's data home.
    pub data_dir: Option<PathBuf>,
    /// Where the certificate comes from.
    pub tls: TlsMode,
    /// The address that people use, where a proxy stands in front; `None` takes it from each request.
    pub public_url: Option<String>,
    /// Reverse proxies, which are believed about where a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Most sessions at a time.
    pub max_sessions: usize,
    /// Most participants of one session at a time.
    pub max_participants: usize,
    /// Most connections at a time: HTTP, WebSocket, and the relay's by TCP and TLS.
    pub max_connections: usize,
    /// How long a session stays without anybody in it.
    pub session_idle: Duration,
    /// How long a host may be away before a cohost takes over, or the session ends.
    pub host_grace: Duration,
    /// How long a shutdown may take.
    pub drain: Duration,
    /// A filter in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// Who may come in.
    pub auth: AuthConfig,
}

impl Config {
    /// What is advertised where the machine has the addresses `public` from outside: they come after those that are named,
    /// or that the interfaces have now. Empty where there is nothing but the interfaces.
    pub fn advertised(&self, public: &[IpAddr]) -> Vec<IpAddr> {
        let mut advertised = self.advertise.clone();
        if advertised.is_empty() && !public.is_empty() {
            let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
            let usable = interfaces.iter().filter(|interface| !interface.is_link_local());
            let own = usable.map(if_addrs::Interface::ip).filter(|ip| self.covers(*ip));
            advertised.extend(own);
            advertised.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), *ip));
        }
        for address in public {
            if !advertised.contains(address) {
                advertised.push(*address);
            }
        }
        advertised
    }

    /// Whether the media sockets listen at an address.
    fn covers(&self, ip: IpAddr) -> bool {
        let pages = self.listen.iter().map(SocketAddr::ip);
        let mut bound: Box<dyn Iterator<Item = IpAddr>> = if self.media_listen.is_empty() {
            Box::new(pages)
        } else {
            Box::new(self.media_listen.iter().copied())
        };
        bound.any(|own| own == ip || (own.is_unspecified() && own.is_ipv4() == ip.is_ipv4()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)),
            ],
            listen_is_default: true,
            media_listen: Vec::new(),
            media_port: DEFAULT_MEDIA_PORT,
            advertise: Vec::new(),
            stun_discovery: None,
            stun_interval: STUN_INTERVAL,
            public_addresses: Vec::new(),
            workers: 0,
            pinning: true,
            ice_tcp: true,
            ice_servers: Vec::new(),
            turn: true,
            mdns: true,
            data_dir: None,
            tls: TlsMode::SelfSigned,
            public_url: None,
            trusted_proxies: Vec::new(),
            max_sessions: 100,
            max_participants: 10_000,
            max_connections: 20_000,
            session_idle: Duration::from_hours(1),
            host_grace: Duration::from_mins(1),
            drain: Duration::from_secs(10),
            log: "info".to_owned(),
            auth: AuthConfig::default(),
        }
    }
}
