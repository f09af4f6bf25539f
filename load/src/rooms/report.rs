//! What a run found.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process;
use crate::report::Quantiles;

/// The figures of one run. Where nothing was measured they are zero, and `None` where the system does not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Viewers that were asked for.
    pub viewers: u32,
    /// Viewers that came in.
    pub joined: u32,
    /// Viewers whose connection ended before the run did.
    pub lost: u32,
    /// Why viewers did not come in, the first few of them.
    pub refusals: Vec<String>,
    /// From connecting to being told who is in the room, in ms.
    pub join_ms: Quantiles,
    /// What the server's resident memory grew by for each viewer, none of which had done anything yet.
    pub server_idle_bytes_per_viewer: Option<f64>,
    /// The same at the end.
    pub server_bytes_per_viewer: Option<f64>,
    /// The server's resident memory at the end.
    pub server_bytes: Option<u64>,
    /// The host speaks.
    pub calm: Phase,
    /// The host speaks, and the viewers react.
    pub flood: Option<Phase>,
}

/// A time in which the host spoke.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// How long was measured.
    pub seconds: f64,
    /// Messages of the host.
    pub chats: u64,
    /// How often they were to be heard.
    pub expected: u64,
    /// How often they were not.
    pub missing: u64,
    /// How often one was heard that had been heard.
    pub repeated: u64,
    /// From the host's sending to a viewer's receipt, in ms.
    pub delay_ms: Quantiles,
    /// Messages of every kind that the viewers were sent, all of them together.
    pub messages_per_second: f64,
    /// Reactions that the viewers sent, all of them together.
    pub reactions_per_second: f64,
    /// Processor time of this process.
    pub cpu_seconds: Option<f64>,
    /// The same of the process that `--server-pid` names.
    pub server_cpu_seconds: Option<f64>,
}

/// Processor time of both processes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) own: Option<Duration>,
    pub(super) server: Option<Duration>,
}

impl Usage {
    /// So far.
    pub(super) fn read(server: Option<u32>) -> Self {
        Self {
            own: process::cpu(),
            server: server.and_then(process::cpu_of),
        }
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        let since = |now: Option<Duration>, before: Option<Duration>| Some(now?.saturating_sub(before?));
        Self {
            own: since(self.own, before.own),
            server: since(self.server, before.server),
        }
    }
}

/// What memory grew by for each viewer, in bytes.
pub(super) fn per_viewer(before: Option<u64>, after: Option<u64>, viewers: usize) -> Option<f64> {
    (viewers > 0).then_some(after?.saturating_sub(before?) as f64 / viewers as f64)
}

impl Report {
    /// Whether everybody came in, stayed, and heard every message once.
    pub fn everyone_heard(&self) -> bool {
        let phases = || std::iter::once(&self.calm).chain(&self.flood);
        self.joined == self.viewers && self.lost == 0 && phases().all(|phase| phase.missing == 0 && phase.repeated == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "viewers           {} of {}, {} lost",
            self.joined, self.viewers, self.lost
        )?;
        for refusal in &self.refusals {
            writeln!(out, "                  {refusal}")?;
        }
        quantiles(out, "join", self.join_ms)?;
        for (name, bytes) in [
            ("server, idle", self.server_idle_bytes_per_viewer),
            ("server, at the end", self.server_bytes_per_viewer),
        ] {
            if let Some(bytes) = bytes {
                writeln!(out, "{name:18}{:.1} KB per viewer", bytes / 1e3)?;
            }
        }
        writeln!(out, "the host speaks")?;
        write!(out, "{}", self.calm)?;
        if let Some(flood) = &self.flood {
            writeln!(out, "and the viewers react")?;
            write!(out, "{flood}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        quantiles(out, "  delay", self.delay_ms)?;
        writeln!(
            out,
            "  heard           {} times, {} missing, {} repeated",
            self.expected.saturating_sub(self.missing),
            self.missing,
            self.repeated
        )?;
        writeln!(out, "  messages        {:.0}/s delivered", self.messages_per_second)?;
        writeln!(out, "  reactions       {:.0}/s sent", self.reactions_per_second)?;
        for (name, cpu) in [
            ("  own processor", self.cpu_seconds),
            ("  server processor", self.server_cpu_seconds),
        ] {
            if let Some(cpu) = cpu {
                let share = 100.0 * cpu / self.seconds.max(f64::MIN_POSITIVE);
                writeln!(out, "{name:18}{share:.0} % of one core")?;
            }
        }
        Ok(())
    }
}

fn quantiles(out: &mut fmt::Formatter<'_>, name: &str, times: Quantiles) -> fmt::Result {
    writeln!(
        out,
        "{name:18}p50 {:.1}, p99 {:.1}, max {:.1} ms",
        times.p50, times.p99, times.max
    )
}
