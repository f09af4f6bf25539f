//! `cargo xtask soak`: whether a server that runs for long keeps its memory and its file descriptors.
//!
//! Hours of virtual time in the media core's own test, then minutes of real time with a server on whose session some
//! viewers stay while others come and go.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench::{Program, Programs, Run, Server, load, open_files, resident_memory};
use crate::plot::{self, Line};
use crate::process::{command, succeed};

/// How often memory and descriptors are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Seconds that a crowd of viewers stays. Its joining and going come on top.
const STAY: u32 = 5;

/// Part of the time that a server may take to grow to its size.
const WARM_UP: f64 = 0.25;

/// What memory may differ by later, as a part of what it was: the allocator of the system keeps what it was given back.
const SLACK: f64 = 0.05;

/// Descriptors by which two looks may differ: connections of requests that are just being made.
const FILES_SLACK: usize = 64;

/// How to soak.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Virtual time of the media core, in hours; 0 to leave it out.
    #[arg(long, default_value_t = 12)]
    hours: u32,
    /// Real time of a server, in minutes; 0 to leave it out.
    #[arg(long, default_value_t = 20)]
    minutes: u32,
    /// Viewers that come and go together.
    #[arg(long, value_name = "N", default_value_t = 20)]
    receivers: u32,
    /// Where to draw memory and descriptors over time, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// What a server had at one time.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Duration,
    memory: u64,
    files: usize,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    if args.hours > 0 {
        let test = [
            "cargo",
            "test",
            "--release",
            "--package",
            "footlight-sfu",
            "--test",
            "soak",
        ];
        let mut test = command(checkout, "nice", test);
        test.args(["--", "--nocapture"]);
        succeed(test.env("FOOTLIGHT_SOAK_HOURS", args.hours.to_string()))?;
    }
    if args.minutes == 0 {
        return Ok(());
    }
    let programs = Programs::build(checkout, &[Program::Server, Program::Load])?;
    let server = Server::start(&programs.path(Program::Server), None, 2)?;
    let looks = real(args, &programs.path(Program::Load), &server)?;
    if let Some(file) = &args.plot {
        let minutes = |look: &Look| look.at.as_secs_f64() / 60.0;
        let memory = looks.iter().map(|look| (minutes(look), look.memory as f64 / 1e6));
        let files = looks.iter().map(|look| (minutes(look), look.files as f64));
        let lines = [
            Line::new("resident memory, MB", memory.collect()),
            Line::new("file descriptors", files.collect()),
        ];
        std::fs::write(file, plot::svg(&lines, "min")).with_context(|| format!("cannot write {}", file.display()))?;
    }
    judge(&looks)
}

/// Keeps a session on air with a few viewers, while crowds of others come and go.
fn real(args: &Args, load: &Path, server: &Server) -> Result<Vec<Look>> {
    let total = Duration::from_secs(60 * u64::from(args.minutes));
    let whep = format!("{}/whep/soak", server.url());
    let address = |whip: Option<String>, receivers, seconds| Run {
        whip,
        whep: whep.clone(),
        publishers: 1,
        receivers,
        bitrate: "500k",
        seconds,
        joining: Some(receivers),
        threads: 1,
        server_pid: None,
        insecure: false,
        token: None,
        pacing: load::PACING,
    };
    let began = Instant::now();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let staying = address(Some(format!("{}/whip/soak", server.url())), 3, 60 * args.minutes);
        let staying = scope.spawn(move || load::run(load, None, &staying));
        let looking = scope.spawn(|| look(server.pid(), began, &is_over));
        let mut crowds = 0;
        let crowded = loop {
            if staying.is_finished() || began.elapsed() + Duration::from_secs(2 * u64::from(STAY)) > total {
                break Ok(());
            }
            // The session is there as soon as its publisher is, and has pictures a moment later.
            match load::run(load, None, &address(None, args.receivers, STAY)) {
                Ok(report) if report.everyone_served() => crowds += 1,
                Ok(report) if crowds > 0 => {
                    break Err(anyhow::anyhow!(
                        "a crowd was not served: {}",
                        report.refusals.join("; ")
                    ));
                }
                Err(error) if crowds > 0 => break Err(error),
                _ => thread::sleep(LOOK),
            }
        };
        let stayed = staying.join().ok().context("the load panicked")?;
        is_over.store(true, Relaxed);
        let looks = looking.join().ok().context("looking panicked")?;
        crowded?;
        let stayed = stayed?;
        eprintln!("{crowds} crowds of {} came and went", args.receivers);
        ensure!(
            stayed.everyone_served(),
            "not everybody who stayed was served to the end"
        );
        Ok(looks)
    })
}

fn look(pid: u32, began: Instant, is_over: &AtomicBool) -> Vec<Look> {
    let mut looks = Vec::new();
    while !is_over.load(Relaxed) {
        thread::sleep(LOOK);
        if let Some((memory, files)) = resident_memory(pid).zip(open_files(pid)) {
            let at = began.elapsed();
            looks.push(Look { at, memory, files });
        }
    }
    looks
}

/// Compares the most that there was in the second quarter of the time with the most in the last.
fn judge(looks: &[Look]) -> Result<()> {
    let quarter = (looks.len() as f64 * WARM_UP) as usize;
    let (early, late) = (looks.get(quarter..2 * quarter), looks.get(3 * quarter..));
    let (Some(early @ [_, ..]), Some(late @ [_, ..])) = (early, late) else {
        bail!("too short to tell anything");
    };
    let memory = |looks: &[Look]| looks.iter().map(|look| look.memory).max().unwrap_or_default();
    let files = |looks: &[Look]| looks.iter().map(|look| look.files).max().unwrap_or_default();
    println!("                      second quarter   last quarter");
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    println!(
        "memory, at the most   {:>14} {:>14}",
        mb(memory(early)),
        mb(memory(late))
    );
    println!("files, at the most    {:>14} {:>14}", files(early), files(late));
    ensure!(
        memory(late) as f64 <= memory(early) as f64 * (1.0 + SLACK),
        "memory grows: from {} to {}",
        mb(memory(early)),
        mb(memory(late))
    );
    ensure!(
        files(late) <= files(early) + FILES_SLACK,
        "file descriptors grow: from {} to {}",
        files(early),
        files(late)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(of: impl Fn(u64) -> (u64, usize)) -> Vec<Look> {
        let look = |number| {
            let (memory, files) = of(number);
            let at = Duration::from_secs(number);
            Look { at, memory, files }
        };
        (0..100).map(look).collect()
    }

    #[test]
    fn what_grows_at_first_and_then_stays_is_flat() {
        assert!(judge(&looks(|n| (1_000_000 * n.min(20), 30 + (n % 10) as usize))).is_ok());
    }

    #[test]
    fn what_goes_on_growing_is_not() {
        assert!(judge(&looks(|n| (50_000_000 + 100_000 * n, 30))).is_err());
        assert!(judge(&looks(|n| (50_000_000, 3 * n as usize))).is_err());
        assert!(judge(&[]).is_err());
    }
}
