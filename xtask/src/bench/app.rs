//! What the app's window costs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::programs::{END_TO_END, Program, Programs, read_json};
use super::table::{Table, number};
use crate::process::command;
use crate::{pages, system};

/// `cargo xtask bench app`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each state is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    seconds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { seconds: 20 }
    }
}

/// By the name of the program.
type Shares = BTreeMap<String, f64>;

/// What `e2e/bench/app.mjs` prints. CPU in percent of one core, memory in MB.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    start_ms: f64,
    idle: Shares,
    memory: Shares,
    watching: Drawn,
    preview: Drawn,
    live: Shares,
    at_viewer: Delays,
}

/// From capture to a viewer, in milliseconds.
#[derive(Debug, Deserialize)]
struct Delays {
    sound: f64,
    picture: f64,
}

/// With pictures a second.
#[derive(Debug, Deserialize)]
struct Drawn {
    shares: Shares,
    fps: f64,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    system::require_packages(system::END_TO_END)?;
    let programs = Programs::build(checkout, &[Program::Server, Program::Publisher, Program::App])?;
    let folder = checkout.join(END_TO_END);
    pages::install(&folder)?;
    let seconds = args.seconds.to_string();
    let mut script = command(&folder, "node", ["bench/app.mjs", &seconds]);
    let seen: Seen = read_json(script.env("FOOTLIGHT_PROGRAMS", programs.folder()))?;

    let mut table = Table::new("app");
    table.below("start to a usable window", seen.start_ms, 2_000.0, "ms");
    share(&mut table, "idle", &seen.idle, 1.0, "%");
    share(&mut table, "memory, idle", &seen.memory, 200.0, "MB");
    // The same pictures cost as much to draw; receiving and decoding them comes on top.
    table.figure(
        "watching 640×360 at 30/s",
        number(seen.watching.shares.values().sum(), "%"),
    );
    parts(&mut table, "watching", &seen.watching.shares, "%");
    table.figure("watching: pictures drawn", number(seen.watching.fps, "/s"));
    share(&mut table, "preview", &seen.preview.shares, 35.0, "%");
    table.figure("preview: pictures drawn", number(seen.preview.fps, "/s"));
    share(&mut table, "live 720p30, minimised", &seen.live, 25.0, "%");
    let Delays { sound, picture } = seen.at_viewer;
    table.figure("from capture to a viewer: picture", number(picture, "ms"));
    table.figure("from capture to a viewer: sound", number(sound, "ms"));
    table.below(
        "sound and picture apart, at a viewer",
        (sound - picture).abs(),
        40.0,
        "ms",
    );
    table.note(format!(
        "of one core, over {} s each; the pattern and the tone, in a window under Xvfb, drawn without a GPU. Starting \
         includes that of the driver that looks",
        args.seconds
    ));
    Ok(table)
}

/// A sum, and beneath it what each program has of it.
fn share(table: &mut Table, name: &str, shares: &Shares, limit: f64, unit: &str) {
    table.below(name, shares.values().sum(), limit, unit);
    parts(table, name, shares, unit);
}

fn parts(table: &mut Table, name: &str, shares: &Shares, unit: &str) {
    for (program, share) in shares {
        table.figure(format!("{name}: {program}"), number(*share, unit));
    }
}
