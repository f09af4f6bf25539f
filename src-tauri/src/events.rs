//! What the app tells the pages by itself, and what it knows of their being on air.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tauri::ipc::Channel;

use crate::link::Link;

/// Something that happened outside of the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum AppEvent {
    /// The window is to be closed while somebody is on air.
    CloseAsked,
    /// The shortcut for the microphone was pressed, or its entry in the tray's menu.
    #[cfg_attr(mobile, expect(dead_code, reason = "a phone has neither"))]
    ToggleSound,
    /// A link was opened.
    LinkOpened {
        /// Where it leads.
        link: Link,
    },
}

/// Whether somebody in this app is seen and heard by others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Live {
    /// Whether there is a publishing connection.
    pub(crate) on_air: bool,
    /// Whether the microphone is off.
    pub(crate) muted: bool,
}

/// What becomes of a wish to close the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It closes.
    Close,
    /// The person is asked.
    Ask,
}

/// The way to the pages.
#[derive(Default)]
pub(crate) struct Pages(Mutex<State>);

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages")
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    listener: Option<Channel<AppEvent>>,
    /// A link that came before anybody listened; of several, the last is the one that a person waits for.
    waiting: Option<Link>,
    live: Live,
    /// The person was asked whether to close, and has not answered.
    asked: bool,
}

impl Pages {
    /// From now on the pages listen.
    pub(crate) fn listen(&self, listener: Channel<AppEvent>) {
        let mut state = self.0.lock();
        if let Some(link) = state.waiting.take() {
            tell(&listener, AppEvent::LinkOpened { link });
        }
        state.listener = Some(listener);
    }

    /// The page is gone, and whatever it published with it.
    pub(crate) fn leave(&self) {
        let mut state = self.0.lock();
        state.listener = None;
        state.live = Live::default();
        state.asked = false;
    }

    /// Tells the pages, as soon as there are any for a link, and now or never for anything else.
    pub(crate) fn tell(&self, event: AppEvent) {
        let mut state = self.0.lock();
        match (&state.listener, event) {
            (Some(listener), event) => tell(listener, event),
            (None, AppEvent::LinkOpened { link }) => state.waiting = Some(link),
            (None, _) => {}
        }
    }

    /// What the pages say of themselves.
    pub(crate) fn set_live(&self, live: Live) {
        self.0.lock().live = live;
    }

    /// Whether they are on air.
    pub(crate) fn live(&self) -> Live {
        self.0.lock().live
    }

    /// The window is to be closed. Whoever insists is not asked twice: a page that hangs could not answer.
    pub(crate) fn ask_to_close(&self) -> Closing {
        let mut state = self.0.lock();
        match &state.listener {
            Some(listener) if state.live.on_air && !state.asked => {
                tell(listener, AppEvent::CloseAsked);
                state.asked = true;
                Closing::Ask
            }
            _ => Closing::Close,
        }
    }

    /// The person stays.
    pub(crate) fn stay(&self) {
        self.0.lock().asked = false;
    }
}

fn tell(listener: &Channel<AppEvent>, event: AppEvent) {
    if let Err(error) = listener.send(event) {
        tracing::warn!(%error, "the pages cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Listening pages, and what they heard.
    fn listening(pages: &Pages) -> Arc<Mutex<Vec<String>>> {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = Arc::clone(&heard);
        pages.listen(Channel::new(move |body| {
            let event: serde_json::Value = body.deserialize().expect("JSON");
            keep.lock().push(event["kind"].as_str().unwrap_or_default().to_owned());
            Ok(())
        }));
        heard
    }

    fn link() -> AppEvent {
        let link = Link::parse(&"footlight://watch/show".parse().expect("a URL")).expect("a link");
        AppEvent::LinkOpened { link }
    }

    const ON_AIR: Live = Live {
        on_air: true,
        muted: false,
    };

    #[test]
    fn a_link_waits_for_the_pages_and_nothing_else_does() {
        let pages = Pages::default();
        pages.tell(link());
        pages.tell(AppEvent::ToggleSound);
        assert_eq!(*listening(&pages).lock(), ["link_opened"]);
        assert!(listening(&pages).lock().is_empty(), "it was told once");
    }

    #[test]
    fn a_window_off_air_closes_at_once() {
        let pages = Pages::default();
        let heard = listening(&pages);
        assert_eq!(pages.ask_to_close(), Closing::Close);
        assert!(heard.lock().is_empty());
    }

    #[test]
    fn a_window_on_air_asks_first_and_again_only_after_an_answer() {
        let pages = Pages::default();
        let heard = listening(&pages);
        pages.set_live(ON_AIR);
        assert_eq!(pages.ask_to_close(), Closing::Ask);
        assert_eq!(*heard.lock(), ["close_asked"]);
        pages.stay();
        assert_eq!(pages.ask_to_close(), Closing::Ask);
        assert_eq!(pages.ask_to_close(), Closing::Close, "whoever insists gets their way");
    }

    #[test]
    fn a_page_that_is_gone_keeps_no_window_open() {
        let pages = Pages::default();
        listening(&pages);
        pages.set_live(ON_AIR);
        pages.leave();
        assert_eq!(pages.ask_to_close(), Closing::Close);
        assert_eq!(pages.live(), Live::default());
    }
}
