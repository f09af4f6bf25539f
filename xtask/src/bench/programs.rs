//! The programs that are measured, built as they are shipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

use crate::process::{Group, command, succeed};
use crate::{pages, run, system};

/// The pages' end-to-end tests, whose browser driver the benches use.
pub(crate) const END_TO_END: &str = "e2e";

/// A package of this workspace that a bench runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `footlight-server`, with the pages in it.
    Server,
    /// `footlight`.
    Publisher,
    /// `footlight-app`, with the pages in it.
    App,
    /// `footlight-load`.
    Load,
    /// The example `limit` of the load generator.
    Limit,
    /// The example `encode_bench` of the client.
    EncodeBench,
    /// The example `voice_bench` of the client.
    VoiceBench,
}

impl Program {
    fn cargo_args(self) -> [&'static str; 4] {
        match self {
            Self::Server => ["--package", "footlight-server", "--bin", "footlight-server"],
            Self::Publisher => ["--package", "footlight-client", "--bin", "footlight"],
            Self::App => ["--package", "footlight-app", "--bin", "footlight-app"],
            Self::Load => ["--package", "footlight-load", "--bin", "footlight-load"],
            Self::Limit => ["--package", "footlight-load", "--example", "limit"],
            Self::EncodeBench => ["--package", "footlight-client", "--example", "encode_bench"],
            Self::VoiceBench => ["--package", "footlight-client", "--example", "voice_bench"],
        }
    }

    fn is_example(self) -> bool {
        matches!(self, Self::Limit | Self::EncodeBench | Self::VoiceBench)
    }

    fn file(self) -> &'static str {
        match self {
            Self::Server => "footlight-server",
            Self::Publisher => "footlight",
            Self::App => "footlight-app",
            Self::Load => "footlight-load",
            Self::Limit => "examples/limit",
            Self::EncodeBench => "examples/encode_bench",
            Self::VoiceBench => "examples/voice_bench",
        }
    }
}

/// Built programs.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds what is asked for, in release mode and politely.
    pub(crate) fn build(checkout: &Path, programs: &[Program]) -> Result<Self> {
        system::require_packages(system::BUILD)?;
        if programs.contains(&Program::App) {
            system::require_packages(system::APP)?;
        }
        if programs.contains(&Program::Server) {
            system::require_node()?;
            pages::build(checkout)?;
        }
        eprintln!("building what is measured");
        // Not in one go: what an example or the load generator needs besides would be switched on in the programs that are
        // measured.
        let (examples, shipped): (Vec<Program>, Vec<Program>) =
            programs.iter().partition(|program| program.is_example());
        let (load, shipped): (Vec<Program>, Vec<Program>) =
            shipped.into_iter().partition(|program| *program == Program::Load);
        for together in [shipped, load, examples] {
            if !together.is_empty() {
                let mut build = command(checkout, "nice", ["cargo", "build", "--release"]);
                succeed(build.args(together.iter().flat_map(|program| program.cargo_args())))?;
            }
        }
        Ok(Self {
            folder: run::target_dir(checkout)?.join("release"),
        })
    }

    pub(crate) fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.file())
    }
}

/// Installs what a bench in a browser needs.
pub(crate) fn require_browser(checkout: &Path) -> Result<()> {
    system::require_packages(&["chromium"])?;
    pages::install(&checkout.join(END_TO_END))
}

/// Keeps a program on some cores, where the system can.
pub(crate) fn pinned(program: &Path, cores: Option<&str>) -> Command {
    match cores {
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", cores]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Runs `command` to its end and reads the JSON object that is its last line. Its status does not matter where there
/// is one: it may say that something in the object is bad.
pub(crate) fn read_json<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut group = Group::spawn(command.stdout(Stdio::piped()))?;
    let stdout = group.take_stdout().context("standard output is a pipe")?;
    let reader = std::thread::spawn(move || std::io::read_to_string(stdout));
    let status = group.wait()?;
    let printed = match reader.join() {
        Ok(printed) => printed.with_context(|| format!("cannot read what {name} prints"))?,
        Err(_) => bail!("cannot read what {name} prints"),
    };
    let Some(object) = printed.lines().rfind(|line| line.starts_with('{')) else {
        bail!("{name} printed no figures: {status}");
    };
    serde_json::from_str(object).with_context(|| format!("cannot understand what {name} prints: {object}"))
}
