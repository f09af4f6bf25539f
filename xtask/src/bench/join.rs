//! How long a viewer waits for the first picture.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::machine;
use super::programs::{END_TO_END, Program, Programs, read_json, require_browser};
use super::server::{Publisher, Server};
use super::table::{Table, number};
use crate::process::command;

/// `cargo xtask bench join`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many times to open the page.
    #[arg(long, default_value_t = 30)]
    joins: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { joins: 30 }
    }
}

/// What `e2e/bench/join.mjs` prints. Times in milliseconds since the navigation began.
#[derive(Debug, Deserialize)]
struct Seen {
    joins: u32,
    scripted: Quantiles,
    offered: Quantiles,
    answered: Quantiles,
    connected: Quantiles,
    pictured: Quantiles,
}

#[derive(Debug, Deserialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    let programs = Programs::build(checkout, &[Program::Server, Program::Publisher])?;
    require_browser(checkout)?;
    let server = Server::start(&programs.path(Program::Server), None, machine::cores())?;
    let publisher = Publisher::start(&programs.path(Program::Publisher), &server)?;
    let joins = args.joins.to_string();
    let mut script = command(
        &checkout.join(END_TO_END),
        "node",
        ["bench/join.mjs", publisher.watch_url(), &joins],
    );
    let seen: Seen = read_json(&mut script)?;

    let mut table = Table::new("join");
    table.below("page opened to first picture, p50", seen.pictured.p50, 500.0, "ms");
    table.below("page opened to first picture, p99", seen.pictured.p99, 500.0, "ms");
    let steps = [
        ("page loaded", seen.scripted),
        ("offer made", seen.offered),
        ("answer taken", seen.answered),
        ("connected", seen.connected),
    ];
    for (step, times) in steps {
        table.figure(format!("on the way: {step}, p50"), number(times.p50, "ms"));
        table.figure(format!("on the way: {step}, p99"), number(times.p99, "ms"));
    }
    table.note(format!(
        "{} joins in Chromium, each with an empty cache, pattern 720p30 on loopback",
        seen.joins
    ));
    Ok(table)
}
