//! The keys: the same in the file, in the environment and as flags.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{AuthSettings, Config, ConfigError, IceServer, Network, TlsMode};

/// What one source says; a key that it does not name is `None`.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port of pages and signaling; several with commas [default: 0.0.0.0:8443,[::]:8443]
    #[arg(long, env = "FOOTLIGHT_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    pub listen: Option<Vec<SocketAddr>>,
    /// Addresses of the media sockets, where they are not those of --listen
    #[arg(long, env = "FOOTLIGHT_MEDIA_LISTEN", value_name = "ADDRESS", value_delimiter = ',')]
    pub media_listen: Option<Vec<IpAddr>>,
    /// UDP and TCP port of media; 0 takes a free one [default: 8444]
    #[arg(long, env = "FOOTLIGHT_MEDIA_PORT", value_name = "PORT")]
    pub media_port: Option<u16>,
    /// Addresses that viewers send media to [default: those of this machine's interfaces]
    #[arg(long, env = "FOOTLIGHT_ADVERTISE", value_name = "ADDRESS", value_delimiter = ',')]
    pub advertise: Option<Vec<IpAddr>>,
    /// STUN server to ask, now and again, for this machine's address from outside, which is then advertised too; of several, with
    /// commas between them, all are asked
    #[arg(long, env = "FOOTLIGHT_STUN_DISCOVERY", value_name = "HOST:PORT,…")]
    pub stun_discovery: Option<String>,
    /// Media worker threads; 0 means one per core [default: 0]
    #[arg(long, env = "FOOTLIGHT_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// Let the operating system move media workers between cores
    #[arg(long, env = "FOOTLIGHT_NO_PINNING", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_pinning: Option<bool>,
    /// Do not take media over TCP
    #[arg(long, env = "FOOTLIGHT_NO_ICE_TCP", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_ice_tcp: Option<bool>,
    /// More STUN and TURN servers to tell clients of: "URL", "URL USERNAME CREDENTIAL" or "URL secret=SECRET"
    #[arg(
        long,
        env = "FOOTLIGHT_ICE_SERVERS",
        value_name = "SERVER",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub ice_servers: Option<Vec<IceServer>>,
    /// Do not relay media on the port of the pages
    #[arg(long, env = "FOOTLIGHT_NO_TURN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_turn: Option<bool>,
    /// Do not announce the server on the local network
    #[arg(long, env = "FOOTLIGHT_NO_MDNS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_mdns: Option<bool>,
    /// Folder of the server's key and certificate [default: footlight in the platform's data home]
    #[arg(long, env = "FOOTLIGHT_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Certificate chain and private key, two PEM files [default: self-signed, made on the first start]
    #[arg(long, env = "FOOTLIGHT_TLS", value_names = ["CERT", "KEY"], num_args = 2, value_delimiter = ',')]
    pub tls: Option<Vec<PathBuf>>,
    /// Plain HTTP. Browsers give camera and microphone to https and localhost alone
    #[arg(long, env = "FOOTLIGHT_NO_TLS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_tls: Option<bool>,
    /// The address that people use, where a proxy stands in front
    #[arg(long, env = "FOOTLIGHT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Networks of reverse proxies, whose Forwarded and X-Forwarded-For headers are believed [default: none]
    #[arg(
        long,
        env = "FOOTLIGHT_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub trusted_proxies: Option<Vec<Network>>,
    /// Most sessions at a time [default: 100]
    #[arg(long, env = "FOOTLIGHT_MAX_SESSIONS", value_name = "N")]
    pub max_sessions: Option<usize>,
    /// Most participants of one session at a time [default: 10000]
    #[arg(long, env = "FOOTLIGHT_MAX_PARTICIPANTS", value_name = "N")]
    pub max_participants: Option<usize>,
    /// Most connections at a time: HTTP, WebSocket, and the relay's by TCP and TLS [default: 20000]
    #[arg(long, env = "FOOTLIGHT_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// How long a session stays without anybody in it, in seconds [default: 3600]
    #[arg(long, env = "FOOTLIGHT_SESSION_IDLE_SECONDS", value_name = "SECONDS")]
    pub session_idle_seconds: Option<u64>,
    /// How long a host may be away before a cohost takes over or the session ends, in seconds [default: 60]
    #[arg(long, env = "FOOTLIGHT_HOST_GRACE_SECONDS", value_name = "SECONDS")]
    pub host_grace_seconds: Option<u64>,
    /// How long a shutdown may take, in seconds [default: 10]
    #[arg(long, env = "FOOTLIGHT_DRAIN_SECONDS", value_name = "SECONDS")]
    pub drain_seconds: Option<u64>,
    /// What is logged: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, env = "FOOTLIGHT_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// The table `[auth]`.
    #[command(flatten, next_help_heading = "Access")]
    pub auth: AuthSettings,
}

