//! What a picture costs whoever publishes it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::machine;
use super::programs::{Program, Programs, read_json};
use super::server::{Publisher, Server, cpu_time};
use super::table::{Table, number};
use crate::process::{Interrupted, interrupted};

/// What the publisher does at first is not what it does all evening.
const WARM_UP: Duration = Duration::from_secs(5);
/// How often to look whether somebody wants to stop.
const POLL: Duration = Duration::from_millis(100);

/// A function of openh264 that exists in assembly only; its name is in the program where nasm was there to build it.
const ASSEMBLY: &[u8] = b"WelsSampleSatd16x16_sse41";

/// `cargo xtask bench encode`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long to watch the publisher's processor time.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { seconds: 20 }
    }
}

/// What the example prints. Times in milliseconds.
#[derive(Debug, Deserialize)]
struct Encoded {
    sizes: Vec<Size>,
}

#[derive(Debug, Deserialize)]
struct Size {
    name: String,
    frames: u32,
    dropped: u32,
    convert: Quantiles,
    encode: Quantiles,
    capture_to_packets: Quantiles,
}

#[derive(Debug, Deserialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

pub(crate) fn run(args: &Args, checkout: &Path) -> Result<Table> {
    /// What is aimed at for one of the sizes.
    const AIMED: &str = "720p";
    let programs = Programs::build(checkout, &[Program::Server, Program::Publisher, Program::EncodeBench])?;
    let mut table = Table::new("encode");
    let bench = programs.path(Program::EncodeBench);
    let encoded: Encoded = read_json(&mut std::process::Command::new(&bench))?;
    for Size {
        name,
        frames,
        dropped,
        convert,
        encode,
        capture_to_packets,
    } in &encoded.sizes
    {
        table.figure(format!("{name}, YUYV to I420 alone, p50"), number(convert.p50, "ms"));
        table.figure(format!("{name}, YUYV to I420 alone, p99"), number(convert.p99, "ms"));
        table.figure(format!("{name}, openh264 alone, p50"), number(encode.p50, "ms"));
        table.figure(format!("{name}, openh264 alone, p99"), number(encode.p99, "ms"));
        let row = format!("{name}, capture to packets, p50");
        if name == AIMED {
            table.below(row, capture_to_packets.p50, 4.0, "ms");
        } else {
            table.figure(row, number(capture_to_packets.p50, "ms"));
        }
        table.figure(
            format!("{name}, capture to packets, p99"),
            number(capture_to_packets.p99, "ms"),
        );
        table.note(format!(
            "{name}: {frames} pictures of the pattern with noise, as a camera's YUYV at 30 fps through the pipeline; {dropped} \
             more were left out"
        ));
    }

    let server = Server::start(&programs.path(Program::Server), None, machine::cores())?;
    let publisher = Publisher::start(&programs.path(Program::Publisher), &server)?;
    wait(WARM_UP)?;
    let began = Instant::now();
    let before = cpu_time(publisher.pid()).context("the system does not tell processor times")?;
    wait(Duration::from_secs(args.seconds.into()))?;
    let after = cpu_time(publisher.pid()).context("the publisher ended early")?;
    let share = after.saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    table.below(
        "footlight publish, 720p30, processor",
        100.0 * share,
        15.0,
        "% of a core",
    );

    let assembly = contains(&bench, ASSEMBLY).context("cannot read the program")?;
    table.note(if assembly {
        "openh264 was built with nasm"
    } else {
        "openh264 was built without nasm: install it"
    });
    Ok(table)
}

fn wait(duration: Duration) -> Result<()> {
    let deadline = Instant::now() + duration;
    while Instant::now() < deadline {
        if interrupted() {
            bail!(Interrupted);
        }
        thread::sleep(POLL);
    }
    Ok(())
}

fn contains(file: &Path, text: &[u8]) -> io::Result<bool> {
    Ok(fs::read(file)?.windows(text.len()).any(|window| window == text))
}
