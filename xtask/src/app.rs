//! `cargo xtask app`: from a fresh checkout to the app's window.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{Group, Interrupted, command, succeed};
use crate::{pages, run, system};

/// `cargo xtask app`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build it without optimisation, which takes a third of the time.
    #[arg(long)]
    debug: bool,
    /// Only build it.
    #[arg(long)]
    build_only: bool,
    /// A link to open, as the system would: `footlight://watch/…`.
    link: Option<String>,
}

/// Builds what is not built, and stays until the window is closed.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    system::require_node()?;
    system::require_packages(&[system::BUILD, system::APP].concat())?;
    eprintln!("building the pages");
    pages::build(checkout)?;
    eprintln!("building the app");
    let profile = if args.debug { "debug" } else { "release" };
    let mut build = command(checkout, "cargo", ["build", "--package", "footlight-app"]);
    if !args.debug {
        build.arg("--release");
    }
    succeed(&mut build)?;
    let program = run::target_dir(checkout)?.join(profile).join("footlight-app");
    if args.build_only {
        println!("{}", program.display());
        return Ok(());
    }
    let status = match Group::spawn(Command::new(program).args(&args.link))?.wait() {
        // Ctrl-C is one way to end it.
        Err(error) if error.is::<Interrupted>() => return Ok(()),
        status => status?,
    };
    if !status.success() {
        bail!("the app ended by itself: {status}");
    }
    Ok(())
}
