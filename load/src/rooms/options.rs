//! The command line of `footlight-load rooms`.

use std::time::Duration;

use clap::Args;
use reqwest::Url;

use crate::options::{MAX_PEERS, parse_seconds};

/// How a room is filled, and what happens in it.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The server, such as `http://127.0.0.1:8080`: without TLS, because many thousand handshakes of this process would
    /// be what is measured. A session is created there, and ended.
    #[arg(value_name = "URL", value_parser = parse_server)]
    pub server: Url,

    /// How many viewers.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=MAX_PEERS))]
    pub viewers: u32,

    /// How many of them come in a second.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub join_rate: u32,

    /// How long each may take from connecting to being told who is in the room.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub join_timeout: Duration,

    /// How long viewers do nothing before the server's memory is read and the host begins to speak.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    pub settle: Duration,

    /// How long to measure, with reactions and without. The host says something each second.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub seconds: Duration,

    /// How long messages may be under way when the time is over, before they are missing.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub patience: Duration,

    /// Reactions a second of all viewers together, while the host speaks a second time; 0 leaves that out. A server
    /// closes connections that send more than 20 messages a second for long.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub reactions: u32,

    /// Take memory and processor time of this process: the server, where it runs on this machine.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

fn parse_server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("'{text}' is not a URL: {error}"))?;
    if url.scheme() == "http" && url.has_host() {
        Ok(url)
    } else {
        Err(format!("'{text}' does not begin with http://"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_without_tls() {
        assert!(parse_server("http://127.0.0.1:8080").is_ok());
        for wrong in ["", "127.0.0.1:8080", "https://127.0.0.1", "ws://127.0.0.1"] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
    }
}
