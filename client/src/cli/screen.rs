//! Where the status goes, and what happens in the room.

use std::io::{self, IsTerminal, Write, stdout};

use crossterm::event::KeyEvent;
use crossterm::style::Print;
use crossterm::{cursor, queue, terminal};
use footlight_client::publish::{State, Status};
use footlight_protocol::{ServerMessage, SessionId};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::columns::cut;
use super::keys::{Input, Keys};
use super::line_editor::{Edited, LineEditor};
use super::live_line::live_line;
use super::plain::plain;
use super::reactions::Reactions;
use super::room_words::words;
use super::warn;

/// Stands before a line of chat while it is written.
const PROMPT: &str = "say: ";

/// What `--json` prints beside [`Status`] objects and the server's own events.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    /// The session is there, and media is on its way. The first line of all.
    Live {
        watch_url: &'a str,
        session_id: &'a SessionId,
    },
    /// Something that was asked for was not done.
    Error { message: &'a str },
}

/// How the status is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// One JSON object a line.
    Json,
    /// One line, rewritten in place, below everything else.
    InPlace,
    /// A new line at each change of state, and none otherwise: a log file is not filled with seconds.
    Changes,
    /// Nothing any more, since it cannot be written.
    Nothing,
}

/// Where it is written to.
type Out = Box<dyn Write + Send>;

/// What is shown, and the keys that are pressed before it.
///
/// In place, the last row belongs to the status, or to the line of chat that is being written; what else there is to say
/// scrolls by above it.
///
/// What is shown never ends the show: where it cannot be written, because whoever read it has gone, people still watch.
pub(super) struct Screen {
    show: Show,
    out: Out,
    keys: Option<Keys>,
    last_state: Option<State>,
    /// The status as it was last told.
    status: String,
    /// The line of chat that is being written.
    editor: Option<LineEditor>,
    reactions: Reactions,
}

impl Screen {
    /// Prints the address to share, before anything else.
    pub(super) fn open(json: bool, status: &Status) -> Self {
        let show = match (json, stdout().is_terminal()) {
            (true, _) => Show::Json,
            (false, true) => Show::InPlace,
            (false, false) => Show::Changes,
        };
        let mut screen = Self::on(Box::new(stdout()), show);
        screen.share(status);
        screen.keys = (screen.show == Show::InPlace).then(Keys::open).flatten();
        if screen.keys.is_some() {
            // In raw mode a line feed does not return the carriage.
            let keys = "c writes to the chat, m mutes, v hides the picture, s switches the camera, q ends\r\n";
            screen.write(|out| out.write_all(keys.as_bytes()));
        }
        screen
    }

    fn on(out: Out, show: Show) -> Self {
        Self {
            show,
            out,
            keys: None,
            last_state: None,
            status: String::new(),
            editor: None,
            reactions: Reactions::default(),
        }
    }

    fn share(&mut self, status: &Status) {
        let Status {
            watch_url, session_id, ..
        } = status;
        match self.show {
            Show::Json => self.write_json(&Line::Live { watch_url, session_id }),
            _ => self.write(|out| writeln!(out, "Watch at {}", plain(watch_url))),
        }
    }

    /// The next thing from the terminal; never resolves without one.
    pub(super) async fn input(&mut self) -> Input {
        match &mut self.keys {
            Some(keys) => keys.next().await,
            None => std::future::pending().await,
        }
    }

    /// Begins a line of chat.
    pub(super) fn begin_line(&mut self) {
        self.editor = Some(LineEditor::default());
        self.paint();
    }

