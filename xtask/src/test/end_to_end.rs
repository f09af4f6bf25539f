//! The tests under `e2e/`, run by Node's own test runner one file after the other: each file keeps several programs and
//! a browser busy, and two at once on a small machine would measure each other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Report;
use crate::process::{command, succeed};
use crate::{cache, pages, run, system};

/// Longest that one test file may take before the runner gives up on it, in milliseconds. The slowest one boots a
/// virtual machine without hardware support.
const FILE_TIMEOUT_MS: u32 = 900_000;

/// Builds the programs in the profile that the unit tests use, and runs the test files whose names contain one of
/// `filters`, or all.
pub(super) fn run(report: &mut Report, checkout: &Path, filters: &[String]) -> Result<()> {
    let folder = checkout.join("e2e");
    let ready = report.step("system packages for end-to-end tests", || {
        system::require_node()?;
        system::require_packages(&[system::BUILD, system::APP, system::END_TO_END].concat())
    })? && report.step("npm packages of the end-to-end tests", || pages::install(&folder))?
        && report.step("aiortc", || install_python(&folder))?
        && report.step("pages", || pages::build(checkout))?
        // The whole workspace, because then its dependencies have the features that the unit tests built them with.
        && report.command("programs", &mut command(checkout, "cargo", ["build", "--workspace", "--bins", "--example", "watch"]))?;
    report.command(
        "types of the end-to-end tests",
        &mut command(&folder, "npm", ["run", "--silent", "check"]),
    )?;
    if !ready {
        return Ok(());
    }
    let files = test_files(&folder, filters)?;
    let mut node = command(
        &folder,
        "node",
        [
            "--test",
            "--test-reporter=spec",
            "--test-concurrency=1",
            &format!("--test-timeout={FILE_TIMEOUT_MS}"),
        ],
    );
    node.args(files)
        .env("FOOTLIGHT_PROGRAMS", run::target_dir(checkout)?.join("debug"))
        .env("FOOTLIGHT_CACHE", cache::folder()?)
        .env("FOOTLIGHT_PYTHON", python(&environment()?));
    report.tests("end-to-end tests", &mut node)?;
    Ok(())
}

fn test_files(folder: &Path, filters: &[String]) -> Result<Vec<PathBuf>> {
    let tests = folder.join("tests");
    let mut files = Vec::new();
    for entry in fs::read_dir(&tests).with_context(|| format!("cannot read {}", tests.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let wanted = filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
        if name.ends_with(".test.mjs") && wanted {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("no test file is called like {}", filters.join(" or "));
    }
    files.sort();
    Ok(files)
}

/// The Python environment of the interoperability tests.
fn environment() -> Result<PathBuf> {
    Ok(cache::folder()?.join("python"))
}

fn python(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// A virtual environment with what `e2e/interop/requirements.txt` asks for.
fn install_python(folder: &Path) -> Result<()> {
    let environment = environment()?;
    let requirements = folder.join("interop/requirements.txt");
    let wanted = fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let installed = environment.join("installed-from");
    if fs::read(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    succeed(command(folder, "python3", ["-m", "venv", "--clear"]).arg(&environment))?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary=:all:",
        "--requirement",
    ];
    succeed(command(folder, python(&environment), install).arg(&requirements))?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}
