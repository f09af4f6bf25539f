//! The file `known_servers`: which certificate each self-signed server showed at the first contact, and which servers
//! needed no such memory because an authority vouched for them.
//!
//! One server per line, `host:port fingerprint` or `host:port vouched`, in the manner of `known_hosts`. Lines that cannot
//! be read are left alone, and do not count.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Fingerprint;

/// In place of a fingerprint, where the platform believed the certificate.
const VOUCHED: &str = "vouched";

/// Held while the file is written anew: several handshakes may be under way, and each would use the same name beside it.
static REPLACING: Mutex<()> = Mutex::new(());

/// What is remembered of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// It showed this certificate, for which nobody vouched.
    Certificate(Fingerprint),
    /// The platform believed it. Such certificates are renewed every few weeks, so that none of them is remembered.
    Vouched,
}

impl Identity {
    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            VOUCHED => Some(Self::Vouched),
            fingerprint => fingerprint.parse().ok().map(Self::Certificate),
        }
    }

    /// The server's line.
    fn line(self, authority: &str) -> String {
        match self {
            Self::Certificate(fingerprint) => format!("{authority} {fingerprint}\n"),
            Self::Vouched => format!("{authority} {VOUCHED}\n"),
        }
    }
}

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

    /// What is remembered of `authority` (`host:port`).
    ///
    /// A file that exists and cannot be read is an error and not an empty list: otherwise making the file unreadable
    /// would be a way to have any certificate accepted.
    pub fn find(&self, authority: &str) -> io::Result<Option<Identity>> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(text.lines().find_map(|line| {
            let (name, identity) = line.trim().split_once(' ')?;
            (name == authority).then(|| Identity::parse(identity))?
        }))
    }

    /// Remembers a server that is not in the list yet.
    pub fn add(&self, authority: &str, identity: Identity) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
        // One write, so that two publishers that start together cannot mix their lines.
        file.write_all(identity.line(authority).as_bytes())
    }

    /// Remembers that the platform believes a server. A fingerprint from before is forgotten: it was taken on faith, and
    /// this is not.
    pub fn vouch(&self, authority: &str) -> io::Result<()> {
        match self.find(authority)? {
            Some(Identity::Vouched) => Ok(()),
            Some(Identity::Certificate(_)) => self.replace(authority, Identity::Vouched),
            None => self.add(authority, Identity::Vouched),
        }
    }

    /// Remembers something else of a server, for example because somebody decided that it was set up anew. All other lines
    /// stay as they are.
    pub fn replace(&self, authority: &str, identity: Identity) -> io::Result<()> {
        let _alone = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.add(authority, identity),
            Err(error) => return Err(error),
        };
        let is_other = |line: &&str| line.trim().split_once(' ').is_none_or(|(name, _)| name != authority);
        let mut kept: String = text.lines().filter(is_other).flat_map(|line| [line, "\n"]).collect();
        kept.push_str(&identity.line(authority));
        // Beside it and renamed over it: whatever happens in between, no server is forgotten.
        let unfinished = self.path.with_extension(format!("new-{}", std::process::id()));
        std::fs::write(&unfinished, kept)?;
        std::fs::rename(&unfinished, &self.path).inspect_err(|_| {
            // It is of no use to anybody, and the failure of the renaming is what matters.
            let _ = std::fs::remove_file(&unfinished);
        })
    }
}
