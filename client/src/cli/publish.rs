//! `footlight publish`: from going live to the farewell.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;

use anyhow::Context as _;
use footlight_client::devices::{self, CameraInfo, DeviceChoice};
use footlight_client::pipeline::VideoSource;
use footlight_client::publish::{Ending, PublishError, Publisher, State, Status, VideoSwitch};
use footlight_protocol::{EndReason, ServerEvent, ServerMessage, UserId};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{mpsc, watch};

use super::arguments::PublishOptions;
use super::commands::{self, Command};
use super::keys::{Input, Wish, is_quit, wish};
use super::screen::Screen;
use super::warn;

/// Requests to come on the stage that are remembered for an answer by a key. There are at most as many places on it.
const REQUESTS: usize = 32;

pub(super) fn run(options: PublishOptions) -> anyhow::Result<()> {
    let json = options.json;
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
        let stage = Stage {
            screen: Screen::open(json, &publisher.status().borrow()),
            publisher,
            commands: json.then(|| commands::read(std::io::stdin())),
            requests: VecDeque::new(),
            camera: None,
            switching: None,
            switch_again: false,
        };
        match stage.play(interrupted).await? {
            Ending::SessionEnded(EndReason::EndedByHost) => warn("the host ended the session"),
            Ending::SessionEnded(EndReason::HostLeft) => {
                warn("the session ended, because its host did not come back");
            }
            Ending::SessionEnded(EndReason::Idle) => {
                warn("the server ended the session, because nobody was in it for too long");
            }
            _ => {}
        }
        Ok(())
    });
    // A device that hangs must not keep the command from ending.
    runtime.shutdown_background();
    result
}

/// A publisher, and the person or program before it.
struct Stage {
    publisher: Publisher,
    screen: Screen,
    /// From another program.
    commands: Option<mpsc::Receiver<Result<Command, String>>>,
    /// Who asked to come on the stage, the first one first.
    requests: VecDeque<UserId>,
    /// The id of the camera that was switched to last.
    camera: Option<String>,
    /// The way to another camera, while it is being looked for and opened.
    switching: Option<Switching>,
    /// The key was pressed once more on that way: closing the camera before can take as long as opening the next one.
    switch_again: bool,
}

/// Ends with the id of the camera that is on air then.
type Switching = Pin<Box<dyn Future<Output = anyhow::Result<String>>>>;

impl Stage {
    /// Stays until publishing is over, or until somebody here has had enough of it.
    async fn play(mut self, interrupted: std::pin::Pin<&mut impl Future<Output = ()>>) -> Result<Ending, PublishError> {
        let mut events = self.publisher.events();
        let ended = self.stay(&mut events, interrupted).await;
        let mut status = self.publisher.status();
        let ending = match ended {
            Some(ending) => ending,
            None => self.publisher.stop().await,
        };
        // What was said last is often why it is over.
        while let Ok(message) = events.try_recv() {
            self.screen.tell(&message);
        }
        self.screen.draw(&last(&mut status));
        self.screen.close();
        ending
    }

