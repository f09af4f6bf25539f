//! One publisher, ever more receivers, until one packet of a thousand is missing.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::cores::Cores;
use super::load::{self, Report, Run};
use super::programs::{Program, Programs};
use super::server::Server;
use super::table::{Table, duration, number};

/// The share of missing packets from which on receivers are too many.
const TOO_MUCH_LOSS: f64 = 0.001;
/// Fewer are no search.
const FIRST_STEP: u32 = 16;
/// The search ends when it knows the answer to one part in so many.
const PRECISION: u32 = 16;
/// From this share of its cores on, the load generator is what is measured.
const SATURATED: f64 = 0.95;

/// `cargo xtask bench fanout`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure the server at this address instead of one of our own: `/whip/…` and `/whep/…` are appended.
    #[arg(long, value_name = "URL", conflicts_with_all = ["whip", "whep"])]
    against: Option<String>,
    /// Where to publish on another server.
    #[arg(long, value_name = "URL", requires = "whep")]
    whip: Option<String>,
    /// Where to receive from another server.
    #[arg(long, value_name = "URL", requires = "whip")]
    whep: Option<String>,
    /// The other server's process on this machine, for its processor time.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Accept any TLS certificate of the other server.
    #[arg(long)]
    insecure: bool,
    /// Measure this number of receivers only.
    #[arg(long, value_name = "N")]
    receivers: Option<u32>,
    /// Never more receivers than this.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max: u32,
    /// Of the publisher's picture.
    #[arg(long, default_value = "2.5M")]
    bitrate: String,
    /// How long to measure each step of the search; what it finds is measured three times as long.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            against: None,
            whip: None,
            whep: None,
            server_pid: None,
            insecure: false,
            receivers: None,
            max: 4096,
            bitrate: "2.5M".into(),
            seconds: 5,
        }
    }
}

/// Server and load generator, each on cores of its own.
struct Bench<'a> {
    args: &'a Args,
    programs: Programs,
    server: Option<Server>,
    cores: Cores,
    steps: u32,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    let cores = Cores::split();
    let ours = args.against.is_none() && args.whip.is_none();
    let wanted: &[Program] = if ours {
        &[Program::Server, Program::Load]
    } else {
        &[Program::Load]
    };
    let programs = Programs::build(checkout, wanted)?;
    let server = ours
        .then(|| Server::start(&programs.path(Program::Server), cores.server.as_deref(), 1))
        .transpose()?;
    let mut bench = Bench {
        args,
        programs,
        server,
        cores,
        steps: 0,
    };
    let found = match args.receivers {
        Some(receivers) => bench.measure(receivers, args.seconds)?,
        None => bench.search()?,
    };
    Ok(bench.table(&found))
}

impl Bench<'_> {
    /// Doubles until it is too much, then halves the interval.
    fn search(&mut self) -> Result<Report> {
        let mut best = None;
        let mut next = FIRST_STEP.min(self.args.max);
        let mut too_many = self.args.max + 1;
        loop {
            let report = self.measure(next, self.args.seconds)?;
            let good = if acceptable(&report) { Some(next) } else { None };
            match good {
                Some(receivers) => best = Some(receivers),
                None => too_many = next,
            }
            let low = best.unwrap_or(0);
            if too_many - low <= (low / PRECISION).max(1) {
                break;
            }
            next = if too_many > self.args.max {
                (low * 2).min(self.args.max)
            } else {
                low.midpoint(too_many)
            };
        }
        // A longer look may see what a short one missed.
        let mut receivers = best.context("not even one receiver could be served without loss")?;
        loop {
            let report = self.measure(receivers, 3 * self.args.seconds)?;
            if acceptable(&report) || receivers <= 1 {
                return Ok(report);
            }
            receivers -= (receivers / PRECISION).max(1);
        }
    }

    fn measure(&mut self, receivers: u32, seconds: u32) -> Result<Report> {
        self.steps += 1;
        // A session of its own for each step: what the last one left behind must not be measured.
        let session = format!("fanout-{}-{}", std::process::id(), self.steps);
        let base = self.server.as_ref().map(Server::url).or(self.args.against.as_deref());
        let base = base.map(|base| base.trim_end_matches('/'));
        let address = |kind: &str, given: &Option<String>| {
            given
                .clone()
                .or_else(|| base.map(|base| format!("{base}/{kind}/{session}")))
        };
        let run = Run {
            whip: address("whip", &self.args.whip).context("no address to publish to")?,
            whep: address("whep", &self.args.whep).context("no address to receive from")?,
            receivers,
            bitrate: &self.args.bitrate,
            seconds,
            threads: self.cores.load_count,
            server_pid: self.server.as_ref().map(Server::pid).or(self.args.server_pid),
            insecure: self.args.insecure,
        };
        let report = load::run(&self.programs.path(Program::Load), self.cores.load.as_deref(), &run)?;
        let server = report
            .server_cpu_seconds
            .map_or("?".into(), |cpu| number(100.0 * cpu / report.seconds, "%"));
        eprintln!(
            "{receivers:5} receivers: {:.0} packets/s, {:.3} % missing, p99 {}, server {server}, load {}",
            report.packets_per_second,
            100.0 * report.missing_share,
            duration(report.delay_us.p99),
            number(100.0 * report.cpu_seconds.unwrap_or(0.0) / report.seconds, "%"),
        );
        Ok(report)
    }

    fn table(&self, report: &Report) -> Table {
        let mut table = Table::new("fanout");
        let name = if acceptable(report) {
            "receivers with < 0.1 % missing"
        } else {
            "receivers"
        };
        table.figure(name, format!("{} of {}", report.receiving, report.receivers));
        table.figure("bitrate of each", format!("{}bit/s", self.args.bitrate));
        table.figure("packets", format!("{:.0} /s", report.packets_per_second));
        table.figure("throughput", number(report.gigabits_per_second, "Gb/s"));
        if let Some(cpu) = report.server_cpu_seconds {
            table.figure("server", number(100.0 * cpu / report.seconds, "% of a core"));
            table.figure("server, processor time per Gb", number(cpu / report.gigabits(), "s"));
            let packets = report.packets_per_second * report.seconds;
            table.figure("server, processor time per packet", number(cpu / packets * 1e6, "µs"));
        }
        table.figure(
            "missing packets",
            format!("{} ({:.3} %)", report.missing, 100.0 * report.missing_share),
        );
        table.figure("forwarding delay, p50", duration(report.delay_us.p50));
        table.figure("forwarding delay, p99", duration(report.delay_us.p99));
        table.figure("forwarding delay, longest", duration(report.delay_us.max));
        self.cores.note(&mut table);
        if let Some(cpu) = report.cpu_seconds {
            let share = cpu / report.seconds / self.cores.load_count as f64;
            table.note(format!("load generator at {:.0} % of its cores", 100.0 * share));
            if share > SATURATED {
                table.note("the load generator had no more to give: the server may reach more than this");
            }
        }
        table
    }
}

fn acceptable(report: &Report) -> bool {
    report.everyone_served() && report.missing_share < TOO_MUCH_LOSS
}
