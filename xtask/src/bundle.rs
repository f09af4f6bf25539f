//! `cargo xtask bundle`: the app as a Debian package and as an AppImage.
//!
//! Tauri makes the package. Its own AppImage is made with programs that it downloads while it bundles, which not every machine
//! can; here the AppImage holds what the package holds, and takes the web view from the system as the package does.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::process::{command, output, succeed};
use crate::{cache, pages, run, system};

/// Where the app is, below the checkout.
const APP: &str = "src-tauri";

/// The crate that has an AppImage's first bytes in it: the program that mounts the rest and starts it.
const RUNTIME_CRATE: (&str, &str) = ("appimage", "0.4.0");

/// Where the crate has it.
const RUNTIME_FILE: &str = "assets/runtime-x86_64";

/// What it has to be, because it is carried to other people's machines.
const RUNTIME_SHA256: &str = "328e0d745c5c6817048c27bc3e8314871703f8f47ffa81a37cb06cd95a94b323";

/// `cargo xtask bundle`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build the app without optimisation, which takes a third of the time.
    #[arg(long)]
    debug: bool,
    /// Take the app as it was built the last time.
    #[arg(long)]
    built: bool,
}

/// Makes both, and prints where they are.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    system::require_node()?;
    system::require_packages(&[system::BUILD, system::APP, system::BUNDLE].concat())?;
    let app = checkout.join(APP);
    pages::install(&app)?;
    let profile = if args.debug { "debug" } else { "release" };
    let bundles = run::target_dir(checkout)?.join(profile).join("bundle");
    // Packages of other versions would be taken for the one that is made now.
    remove(&bundles)?;
    let step = if args.built {
        "bundle"
    } else {
        eprintln!("building the pages and the app");
        pages::build(checkout)?;
        "build"
    };
    let mut build = command(
        &app,
        "npm",
        ["run", "--silent", "tauri", "--", step, "--ci", "--bundles", "deb"],
    );
    if args.debug {
        build.arg("--debug");
    }
    succeed(&mut build)?;
    let package = only_file(&bundles.join("deb"), "deb")?;
    println!("{}", package.display());
    let image = app_image(&package, &bundles.join("appimage"))?;
    println!("{}", image.display());
    Ok(())
}

/// Makes an AppImage of what is in a Debian package.
fn app_image(package: &Path, folder: &Path) -> Result<PathBuf> {
    let runtime = runtime()?;
    let content = folder.join("Footlight.AppDir");
    fs::create_dir_all(&content).with_context(|| format!("cannot create {}", content.display()))?;
    succeed(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&content))?;
    // What starts, what it is called, and its picture are looked for at the top.
    for (name, target) in [
        ("AppRun", "usr/bin/footlight-app"),
        ("Footlight.desktop", "usr/share/applications/Footlight.desktop"),
        (
            "footlight-app.png",
            "usr/share/icons/hicolor/256x256@2/apps/footlight-app.png",
        ),
        (".DirIcon", "footlight-app.png"),
    ] {
        if !content.join(target).exists() {
            bail!("the package has no {target}");
        }
        symlink(target, content.join(name)).with_context(|| format!("cannot link {name}"))?;
    }
    let squashed = folder.join("content");
    succeed(Command::new("mksquashfs").args([&content, &squashed]).args([
        "-noappend",
        "-root-owned",
        "-no-progress",
        "-quiet",
    ]))?;
    let name = package.file_stem().context("a package has a name")?.to_string_lossy();
    let image = folder.join(format!("{name}.AppImage"));
    concatenate(&[&runtime, &squashed], &image).with_context(|| format!("cannot write {}", image.display()))?;
    remove(&content)?;
    fs::remove_file(&squashed).with_context(|| format!("cannot remove {}", squashed.display()))?;
    Ok(image)
}

fn concatenate(parts: &[&Path], whole: &Path) -> io::Result<()> {
    let mut file = File::create(whole)?;
    for part in parts {
        io::copy(&mut File::open(part)?, &mut file)?;
    }
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

/// The program at the front of an AppImage, as cargo downloads it.
fn runtime() -> Result<PathBuf> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("there is no AppImage runtime for {} here", std::env::consts::ARCH);
    }
    let (name, version) = RUNTIME_CRATE;
    let folder = cache::folder()?.join("tools").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // A package of no code: cargo's way to a crate whose files are wanted and whose code is not.
    let manifest = format!(
        "[package]\nname = \"wanted\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"wanted.rs\"\n\n\
         [dependencies]\n{name} = \"={version}\"\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)
        .and_then(|()| fs::write(folder.join("wanted.rs"), ""))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let metadata = output(&mut command(&folder, "cargo", ["metadata", "--format-version=1"]))
        .with_context(|| format!("cargo cannot download the crate {name} {version}"))?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("`cargo metadata` cannot be understood")?;
    let package = metadata.packages.into_iter().find(|package| package.name == name);
    let package = package.with_context(|| format!("cargo does not know where {name} is"))?;
    let runtime = package.manifest_path.with_file_name(RUNTIME_FILE);
    let sum = output(Command::new("sha256sum").arg(&runtime)).context("sha256sum cannot read the runtime")?;
    if sum.split_whitespace().next() != Some(RUNTIME_SHA256) {
        bail!("{} is not what it should be", runtime.display());
    }
    Ok(runtime)
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// The file with an extension, of which there is one.
fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        files => bail!("{} .{extension} files in {}", files.len(), folder.display()),
    }
}

/// Removes a folder, which need not be there.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