impl Settings {
    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // TLS is one choice with two keys: `--no-tls` over a file that names a certificate is a choice, not a conflict.
        let (tls, no_tls) = if self.tls.is_some() || self.no_tls.is_some() {
            (self.tls, self.no_tls)
        } else {
            (other.tls, other.no_tls)
        };
        Self {
            listen: self.listen.or(other.listen),
            media_listen: self.media_listen.or(other.media_listen),
            media_port: self.media_port.or(other.media_port),
            advertise: self.advertise.or(other.advertise),
            stun_discovery: self.stun_discovery.or(other.stun_discovery),
            workers: self.workers.or(other.workers),
            no_pinning: self.no_pinning.or(other.no_pinning),
            no_ice_tcp: self.no_ice_tcp.or(other.no_ice_tcp),
            ice_servers: self.ice_servers.or(other.ice_servers),
            no_turn: self.no_turn.or(other.no_turn),
            no_mdns: self.no_mdns.or(other.no_mdns),
            data_dir: self.data_dir.or(other.data_dir),
            tls,
            no_tls,
            public_url: self.public_url.or(other.public_url),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            max_sessions: self.max_sessions.or(other.max_sessions),
            max_participants: self.max_participants.or(other.max_participants),
            max_connections: self.max_connections.or(other.max_connections),
            session_idle_seconds: self.session_idle_seconds.or(other.session_idle_seconds),
            host_grace_seconds: self.host_grace_seconds.or(other.host_grace_seconds),
            drain_seconds: self.drain_seconds.or(other.drain_seconds),
            log: self.log.or(other.log),
            auth: self.auth.or(other.auth),
        }
    }

    /// Whether a secret stands here in plain text.
    pub(super) fn holds_secrets(&self) -> bool {
        let servers = self.ice_servers.iter().flatten();
        self.auth.holds_secrets() || servers.into_iter().any(IceServer::holds_secret)
    }

    /// Fills in the defaults and checks what can be checked without touching the machine.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let default = Config::default();
        let tls = tls_mode(self.tls.unwrap_or_default(), self.no_tls.unwrap_or(false))?;
        let listen = self.listen.unwrap_or_else(|| default.listen.clone());
        if listen.is_empty() {
            return Err(ConfigError::invalid("listen", "it names no address"));
        }
        let at_least_one = |key, value: usize| match value {
            0 => Err(ConfigError::invalid(key, "it must be at least 1")),
            _ => Ok(value),
        };
        Ok(Config {
            listen_is_default: listen == default.listen,
            listen,
            media_listen: self.media_listen.unwrap_or(default.media_listen),
            media_port: self.media_port.unwrap_or(default.media_port),
            advertise: self.advertise.unwrap_or(default.advertise),
            stun_discovery: self.stun_discovery.filter(|server| !server.is_empty()),
            stun_interval: default.stun_interval,
            public_addresses: default.public_addresses,
            workers: self.workers.unwrap_or(default.workers),
            pinning: !self.no_pinning.unwrap_or(!default.pinning),
            ice_tcp: !self.no_ice_tcp.unwrap_or(!default.ice_tcp),
            ice_servers: self.ice_servers.unwrap_or(default.ice_servers),
            turn: !self.no_turn.unwrap_or(!default.turn),
            mdns: !self.no_mdns.unwrap_or(!default.mdns),
            data_dir: self.data_dir.filter(|path| !path.as_os_str().is_empty()),
            tls,
            public_url: public_url(self.public_url)?,
            trusted_proxies: self.trusted_proxies.unwrap_or(default.trusted_proxies),
            max_sessions: at_least_one("max_sessions", self.max_sessions.unwrap_or(default.max_sessions))?,
            max_participants: at_least_one(
                "max_participants",
                self.max_participants.unwrap_or(default.max_participants),
            )?,
            max_connections: at_least_one(
                "max_connections",
                self.max_connections.unwrap_or(default.max_connections),
            )?,
            session_idle: self
                .session_idle_seconds
                .map_or(default.session_idle, Duration::from_secs),
            host_grace: self.host_grace_seconds.map_or(default.host_grace, Duration::from_secs),
            drain: self.drain_seconds.map_or(default.drain, Duration::from_secs),
            log: self.log.unwrap_or(default.log),
            auth: self.auth.resolve()?,
        })
    }
}

fn tls_mode(files: Vec<PathBuf>, off: bool) -> Result<TlsMode, ConfigError> {
    match (<[PathBuf; 2]>::try_from(files), off) {
        (Ok([certificate, key]), false) => Ok(TlsMode::Files { certificate, key }),
        (Ok(_), true) => Err(ConfigError::invalid(
            "no_tls",
            "it contradicts `tls`, which names a certificate: give one of the two",
        )),
        (Err(files), off) if files.is_empty() => Ok(if off { TlsMode::Off } else { TlsMode::SelfSigned }),
        (Err(files), _) => Err(ConfigError::invalid(
            "tls",
            format!(
                "it takes two files, the certificate chain and the key, and here are {}",
                files.len()
            ),
        )),
    }
}

fn public_url(url: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(url) = url.filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let invalid = |reason: &str| ConfigError::invalid("public_url", format!("{url}: {reason}"));
    let parsed: axum::http::Uri = url.parse().map_err(|_| invalid("it is no URL"))?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
        return Err(invalid("it must look like https://live.example.org"));
    }
    if parsed.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err(invalid("Footlight is served at the root of a host, so it has no path"));
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}
