//! `footlight publish`: from going live to the farewell.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Context as _;
use crossterm::{cursor, queue, style::Print, terminal};
use footlight_client::devices::{self, DeviceChoice};
use footlight_client::pipeline::VideoSource;
use footlight_client::publish::{Ending, Publisher, State, Status};
use footlight_protocol::{EndReason, SessionId};
use serde::Serialize;
use tokio::sync::watch;

use super::arguments::PublishOptions;
use super::keys::{Key, Keys};
use super::live_line::live_line;

/// The first line of `--json`. What follows are [`Status`] objects.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Opening<'a> {
    /// The session is there, and media is on its way.
    Live {
        watch_url: &'a str,
        session_id: &'a SessionId,
    },
}

/// How the status is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// One JSON object a line.
    Json,
    /// One line, rewritten in place.
    InPlace,
    /// A new line at each change of state, and none otherwise: a log file is not filled with seconds.
    Changes,
}

pub(super) fn run(options: PublishOptions) -> anyhow::Result<()> {
    let show = match (options.json, stdout().is_terminal()) {
        (true, _) => Show::Json,
        (false, true) => Show::InPlace,
        (false, false) => Show::Changes,
    };
    let config = options.into_config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .context("cannot start the async runtime")?;
    let result = runtime.block_on(async {
        let interrupted = interrupts();
        tokio::pin!(interrupted);
        let publisher = tokio::select! {
            publisher = Publisher::start(config) => publisher?,
            () = &mut interrupted => return Ok(()),
        };
        let mut screen = Screen::open(show, &publisher.status().borrow())?;
        let ending = stay(publisher, &mut screen, interrupted).await;
        screen.close();
        if ending? == Ending::SessionEnded(EndReason::Idle) {
            eprintln!("footlight: the server ended the session, because nobody was in it for too long");
        }
        Ok(())
    });
    // A device that hangs must not keep the command from ending.
    runtime.shutdown_background();
    result
}

async fn stay(
    mut publisher: Publisher,
    screen: &mut Screen,
    mut interrupted: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> anyhow::Result<Ending> {
    let mut status = publisher.status();
    let mut camera = 0;
    loop {
        tokio::select! {
            ending = publisher.ended() => {
                screen.draw(&status.borrow())?;
                return Ok(ending?);
            }
            Ok(()) = status.changed() => screen.draw(&status.borrow_and_update())?,
            key = screen.key() => match key {
                Key::Quit => break,
                Key::Mute => publisher.set_muted(!publisher.muted()),
                Key::SwitchCamera => {
                    camera += 1;
                    if let Err(error) = switch_camera(&publisher, camera).await {
                        screen.say(&format!("{error:#}"))?;
                    }
                }
            },
            () = interrupted.as_mut() => break,
        }
    }
    let mut last = publisher.status();
    let ending = publisher.stop().await;
    screen.draw(&latest(&mut last))?;
    Ok(ending?)
}

fn latest(status: &mut watch::Receiver<Status>) -> Status {
    let mut status = status.borrow_and_update().clone();
    status.state = State::Ended;
    status
}

/// Goes on with the next camera of the list; `turn` counts the switches.
async fn switch_camera(publisher: &Publisher, turn: usize) -> anyhow::Result<()> {
    let cameras = tokio::task::spawn_blocking(devices::list).await?.cameras;
    let Some(next) = cameras.get(turn % cameras.len().max(1)) else {
        anyhow::bail!("there is no camera to switch to");
    };
    let source = VideoSource::Camera(DeviceChoice::Matching(next.id.clone()));
    Ok(publisher.switch_video(source).await?)
}

/// Resolves at Ctrl-C, or when the system asks the process to end.
async fn interrupts() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the system's own way of ending the process holds.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Where the status goes.
struct Screen {
    show: Show,
    keys: Option<Keys>,
    last_state: Option<State>,
}

impl Screen {
    /// Prints the address to share, before anything else.
    fn open(show: Show, status: &Status) -> anyhow::Result<Self> {
        if show == Show::Json {
            let opening = Opening::Live {
                watch_url: &status.watch_url,
                session_id: &status.session_id,
            };
            println!("{}", serde_json::to_string(&opening)?);
        } else {
            println!("Watch at {}", status.watch_url);
        }
        stdout().flush()?;
        let keys = (show == Show::InPlace).then(Keys::open).flatten();
        if keys.is_some() {
            // In raw mode a line feed does not return the carriage.
            print!("s switches the camera, m mutes, q ends\r\n");
        }
        Ok(Self {
            show,
            keys,
            last_state: None,
        })
    }

    /// The next key; never resolves without a terminal.
    async fn key(&mut self) -> Key {
        match &mut self.keys {
            Some(keys) => keys.next().await,
            None => std::future::pending().await,
        }
    }

    fn draw(&mut self, status: &Status) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        match self.show {
            Show::Json => writeln!(out, "{}", serde_json::to_string(status)?)?,
            Show::Changes if self.last_state == Some(status.state) => {}
            Show::Changes => writeln!(out, "{}", live_line(status))?,
            Show::InPlace => {
                let columns = terminal::size().map_or(80, |(columns, _)| usize::from(columns));
                // A line that wraps cannot be rewritten in place.
                let line: String = live_line(status).chars().take(columns.saturating_sub(1)).collect();
                let clear = terminal::Clear(terminal::ClearType::CurrentLine);
                queue!(out, cursor::MoveToColumn(0), clear, Print(line))?;
            }
        }
        self.last_state = Some(status.state);
        Ok(out.flush()?)
    }

    /// Words beside the status.
    fn say(&mut self, words: &str) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        if self.show == Show::InPlace {
            let clear = terminal::Clear(terminal::ClearType::CurrentLine);
            queue!(out, cursor::MoveToColumn(0), clear, Print(words), Print("\r\n"))?;
            out.flush()?;
        } else {
            eprintln!("footlight: {words}");
        }
        Ok(())
    }

    /// Gives the terminal back, with the cursor on a line of its own.
    fn close(&mut self) {
        self.keys = None;
        if self.show == Show::InPlace {
            println!();
        }
    }
}
