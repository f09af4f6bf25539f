//! Where the status goes, and what happens in the room.

use std::io::{IsTerminal, Write, stdout};

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
}

/// What is shown, and the keys that are pressed before it.
///
/// In place, the last row belongs to the status, or to the line of chat that is being written; what else there is to say
/// scrolls by above it.
pub(super) struct Screen {
    show: Show,
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
    pub(super) fn open(json: bool, status: &Status) -> anyhow::Result<Self> {
        let show = match (json, stdout().is_terminal()) {
            (true, _) => Show::Json,
            (false, true) => Show::InPlace,
            (false, false) => Show::Changes,
        };
        if show == Show::Json {
            let opening = Line::Live {
                watch_url: &status.watch_url,
                session_id: &status.session_id,
            };
            println!("{}", serde_json::to_string(&opening)?);
        } else {
            println!("Watch at {}", plain(&status.watch_url));
        }
        stdout().flush()?;
        let keys = (show == Show::InPlace).then(Keys::open).flatten();
        if keys.is_some() {
            // In raw mode a line feed does not return the carriage.
            print!("c writes to the chat, m mutes, v hides the picture, s switches the camera, q ends\r\n");
        }
        Ok(Self {
            show,
            keys,
            last_state: None,
            status: String::new(),
            editor: None,
            reactions: Reactions::default(),
        })
    }

    /// The next thing from the terminal; never resolves without one.
    pub(super) async fn input(&mut self) -> Input {
        match &mut self.keys {
            Some(keys) => keys.next().await,
            None => std::future::pending().await,
        }
    }

    /// Begins a line of chat.
    pub(super) fn begin_line(&mut self) -> anyhow::Result<()> {
        self.editor = Some(LineEditor::default());
        self.paint()
    }

    /// Whether a line of chat is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.editor.is_some()
    }

    /// Gives a key to the line that is being written; what is to be said, once it is.
    pub(super) fn edit(&mut self, key: KeyEvent) -> anyhow::Result<Option<String>> {
        let edited = self.editor.as_mut().map(|editor| editor.press(key));
        let entered = match edited {
            Some(Edited::Entered(text)) => Some(text),
            Some(Edited::Cancelled) => None,
            Some(Edited::Open) | None => {
                self.paint()?;
                return Ok(None);
            }
        };
        self.editor = None;
        self.paint()?;
        Ok(entered)
    }

    /// Takes a text from the clipboard, which is a line to be looked over before it is said.
    pub(super) fn paste(&mut self, text: &str) -> anyhow::Result<()> {
        self.editor.get_or_insert_default().paste(text);
        self.paint()
    }

    /// Tells the status, and the reactions since the last time.
    pub(super) fn draw(&mut self, status: &Status) -> anyhow::Result<()> {
        if let Some(reactions) = self.reactions.tell() {
            self.say(&reactions)?;
        }
        self.status = plain(&live_line(status));
        let is_news = self.last_state.replace(status.state) != Some(status.state);
        match self.show {
            Show::Json => {
                let mut out = stdout().lock();
                writeln!(out, "{}", serde_json::to_string(status)?)?;
                Ok(out.flush()?)
            }
            Show::Changes if is_news => {
                let mut out = stdout().lock();
                writeln!(out, "{}", self.status)?;
                Ok(out.flush()?)
            }
            Show::Changes => Ok(()),
            Show::InPlace => self.paint(),
        }
    }

    /// Tells what happened in the room.
    pub(super) fn tell(&mut self, message: &ServerMessage) -> anyhow::Result<()> {
        if self.show == Show::Json {
            let mut out = stdout().lock();
            writeln!(out, "{}", serde_json::to_string(message)?)?;
            return Ok(out.flush()?);
        }
        if self.reactions.take(&message.event) {
            return Ok(());
        }
        match words(&message.event) {
            Some(words) => self.say(&words),
            None => Ok(()),
        }
    }

    /// Tells why something was not done.
    pub(super) fn complain(&mut self, message: &str) -> anyhow::Result<()> {
        match self.show {
            Show::Json => {
                println!("{}", serde_json::to_string(&Line::Error { message })?);
                Ok(())
            }
            Show::InPlace => self.say(&format!("— {message}")),
            Show::Changes => {
                eprintln!("footlight: {}", plain(message));
                Ok(())
            }
        }
    }

    /// A line above the last row.
    fn say(&mut self, words: &str) -> anyhow::Result<()> {
        let words = plain(words);
        let mut out = stdout().lock();
        if self.show == Show::InPlace {
            let clear = terminal::Clear(terminal::ClearType::CurrentLine);
            queue!(out, cursor::MoveToColumn(0), clear, Print(words), Print("\r\n"))?;
            drop(out);
            return self.paint();
        }
        writeln!(out, "{words}")?;
        Ok(out.flush()?)
    }

    /// Writes the last row anew.
    pub(super) fn paint(&self) -> anyhow::Result<()> {
        if self.show != Show::InPlace {
            return Ok(());
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
        let mut out = stdout().lock();
        let clear = terminal::Clear(terminal::ClearType::CurrentLine);
        let column = cursor::MoveToColumn(u16::try_from(cursor).unwrap_or(u16::MAX));
        queue!(out, cursor::MoveToColumn(0), clear, Print(row), column)?;
        Ok(out.flush()?)
    }

    /// Gives the terminal back, with the cursor on a line of its own.
    pub(super) fn close(&mut self) {
        self.keys = None;
        if self.show == Show::InPlace {
            println!();
        }
    }
}
