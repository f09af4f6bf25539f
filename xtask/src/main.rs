//! Every chore of the project: `cargo xtask --help`.
//!
//! This program needs nothing but Rust to compile, because it is what finds out which system packages are missing.

mod app;
mod bench;
mod bindings;
#[cfg(target_os = "linux")]
mod bundle;
mod cache;
mod icons;
mod pages;
mod plot;
mod process;
mod run;
mod soak;
mod system;
#[cfg(unix)]
mod targets;
mod test;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the Footlight project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Build everything and start the server; with --demo, publish a test picture as well.
    Run(run::Args),
    /// Build the app and open its window.
    App(app::Args),
    /// Run the tests, and install what they need.
    Test(test::Args),
    /// Make a Debian package and an AppImage of the app.
    #[cfg(target_os = "linux")]
    Bundle(bundle::Args),
    /// Type-check the app for Android, iOS, macOS and Windows; nothing is linked or run.
    #[cfg(unix)]
    CheckTargets(targets::Args),
    /// Measure what the project aims at, on this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Find out whether a server that runs for long keeps its memory and file descriptors.
    Soak(soak::Args),
    /// Write what is generated from the code: TypeScript types for the pages, the table of permissions for the docs.
    Bindings(bindings::Args),
    /// Draw the app's icons from the mark in assets/.
    Icons,
}

/// The root of the checkout that this program runs for. `cargo run` says where that is; what was true when it was compiled
/// need not be, where several checkouts share a target folder.
fn checkout() -> PathBuf {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().unwrap_or(&package).to_path_buf()
}

fn main() -> ExitCode {
    let checkout = checkout();
    let done = process::end_children_on_interrupt().and_then(|()| match Cli::parse().chore {
        Chore::Run(args) => run::run(&args, &checkout),
        Chore::App(args) => app::run(&args, &checkout),
        Chore::Test(args) => test::run(&args, &checkout),
        #[cfg(target_os = "linux")]
        Chore::Bundle(args) => bundle::run(&args, &checkout),
        #[cfg(unix)]
        Chore::CheckTargets(args) => targets::run(&args, &checkout),
        Chore::Bench(bench) => bench::run(bench),
        Chore::Soak(args) => soak::run(&args, &checkout),
        Chore::Bindings(args) => bindings::run(&args, &checkout),
        Chore::Icons => icons::run(&checkout),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<process::Interrupted>() => ExitCode::from(process::INTERRUPTED_STATUS),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
