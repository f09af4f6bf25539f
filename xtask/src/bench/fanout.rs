//! One publisher, or several, and ever more receivers, until one packet of a thousand is missing; then what a server adds at less than
//! that, and how long a crowd waits that comes at once. The same for another WHIP and WHEP server beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cores::Cores;
use super::load::{self, Report, Run};
use super::programs::{Program, Programs};
use super::server::{Server, peak_memory, resident_memory};
use super::table::{Table, duration, number};
use crate::plot::{self, Line};

/// The share of missing packets from which on receivers are too many.
const TOO_MUCH_LOSS: f64 = 0.001;
/// Fewer are no search.
const FIRST_STEP: u32 = 16;
/// The search ends when it knows the answer to one part in so many.
const PRECISION: u32 = 16;
/// From this share of its cores on, the load generator is what is measured.
const SATURATED: f64 = 0.95;

/// Receivers that one core ought to feed.
const RECEIVERS_AIM: u32 = 1_000;
/// What the server may add at most for 99 of 100 packets, in milliseconds, at this share of the receivers that it can feed.
const DELAY_AIM: f64 = 5.0;
const DELAY_AT: f64 = 0.7;
/// Receivers that join at once, and how long the last of them may wait for its picture, in milliseconds.
const CROWD: u32 = 100;
const CROWD_AIM: f64 = 2_000.0;
/// What a receiver may take of the server's memory, in kilobytes, and by how many that is measured.
const MEMORY_AIM: f64 = 150.0;
const MEMORY_RECEIVERS: u32 = 200;

/// `cargo xtask bench fanout`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure the server at this address beside our own: `/whip/…` and `/whep/…` are appended.
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
    /// Sent as `Authorization: Bearer` with the WHIP and WHEP requests to the other server.
    #[arg(long, env = load::TOKEN_VARIABLE, hide_env_values = true)]
    token: Option<String>,
    /// Measure this number of receivers only.
    #[arg(long, value_name = "N")]
    receivers: Option<u32>,
    /// Never more receivers than this.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max: u32,
    /// In how many rooms the receivers are, each with a publisher of its own. On another server `--whip` and `--whep` need an `n` in
    /// braces for more than one, which becomes the room's number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rooms: u32,
    /// Of the publisher's picture.
    #[arg(long, default_value = "1.5M")]
    bitrate: String,
    /// How many times as fast as the bitrate the packets of a picture come in; 0: all at once.
    #[arg(long, value_name = "FACTOR", default_value_t = load::PACING)]
    pacing: f64,
    /// How long to measure each step of the search; what it finds is measured three times as long.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Where to draw delay and processor time of our server over the receivers that it served, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            against: None,
            whip: None,
            whep: None,
            server_pid: None,
            insecure: false,
            token: None,
            receivers: None,
            max: 4096,
            rooms: 1,
            bitrate: "1.5M".into(),
            pacing: load::PACING,
            seconds: 5,
            plot: None,
        }
    }
}

/// Whose server is measured.
enum Target {
    Ours(Server),
    Theirs,
}

/// Server and load generator, each on cores of its own.
struct Bench<'a> {
    args: &'a Args,
    programs: &'a Programs,
    target: Target,
    cores: &'a Cores,
    steps: u32,
    /// Those who all were served, with nothing missing.
    served: Vec<Served>,
}

