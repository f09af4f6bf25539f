//! Server and load generator, each on cores of its own.

use std::process::Command;

use super::machine;
use super::table::Table;
use crate::process::output;

/// Which cores belong to whom.
#[derive(Debug)]
pub(crate) struct Cores {
    pub(crate) server: Option<String>,
    pub(crate) load: Option<String>,
    pub(crate) load_count: usize,
}

impl Cores {
    /// One core for the server, and as many as are left for the load, so that the figure is that of one core.
    pub(crate) fn split() -> Self {
        let cores = machine::cores();
        let taskset = output(Command::new("taskset").arg("--version")).is_some();
        if cores < 2 || !taskset {
            return Self {
                server: None,
                load: None,
                load_count: cores,
            };
        }
        Self {
            server: Some("0".into()),
            load: Some(format!("1-{}", cores - 1)),
            load_count: cores - 1,
        }
    }

    /// Says so below a table.
    pub(crate) fn note(&self, table: &mut Table) {
        if let (Some(server), Some(load)) = (&self.server, &self.load) {
            table.note(format!("server on core {server}, load generator on {load}"));
        }
    }
}
