//! `footlight-load`: see the library's page.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use footlight_load::{
    options::{Options, Other},
    process, rooms, run,
};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    process::raise_open_files();
    // HTTP, its TLS and the WebSockets of rooms need one thread only; media has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the HTTP runtime")?;
    let everyone = match &options.other {
        Some(Other::Rooms(options)) => {
            let report = runtime.block_on(rooms::run(options))?;
            show(&report, options.json)?;
            report.everyone_heard()
        }
        None => {
            let report = runtime.block_on(run::run(&options))?;
            show(&report, options.json)?;
            report.everyone_served()
        }
    };
    Ok(if everyone { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(report: &(impl Display + Serialize), as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
