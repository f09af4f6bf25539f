//! Cargo's companions, built once into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache;
use crate::process::{output, succeed};

/// A program from crates.io, at the version that this checkout is checked with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The package and its program.
    name: &'static str,
    version: &'static str,
}

/// Finds dependencies that nothing uses.
pub(crate) const MACHETE: Tool = Tool {
    name: "cargo-machete",
    version: "0.9.2",
};

/// Checks licences, sources and duplicates of dependencies.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

impl Tool {
    /// Where the program is; builds it when the cache does not have this version.
    pub(crate) fn program(self) -> Result<PathBuf> {
        let root = cache::folder()?.join("tools");
        let program = root.join("bin").join(self.name);
        if !self.is(&program) {
            // Unoptimised: it builds in half the time, and what it checks here takes a second either way.
            succeed(
                Command::new("cargo")
                    .args([
                        "install",
                        "--locked",
                        "--debug",
                        "--force",
                        "--version",
                        self.version,
                        self.name,
                        "--root",
                    ])
                    .arg(&root)
                    // Its crates are not ours: kept apart, they do not fill the checkout's own target folder.
                    .env("CARGO_TARGET_DIR", root.join("target")),
            )
            .with_context(|| format!("cannot install {}", self.name))?;
        }
        Ok(program)
    }

    fn is(self, program: &Path) -> bool {
        output(Command::new(program).arg("--version"))
            .is_some_and(|answer| answer.split_whitespace().any(|word| word == self.version))
    }
}
