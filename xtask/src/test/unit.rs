//! The checks that need no browser.

use std::path::Path;

use anyhow::Result;

use super::Report;
use crate::pages::{self, PAGES};
use crate::process::{command, succeed};
use crate::{system, tools};

/// Cheap checks first, so that a slip is told in seconds.
pub(super) fn run(report: &mut Report, checkout: &Path) -> Result<()> {
    let ready = report.step("system packages for building and testing", || {
        system::require_node()?;
        system::require_packages(&[system::BUILD, system::APP, system::CRATE_TESTS].concat())
    })?;
    if !ready {
        return Ok(());
    }
    report.command(
        "formatting",
        &mut command(checkout, "cargo", ["fmt", "--all", "--check"]),
    )?;
    report.step("unused dependencies", || {
        succeed(&mut command(checkout, tools::MACHETE.program()?, ["--skip-target-dir"]))
    })?;
    report.step("licences and sources of dependencies", || {
        // Without advisories: their database is a repository of its own, which not every machine can reach.
        let checks = ["--log-level=error", "check", "bans", "licenses", "sources"];
        succeed(&mut command(checkout, tools::DENY.program()?, checks))
    })?;
    let folder = checkout.join(PAGES);
    if report.step("npm packages of the pages", || pages::install(&folder))? {
        report.tests("tests of the pages", &mut command(&folder, "npm", ["test", "--silent"]))?;
        report.step("pages", || pages::build(checkout))?;
    }
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny=warnings",
    ];
    report.command("lints", &mut command(checkout, "cargo", lints))?;
    let tests = ["test", "--workspace", "--no-fail-fast"];
    report.tests("tests of the crates", &mut command(checkout, "cargo", tests))?;
    Ok(())
}
