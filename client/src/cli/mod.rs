//! `footlight`: arguments in, words and exit codes out.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | ended as asked |
//! | 1 | something went wrong while live, or on this machine |
//! | 2 | the command line makes no sense |
//! | 3 | the server was not reached, or refused |
//! | 4 | a device that was asked for is not there, or cannot be opened |
//! | 5 | removed from the session, or not let on its stage |

mod arguments;
mod columns;
mod commands;
mod devices;
mod keys;
mod line_editor;
mod live_line;
mod plain;
mod publish;
mod reactions;
mod room_words;
mod screen;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use footlight_client::publish::PublishError;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command};

const FAILED: u8 = 1;
const SERVER: u8 = 3;
const DEVICE: u8 = 4;
const SENT_AWAY: u8 = 5;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // Logs go to the error stream, so that the output stays readable for programs.
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off,footlight_client=warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let result = match arguments.command {
        Command::Devices(options) => devices::run(&options),
        Command::Publish(options) => publish::run(*options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Some of the words are the server's, or those of somebody in the room.
            warn(&plain::plain(&words(&error)));
            exit_code(&error)
        }
    }
}

/// Says something on the error stream.
fn warn(words: &str) {
    // Where nobody reads that, there is nobody to be told of it.
    let _ = writeln!(std::io::stderr(), "footlight: {words}");
}

/// The error and its causes, each of them once: some errors speak their cause themselves.
fn words(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |words, cause| match words.is_empty() {
            true => cause,
            false if words.contains(&cause) => words,
            false => format!("{words}: {cause}"),
        })
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(match error.downcast_ref::<PublishError>() {
        Some(PublishError::Signaling(_) | PublishError::NoMediaPath) => SERVER,
        Some(PublishError::Pipeline(_)) => DEVICE,
        Some(PublishError::Kicked { .. } | PublishError::Rejected { .. }) => SENT_AWAY,
        _ => FAILED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no route").context("cannot reach the server");
        assert_eq!(words(&error), "cannot reach the server: no route");
        let error = anyhow::anyhow!("no route").context("cannot reach the server: no route");
        assert_eq!(words(&error), "cannot reach the server: no route");
    }
}
