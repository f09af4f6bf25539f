//! What is generated from the code: the TypeScript types of the wire and of the app's commands, for the pages, and the table
//! of permissions, for the documentation.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::process::{command, succeed};

/// A generated file: where it lies below the checkout, and what it holds.
struct Generated {
    path: &'static str,
    text: String,
}

fn generated() -> [Generated; 2] {
    [
        Generated {
            path: "client-ui/src/protocol/bindings.ts",
            text: footlight_protocol::declarations(),
        },
        Generated {
            path: "docs/permissions.md",
            text: footlight_protocol::permission_table(),
        },
    ]
}

/// `cargo xtask bindings`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a file is not what the `protocol` crate says now.
    #[arg(long)]
    check: bool,
}

/// Writes the generated files, or with `--check` compares them.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    generated().iter().try_for_each(|file| {
        if args.check {
            file.check(checkout)
        } else {
            file.write(checkout)
        }
    })?;
    app(args, checkout)
}

/// The types of the app's commands. A test of the app compares them, because this program must not need what the app is built
/// with; it writes them where it is told to.
fn app(args: &Args, checkout: &Path) -> Result<()> {
    let test = ["test", "--quiet", "--package", "footlight-app", "--lib", "bindings"];
    let mut test = command(checkout, "cargo", test);
    if !args.check {
        test.env("FOOTLIGHT_WRITE_BINDINGS", "1");
    }
    succeed(&mut test)
}

impl Generated {
    fn write(&self, checkout: &Path) -> Result<()> {
        let path = checkout.join(self.path);
        // An untouched file keeps its time stamp, so that the pages are not built again for nothing.
        if fs::read_to_string(&path).is_ok_and(|present| present == self.text) {
            return Ok(());
        }
        let folder = path.parent().context("a generated file lives in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        fs::write(&path, &self.text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn check(&self, checkout: &Path) -> Result<()> {
        let path = checkout.join(self.path);
        let present = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if present != self.text {
            bail!(
                "{} is stale: run `cargo xtask bindings` and commit the result",
                self.path
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_what_the_protocol_says() {
        for file in generated() {
            file.check(&crate::checkout()).expect("generated files are current");
        }
    }

    #[test]
    fn a_stale_file_is_named_with_its_remedy() {
        let folder = std::env::temp_dir().join(format!("footlight-stale-bindings-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        fs::write(folder.join("stale.ts"), "export type Ping = never;\n").expect("temporary file");
        let file = Generated {
            path: "stale.ts",
            text: footlight_protocol::declarations(),
        };
        let error = file.check(&folder).expect_err("stale");
        fs::remove_dir_all(&folder).expect("temporary folder");
        assert!(error.to_string().contains("cargo xtask bindings"), "{error}");
    }
}
