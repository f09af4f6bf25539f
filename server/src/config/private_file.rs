//! Files that hold secrets, and who else could read them.

use std::path::Path;
use std::{fs, io};

/// Why a file of secrets is not used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It is missing, or not for this user.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A secret that every user of the machine can read or replace is none.
    #[error(
        "every user of this machine may read or change it (its mode is {mode:04o}): take that away with `chmod o-rwx`"
    )]
    Exposed {
        /// The permission bits (POSIX, `st_mode`).
        mode: u32,
    },
}

/// Reads a file of secrets, unless everybody can. Its group may: that is how service managers hand secrets over.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    refuse_exposed(path)?;
    Ok(fs::read(path)?)
}

/// Fails where every user of the machine has some right to the file. Elsewhere than on Unix there are no such bits, and
/// the folder's access list is the operator's business.
pub(crate) fn refuse_exposed(path: &Path) -> Result<(), PrivateFileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        if mode & 0o007 != 0 {
            return Err(PrivateFileError::Exposed { mode });
        }
    }
    #[cfg(not(unix))]
    fs::metadata(path)?;
    Ok(())
}
