//! What the app remembers from one start to the next: one JSON file in its configuration folder.
//!
//! **The invariant to keep:** nothing that a person set is ever lost. The file is replaced as a whole or not at all, one that
//! cannot be understood is put aside under another name, and keys of a newer version are kept as they are.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::address::Address;

/// The file's name.
const FILE: &str = "settings.json";

/// Largest file that is read, in bytes; what the app writes has some hundred.
const MAX_BYTES: u64 = 64 * 1024;

/// Files that were put aside, at most; more would fill a disk where something spoils the file at each start.
const MAX_ASIDE: u32 = 5;

/// What a person chose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// What they want to be called; `None` where they were never asked, empty where they left it open.
    pub(crate) name: Option<String>,
    /// Where they meet the others; `None` before the first start is through.
    pub(crate) server: Option<ServerChoice>,
    /// What this version does not know.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// Which server is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ServerChoice {
    /// The one inside the app.
    ThisComputer,
    /// One that somebody else runs.
    At {
        /// Its origin: `https://host:8443`.
        #[cfg_attr(test, ts(as = "String"))]
        address: Address,
    },
}

/// Why settings are not kept.
#[derive(Debug, thiserror::Error)]
#[error("The settings cannot be kept in {}: {source}. They hold until the app is closed.", path.display())]
pub(crate) struct SettingsError {
    path: PathBuf,
    source: io::Error,
}

/// The settings, and the file that they are kept in.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    settings: Settings,
}

impl SettingsFile {
    /// Reads the file in `folder`. It always succeeds; what was wrong with the file comes back as words for a person.
    pub(crate) fn open(folder: &Path) -> (Self, Option<String>) {
        let path = folder.join(FILE);
        let (settings, complaint) = match read(&path) {
            Ok(settings) => (settings, None),
            Err(ReadError::Missing) => (Settings::default(), None),
            Err(error) => (Settings::default(), Some(put_aside(&path, &error))),
        };
        (Self { path, settings }, complaint)
    }

    /// As they are now.
    pub(crate) fn get(&self) -> &Settings {
        &self.settings
    }

    /// Changes them and writes the file. They are changed even where the file cannot be written.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), SettingsError> {
        change(&mut self.settings);
        write(&self.path, &self.settings).map_err(|source| SettingsError {
            path: self.path.clone(),
            source,
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("there is none")]
    Missing,
    #[error("{0}")]
    Unreadable(io::Error),
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("{0}")]
    Malformed(serde_json::Error),
}

fn read(path: &Path) -> Result<Settings, ReadError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Unreadable(error),
    };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    let text = fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(&text).map_err(ReadError::Malformed)
}

/// Renames a file that cannot be used, so that the next writing does not destroy it. In words, what happened.
fn put_aside(path: &Path, error: &ReadError) -> String {
    let shown = path.display();
    let begun = format!("The settings in {shown} could not be read ({error}).");
    let free = (1..=MAX_ASIDE)
        .map(|number| path.with_extension(format!("unreadable-{number}.json")))
        .find(|aside| !aside.exists());
    let moved = match &free {
        Some(aside) => fs::rename(path, aside).is_ok(),
        None => false,
    };
    tracing::warn!(%error, file = %shown, moved, "settings could not be read");
    match free {
        Some(aside) if moved => format!(
            "{begun} The app starts anew; the old file is kept as {}.",
            aside.display()
        ),
        _ => format!("{begun} The app starts anew, and writes over the file when you change something."),
    }
}

/// Replaces the file as a whole: a full disk or a power cut leaves the old one.
fn write(path: &Path, settings: &Settings) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension("json.new");
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        serde_json::to_writer_pretty(&mut file, settings)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    })();
    written.inspect_err(|_| {
        // It is of no use to anybody, and the failure before is what matters.
        let _ = fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn at(address: &str) -> ServerChoice {
        ServerChoice::At {
            address: address.parse().expect("an address"),
        }
    }

    #[test]
    fn what_was_set_is_there_at_the_next_start() {
        let folder = folder();
        let (mut file, complaint) = SettingsFile::open(&folder.path().join("not/yet/there"));
        assert_eq!((file.get(), complaint), (&Settings::default(), None));
        file.change(|settings| {
            settings.name = Some("Ada".to_owned());
            settings.server = Some(at("hall"));
        })
        .expect("a writable folder");
        let (again, complaint) = SettingsFile::open(&folder.path().join("not/yet/there"));
        assert_eq!((again.get(), complaint), (file.get(), None));
        assert_eq!(again.get().server, Some(at("https://hall:8443")));
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_kept_aside_and_told_of() {
        let folder = folder();
        let path = folder.path().join(FILE);
        let huge = format!("{{\"name\": \"{}\"}}", "a".repeat(MAX_BYTES as usize));
        let spoiled = [
            "",
            "{\"name\": ",
            "{\"name\": 7}",
            "{\"server\": {\"kind\": \"at\", \"address\": \"ftp://x\"}}",
            &huge,
        ];
        for (number, text) in (1..).zip(spoiled) {
            fs::write(&path, text).expect("a writable folder");
            let (file, complaint) = SettingsFile::open(folder.path());
            assert_eq!(file.get(), &Settings::default());
            let aside = folder.path().join(format!("settings.unreadable-{number}.json"));
            assert_eq!(fs::read_to_string(&aside).expect("the old file"), text);
            let words = complaint.expect("words");
            assert!(words.contains(&aside.display().to_string()), "{words}");
        }
        // No sixth one: the disk is not to be filled.
        fs::write(&path, "").expect("a writable folder");
        let (_, complaint) = SettingsFile::open(folder.path());
        assert!(
            complaint.expect("words").contains("writes over"),
            "the person is warned"
        );
    }

    #[test]
    fn keys_of_a_newer_version_survive() {
        let folder = folder();
        let path = folder.path().join(FILE);
        fs::write(&path, r#"{"name": "Ada", "theme": {"accent": "blue"}}"#).expect("a writable folder");
        let (mut file, _) = SettingsFile::open(folder.path());
        file.change(|settings| settings.name = Some("Grace".to_owned()))
            .expect("a writable folder");
        let kept: Value = serde_json::from_slice(&fs::read(&path).expect("the file")).expect("JSON");
        assert_eq!(kept["theme"]["accent"], "blue");
        assert_eq!(kept["name"], "Grace");
    }

    #[test]
    fn a_failed_writing_leaves_the_old_file_and_the_change_in_force() {
        let folder = folder();
        let (mut file, _) = SettingsFile::open(folder.path());
        file.change(|settings| settings.name = Some("Ada".to_owned()))
            .expect("a writable folder");
        // A folder in the way of the unfinished file: nothing can be written, whoever runs the test.
        fs::create_dir(folder.path().join("settings.json.new")).expect("a folder");
        let error = file
            .change(|settings| settings.name = Some("Grace".to_owned()))
            .expect_err("no room");
        assert!(error.to_string().contains("settings.json"), "{error}");
        assert_eq!(file.get().name.as_deref(), Some("Grace"));
        let (again, _) = SettingsFile::open(folder.path());
        assert_eq!(again.get().name.as_deref(), Some("Ada"));
    }
}
