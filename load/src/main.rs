//! `footlight-load`: see the library's page.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use footlight_load::{options::Options, run};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    // HTTP and its TLS need one thread only; media has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the HTTP runtime")?;
    let report = runtime.block_on(run::run(&options))?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.everyone_served() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
