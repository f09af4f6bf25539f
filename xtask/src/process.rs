//! Child processes that never outlive this one's work: each leads a process group of its own, and the whole group ends
//! when its handle is dropped or when this program is told to end.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The exit status of a program that was ended by Ctrl-C: 128 + SIGINT, as shells have it.
pub(crate) const INTERRUPTED_STATUS: u8 = 130;

/// How long a group may take to end by itself after SIGTERM. The server drains for at most 10 s by default.
const GRACE: Duration = Duration::from_secs(15);

/// How often a waiting parent looks. Short for a person at a terminal, long for the processor.
const POLL: Duration = Duration::from_millis(50);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// SIGINT, SIGTERM or SIGHUP came.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// From here on Ctrl-C and its relatives make every wait of this module fail with [`Interrupted`], which ends the
/// children on the way out.
pub(crate) fn end_children_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("cannot listen for Ctrl-C")
}

/// Whether this program was told to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A running child and all that it starts.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    program: String,
}

impl Group {
    /// Starts `command` as the leader of a new process group.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        // A group in the background that reads from the terminal would be stopped.
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child, program })
    }

    /// The leader's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the child prints, where its standard output is a pipe.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The child's status, where it has ended.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.program))
    }

    /// Waits until the child ends or this program is told to.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if interrupted() {
                bail!(Interrupted);
            }
            thread::sleep(POLL);
        }
    }

    /// Asks the whole group to end, and makes it after [`GRACE`].
    pub(crate) fn end(&mut self) {
        self.signal(Signal::Terminate);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(POLL);
        }
        // Also when the leader is gone: what it started may not be.
        self.signal(Signal::Kill);
        // Nothing is left to be done where this fails: the process is not ours any more.
        let _ = self.child.wait();
    }

    #[cfg(unix)]
    fn signal(&self, signal: Signal) {
        use nix::sys::signal::{Signal as Unix, killpg};
        let unix = match signal {
            Signal::Terminate => Unix::SIGTERM,
            Signal::Kill => Unix::SIGKILL,
        };
        // ESRCH says that the group is gone already, which is what was wanted.
        let _ = killpg(nix::unistd::Pid::from_raw(self.child.id().cast_signed()), unix);
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _: Signal) {
        // Fails when the child is gone already, which is what was wanted.
        let _ = self.child.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug, Clone, Copy)]
enum Signal {
    Terminate,
    Kill,
}

/// What cargo tells a program that it runs about that program's package. Build scripts ask for the same names (ring's does),
/// so a cargo below this program would build for this package's values, and one at a terminal all of it again for none.
const OF_OUR_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// A command to be run in `folder`.
pub(crate) fn command<I, A>(folder: &Path, program: impl AsRef<OsStr>, args: I) -> Command
where
    I: IntoIterator<Item = A>,
    A: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.current_dir(folder).args(args);
    for (name, _) in std::env::vars_os() {
        let name_shown = name.to_string_lossy();
        if OF_OUR_PACKAGE.iter().any(|prefix| name_shown.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command` to its end and fails unless it succeeds.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = Group::spawn(command)?.wait()?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs `command` to its end, hands each line that it prints to `each_line`, and fails unless it succeeds.
pub(crate) fn succeed_reading(command: &mut Command, mut each_line: impl FnMut(&str) + Send) -> Result<()> {
    let shown = shown(command);
    let mut group = Group::spawn(command.stdout(Stdio::piped()))?;
    let stdout = group.take_stdout().context("standard output is a pipe")?;
    let status = thread::scope(|scope| {
        scope.spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = Vec::new();
            // Bytes, because a test may print what is no UTF-8.
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                each_line(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
        });
        let status = group.wait();
        // Whatever still holds the pipe open belongs to the group; the reader ends with it.
        group.end();
        status
    })?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// What `command` prints, trimmed; `None` where it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        command(Path::new("/"), "sh", ["-c", script])
    }

    #[test]
    fn a_dropped_group_takes_its_grandchildren_along() {
        let mut group = Group::spawn(shell("sleep 600 & echo $!; wait").stdout(Stdio::piped())).expect("a shell");
        let mut line = String::new();
        BufReader::new(group.take_stdout().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let grandchild = nix::unistd::Pid::from_raw(line.trim().parse().expect("a process id"));
        assert_eq!(nix::sys::signal::kill(grandchild, None), Ok(()));
        drop(group);
        // It is reaped by whoever adopted it, so it may be a zombie for a moment, which signals cannot tell from life.
        let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn lines_are_handed_on_and_a_failure_names_the_command() {
        let mut lines = Vec::new();
        let error = succeed_reading(&mut shell("echo one; echo two; exit 3"), |line| {
            lines.push(line.to_owned());
        })
        .expect_err("status 3");
        assert_eq!(lines, ["one", "two"]);
        assert!(error.to_string().contains("sh -c"), "{error}");
    }
}
