//! How far a server is from what forwarding cannot cost less than.
//!
//! A small loop seals and sends the same packets with nothing around it, on the server's core, right after the server has
//! forwarded them: so the ratio says something even where the machine has other things to do.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::cores::Cores;
use super::load::{self, Run};
use super::programs::{Program, Programs, pinned, read_json};
use super::server::Server;
use super::table::{Table, number};

/// What forwarding may cost at most, in times of the limit.
const RATIO_AIM: f64 = 2.5;

/// Receivers where none are given: seven tenths of what a core is to serve. What a round of the server costs is shared by all that
/// it does, so that fewer receivers cost more each.
const RECEIVERS: u32 = 700;

/// Pictures per second of the load generator.
const PICTURES: f64 = 30.0;

/// `cargo xtask bench limit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many receive; no more than the server can feed.
    #[arg(long, value_name = "N", default_value_t = RECEIVERS)]
    receivers: u32,
    /// Of the publisher's picture, in Mbit/s.
    #[arg(long, default_value_t = 1.5)]
    megabits: f64,
    /// How long to measure the server, each time.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// How many times to measure both, one after the other.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            receivers: RECEIVERS,
            megabits: 1.5,
            seconds: 5,
            rounds: 5,
        }
    }
}

/// What the example `limit` of the load generator prints, in nanoseconds for each packet.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Limit {
    #[serde(rename = "seal_128_ns")]
    seal_128: f64,
    #[serde(rename = "seal_256_ns")]
    seal_256: f64,
    #[serde(rename = "send_ns")]
    send: f64,
}

/// One round, in nanoseconds for each packet.
#[derive(Debug, Clone, Copy)]
struct Round {
    server: f64,
    limit: Limit,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.server / (self.limit.seal_128 + self.limit.send)
    }
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    let cores = Cores::split();
    let programs = Programs::build(checkout, &[Program::Server, Program::Load, Program::Limit])?;
    let server = Server::start(&programs.path(Program::Server), cores.server.as_deref(), 1)?;
    let bitrate = format!("{}M", args.megabits);
    let mut rounds = Vec::new();
    for number in 0..args.rounds.max(1) {
        let session = format!("limit-{}-{number}", std::process::id());
        let run = Run {
            whip: Some(format!("{}/whip/{session}", server.url())),
            whep: format!("{}/whep/{session}", server.url()),
            publishers: 1,
            receivers: args.receivers,
            bitrate: &bitrate,
            seconds: args.seconds,
            joining: None,
            threads: cores.load_count,
            server_pid: Some(server.pid()),
            insecure: false,
            token: None,
            // As the bursts are that the limit is measured with.
            pacing: 0.0,
        };
        let report = load::run(&programs.path(Program::Load), cores.load.as_deref(), &run)?;
        let cpu = report
            .cpu_per_packet()
            .context("the system does not tell processor times")?;
        let packets = report.packets_per_second * report.seconds;
        let size = report.bytes as f64 / packets.max(1.0);
        let burst = (args.megabits * 1e6 / 8.0 / PICTURES / size).round().clamp(1.0, 44.0);
        let mut command = pinned(&programs.path(Program::Limit), cores.server.as_deref());
        command
            .args(["--size", &format!("{size:.0}"), "--burst", &format!("{burst:.0}")])
            .args(["--viewers", &args.receivers.to_string()]);
        let limit: Limit = read_json(&mut command)?;
        let round = Round {
            server: cpu * 1e9,
            limit,
        };
        eprintln!(
            "{packets:.0} packets of {size:.0} bytes, {:.2} % missing: server {:.0} ns, sealing {:.0} ns, sending {:.0} ns: {:.2} times",
            100.0 * report.missing_share,
            round.server,
            limit.seal_128,
            limit.send,
            round.ratio()
        );
        rounds.push(round);
    }
    let mut table = table(&rounds);
    cores.note(&mut table);
    Ok(table)
}

/// The middle one, and from where to where they go.
fn spread(rounds: &[Round], of: impl Fn(&Round) -> f64) -> (f64, String) {
    let mut values: Vec<_> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or_default();
    let (least, most) = (values.first().copied(), values.last().copied());
    let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
    (
        middle,
        format!("{} to {}", number(least, ""), number(most, "").trim_end()),
    )
}

fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new("limit");
    let mut row = |name: &str, of: fn(&Round) -> f64| table.figure(name, number(spread(rounds, of).0, "ns"));
    row("server, processor time per packet", |round| round.server);
    row("sealing, AES-128-GCM", |round| round.limit.seal_128);
    row("sealing, AES-256-GCM", |round| round.limit.seal_256);
    row("sending in batches", |round| round.limit.send);
    let (ratio, between) = spread(rounds, Round::ratio);
    table.below("server ÷ (sealing + sending)", ratio, RATIO_AIM, "");
    table.note(format!(
        "the middle of {} rounds; the ratio went from {between}",
        rounds.len()
    ));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_the_same_round_and_the_middle_one_counts() {
        let round = |server| Round {
            server,
            limit: Limit {
                seal_128: 300.0,
                seal_256: 400.0,
                send: 700.0,
            },
        };
        let rounds = [round(9_000.0), round(2_000.0), round(4_000.0)];
        let (ratio, between) = spread(&rounds, Round::ratio);
        assert!((ratio - 4.0).abs() < 1e-9);
        assert_eq!(between, "2.00  to 9.00");
    }
}
