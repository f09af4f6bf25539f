//! Single keys from the terminal.

use std::io::IsTerminal;

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use futures_util::StreamExt;

/// What somebody asked for by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    SwitchCamera,
    Mute,
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
        // A panic's message would otherwise be drawn as a staircase, and the shell be left without echo.
        let inherited = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = terminal::disable_raw_mode();
            inherited(panic);
        }));
        Some(Self {
            events: EventStream::new(),
        })
    }

    /// The next key that means something; never resolves once the terminal is gone.
    pub(super) async fn next(&mut self) -> Key {
        while let Some(Ok(event)) = self.events.next().await {
            if let Some(key) = meaning(&event) {
                return key;
            }
        }
        std::future::pending().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
    }
}

/// In raw mode Ctrl-C is a key like any other.
fn meaning(event: &Event) -> Option<Key> {
    let Event::Key(key) = event else {
        return None;
    };
    if key.kind != KeyEventKind::Press {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => Some(Key::Quit),
        KeyCode::Char('q' | 'Q') => Some(Key::Quit),
        KeyCode::Char('s' | 'S') => Some(Key::SwitchCamera),
        KeyCode::Char('m' | 'M') => Some(Key::Mute),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn control_c_ends_and_a_plain_c_does_nothing() {
        let key = |code, modifiers| meaning(&Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers)));
        assert_eq!(key('c', KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!(key('c', KeyModifiers::NONE), None);
        assert_eq!(key('s', KeyModifiers::NONE), Some(Key::SwitchCamera));
        assert_eq!(key('M', KeyModifiers::SHIFT), Some(Key::Mute));
    }
}
