//! The way to the chosen server. It leads through Rust and not through the web view, because a web view neither lets an app
//! judge a self-signed certificate nor remembers one.
//!
//! **The invariant to keep:** the pages name paths, never servers. Which server they talk to was chosen by a person, and a
//! script that got into the pages can reach nothing else.

mod http;
mod relay;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use footlight_trust::{Fingerprint, Identity, KnownServers, Trust};
use parking_lot::Mutex;

pub(crate) use http::{Request, Response};
#[cfg(test)]
pub(crate) use socket::Closed;
pub(crate) use socket::{SocketEvent, SocketId, Sockets};

use crate::address::Address;
use crate::failure::Failure;

/// Until a connection stands. Longer than one lost SYN (RFC 6298 §2: 1 s, then 2 s more).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a Footlight server answers at `/healthz`.
const HEALTHY: &str = "ok\n";

/// The chosen server.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Address,
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
}

impl Connection {
    /// Prepares for talking to the server at `address`. Nothing is sent yet.
    pub(crate) fn new(address: Address, trust: &Trust) -> Result<Self, Failure> {
        let tls = trust
            .client_config(address.host(), &address.authority())
            .map_err(|error| Failure::system(&error))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            // Followed, a redirect would lead to a server that nobody chose.
            .redirect(reqwest::redirect::Policy::none())
            // A proxy of the system's may be for the web, and the server in the next room.
            .no_proxy()
            .user_agent(concat!("footlight-app/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::system(&error))?;
        Ok(Self {
            address,
            http,
            tls: Arc::new(tls),
        })
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Makes sure that a Footlight server answers there.
    pub(crate) async fn greet(&self) -> Result<(), Failure> {
        let answer = self.exchange(Request::get("/healthz")).await?;
        if answer.status == 200 && answer.body == HEALTHY.as_bytes() {
            Ok(())
        } else {
            Err(Failure::NotFootlight {
                server: self.address.authority(),
            })
        }
    }
}

/// The server that is used now, and what is believed about servers.
#[derive(Debug)]
pub(crate) struct Chosen {
    trust: Trust,
    connection: Mutex<Option<Arc<Connection>>>,
    /// The last certificate that was refused because it had changed: server and fingerprint.
    refused: Mutex<Option<(String, Fingerprint)>>,
}

impl Chosen {
    /// None yet; first contacts are remembered in `known_servers`.
    pub(crate) fn none(known_servers: Option<KnownServers>) -> Self {
        Self {
            trust: Trust {
                fingerprint: None,
                known_servers,
            },
            connection: Mutex::new(None),
            refused: Mutex::new(None),
        }
    }

    /// Remembers what a person will be asked about.
    pub(crate) fn note(&self, failure: &Failure) {
        if let Failure::CertificateChanged { server, received, .. } = failure
            && let Ok(received) = received.parse()
        {
            *self.refused.lock() = Some((server.clone(), received));
        }
    }

    /// A person says that `server` (`host:port`) was set up anew, and that the certificate `received` is its own. Nothing but
    /// the certificate that was refused last can be meant.
    pub(crate) fn believe(&self, server: &str, received: &str) -> Result<(), Failure> {
        let mut refused = self.refused.lock();
        let Some((_, fingerprint)) = refused
            .as_ref()
            .filter(|(name, fingerprint)| name == server && received.parse() == Ok(*fingerprint))
        else {
            return Err(Failure::invalid("This is not the certificate that was refused."));
        };
        let known = self.trust.known_servers.as_ref();
        let known = known.ok_or_else(|| Failure::invalid("There is no folder in which servers are remembered."))?;
        known
            .replace(server, Identity::Certificate(*fingerprint))
            .map_err(|error| Failure::system(&error))?;
        tracing::warn!(server, %fingerprint, "a person believes the new certificate of this server");
        *refused = None;
        Ok(())
    }

    /// The connection to it.
    pub(crate) fn connection(&self) -> Result<Arc<Connection>, Failure> {
        self.connection.lock().clone().ok_or(Failure::NoServer)
    }

    /// Prepares for the server at `address`; [`Chosen::choose`] makes it the one that is used.
    pub(crate) fn prepare(&self, address: Address) -> Result<Arc<Connection>, Failure> {
        Connection::new(address, &self.trust).map(Arc::new)
    }

    /// From now on the pages talk to this server.
    pub(crate) fn choose(&self, connection: Arc<Connection>) {
        *self.connection.lock() = Some(connection);
    }

    /// From now on they talk to nobody.
    pub(crate) fn forget(&self) {
        *self.connection.lock() = None;
    }
}
