//! TypeScript types of the wire, generated from the `protocol` crate into the pages' sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Where the pages import the wire types from, below the checkout.
const BINDINGS: &str = "client-ui/src/protocol/bindings.ts";

/// `cargo xtask bindings`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when the file is not what the `protocol` crate says now.
    #[arg(long)]
    check: bool,
}

/// Writes the generated module, or with `--check` compares it.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    let path = bindings_path(checkout);
    if args.check {
        return check(&path);
    }
    let folder = path.parent().context("the bindings live in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let declarations = footlight_protocol::declarations();
    // An untouched file keeps its time stamp, so that the pages are not built again for nothing.
    if fs::read_to_string(&path).is_ok_and(|present| present == declarations) {
        return Ok(());
    }
    fs::write(&path, declarations).with_context(|| format!("cannot write {}", path.display()))
}

fn bindings_path(checkout: &Path) -> PathBuf {
    checkout.join(BINDINGS)
}

fn check(path: &Path) -> Result<()> {
    let present = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if present != footlight_protocol::declarations() {
        bail!("{BINDINGS} is stale: run `cargo xtask bindings` and commit the result");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_bindings_are_what_the_protocol_says() {
        check(&bindings_path(&crate::checkout())).expect("bindings are current");
    }

    #[test]
    fn stale_bindings_are_named_with_their_remedy() {
        let file = std::env::temp_dir().join(format!("footlight-stale-bindings-{}.ts", std::process::id()));
        fs::write(&file, "export type Ping = never;\n").expect("temporary file");
        let error = check(&file).expect_err("stale");
        fs::remove_file(&file).expect("temporary file");
        assert!(error.to_string().contains("cargo xtask bindings"), "{error}");
    }
}
