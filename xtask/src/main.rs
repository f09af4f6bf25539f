//! Every chore of the project: `cargo xtask --help`.
//!
//! This program needs nothing but Rust to compile, because it is what finds out which system packages are missing.

mod bindings;

use std::path::{Path, PathBuf};

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
    /// Write the TypeScript types of the wire into the pages' sources.
    Bindings(bindings::Args),
}

/// The root of the checkout that this program was compiled in.
fn checkout() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Bindings(args) => bindings::run(&args, &checkout()),
    }
}
