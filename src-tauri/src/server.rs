//! Servers as the pages know them.

use serde::Serialize;

use crate::settings::ServerChoice;

/// The server that the pages talk to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "AppServer"))]
pub(crate) struct Server {
    /// How it was chosen.
    pub(crate) choice: ServerChoice,
    /// Scheme, host and port under which the app finds it.
    pub(crate) origin: String,
    /// The same for others, the best first: what links and QR codes show.
    pub(crate) shared: Vec<String>,
}

/// A server that says on the local network that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct NearbyServer {
    /// What its machine is called.
    pub(crate) name: String,
    /// Its origin: `https://192.168.1.20:8443`.
    pub(crate) address: String,
}