/// So many were served.
#[derive(Debug, Clone, Copy)]
struct Served {
    receivers: u32,
    /// In milliseconds.
    p99: f64,
    /// Of a core, in percent.
    server: f64,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    let cores = Cores::split();
    let programs = Programs::build(checkout, &[Program::Server, Program::Load])?;
    let start = || Server::start(&programs.path(Program::Server), cores.server.as_deref(), 1);
    let bench = |target| Bench {
        args,
        programs: &programs,
        target,
        cores: &cores,
        steps: 0,
        served: Vec::new(),
    };
    // One on which nothing has run yet tells what its memory was before.
    let memory = bench(Target::Ours(start()?)).memory()?;
    let mut own = bench(Target::Ours(start()?));
    let mut ours = own.figures()?;
    if let Some(file) = &args.plot {
        std::fs::write(file, own.plot()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(bytes) = memory {
        ours.below("server memory per receiver", bytes / 1e3, MEMORY_AIM, "KB");
    }
    cores.note(&mut ours);
    let Some(theirs) = args.against.as_deref().or(args.whep.as_deref()) else {
        return Ok(ours);
    };
    let other = bench(Target::Theirs).figures()?;
    Ok(ours.beside(&other, ["Footlight", theirs]))
}

impl Bench<'_> {
    fn figures(&mut self) -> Result<Table> {
        let found = match self.args.receivers {
            Some(receivers) => self.measure(receivers, self.args.seconds, None)?,
            None => self.search()?,
        };
        let mut table = self.table(&found);
        let fewer = ((f64::from(found.receivers) * DELAY_AT) as u32).max(1);
        let calm = self.measure(fewer, 3 * self.args.seconds, None)?;
        table.below(
            format!("added delay with {:.0} % of them, p99", 100.0 * DELAY_AT),
            calm.delay_us.p99 / 1e3,
            DELAY_AIM,
            "ms",
        );
        let crowd = self.measure(CROWD, 1, Some(CROWD))?;
        let last = if crowd.everyone_served() {
            crowd.join_ms.max
        } else {
            f64::INFINITY
        };
        table.below(
            format!("{CROWD} at once, the last one's picture"),
            last,
            CROWD_AIM,
            "ms",
        );
        Ok(table)
    }

    /// What the server's memory grows by for each receiver, at its peak, in bytes.
    fn memory(&mut self) -> Result<Option<f64>> {
        let Target::Ours(server) = &self.target else {
            return Ok(None);
        };
        let pid = server.pid();
        // What the first session ever takes is not the receivers'.
        self.measure(1, 1, None)?;
        let before = resident_memory(pid);
        let receivers = self.args.receivers.unwrap_or(MEMORY_RECEIVERS).min(self.args.max);
        self.measure(receivers, self.args.seconds, None)?;
        let grown = peak_memory(pid)
            .zip(before)
            .map(|(peak, before)| peak.saturating_sub(before));
        Ok(grown.map(|bytes| bytes as f64 / f64::from(receivers)))
    }

    /// Doubles until it is too much, then halves the interval. What is too much is measured twice: on a machine that others
    /// use as well, a step may fail for what they do.
    fn search(&mut self) -> Result<Report> {
        let mut best = None;
        let mut next = FIRST_STEP.min(self.args.max);
        let mut too_many = self.args.max + 1;
        loop {
            let mut is_good = || Ok::<_, anyhow::Error>(acceptable(&self.measure(next, self.args.seconds, None)?));
            if is_good()? || is_good()? {
                best = Some(next);
            } else {
                too_many = next;
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
            let report = self.measure(receivers, 3 * self.args.seconds, None)?;
            if acceptable(&report) || receivers <= 1 {
                return Ok(report);
            }
            receivers -= (receivers / PRECISION).max(1);
        }
    }

    /// Lets so many receive for a while, of whom `joining` may join at the same time.
    fn measure(&mut self, receivers: u32, seconds: u32, joining: Option<u32>) -> Result<Report> {
        self.steps += 1;
        // A session of its own for each step: what the last one left behind must not be measured.
        let room = if self.args.rooms > 1 { "-{n}" } else { "" };
        let session = format!("fanout-{}-{}{room}", std::process::id(), self.steps);
        let (base, publishing, receiving, server_pid) = match &self.target {
            Target::Ours(server) => (Some(server.url()), None, None, Some(server.pid())),
            Target::Theirs => (
                self.args.against.as_deref().map(|base| base.trim_end_matches('/')),
                self.args.whip.clone(),
                self.args.whep.clone(),
                self.args.server_pid,
            ),
        };
        let address =
            |kind: &str, given: Option<String>| given.or_else(|| base.map(|base| format!("{base}/{kind}/{session}")));
        let run = Run {
            whip: Some(address("whip", publishing).context("no address to publish to")?),
            whep: address("whep", receiving).context("no address to receive from")?,
            publishers: self.args.rooms,
            receivers,
            bitrate: &self.args.bitrate,
            seconds,
            joining,
            threads: self.cores.load_count,
            server_pid,
            insecure: self.args.insecure && matches!(self.target, Target::Theirs),
            token: self
                .args
                .token
                .as_deref()
                .filter(|_| matches!(self.target, Target::Theirs)),
            pacing: self.args.pacing,
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
        if let Some(cpu) = report.server_cpu_seconds.filter(|_| acceptable(&report)) {
            self.served.push(Served {
                receivers,
                p99: report.delay_us.p99 / 1e3,
                server: 100.0 * cpu / report.seconds,
            });
        }
        Ok(report)
    }

    /// The best of what was measured with each number of receivers: what others do on the machine only ever adds.
    fn plot(&self) -> String {
        let least = |of: fn(&Served) -> f64| {
            let mut least = BTreeMap::new();
            for served in &self.served {
                let known = least.entry(served.receivers).or_insert(f64::MAX);
                *known = known.min(of(served));
            }
            let points = least
                .into_iter()
                .map(|(receivers, value)| (f64::from(receivers), value));
            points.collect()
        };
        let lines = [
            Line::new("added delay, p99, ms", least(|served| served.p99)),
            Line::new("server, % of a core", least(|served| served.server)),
        ];
        plot::svg(&lines, "receivers")
    }

    fn table(&self, report: &Report) -> Table {
        let mut table = Table::new("fanout");
        let name = "receivers with < 0.1 % missing";
        if acceptable(report) {
            table.at_least(name, report.receivers, RECEIVERS_AIM);
        } else {
            table.figure("receivers", format!("{} of {}", report.receiving, report.receivers));
        }
        table.figure("rooms", self.args.rooms.to_string());
        table.figure("bitrate of each", format!("{}bit/s", self.args.bitrate));
        table.figure("packets", format!("{:.0} /s", report.packets_per_second));
        table.figure("throughput", number(report.gigabits_per_second, "Gb/s"));
        if let Some(cpu) = report.server_cpu_seconds {
            table.figure("server", number(100.0 * cpu / report.seconds, "% of a core"));
            table.figure("server, processor time per Gb", number(cpu / report.gigabits(), "s"));
        }
        if let Some(cpu) = report.cpu_per_packet() {
            table.figure("server, processor time per packet", number(cpu * 1e6, "µs"));
        }
        table.figure(
            "missing packets",
            format!("{} ({:.3} %)", report.missing, 100.0 * report.missing_share),
        );
        table.figure("forwarding delay, p50", duration(report.delay_us.p50));
        table.figure("forwarding delay, p99", duration(report.delay_us.p99));
        table.figure("forwarding delay, longest", duration(report.delay_us.max));
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
