//! `cargo xtask check-targets`: whether the app's library compiles for systems that this machine is not.
//!
//! It is type-checked and no more: nothing is linked or run, and the C code of dependencies is not compiled (empty objects
//! stand in for it). Where rustup has the target's standard library, the own compiler checks; elsewhere Debian's does, with a
//! standard library made of its source.

mod debian;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::process::{Interrupted, command, output, succeed};
use crate::{cache, run};

/// The systems that the app is for, besides the one under the tests.
const TARGETS: &[&str] = &[
    "aarch64-linux-android",
    "aarch64-apple-ios",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

/// What a check is worth, said wherever one held.
const WORTH: &str = "type-checked only: nothing is linked or run";

/// Stand-ins for what is not on this machine, by name.
const STUBS: &[(&str, &str)] = &[
    ("stub-cc", include_str!("stubs/cc")),
    ("stub-ar", include_str!("stubs/ar")),
    ("stub-cmake", include_str!("stubs/cmake")),
    ("llvm-rc", include_str!("stubs/llvm-rc")),
];

/// `cargo xtask check-targets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which of them; all, where none is named.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
}

/// Checks one after the other, and tells of all that do not compile.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    let named: Vec<&str> = args.targets.iter().map(String::as_str).collect();
    let targets = if named.is_empty() { TARGETS } else { &named };
    let compilers = targets.iter().map(|target| Compiler::of(target));
    let compilers: Vec<Compiler> = compilers.collect::<Result<_>>()?;
    let stubs = Stubs::write()?;
    let mut broken = Vec::new();
    for (target, compiler) in targets.iter().zip(&compilers) {
        let begun = Instant::now();
        match succeed(&mut compiler.check(&stubs, target, checkout)?) {
            Ok(()) => println!("{target}: {WORTH} ({:.1} s)", begun.elapsed().as_secs_f64()),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(_) => broken.push(*target),
        }
    }
    if !broken.is_empty() {
        bail!("the app does not compile for {}", broken.join(", "));
    }
    Ok(())
}

/// What type-checks for a target.
#[derive(Debug)]
enum Compiler {
    /// The one that builds everything else: rustup has the target's standard library for it.
    Own,
    /// Debian's.
    Debian(debian::Toolchain),
}

impl Compiler {
    fn of(target: &str) -> Result<Self> {
        if has_std(target) {
            return Ok(Self::Own);
        }
        let toolchain = debian::Toolchain::ready()?;
        toolchain.add_std(target)?;
        Ok(Self::Debian(toolchain))
    }

    /// The check of the app's library, in which a warning of our own crates is an error.
    fn check(&self, stubs: &Stubs, target: &str, checkout: &Path) -> Result<Command> {
        let mut cargo = match self {
            Self::Own => Command::new("cargo"),
            Self::Debian(toolchain) => toolchain.cargo(),
        };
        cargo
            .current_dir(checkout)
            .args([
                "check",
                "--quiet",
                "--locked",
                "--package",
                "footlight-app",
                "--lib",
                "--target",
                target,
            ])
            // Apart from what is built to be run: two compilers would take turns in invalidating each other's work.
            .env("CARGO_TARGET_DIR", run::target_dir(checkout)?.join("check-targets"))
            .env("CARGO_ENCODED_RUSTFLAGS", "-Dwarnings")
            .env("IPHONEOS_DEPLOYMENT_TARGET", "14.0")
            .env("MACOSX_DEPLOYMENT_TARGET", "11.0")
            .env("SDKROOT", &stubs.folder);
        stubs.stand_in(&mut cargo, target)?;
        Ok(cargo)
    }
}

/// Whether the own compiler has the standard library of `target`.
fn has_std(target: &str) -> bool {
    let folder = output(&mut command(
        Path::new("."),
        "rustc",
        ["--print", "target-libdir", "--target", target],
    ));
    let Some(files) = folder.and_then(|folder| fs::read_dir(folder).ok()) else {
        return false;
    };
    let mut names = files.flatten().map(|file| file.file_name());
    names.any(|name| name.to_string_lossy().starts_with("libstd-"))
}

/// Programs that stand in for compilers and their companions.
#[derive(Debug)]
struct Stubs {
    folder: PathBuf,
}

impl Stubs {
    fn write() -> Result<Self> {
        let folder = cache::folder()?.join("targets/stubs");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for (name, script) in STUBS {
            let path = folder.join(name);
            // An untouched file keeps its time stamp, and nobody runs a half-written one.
            if fs::read_to_string(&path).is_ok_and(|present| present == *script) {
                continue;
            }
            let fresh = folder.join(format!(".{name}.{}", std::process::id()));
            fs::write(&fresh, script)
                .and_then(|()| fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)))
                .and_then(|()| fs::rename(&fresh, &path))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    /// Has build scripts use them for `target`.
    fn stand_in(&self, cargo: &mut Command, target: &str) -> Result<()> {
        let suffix = target.replace('-', "_");
        let compiler = self.folder.join("stub-cc");
        let path = before_path(cargo, &self.folder)?;
        cargo
            .env(format!("CC_{suffix}"), &compiler)
            .env(format!("CXX_{suffix}"), &compiler)
            .env(format!("AR_{suffix}"), self.folder.join("stub-ar"))
            .env(format!("RANLIB_{suffix}"), "true")
            .env(format!("CMAKE_{suffix}"), self.folder.join("stub-cmake"))
            // Otherwise Visual Studio is looked for, for Windows.
            .env(format!("CMAKE_GENERATOR_{suffix}"), "Ninja")
            .env("PATH", path);
        Ok(())
    }
}

/// `folder`, and after it the folders in which `command` looks for programs already.
fn before_path(command: &Command, folder: &Path) -> Result<OsString> {
    let set = command.get_envs().find(|(key, _)| *key == "PATH");
    let path = set
        .and_then(|(_, value)| value.map(OsString::from))
        .or_else(|| std::env::var_os("PATH"));
    let folders = std::env::split_paths(path.as_deref().unwrap_or_default()).collect::<Vec<_>>();
    std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(folders)).context("a folder of PATH has a colon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_under_the_tests_has_a_standard_library_and_an_invented_one_has_none() {
        let version = output(Command::new("rustc").arg("-vV")).expect("a compiler");
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .expect("a host");
        assert!(has_std(host));
        assert!(!has_std("footlight-unknown-stage"));
    }
}
