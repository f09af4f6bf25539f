//! How old a picture is when it comes out of the browser's decoder.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::load::{self, Run};
use super::machine;
use super::programs::{END_TO_END, Program, Programs, read_json, require_browser};
use super::server::{Publisher, Server};
use super::table::{Table, number};
use crate::process::command;

/// `cargo xtask bench latency`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long to look at pictures.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { seconds: 20 }
    }
}

/// What `e2e/bench/latency.mjs` prints. Times in milliseconds since capture.
#[derive(Debug, Deserialize)]
struct Seen {
    width: u32,
    height: u32,
    pictures: u32,
    unreadable: u32,
    seconds: f64,
    decoded: Quantiles,
    shown: Quantiles,
    /// The browser's own mean wait in its jitter buffer.
    jitter_buffer: f64,
}

#[derive(Debug, Deserialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    let programs = Programs::build(checkout, &[Program::Server, Program::Publisher, Program::Load])?;
    require_browser(checkout)?;
    let server = Server::start(&programs.path(Program::Server), None, machine::cores())?;

    let publisher = Publisher::start(&programs.path(Program::Publisher), &server)?;
    let seconds = args.seconds.to_string();
    let mut script = command(
        &checkout.join(END_TO_END),
        "node",
        ["bench/latency.mjs", publisher.watch_url(), &seconds],
    );
    let seen: Seen = read_json(&mut script)?;
    drop(publisher);

    // By itself, so that encoder and decoder do not stand in the way of what is measured.
    let added = load::run(
        &programs.path(Program::Load),
        None,
        &Run {
            whip: Some(format!("{}/whip/latency", server.url())),
            whep: format!("{}/whep/latency", server.url()),
            publishers: 1,
            receivers: 1,
            joining: None,
            bitrate: "2.5M",
            seconds: args.seconds,
            threads: 1,
            server_pid: None,
            insecure: false,
            token: None,
            pacing: load::PACING,
        },
    )?;

    let mut table = Table::new("latency");
    table.below("capture to decoded, p50", seen.decoded.p50, 100.0, "ms");
    table.figure("capture to decoded, p99", number(seen.decoded.p99, "ms"));
    table.figure("capture to shown, p50", number(seen.shown.p50, "ms"));
    table.figure("capture to shown, p99", number(seen.shown.p99, "ms"));
    table.figure(
        "of which the browser's jitter buffer, mean",
        number(seen.jitter_buffer, "ms"),
    );
    table.figure("of which the server, p50", number(added.delay_us.p50 / 1e3, "ms"));
    table.below("of which the server, p99", added.delay_us.p99 / 1e3, 1.0, "ms");
    let fps = f64::from(seen.pictures) / seen.seconds;
    table.figure("pictures", format!("{} at {fps:.1} /s", seen.pictures));
    table.note(format!(
        "pattern {}×{} through loopback into Chromium, by the time in each picture; {} unreadable",
        seen.width, seen.height, seen.unreadable
    ));
    table.note("the server's share is that of a stream of its own, from send to arrival, both sockets included");
    Ok(table)
}
