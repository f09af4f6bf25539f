//! `cargo xtask bench`: what the project aims at, measured on this machine. Figures, never tests: a slow machine is not
//! a defect.

mod app;
mod cores;
mod encode;
mod fanout;
mod join;
mod latency;
mod limit;
pub(crate) mod load;
mod machine;
mod programs;
mod rooms;
mod server;
mod table;
mod voice;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use load::Run;
pub(crate) use programs::{Program, Programs};
pub(crate) use server::{Server, open_files, resident_memory};

use crate::checkout;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// From capture to the decoded picture in Chromium, and what the server adds to it.
    Latency(latency::Args),
    /// From opening the watch page to its first picture.
    Join(join::Args),
    /// What a picture costs the publisher.
    Encode(encode::Args),
    /// What the processing of a voice costs whoever talks.
    Voice,
    /// What the app's window costs: starting, idle, with its preview, and live.
    App(app::Args),
    /// How many receivers one server core feeds.
    Fanout(fanout::Args),
    /// What forwarding costs, in times of what it cannot cost less than.
    Limit(limit::Args),
    /// How fast a room full of viewers hears a word, and what each of them costs.
    Rooms(rooms::Args),
    /// All of them, with their defaults.
    All,
}

/// Measures, and prints a table of each.
pub(crate) fn run(bench: Bench) -> Result<()> {
    let checkout = checkout();
    let machine = machine::describe();
    if let Some(load) = machine::busy() {
        eprintln!("note: this machine is busy (load average {load:.1}), which shows in every figure");
    }
    let tables = match bench {
        Bench::Latency(args) => vec![latency::run(&args, &checkout)?],
        Bench::Join(args) => vec![join::run(&args, &checkout)?],
        Bench::Encode(args) => vec![encode::run(&args, &checkout)?],
        Bench::Voice => vec![voice::run(&checkout)?],
        Bench::App(args) => vec![app::run(&args, &checkout)?],
        Bench::Fanout(args) => vec![fanout::run(&args, &checkout)?],
        Bench::Limit(args) => vec![limit::run(&args, &checkout)?],
        Bench::Rooms(args) => vec![rooms::run(&args, &checkout)?],
        Bench::All => vec![
            encode::run(&encode::Args::default(), &checkout)?,
            voice::run(&checkout)?,
            app::run(&app::Args::default(), &checkout)?,
            latency::run(&latency::Args::default(), &checkout)?,
            join::run(&join::Args::default(), &checkout)?,
            fanout::run(&fanout::Args::default(), &checkout)?,
            limit::run(&limit::Args::default(), &checkout)?,
            rooms::run(&rooms::Args::default(), &checkout)?,
        ],
    };
    for table in tables {
        println!("{}", table.on(&machine));
    }
    Ok(())
}
