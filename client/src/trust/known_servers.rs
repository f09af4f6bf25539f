//! The file `known_servers`: which certificate each self-signed server showed at the first contact.
//!
//! One server per line, `host:port fingerprint`, in the manner of `known_hosts`. Lines that cannot be read are left
//! alone, and do not count.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Fingerprint;

/// The servers remembered so far.
#[derive(Debug, Clone)]
pub struct KnownServers {
    path: PathBuf,
}

impl KnownServers {
    /// Kept in the file at `path`, which is made when there is something to remember.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Kept in the user's configuration folder: `~/.config/footlight/known_servers`, or what the platform has in its
    /// place. `None` where the user has no home.
    pub fn in_config_dir() -> Option<Self> {
        use etcetera::BaseStrategy;
        let strategy = etcetera::choose_base_strategy().ok()?;
        Some(Self::at(strategy.config_dir().join("footlight").join("known_servers")))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fingerprint remembered for `authority` (`host:port`).
    ///
    /// A file that exists and cannot be read is an error and not an empty list: otherwise making the file unreadable
    /// would be a way to have any certificate accepted.
    pub fn find(&self, authority: &str) -> io::Result<Option<Fingerprint>> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(text.lines().find_map(|line| {
            let (name, fingerprint) = line.trim().split_once(' ')?;
            (name == authority).then(|| fingerprint.parse().ok())?
        }))
    }

    /// Remembers a server that is not in the list yet.
    pub fn add(&self, authority: &str, fingerprint: Fingerprint) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
        // One write, so that two publishers that start together cannot mix their lines.
        file.write_all(format!("{authority} {fingerprint}\n").as_bytes())
    }
}
