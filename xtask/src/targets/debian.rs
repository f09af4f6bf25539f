//! Debian's newest compiler, unpacked beside everything else on the machine, and standard libraries made of its source.
//!
//! Debian ships the compiler with its source, which rustup's downloads of other targets' standard libraries are not needed
//! for: a type check reads no more of a library than `cargo check` makes of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::before_path;
use crate::cache;
use crate::process::{output, succeed};

/// The compiler's package. Debian keeps one that is new enough for web browsers beside its own.
const PACKAGE: &str = "rustc-web";

/// Packages whose names do not change with the version of the compiler: it, its companions, and what they are linked with.
const PACKAGES: &[&str] = &[PACKAGE, "cargo-web", "libstd-rust-web-dev", "rust-web-src"];

/// How the names of those libraries begin that are not on every machine; they end with a version.
const LIBRARIES: &[&str] = &["libstd-rust-web-1", "libllvm", "libgit2-", "libhttp-parser", "libmbed"];

/// An unpacked compiler.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// A file system with nothing but the packages in it.
    root: PathBuf,
}

impl Toolchain {
    /// Unpacks the version that Debian has now, unless the cache has it.
    pub(super) fn ready() -> Result<Self> {
        let Some(version) = candidate() else {
            bail!(
                "neither rustup nor Debian has what it takes here: `rustup target add` the target, or use a Debian that has {PACKAGE}"
            );
        };
        let all = cache::folder()?.join("targets");
        let root = all.join(&version);
        fs::create_dir_all(&all).with_context(|| format!("cannot create {}", all.display()))?;
        let _lock = lock(&all.join("lock"))?;
        if !root.exists() {
            eprintln!("unpacking {PACKAGE} {version}");
            // One version is enough, and half a one is none.
            for entry in fs::read_dir(&all).with_context(|| format!("cannot read {}", all.display()))? {
                let path = entry?.path();
                if path.is_dir() && !path.ends_with("stubs") {
                    fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                }
            }
            let fresh = all.join("unpacking");
            unpack(&fresh)?;
            fs::rename(&fresh, &root).with_context(|| format!("cannot create {}", root.display()))?;
        }
        Ok(Self { root })
    }

    /// Makes the standard library of `target`, unless it is there: its metadata, which is all that a check reads.
    pub(super) fn add_std(&self, target: &str) -> Result<()> {
        let _lock = lock(&self.root.join("lock"))?;
        let folder = self.root.join("usr/lib/rustlib").join(target);
        let library = folder.join("lib");
        if library.exists() {
            return Ok(());
        }
        eprintln!("making the standard library of {target}");
        let build = self.root.join("std");
        let mut cargo = self.cargo();
        cargo
            .current_dir(self.source()?)
            .args([
                "check",
                "--quiet",
                "--locked",
                "--package",
                "sysroot",
                "--features",
                "backtrace panic-unwind",
            ])
            .args(["--target", target])
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_ENCODED_RUSTFLAGS", "-Zforce-unstable-if-unmarked")
            // The standard library is written in the language of the nightly compiler.
            .env("RUSTC_BOOTSTRAP", "1");
        succeed(&mut cargo).with_context(|| format!("there is no standard library of {target}"))?;
        let fresh = folder.join("fresh");
        copy_metadata(&build.join(target).join("debug/deps"), &fresh)?;
        fs::rename(&fresh, &library).with_context(|| format!("cannot create {}", library.display()))?;
        fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))
    }

    /// Debian's cargo with Debian's compiler.
    pub(super) fn cargo(&self) -> Command {
        let programs = self.root.join("usr/bin");
        let mut cargo = Command::new(programs.join("cargo"));
        cargo
            .env("RUSTC", programs.join("rustc"))
            .env("LD_LIBRARY_PATH", self.root.join("usr/lib/x86_64-linux-gnu"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            // What a cargo of rustup's left for its children.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("RUSTFLAGS");
        if let Ok(path) = before_path(&cargo, &programs) {
            cargo.env("PATH", path);
        }
        cargo
    }

    fn source(&self) -> Result<PathBuf> {
        let sources = self.root.join("usr/src");
        let found = fs::read_dir(&sources).with_context(|| format!("cannot read {}", sources.display()))?;
        let mut found = found.flatten().map(|entry| entry.path().join("library"));
        found
            .find(|library| library.is_dir())
            .with_context(|| format!("no standard library in {}", sources.display()))
    }
}

/// The version that Debian would install.
fn candidate() -> Option<String> {
    let policy = output(Command::new("apt-cache").args(["policy", PACKAGE]).env("LC_ALL", "C"))?;
    let version = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Downloads the packages and unpacks them below `root`. Nothing is installed.
fn unpack(root: &Path) -> Result<()> {
    let downloads = root.join("packages");
    fs::create_dir_all(&downloads).with_context(|| format!("cannot create {}", downloads.display()))?;
    let mut packages: Vec<String> = PACKAGES.iter().map(|&package| package.to_owned()).collect();
    packages.extend(libraries()?);
    // Where root may not write as `_apt` it says so, and downloads all the same.
    let mut download = Command::new("apt-get");
    download
        .args(["download", "--quiet=2", "--option=APT::Sandbox::User=root"])
        .args(packages);
    succeed(download.current_dir(&downloads)).context("apt-get cannot download the compiler")?;
    for entry in fs::read_dir(&downloads).with_context(|| format!("cannot read {}", downloads.display()))? {
        succeed(Command::new("dpkg-deb").arg("--extract").arg(entry?.path()).arg(root))?;
    }
    fs::remove_dir_all(&downloads).with_context(|| format!("cannot remove {}", downloads.display()))
}

/// The libraries that the packages are linked with, and those that these are.
fn libraries() -> Result<Vec<String>> {
    let mut libraries: Vec<String> = Vec::new();
    for _ in 0..2 {
        let mut depends = Command::new("apt-cache");
        depends
            .arg("depends")
            .args(PACKAGES)
            .args(&libraries)
            .env("LC_ALL", "C");
        let depends = output(&mut depends).context("apt-cache does not know what the compiler is linked with")?;
        for name in depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: ")) {
            let wanted = LIBRARIES.iter().any(|library| name.starts_with(library));
            if wanted && !libraries.iter().any(|known| known == name) {
                libraries.push(name.to_owned());
            }
        }
    }
    Ok(libraries)
}

fn copy_metadata(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rmeta")
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Waits until nobody else is at work in the folder.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}
