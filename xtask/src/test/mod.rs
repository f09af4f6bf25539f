//! `cargo xtask test`: every check of the project, each of them a step that says what it is and how long it took.

mod end_to_end;
mod tally;
mod unit;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::{Interrupted, succeed, succeed_reading};
use tally::{Tally, closing_line};

/// `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which tests.
    #[arg(default_value = "all")]
    which: Which,
    /// With `e2e`: only the files whose name contains one of these.
    files: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Formatting, lints, dependencies, and all tests of the crates and of the pages.
    Unit,
    /// What a person would see: real browsers, real device drivers, WebRTC stacks that are not ours.
    E2e,
    /// Both.
    All,
}

/// Runs the tests; an error says how many failed.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    if args.which != Which::E2e && !args.files.is_empty() {
        bail!("file names go with `cargo xtask test e2e`");
    }
    let mut report = Report::default();
    if args.which != Which::E2e {
        unit::run(&mut report, checkout)?;
    }
    if args.which != Which::Unit {
        end_to_end::run(&mut report, checkout, &args.files)?;
    }
    report.conclude()
}

/// What was run so far and what came of it.
#[derive(Debug, Default)]
struct Report {
    steps: Vec<Step>,
    closing: Vec<String>,
    tally: Tally,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
    /// Whether the tally has this failure already, as failed tests.
    counted: bool,
}

impl Report {
    /// A step in code. Fails only on an interruption; whatever else goes wrong is kept for the end, so that one run
    /// tells everything. Answers whether the step held, for those that build on it.
    fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<()>) -> Result<bool> {
        println!("\n━━━ {name}");
        let begun = Instant::now();
        let outcome = run();
        let failure = match outcome {
            Ok(()) => None,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(failure) = &failure {
            println!("✗ {failure}");
        }
        let held = failure.is_none();
        self.steps.push(Step {
            name,
            took: begun.elapsed(),
            failure,
            counted: false,
        });
        Ok(held)
    }

    /// A step that is one command.
    fn command(&mut self, name: &'static str, command: &mut Command) -> Result<bool> {
        self.step(name, || succeed(command))
    }

    /// A step that is a test runner, whose closing lines are counted and shown again at the end.
    fn tests(&mut self, name: &'static str, command: &mut Command) -> Result<bool> {
        let mut closing = Vec::new();
        let mut tally = Tally::default();
        let held = self.step(name, || {
            // Counts are read from plain text.
            succeed_reading(command.env("NO_COLOR", "1").env_remove("FORCE_COLOR"), |line| {
                println!("{line}");
                if let Some(counts) = closing_line(line) {
                    tally += counts;
                    closing.push(line.to_owned());
                }
            })?;
            if tally.passed == 0 {
                bail!("no test ran");
            }
            Ok(())
        })?;
        self.closing.append(&mut closing);
        self.tally += tally;
        // A runner that failed without a failed test did so before it came to testing, and counts as a failed step.
        if tally.failed > 0
            && let Some(step) = self.steps.last_mut()
        {
            step.counted = true;
        }
        Ok(held)
    }

    /// The summary. Its last line is the whole outcome.
    fn conclude(mut self) -> Result<()> {
        println!("\n━━━ summary");
        for step in &self.steps {
            let mark = if step.failure.is_none() { '✓' } else { '✗' };
            println!("{mark} {:<44} {:>7.1} s", step.name, step.took.as_secs_f64());
            if let Some(failure) = &step.failure {
                println!("    {}", failure.replace('\n', "\n    "));
                self.tally.failed += u32::from(!step.counted);
            }
        }
        println!();
        for line in &self.closing {
            println!("{line}");
        }
        println!("\n{} passed, {} failed", self.tally.passed, self.tally.failed);
        if self.tally.failed > 0 {
            bail!("not everything holds");
        }
        Ok(())
    }
}
