//! The file `known_servers`: which certificate each self-signed server showed at the first contact.
//!
//! One server per line, `host:port fingerprint`, in the manner of `known_hosts`. Lines that cannot be read are left
//! alone, and do not count.

use std::fmt::Write as _;
use std::io::{self, Write as _};
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

    /// Remembers another fingerprint for a server, because somebody decided that it was set up anew. All other lines stay
    /// as they are.
    pub fn replace(&self, authority: &str, fingerprint: Fingerprint) -> io::Result<()> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.add(authority, fingerprint),
            Err(error) => return Err(error),
        };
        let is_other = |line: &&str| line.trim().split_once(' ').is_none_or(|(name, _)| name != authority);
        let mut kept: String = text.lines().filter(is_other).flat_map(|line| [line, "\n"]).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(kept, "{authority} {fingerprint}");
        // Beside it and renamed over it: whatever happens in between, no server is forgotten.
        let unfinished = self.path.with_extension(format!("new-{}", std::process::id()));
        std::fs::write(&unfinished, kept)?;
        std::fs::rename(&unfinished, &self.path).inspect_err(|_| {
            // It is of no use to anybody, and the failure of the renaming is what matters.
            let _ = std::fs::remove_file(&unfinished);
        })
    }
}
