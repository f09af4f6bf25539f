//! The one folder that the server writes to: its key, its certificate.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder's name inside the platform's data home.
const FOLDER: &str = "footlight";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The platform names no data home, as in a container without `HOME`.
    #[error("no folder for data is known here: name one with --data-dir")]
    NoHome,
    /// The folder cannot be made or opened.
    #[error(
        "cannot use {path} as data folder: {source}. Make it writable for this user, or name another one with --data-dir"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file in it cannot be written, as on a full disk.
    #[error("cannot write {path}: {source}. Free some space or name another folder with --data-dir")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file in it cannot be read.
    #[error("cannot read {path}: {source}. Make it readable for this user, or remove it to have a new one made")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file in it is not what the server once wrote.
    #[error("{path} is damaged: {reason}. Remove it to have a new one made")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// An existing, writable folder.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Opens the folder, and makes it where it is missing; `None` is the platform's data home.
    pub fn open(path: Option<&Path>) -> Result<Self, DataDirError> {
        let path = path.map_or_else(default_path, |path| Ok(path.to_owned()))?;
        fs::create_dir_all(&path).map_err(|source| DataDirError::Folder {
            path: path.clone(),
            source,
        })?;
        Ok(Self { path })
    }

    /// The path of a file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file; `None` where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let path = self.join(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Read { path, source }),
        }
    }

    /// Writes a file that only this user can read. It is complete or not there: a full disk or a power cut leaves no half
    /// of a key behind.
    pub fn write_private(&self, name: &str, content: &[u8]) -> Result<(), DataDirError> {
        let path = self.join(name);
        let unfinished = self.join(&format!("{name}.{}.new", std::process::id()));
        let written = write_new_private(&unfinished, content).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| {
            // The error that is told is the first one; a leftover is overwritten by the next start.
            let _ = fs::remove_file(&unfinished);
            DataDirError::Write { path, source }
        })
    }
}

fn write_new_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The folder that is used where none is named.
pub fn default_path() -> Result<PathBuf, DataDirError> {
    dirs::data_dir()
        .map(|home| home.join(FOLDER))
        .ok_or(DataDirError::NoHome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(&folder.path().join("deep/inside"))).expect("opens");
        assert_eq!(data.read("key").expect("reads"), None);
        data.write_private("key", b"secret").expect("writes");
        assert_eq!(data.read("key").expect("reads"), Some(b"secret".to_vec()));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_private_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(folder.path())).expect("opens");
        data.write_private("key", b"secret").expect("writes");
        let mode = fs::metadata(data.join("key")).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("writes");
        let error = DataDir::open(Some(&file.join("data"))).expect_err("a file is no folder");
        let text = error.to_string();
        assert!(text.contains("file/data") && text.contains("--data-dir"), "{text}");
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_no_half() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(folder.path())).expect("opens");
        fs::create_dir(data.join("key")).expect("a folder in the way");
        let error = data.write_private("key", b"secret").expect_err("in the way");
        assert!(error.to_string().contains("key"), "{error}");
        let left = fs::read_dir(folder.path()).expect("lists").count();
        assert_eq!(left, 1, "only the folder in the way is left");
    }
}
