//! What the figures were measured on.

use std::fs;
use std::thread;

/// Processor, cores and system, in one line.
pub(crate) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model_name(&cpuinfo).unwrap_or(std::env::consts::ARCH);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = cores();
    format!("{model}, {cores} cores, {} {}", std::env::consts::OS, kernel.trim())
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The load average of the last minute, where it is high enough to disturb.
pub(crate) fn busy() -> Option<f64> {
    /// Below this a machine is idle but for what every machine does.
    const QUIET: f64 = 0.5;
    let loadavg = fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = loadavg.split_whitespace().next()?.parse().ok()?;
    (load > QUIET).then_some(load)
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_linux_names_it() {
        assert_eq!(
            model_name("processor\t: 0\nmodel name\t: Some CPU\nflags\t: a b\n"),
            Some("Some CPU")
        );
        assert_eq!(model_name("Processor: ARM\n"), None);
    }
}
