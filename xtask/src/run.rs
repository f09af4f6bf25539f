//! `cargo xtask run`: from a fresh checkout to a server that can be opened in a browser.

use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::process::{Group, Interrupted, command, interrupted, output, succeed};
use crate::{pages, system};

/// How often the children are looked at.
const POLL: Duration = Duration::from_millis(100);

/// `cargo xtask run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Publish a moving test picture and a tone, so that there is something to watch.
    #[arg(long)]
    demo: bool,
    /// For the server; `cargo xtask run -- --help` lists them.
    #[arg(last = true)]
    server: Vec<String>,
}

/// The server's first line with `--print-json-address`.
#[derive(Debug, Deserialize)]
struct Address {
    url: String,
}

/// The publisher's first line with `--json`.
#[derive(Debug, Deserialize)]
struct OnAir {
    watch_url: String,
}

/// Builds what is not built, starts the server, and stays until Ctrl-C.
pub(crate) fn run(args: &Args, checkout: &Path) -> Result<()> {
    system::require_node()?;
    system::require_packages(system::BUILD)?;
    eprintln!("building the pages");
    pages::build(checkout)?;
    eprintln!(
        "building the server{}",
        if args.demo { " and the publisher" } else { "" }
    );
    let mut build = command(
        checkout,
        "cargo",
        ["build", "--release", "--package", "footlight-server"],
    );
    if args.demo {
        build.args(["--package", "footlight-client"]);
    }
    succeed(&mut build)?;
    let programs = target_dir(checkout)?.join("release");
    match serve(args, &programs) {
        // Ctrl-C is how this is meant to end.
        Err(error) if error.is::<Interrupted>() => Ok(()),
        other => other,
    }
}

fn serve(args: &Args, programs: &Path) -> Result<()> {
    let mut command = Command::new(programs.join("footlight-server"));
    command
        .arg("--print-json-address")
        .args(&args.server)
        .stdout(Stdio::piped());
    if std::io::stdout().is_terminal() {
        command.arg("--qr");
    }
    let mut server = Group::spawn(&mut command)?;
    let mut lines = BufReader::new(server.take_stdout().context("standard output is a pipe")?);
    let Some(address) = first_line::<Address>(&mut lines)? else {
        // It has said why on its standard error, or it was asked for its help.
        copy_to_stdout(lines);
        let status = server.wait()?;
        return if status.success() {
            Ok(())
        } else {
            bail!("the server did not start: {status}")
        };
    };
    thread::spawn(move || copy_to_stdout(lines));
    println!("\nOpen {}", address.url);
    let mut children = vec![server];
    if args.demo {
        children.push(publish(&programs.join("footlight"), &address.url)?);
    }
    println!("Ctrl-C ends it.");
    loop {
        if interrupted() {
            // The publisher says goodbye first, while the server still listens.
            while let Some(mut child) = children.pop() {
                child.end();
            }
            bail!(Interrupted);
        }
        for child in &mut children {
            if let Some(status) = child.try_wait()? {
                bail!("a program ended by itself: {status}");
            }
        }
        thread::sleep(POLL);
    }
}

fn publish(program: &Path, server_url: &str) -> Result<Group> {
    let mut publisher = Group::spawn(
        Command::new(program)
            .args([
                "publish",
                server_url,
                "--pattern",
                "--tone",
                "--title",
                "Test picture",
                "--json",
            ])
            .stdout(Stdio::piped()),
    )?;
    let mut lines = BufReader::new(publisher.take_stdout().context("standard output is a pipe")?);
    let Some(on_air) = first_line::<OnAir>(&mut lines)? else {
        bail!("the publisher did not go live: {}", publisher.wait()?);
    };
    // Its status is for programs; the pipe must be read all the same, or it would block.
    thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    println!("A test picture is on air: {}", on_air.watch_url);
    Ok(publisher)
}

/// The JSON object in the first line; `None` where the program prints none.
fn first_line<T: for<'json> Deserialize<'json>>(lines: &mut impl BufRead) -> Result<Option<T>> {
    let mut line = String::new();
    lines
        .read_line(&mut line)
        .context("cannot read what the program prints")?;
    if line.trim_start().starts_with('{') {
        return serde_json::from_str(&line)
            .map(Some)
            .with_context(|| format!("cannot understand {line:?}"));
    }
    print!("{line}");
    Ok(None)
}

fn copy_to_stdout(mut from: impl Read) {
    // Fails when this program's own output is closed, and then there is nobody to tell.
    let _ = std::io::copy(&mut from, &mut std::io::stdout());
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir(checkout: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let metadata = output(&mut command(
        checkout,
        "cargo",
        ["metadata", "--format-version=1", "--no-deps"],
    ))
    .context("`cargo metadata` failed")?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("`cargo metadata` cannot be understood")?;
    Ok(metadata.target_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_an_address_or_a_message_for_people() {
        let address = first_line::<Address>(&mut &b"{\"url\":\"https://localhost:8443\",\"pid\":1}\nmore\n"[..]);
        assert_eq!(address.expect("JSON").expect("an object").url, "https://localhost:8443");
        assert!(
            first_line::<Address>(&mut &b"Usage: footlight-server\n"[..])
                .expect("text")
                .is_none()
        );
        assert!(first_line::<Address>(&mut &b"{\"port\":1}\n"[..]).is_err());
    }
}
