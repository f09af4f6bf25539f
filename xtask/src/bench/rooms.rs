//! A room full of viewers: how long a word of the host's takes to reach them all, and what each of them costs.

use std::path::Path;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::cores::Cores;
use super::load::Quantiles;
use super::programs::{Program, Programs, pinned, read_json};
use super::server::Server;
use super::table::{Table, number};

/// An event reaches everybody within this, in milliseconds.
const DELAY_AIM: f64 = 100.0;

/// What an idle viewer may take of the server's memory, in kilobytes.
const MEMORY_AIM: f64 = 40.0;

/// Somebody who comes is in the room within this, in milliseconds.
const JOIN_AIM: f64 = 200.0;

/// `cargo xtask bench rooms`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many viewers.
    #[arg(long, value_name = "N", default_value_t = Self::default().viewers)]
    viewers: u32,
    /// How many of them come in a second.
    #[arg(long, value_name = "N", default_value_t = Self::default().join_rate)]
    join_rate: u32,
    /// Reactions a second of each viewer, while the host speaks a second time.
    #[arg(long, value_name = "N", default_value_t = Self::default().reactions)]
    reactions: u32,
    /// How long to measure, with reactions and without.
    #[arg(long, default_value_t = Self::default().seconds)]
    seconds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            viewers: 2000,
            join_rate: 200,
            reactions: 5,
            seconds: 20,
        }
    }
}

/// The part of the load generator's report that is shown; the program documents it.
#[derive(Debug, Deserialize)]
struct Report {
    viewers: u32,
    joined: u32,
    lost: u32,
    refusals: Vec<String>,
    join_ms: Quantiles,
    server_idle_bytes_per_viewer: Option<f64>,
    server_bytes_per_viewer: Option<f64>,
    server_bytes: Option<u64>,
    calm: Phase,
    flood: Option<Phase>,
}

#[derive(Debug, Deserialize)]
struct Phase {
    seconds: f64,
    expected: u64,
    missing: u64,
    repeated: u64,
    delay_ms: Quantiles,
    messages_per_second: f64,
    reactions_per_second: f64,
    cpu_seconds: Option<f64>,
    server_cpu_seconds: Option<f64>,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    let cores = Cores::split();
    let programs = Programs::build(checkout, &[Program::Server, Program::Load])?;
    let server = Server::start(&programs.path(Program::Server), cores.server.as_deref(), 1)?;
    let mut command = pinned(&programs.path(Program::Load), cores.load.as_deref());
    command
        .args(["rooms", server.url(), "--json"])
        .args(["--viewers", &args.viewers.to_string()])
        .args(["--join-rate", &args.join_rate.to_string()])
        .args(["--reactions", &args.viewers.saturating_mul(args.reactions).to_string()])
        .args(["--seconds", &args.seconds.to_string()])
        .args(["--server-pid", &server.pid().to_string()]);
    let report: Report = read_json(&mut command)?;
    if report.joined == 0 {
        bail!("nobody came in: {}", report.refusals.join("; "));
    }
    Ok(table(&report, &cores))
}

fn table(report: &Report, cores: &Cores) -> Table {
    let mut table = Table::new("rooms");
    table.figure("viewers", format!("{} of {}", report.joined, report.viewers));
    table.figure("join, p50", number(report.join_ms.p50, "ms"));
    table.below("join, p99", report.join_ms.p99, JOIN_AIM, "ms");
    if let Some(bytes) = report.server_idle_bytes_per_viewer {
        table.below("server memory per idle viewer", bytes / 1e3, MEMORY_AIM, "KB");
    }
    if let Some(bytes) = report.server_bytes_per_viewer {
        table.figure("server memory per viewer, at the end", number(bytes / 1e3, "KB"));
    }
    if let Some(bytes) = report.server_bytes {
        table.figure("server memory, at the end", number(bytes as f64 / 1e6, "MB"));
    }
    phase(&mut table, "chat", report, &report.calm);
    if let Some(flood) = &report.flood {
        phase(&mut table, "chat beside reactions", report, flood);
    }
    if report.lost > 0 {
        table.note(format!("{} viewers were disconnected", report.lost));
    }
    for refusal in &report.refusals {
        table.note(refusal.clone());
    }
    cores.note(&mut table);
    table
}

fn phase(table: &mut Table, name: &str, report: &Report, phase: &Phase) {
    let viewers = f64::from(report.joined);
    table.figure(format!("{name}, p50"), number(phase.delay_ms.p50, "ms"));
    table.below(format!("{name}, p99"), phase.delay_ms.p99, DELAY_AIM, "ms");
    table.figure(format!("{name}, longest"), number(phase.delay_ms.max, "ms"));
    table.none(
        format!("{name}, of {} not heard exactly once", phase.expected),
        phase.missing + phase.repeated,
    );
    if phase.reactions_per_second > 0.0 {
        let reactions = phase.reactions_per_second;
        table.figure(format!("{name}, reactions sent"), format!("{reactions:.0} /s"));
    }
    let messages = phase.messages_per_second;
    table.figure(format!("{name}, messages delivered"), format!("{messages:.0} /s"));
    table.figure(
        format!("{name}, messages to each viewer"),
        number(messages / viewers, "/s"),
    );
    for (process, cpu) in [
        ("server", phase.server_cpu_seconds),
        ("load generator", phase.cpu_seconds),
    ] {
        if let Some(cpu) = cpu {
            let share = number(100.0 * cpu / phase.seconds, "% of a core");
            table.figure(format!("{name}, {process}"), share);
        }
    }
}
