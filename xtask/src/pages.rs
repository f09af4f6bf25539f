//! The pages' and the end-to-end tests' npm packages, and the pages' build.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process::{command, succeed};

/// Where the pages are built from, below the checkout.
pub(crate) const PAGES: &str = "client-ui";

/// Builds the pages into `client-ui/dist`, which the server embeds.
pub(crate) fn build(checkout: &Path) -> Result<()> {
    let folder = checkout.join(PAGES);
    install(&folder)?;
    succeed(&mut command(&folder, "npm", ["run", "--silent", "build"]))
}

/// `npm ci`, unless what the lock file asks for is there already.
pub(crate) fn install(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let installed = folder.join("node_modules/.installed-from");
    if fs::read(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    succeed(&mut command(folder, "npm", ["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}
