//! What the processing of a voice costs whoever talks.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::programs::{Program, Programs, read_json};
use super::table::{Table, number};

/// What the example prints: milliseconds of one core for a second of sound.
#[derive(Debug, Deserialize)]
struct Costs {
    off: f64,
    echo_without_far_end: f64,
    echo: f64,
    noise: f64,
    gain: f64,
    all: f64,
}

pub(crate) fn run(checkout: &Path) -> Result<Table> {
    const UNIT: &str = "ms/s";
    let programs = Programs::build(checkout, &[Program::VoiceBench])?;
    let costs: Costs = read_json(&mut Command::new(programs.path(Program::VoiceBench)))?;
    let mut table = Table::new("voice");
    table.figure("everything off", number(costs.off, UNIT));
    table.figure(
        "echo cancellation, nobody to be heard",
        number(costs.echo_without_far_end, UNIT),
    );
    table.figure("echo cancellation", number(costs.echo, UNIT));
    table.figure("noise suppression", number(costs.noise, UNIT));
    table.figure("gain control", number(costs.gain, UNIT));
    table.figure("all of them", number(costs.all, UNIT));
    table.note("milliseconds of one core for each second of sound; the least of five runs");
    Ok(table)
}