    /// Whether a line of chat is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.editor.is_some()
    }

    /// Gives a key to the line that is being written; what is to be said, once it is.
    pub(super) fn edit(&mut self, key: KeyEvent) -> Option<String> {
        let edited = self.editor.as_mut().map(|editor| editor.press(key));
        let entered = match edited {
            Some(Edited::Entered(text)) => Some(text),
            Some(Edited::Cancelled) => None,
            Some(Edited::Open) | None => {
                self.paint();
                return None;
            }
        };
        self.editor = None;
        self.paint();
        entered
    }

    /// Takes a text from the clipboard, which is a line to be looked over before it is said.
    pub(super) fn paste(&mut self, text: &str) {
        self.editor.get_or_insert_default().paste(text);
        self.paint();
    }

    /// Tells the status, and the reactions since the last time.
    pub(super) fn draw(&mut self, status: &Status) {
        if let Some(reactions) = self.reactions.tell() {
            self.say(&reactions);
        }
        self.status = plain(&live_line(status));
        let is_news = self.last_state.replace(status.state) != Some(status.state);
        match self.show {
            Show::Json => self.write_json(status),
            Show::Changes if is_news => {
                let line = self.status.clone();
                self.write(|out| writeln!(out, "{line}"));
            }
            Show::Changes | Show::Nothing => {}
            Show::InPlace => self.paint(),
        }
    }

    /// Tells what happened in the room.
    pub(super) fn tell(&mut self, message: &ServerMessage) {
        if self.show == Show::Json {
            self.write_json(message);
        } else if !self.reactions.take(&message.event)
            && let Some(words) = words(&message.event)
        {
            self.say(&words);
        }
    }

    /// Tells why something was not done.
    pub(super) fn complain(&mut self, message: &str) {
        match self.show {
            Show::Json => self.write_json(&Line::Error { message }),
            Show::InPlace => self.say(&format!("— {message}")),
            Show::Changes | Show::Nothing => warn(&plain(message)),
        }
    }

    /// A line above the last row.
    fn say(&mut self, words: &str) {
        let words = plain(words);
        if self.show == Show::InPlace {
            let clear = terminal::Clear(terminal::ClearType::CurrentLine);
            self.write(|out| queue!(out, cursor::MoveToColumn(0), clear, Print(words), Print("\r\n")));
            self.paint();
        } else {
            self.write(|out| writeln!(out, "{words}"));
        }
    }

    /// Writes the last row anew.
    pub(super) fn paint(&mut self) {
        if self.show != Show::InPlace {
            return;
        }
        // A row that wraps cannot be rewritten in place.
        let columns = terminal::size()
            .map_or(80, |(columns, _)| usize::from(columns))
            .saturating_sub(1);
        let (row, cursor) = if let Some(editor) = &self.editor {
            let (text, cursor) = editor.view(columns.saturating_sub(PROMPT.width()));
            (format!("{PROMPT}{text}"), PROMPT.width() + cursor)
        } else {
            let row = cut(&self.status, columns);
            (row.to_owned(), row.width())
        };
        let clear = terminal::Clear(terminal::ClearType::CurrentLine);
        let column = cursor::MoveToColumn(u16::try_from(cursor).unwrap_or(u16::MAX));
        self.write(|out| queue!(out, cursor::MoveToColumn(0), clear, Print(row), column));
    }

    /// Gives the terminal back, with the cursor on a line of its own.
    pub(super) fn close(&mut self) {
        self.keys = None;
        if self.show == Show::InPlace {
            self.write(|out| writeln!(out));
        }
    }

    fn write_json(&mut self, value: &impl Serialize) {
        self.write(|out| writeln!(out, "{}", serde_json::to_string(value)?));
    }

    fn write(&mut self, write: impl FnOnce(&mut Out) -> io::Result<()>) {
        if self.show == Show::Nothing {
            return;
        }
        if let Err(error) = write(&mut self.out).and_then(|()| self.out.flush()) {
            self.show = Show::Nothing;
            warn(&format!(
                "the standard output cannot be written, so nothing is shown any more; the broadcast goes on: {error}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use footlight_protocol::ServerEvent;

    use super::*;
    use crate::cli::live_line::tests::status;

    /// A pipe that nobody reads any more.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn what_cannot_be_written_is_left_out() {
        let event = ServerEvent::SessionEnded {
            reason: footlight_protocol::EndReason::Idle,
        };
        let message = ServerMessage::new(event, std::time::SystemTime::now());
        let attempts: [fn(&mut Screen, &ServerMessage); 5] = [
            |screen, _| screen.share(&status()),
            |screen, _| screen.draw(&status()),
            |screen, message| screen.tell(message),
            |screen, _| screen.say("hello"),
            |screen, _| screen.paste("hello"),
        ];
        for show in [Show::Json, Show::InPlace, Show::Changes] {
            for attempt in attempts {
                let mut screen = Screen::on(Box::new(Broken), show);
                attempt(&mut screen, &message);
                screen.complain("no camera");
                screen.close();
                assert!(screen.show == Show::Nothing || show == Show::Changes);
            }
        }
    }
}
