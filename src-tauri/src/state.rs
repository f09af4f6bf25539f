//! What the app is doing: which server it uses, and what a person set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use footlight_trust::KnownServers;
use parking_lot::Mutex;

use crate::address::Address;
use crate::connection::{Chosen, Connection, Sockets};
#[cfg(desktop)]
use crate::embedded::Embedded;
use crate::events::Pages;
use crate::failure::Failure;
#[cfg(desktop)]
use crate::media::Media;
#[cfg(desktop)]
use crate::nearby::Nearby;
use crate::server::Server;
use crate::settings::{ServerChoice, SettingsFile};

/// Longest name of a person, in characters; the server cuts what follows.
const MAX_NAME_CHARS: usize = footlight_protocol::MAX_USERNAME_CHARS;

/// The folder of the embedded server, in that of the app.
#[cfg(desktop)]
const SERVER_FOLDER: &str = "server";

/// All that lasts as long as the app.
#[derive(Debug)]
pub(crate) struct AppState {
    settings: Mutex<SettingsFile>,
    /// What was wrong with the settings at the start, until somebody has read it.
    complaint: Mutex<Option<String>>,
    chosen: Chosen,
    pub(crate) sockets: Sockets,
    pub(crate) pages: Pages,
    #[cfg(desktop)]
    pub(crate) media: Media,
    #[cfg(desktop)]
    pub(crate) nearby: Arc<Nearby>,
    #[cfg(desktop)]
    embedded: tokio::sync::Mutex<Option<Embedded>>,
    #[cfg_attr(mobile, expect(dead_code, reason = "a phone runs no server"))]
    data_dir: PathBuf,
}

impl AppState {
    /// Settings are read from `config_dir`; `data_dir` is for what the app makes itself.
    pub(crate) fn new(config_dir: &Path, data_dir: PathBuf, known_servers: Option<KnownServers>) -> Self {
        let (settings, complaint) = SettingsFile::open(config_dir);
        Self {
            settings: Mutex::new(settings),
            complaint: Mutex::new(complaint),
            chosen: Chosen::none(known_servers),
            sockets: Sockets::default(),
            pages: Pages::default(),
            #[cfg(desktop)]
            media: Media::default(),
            #[cfg(desktop)]
            nearby: Arc::default(),
            #[cfg(desktop)]
            embedded: tokio::sync::Mutex::new(None),
            data_dir,
        }
    }

    /// What a person wants to be called; `None` where nobody asked.
    pub(crate) fn name(&self) -> Option<String> {
        self.settings.lock().get().name.clone()
    }

    /// Keeps a name, cut as the server would cut it.
    pub(crate) fn set_name(&self, name: &str) -> Result<(), Failure> {
        let name: String = name.trim().chars().take(MAX_NAME_CHARS).collect();
        Ok(self.settings.lock().change(|settings| settings.name = Some(name))?)
    }

    /// What was wrong with the settings, once.
    pub(crate) fn take_complaint(&self) -> Option<String> {
        self.complaint.lock().take()
    }

    /// The connection to the chosen server.
    pub(crate) fn connection(&self) -> Result<Arc<Connection>, Failure> {
        self.chosen.connection()
    }

    /// Passes a failure on, and remembers what a person will be asked about.
    pub(crate) fn noted(&self, failure: Failure) -> Failure {
        self.chosen.note(&failure);
        failure
    }

    /// See [`Chosen::believe`].
    pub(crate) fn believe(&self, server: &str, received: &str) -> Result<(), Failure> {
        self.chosen.believe(server, received)
    }

    /// Goes back to the server of the last time, without waiting for its answer; `None` where there is none.
    pub(crate) async fn resume(&self) -> Result<Option<Server>, Failure> {
        let choice = self.settings.lock().get().server.clone();
        match choice {
            None => Ok(None),
            Some(ServerChoice::At { address }) => {
                let connection = self.chosen.prepare(address)?;
                Ok(Some(self.adopt(connection)))
            }
            #[cfg(desktop)]
            Some(ServerChoice::ThisComputer) => self.serve().await.map(Some),
            #[cfg(mobile)]
            Some(ServerChoice::ThisComputer) => Ok(None),
        }
    }

    /// Uses the server at `address` from now on, once it has answered.
    pub(crate) async fn connect(&self, address: Address) -> Result<Server, Failure> {
        let connection = self.chosen.prepare(address.clone())?;
        connection.greet().await.map_err(|failure| self.noted(failure))?;
        self.stop_serving().await;
        self.keep(Some(ServerChoice::At { address }))?;
        Ok(self.adopt(connection))
    }

    /// Uses no server from now on: the person will be asked again.
    pub(crate) async fn leave(&self) -> Result<(), Failure> {
        self.chosen.forget();
        self.sockets.close_all();
        self.stop_serving().await;
        self.keep(None)
    }

    /// Runs everything on this computer.
    #[cfg(desktop)]
    pub(crate) async fn serve(&self) -> Result<Server, Failure> {
        let mut embedded = self.embedded.lock().await;
        let running = match embedded.take() {
            Some(running) => running,
            None => Embedded::start(self.data_dir.join(SERVER_FOLDER))?,
        };
        let running = embedded.insert(running);
        let connection = self.chosen.prepare(running.address().clone())?;
        self.keep(Some(ServerChoice::ThisComputer))?;
        self.chosen.choose(Arc::clone(&connection));
        Ok(Server {
            choice: ServerChoice::ThisComputer,
            origin: connection.address().origin(),
            shared: running.urls(),
        })
    }

    /// Ends the embedded server, where there is one.
    pub(crate) async fn stop_serving(&self) {
        #[cfg(desktop)]
        if let Some(embedded) = self.embedded.lock().await.take() {
            embedded.stop().await;
        }
    }

    fn adopt(&self, connection: Arc<Connection>) -> Server {
        let address = connection.address().clone();
        self.chosen.choose(connection);
        Server {
            origin: address.origin(),
            shared: vec![address.origin()],
            choice: ServerChoice::At { address },
        }
    }

    fn keep(&self, choice: Option<ServerChoice>) -> Result<(), Failure> {
        Ok(self.settings.lock().change(|settings| settings.server = choice)?)
    }
}
