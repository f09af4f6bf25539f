//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand};

/// The most peers of one run: each takes a socket, and port numbers end at 65,535.
pub(crate) const MAX_PEERS: i64 = 20_000;

/// Publish by WHIP, receive by WHEP, and measure what arrives.
///
/// Send times travel inside the packets and are read from the wall clock, so that delays are right only when publisher
/// and receivers run on one machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "footlight-load", version, args_conflicts_with_subcommands = true)]
pub struct Options {
    /// Something else than WHIP and WHEP.
    #[command(subcommand)]
    pub other: Option<Other>,

    /// Where to publish; without it nothing is published. An `n` in braces becomes the publisher's number, from 0.
    #[arg(long, value_name = "URL")]
    pub whip: Option<String>,

    /// Where to receive; without it nothing is received. An `n` in braces becomes a publisher's number, each in turn.
    #[arg(long, value_name = "URL")]
    pub whep: Option<String>,

    /// How many receivers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=MAX_PEERS))]
    pub receivers: u32,

    /// How many publishers. More than one need an `n` in braces in the URLs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_PEERS))]
    pub publishers: u32,

    /// Video bitrate of each publisher, in bit/s; `k` and `M` are understood.
    #[arg(long, value_name = "BITRATE", default_value = "2.5M", value_parser = parse_bitrate)]
    pub bitrate: u64,

    /// Picture size that the parameter sets announce.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1280x720", value_parser = parse_size)]
    pub size: Size,

    /// Pictures per second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    pub fps: u32,

    /// How many times as fast as the bitrate the packets of a picture leave; 0 lets them leave all at once.
    ///
    /// What publishes to a server paces: `footlight` and libwebrtc's pacer by 2.5.
    #[arg(long, value_name = "FACTOR", default_value_t = 2.5, value_parser = parse_pacing)]
    pub pacing: f64,

    /// How long to measure, once every receiver has joined.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    pub seconds: Duration,

    /// How long to let the flow settle between the last join and the measurement.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub settle: Duration,

    /// How long receivers may take to get their first packet.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub join_timeout: Duration,

    /// How many may be joining at the same time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub join_concurrency: u32,

    /// Threads that serve the receivers; the publishers have one of their own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,

    /// Sent as `Authorization: Bearer` with WHIP and WHEP requests.
    #[arg(long, env = "FOOTLIGHT_LOAD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Accept any TLS certificate.
    #[arg(long)]
    pub insecure: bool,

    /// Take the processor time of this process too: the server, where it runs on this machine.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What else can be measured.
#[derive(Debug, Clone, Subcommand)]
pub enum Other {
    /// Fill a room of a Footlight server with viewers, chat, and measure how long it takes to be heard.
    Rooms(crate::rooms::Options),
}

/// A picture size, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
}

/// `2.5M`, `300k` or `300000`, in bit/s.
fn parse_bitrate(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1e3),
        Some('m' | 'M') => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    let value: f64 = digits
        .parse()
        .map_err(|_| format!("'{text}' is not a bitrate, such as 2.5M or 300k"))?;
    let bits = value * unit;
    if (10e3..=1e9).contains(&bits) {
        Ok(bits as u64)
    } else {
        Err(format!("'{text}' is outside 10k to 1000M"))
    }
}

fn parse_pacing(text: &str) -> Result<f64, String> {
    let factor = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if factor == 0.0 || (1.0..=1_000.0).contains(&factor) {
        Ok(factor)
    } else {
        Err(format!("'{text}' is neither 0 nor 1 to 1000"))
    }
}

/// `1280x720`.
fn parse_size(text: &str) -> Result<Size, String> {
    let wrong = || format!("'{text}' is not a size, such as 1280x720");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let size = Size {
        width: width.parse().map_err(|_| wrong())?,
        height: height.parse().map_err(|_| wrong())?,
    };
    // 4:2:0 needs even sides; 8,192 is the largest side that H.264 levels reach.
    let possible = |pixels: u32| (16..=8192).contains(&pixels) && pixels.is_multiple_of(2);
    if possible(size.width) && possible(size.height) {
        Ok(size)
    } else {
        Err(format!("'{text}': sides are even, 16 to 8192"))
    }
}

pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("'{text}' is not a number of seconds"))?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("'{text}' is outside 0 to 86400 seconds"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn bitrates_take_units() {
        assert_eq!(parse_bitrate("2.5M"), Ok(2_500_000));
        assert_eq!(parse_bitrate("300k"), Ok(300_000));
        assert_eq!(parse_bitrate("300000"), Ok(300_000));
        for wrong in ["", "M", "1", "nan", "inf", "-3M", "2.5G", "2.5é"] {
            assert!(parse_bitrate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pace_is_no_slower_than_the_stream() {
        assert_eq!((parse_pacing("0"), parse_pacing("2.5")), (Ok(0.0), Ok(2.5)));
        for wrong in ["", "0.5", "-1", "nan", "inf", "fast"] {
            assert!(parse_pacing(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_even_and_bounded() {
        assert_eq!(
            parse_size("1280x720"),
            Ok(Size {
                width: 1280,
                height: 720
            })
        );
        for wrong in ["", "1280", "x", "1281x720", "0x0", "1280x72000", "-2x4"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
