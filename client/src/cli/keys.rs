//! Keys from the terminal, one by one.

use std::io::{IsTerminal, stdout};

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use crossterm::{execute, terminal};
use futures_util::StreamExt;

/// What comes from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Key(KeyEvent),
    Paste(String),
    /// It has another size.
    Resized,
}

/// What somebody asks for by a key, while no line is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    SwitchCamera,
    Mute,
    Hide,
    Chat,
    /// Asks to come on the stage.
    Ask,
    /// Answers whoever asked to come on the stage first.
    Answer(bool),
    Quit,
}

/// A terminal that gives keys one by one. Dropping it gives the terminal back as it was.
pub(super) struct Keys {
    events: EventStream,
}

impl Keys {
    /// `None` where there is no terminal to read from.
    pub(super) fn open() -> Option<Self> {
        if !std::io::stdin().is_terminal() || terminal::enable_raw_mode().is_err() {
            return None;
        }
        // Without it each line of a pasted text would be sent by its line end. A terminal that does not know it ignores it.
        let _ = execute!(stdout(), EnableBracketedPaste);
        // A panic's message would otherwise be drawn as a staircase, and the shell be left without echo.
        let inherited = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            inherited(panic);
        }));
        Some(Self {
            events: EventStream::new(),
        })
    }

    /// The next one; never resolves once the terminal is gone.
    pub(super) async fn next(&mut self) -> Input {
        while let Some(Ok(event)) = self.events.next().await {
            match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => return Input::Key(key),
                Event::Paste(text) => return Input::Paste(text),
                Event::Resize(..) => return Input::Resized,
                _ => {}
            }
        }
        std::future::pending().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    let _ = execute!(stdout(), DisableBracketedPaste);
    let _ = terminal::disable_raw_mode();
}

/// In raw mode Ctrl-C is a key like any other, and ends also while a line is being written.
pub(super) fn is_quit(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd'))
}

/// What a key means while no line is being written.
pub(super) fn wish(key: KeyEvent) -> Option<Wish> {
    if is_quit(key) {
        return Some(Wish::Quit);
    }
    // A key that is held down repeats itself; a camera that is switched thirty times a second is of no use.
    if key.kind == KeyEventKind::Repeat || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    match key.code {
        KeyCode::Enter | KeyCode::Char('/' | 'c' | 'C') => Some(Wish::Chat),
        KeyCode::Char('q' | 'Q') => Some(Wish::Quit),
        KeyCode::Char('s' | 'S') => Some(Wish::SwitchCamera),
        KeyCode::Char('m' | 'M') => Some(Wish::Mute),
        KeyCode::Char('v' | 'V') => Some(Wish::Hide),
        KeyCode::Char('g' | 'G') => Some(Wish::Ask),
        KeyCode::Char('y' | 'Y') => Some(Wish::Answer(true)),
        KeyCode::Char('n' | 'N') => Some(Wish::Answer(false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_ends_and_a_plain_c_begins_to_chat() {
        let key = |code, modifiers| wish(KeyEvent::new(KeyCode::Char(code), modifiers));
        assert_eq!(key('c', KeyModifiers::CONTROL), Some(Wish::Quit));
        assert_eq!(key('c', KeyModifiers::NONE), Some(Wish::Chat));
        assert_eq!(key('/', KeyModifiers::NONE), Some(Wish::Chat));
        assert_eq!(key('s', KeyModifiers::NONE), Some(Wish::SwitchCamera));
        assert_eq!(key('s', KeyModifiers::CONTROL), None);
        assert_eq!(key('M', KeyModifiers::SHIFT), Some(Wish::Mute));
    }

    #[test]
    fn a_key_that_is_held_down_acts_once() {
        let held = |code| wish(KeyEvent::new_with_kind(code, KeyModifiers::NONE, KeyEventKind::Repeat));
        assert_eq!(held(KeyCode::Char('s')), None);
        assert_eq!(held(KeyCode::Enter), None);
    }
}
