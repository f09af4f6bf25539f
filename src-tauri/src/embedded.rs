//! "Everything on this computer": the server inside the app.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use footlight_server::config::Settings;
use footlight_server::http::ListenError;
use footlight_server::media::MediaError;
use footlight_server::{Server, StartError};

use crate::address::Address;
use crate::failure::Failure;

/// A running server of our own.
#[derive(Debug)]
pub(crate) struct Embedded {
    server: Server,
    /// For this app alone.
    address: Address,
}

impl Embedded {
    /// Starts it, with its key and certificate in `data_dir`. It takes Footlight's usual ports, or any free ones where another
    /// program has those.
    pub(crate) fn start(data_dir: PathBuf) -> Result<Self, Failure> {
        let mut settings = Settings {
            data_dir: Some(data_dir),
            ..Settings::default()
        };
        let server = loop {
            let config = settings.clone().resolve().map_err(|error| Failure::system(&error))?;
            match Server::start(config) {
                Ok(server) => break server,
                Err(StartError::Listen(ListenError::InUse(address))) if settings.listen.is_none() => {
                    tracing::info!(%address, "in use, taking another port");
                    // One socket for both families would be the system's choice; one for IPv4 is reached by everybody.
                    settings.listen = Some(vec![([0, 0, 0, 0], 0).into()]);
                }
                Err(StartError::Media(MediaError::Bind { address, source }))
                    if settings.media_port.is_none() && source.kind() == ErrorKind::AddrInUse =>
                {
                    tracing::info!(%address, "in use, taking another media port");
                    settings.media_port = Some(0);
                }
                Err(error) => return Err(Failure::system(&error)),
            }
        };
        let port = server.addresses().first().map_or(0, SocketAddr::port);
        let address = Address::new(server.scheme(), (Ipv4Addr::LOCALHOST, port).into())?;
        Ok(Self { server, address })
    }

    /// Where this app finds it.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Where others find it, the best address first.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.server.urls()
    }

    /// Ends it: viewers are told.
    pub(crate) async fn stop(self) {
        self.server.drain().await;
    }
}