    /// `None` where the publisher is to be stopped.
    async fn stay(
        &mut self,
        events: &mut broadcast::Receiver<ServerMessage>,
        mut interrupted: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Result<Ending, PublishError>> {
        let mut status = self.publisher.status();
        loop {
            tokio::select! {
                ending = self.publisher.ended() => return Some(ending),
                Ok(()) = status.changed() => {
                    let status = status.borrow_and_update().clone();
                    self.screen.draw(&status);
                }
                event = events.recv() => match event {
                    Ok(message) => self.take(&message),
                    Err(RecvError::Lagged(missed)) => {
                        self.screen.complain(&format!("{missed} events came too fast to be shown"));
                    }
                    // Its other end lives in the publisher.
                    Err(RecvError::Closed) => return None,
                },
                switched = finished(&mut self.switching) => self.switched(switched),
                input = self.screen.input() => if self.typed(input).is_break() {
                    return None;
                },
                command = next(&mut self.commands) => self.obey(command),
                () = interrupted.as_mut() => return None,
            }
        }
    }

    fn take(&mut self, message: &ServerMessage) {
        match &message.event {
            ServerEvent::GuestRequest { user_id, .. } => {
                // Those who asked before are told again at each joining.
                self.requests.retain(|waiting| waiting != user_id);
                self.requests.truncate(REQUESTS - 1);
                self.requests.push_back(user_id.clone());
            }
            ServerEvent::GuestRequestClosed { user_id } => self.requests.retain(|waiting| waiting != user_id),
            _ => {}
        }
        self.screen.tell(message);
    }

    fn typed(&mut self, input: Input) -> ControlFlow<()> {
        let key = match input {
            Input::Key(key) => key,
            Input::Paste(text) => {
                self.screen.paste(&text);
                return ControlFlow::Continue(());
            }
            Input::Resized => {
                self.screen.paint();
                return ControlFlow::Continue(());
            }
        };
        if self.screen.is_writing() && !is_quit(key) {
            if let Some(line) = self.screen.edit(key) {
                self.report(self.publisher.chat(&line));
            }
            return ControlFlow::Continue(());
        }
        match wish(key) {
            Some(Wish::Quit) => return ControlFlow::Break(()),
            Some(Wish::Chat) => self.screen.begin_line(),
            Some(Wish::Mute) => self.report(self.publisher.set_muted(!self.publisher.muted())),
            Some(Wish::Hide) => self.report(self.publisher.set_hidden(!self.publisher.hidden())),
            Some(Wish::Ask) => self.report(self.publisher.request_stage()),
            Some(Wish::Answer(approved)) => {
                if let Some(user_id) = self.requests.pop_front() {
                    self.report(self.publisher.answer_request(&user_id, approved));
                }
            }
            Some(Wish::SwitchCamera) if self.switching.is_some() => self.switch_again = true,
            Some(Wish::SwitchCamera) => self.switch_camera(),
            None => {}
        }
        ControlFlow::Continue(())
    }

    fn switched(&mut self, switched: anyhow::Result<String>) {
        match switched {
            Ok(camera) => self.camera = Some(camera),
            Err(error) => self.screen.complain(&format!("{error:#}")),
        }
        if std::mem::take(&mut self.switch_again) {
            self.switch_camera();
        }
    }

    fn switch_camera(&mut self) {
        let name = self.publisher.status().borrow().video_source.clone();
        let switching = switch_camera(self.publisher.video_switch(), self.camera.clone(), name);
        self.switching = Some(Box::pin(switching));
    }

    fn obey(&mut self, command: Result<Command, String>) {
        match command {
            Ok(Command::Chat(message)) => self.report(self.publisher.chat(&message)),
            Err(problem) => self.screen.complain(&format!("not a command: {problem}")),
        }
    }

    fn report<E: std::error::Error>(&mut self, done: Result<(), E>) {
        if let Err(error) = done {
            self.screen.complain(&error.to_string());
        }
    }
}

/// The next command; never resolves where there are none, or no more.
async fn next(commands: &mut Option<mpsc::Receiver<Result<Command, String>>>) -> Result<Command, String> {
    if let Some(receiver) = commands {
        match receiver.recv().await {
            Some(command) => return command,
            None => *commands = None,
        }
    }
    std::future::pending().await
}

/// What came of switching; never resolves while nothing is switched.
async fn finished(switching: &mut Option<Switching>) -> anyhow::Result<String> {
    let Some(running) = switching else {
        return std::future::pending().await;
    };
    let switched = running.await;
    *switching = None;
    switched
}

fn last(status: &mut watch::Receiver<Status>) -> Status {
    let mut status = status.borrow_and_update().clone();
    status.state = State::Ended;
    status
}

/// Goes on with another camera than the one on air, which is known by its `id` if it was switched to, and by its `name`.
async fn switch_camera(video: VideoSwitch, id: Option<String>, name: String) -> anyhow::Result<String> {
    let cameras = tokio::task::spawn_blocking(|| devices::inputs().cameras).await?;
    let next = next_camera(&cameras, id.as_deref(), &name).context("there is no other camera to switch to")?;
    let source = VideoSource::Camera(DeviceChoice::Matching(next.id.clone()));
    video.to(source).await?;
    Ok(next.id.clone())
}

/// The one after the camera on air, in a round. One that cannot be used, because it is open elsewhere, is passed over.
fn next_camera<'a>(cameras: &'a [CameraInfo], id: Option<&str>, name: &str) -> Option<&'a CameraInfo> {
    let by_id = cameras.iter().position(|camera| Some(camera.id.as_str()) == id);
    let on_air = by_id.or_else(|| cameras.iter().position(|camera| camera.name == name));
    let (before, after) = match on_air {
        Some(place) => (&cameras[..place], &cameras[place + 1..]),
        None => (&[][..], cameras),
    };
    after.iter().chain(before).find(|camera| camera.problem.is_none())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(id: &str, name: &str) -> CameraInfo {
        CameraInfo {
            id: id.to_owned(),
            name: name.to_owned(),
            modes: Vec::new(),
            problem: None,
        }
    }

    #[test]
    fn cameras_take_turns_and_the_one_on_air_is_not_opened_again() {
        let mut cameras = vec![camera("0", "Lid"), camera("2", "Desk"), camera("4", "Desk")];
        let next = |cameras: &[CameraInfo], id, name| Some(next_camera(cameras, id, name)?.id.clone());
        assert_eq!(next(&cameras, None, "Lid").as_deref(), Some("2"));
        assert_eq!(next(&cameras, None, "Desk").as_deref(), Some("4"));
        assert_eq!(next(&cameras, Some("4"), "Desk").as_deref(), Some("0"));
        assert_eq!(next(&cameras, None, "test pattern").as_deref(), Some("0"));
        cameras[1].problem = Some("used by another program".to_owned());
        assert_eq!(next(&cameras, None, "Lid").as_deref(), Some("4"));
        assert_eq!(next(&cameras[..2], None, "Lid"), None, "no other can be opened");
        assert_eq!(next(&[], None, ""), None);
    }

    #[tokio::test]
    async fn other_things_go_on_while_a_camera_takes_its_time() {
        let mut nothing = None;
        assert!(futures_util::FutureExt::now_or_never(finished(&mut nothing)).is_none());
        let mut hangs: Option<Switching> = Some(Box::pin(std::future::pending()));
        assert!(futures_util::FutureExt::now_or_never(finished(&mut hangs)).is_none());
        assert!(hangs.is_some(), "it is still waited for");
        let mut done: Option<Switching> = Some(Box::pin(async { Ok("2".to_owned()) }));
        assert_eq!(finished(&mut done).await.expect("switched"), "2");
        assert!(done.is_none());
    }
}
