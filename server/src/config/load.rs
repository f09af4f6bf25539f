//! From the command line, the environment and a file to one [`Config`].

use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use footlight_protocol::{Role, SessionId, UserId};

use super::private_file::{self, PrivateFileError};
use super::{AuthSettings, Config, Settings};
use crate::auth::DEFAULT_LIFETIME;
use crate::data_dir;

/// The file's name in the data folder and in `/etc/footlight`.
const FILE_NAME: &str = "footlight.toml";

/// Where a packaged server looks after the data folder.
const SYSTEM_FOLDER: &str = "/etc/footlight";

/// The Footlight server: live streams from an app, OBS or a browser into any browser.
///
/// Every setting below can also stand in a file and in the environment; flags win over the environment, the environment
/// over the file. The sample file explains them all.
#[derive(Debug, Parser)]
#[command(name = "footlight-server", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The keys that all three sources share.
    #[command(flatten)]
    pub settings: Settings,
    /// Configuration file [default: footlight.toml in the data folder, then in /etc/footlight]
    #[arg(long, env = "FOOTLIGHT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the configuration, print what it amounts to, and exit
    #[arg(long)]
    pub check_config: bool,
    /// Print the QR code even if the output is no terminal
    #[arg(long)]
    pub qr: bool,
    /// Print one line of JSON with the address once it is ready to serve, and nothing else on standard output
    #[arg(long)]
    pub print_json_address: bool,
}

/// What the program does besides serving.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a token that lets somebody into a session, and print it
    Token(Box<TokenArgs>),
}

/// `footlight-server token`. It reads the configuration, and the secret in the data folder, that the server reads.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// The session that it lets into
    #[arg(long, value_name = "ID")]
    pub session: SessionId,
    /// Who it is for, within the session [default: a new id]
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,
    /// The name that the others see [default: Anonymous]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What this person may do
    #[arg(
        long,
        default_value = "viewer",
        value_parser = PossibleValuesParser::new(["host", "cohost", "guest", "viewer"]).map(|name| role(&name))
    )]
    pub role: Role,
    /// How long it is good, for example 90min, 6h or 7days; 30 days at most
    #[arg(
        long,
        value_name = "TIME",
        default_value_t = DEFAULT_LIFETIME.into(),
        value_parser = humantime::parse_duration.map(humantime::Duration::from)
    )]
    pub expires: humantime::Duration,
    /// Configuration file [default: footlight.toml in the data folder, then in /etc/footlight]
    #[arg(long, env = "FOOTLIGHT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the server's secret [default: footlight in the platform's data home]
    #[arg(long, env = "FOOTLIGHT_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The keys.
    #[command(flatten, next_help_heading = "Access")]
    pub auth: AuthSettings,
}

fn role(name: &str) -> Role {
    match name {
        "host" => Role::Host,
        "cohost" => Role::Cohost,
        "guest" => Role::Guest,
        _ => Role::Viewer,
    }
}

/// Why the configuration is not valid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not TOML, has an unknown key, or a value of the wrong type.
    #[error("the configuration {path} is not valid: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Names the line, and never what stands in it: that may be a secret.
        reason: String,
    },
    /// It holds secrets, and everybody can read it.
    #[error("the configuration {path} holds secrets, and {source}, or put them into a file of their own")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Who may.
        source: PrivateFileError,
    },
    /// A value is of the right type and makes no sense.
    #[error("the setting `{key}` is not valid: {reason}")]
    Invalid {
        /// The key, as in the file.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(key: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            key,
            reason: reason.into(),
        }
    }
}

/// Adds the file to what the command line and the environment said, and fills in the defaults.
pub fn load(settings: Settings, file: Option<&Path>) -> Result<Config, ConfigError> {
    let from_file = match file {
        Some(path) => read(path)?,
        None => match usual_places(&settings).into_iter().find(|path| path.exists()) {
            Some(path) => read(&path)?,
            None => Settings::default(),
        },
    };
    settings.or(from_file).resolve()
}

fn usual_places(settings: &Settings) -> Vec<PathBuf> {
    let data_dir = settings.data_dir.clone().or_else(|| data_dir::default_path().ok());
    let folders = data_dir.into_iter().chain([PathBuf::from(SYSTEM_FOLDER)]);
    folders.map(|folder| folder.join(FILE_NAME)).collect()
}

fn read(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let settings = parse(&text).map_err(|error| ConfigError::Parse {
        path: path.to_owned(),
        reason: reason(&text, &error),
    })?;
    if settings.holds_secrets() {
        private_file::refuse_exposed(path).map_err(|source| ConfigError::Exposed {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(settings)
}

/// Where a file is wrong, and how. What the parser would print is the line itself, which may hold a secret and would end up
/// in a journal.
fn reason(text: &str, error: &toml::de::Error) -> String {
    let message = without_value(error.message());
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}

/// serde names the value that is of the wrong type.
fn without_value(message: &str) -> String {
    let wrong = ["invalid type: ", "invalid value: "]
        .into_iter()
        .find_map(|kind| Some((kind, message.strip_prefix(kind)?)));
    let parts = wrong.and_then(|(kind, rest)| Some((kind, rest, rest.rfind(", expected ")?)));
    let Some((kind, rest, at)) = parts else {
        return message.to_owned();
    };
    let (value, expected) = rest.split_at(at);
    let name = value.split(['"', '`']).next().unwrap_or_default().trim_end();
    format!("{kind}{name}{expected}")
}

/// Reads the text of a configuration file.
pub fn parse(text: &str) -> Result<Settings, toml::de::Error> {
    toml::from_str(text)
}
