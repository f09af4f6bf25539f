//! A line of chat while it is being written.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use footlight_protocol::MAX_CHAT_CHARS;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::columns::cut;
use super::plain::plain;

/// What a key did to the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edited {
    /// It is being written on.
    Open,
    /// Nothing is to be said.
    Cancelled,
    /// This is to be said. Not blank.
    Entered(String),
}

/// The line and where in it the next character goes. Never longer than the server takes.
#[derive(Debug, Default)]
pub(super) struct LineEditor {
    text: Vec<char>,
    cursor: usize,
}

impl LineEditor {
    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Edited {
        let control = key.modifiers.intersects(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Edited::Cancelled,
            KeyCode::Enter => return self.enter(),
            KeyCode::Backspace => self.delete_back(),
            KeyCode::Delete => self.delete(),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            // As shells have them.
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Char('h') if control => self.delete_back(),
            KeyCode::Char(char) if !control && !key.modifiers.contains(KeyModifiers::ALT) => self.insert(char),
            _ => {}
        }
        Edited::Open
    }

    /// Takes a text from the clipboard, as one line.
    pub(super) fn paste(&mut self, text: &str) {
        plain(text).chars().for_each(|char| self.insert(char));
    }

    fn enter(&self) -> Edited {
        let text: String = self.text.iter().collect();
        match text.trim() {
            "" => Edited::Cancelled,
            text => Edited::Entered(text.to_owned()),
        }
    }

    fn insert(&mut self, char: char) {
        if self.text.len() < MAX_CHAT_CHARS && !char.is_control() {
            self.text.insert(self.cursor, char);
            self.cursor += 1;
        }
    }

    /// Where the character before the cursor begins. What has no width of its own belongs to the one before it.
    fn before(&self) -> usize {
        let written = &self.text[..self.cursor];
        written.iter().rposition(|char| !is_mark(*char)).unwrap_or(0)
    }

    fn after(&self) -> usize {
        let rest = self.text.get(self.cursor + 1..).unwrap_or_default();
        let marks = rest.iter().take_while(|char| is_mark(**char)).count();
        (self.cursor + 1 + marks).min(self.text.len())
    }

    fn delete_back(&mut self) {
        let before = self.before();
        self.text.drain(before..self.cursor);
        self.cursor = before;
    }

    fn delete(&mut self) {
        let after = self.after();
        self.text.drain(self.cursor..after);
    }

    fn delete_word(&mut self) {
        let written = &self.text[..self.cursor];
        let word_end = written.iter().rposition(|char| *char != ' ').map_or(0, |last| last + 1);
        let start = written[..word_end]
            .iter()
            .rposition(|char| *char == ' ')
            .map_or(0, |space| space + 1);
        self.text.drain(start..self.cursor);
        self.cursor = start;
    }

    /// The part of the line to show in `columns`, and the column of the cursor in it.
    pub(super) fn view(&self, columns: usize) -> (String, usize) {
        let width = |from: usize| self.text[from..self.cursor].iter().collect::<String>().width();
        // The cursor needs a column as well, behind the last character.
        let start = (0..=self.cursor).find(|start| width(*start) < columns.max(1));
        let start = start.unwrap_or(self.cursor);
        let rest: String = self.text[start..].iter().collect();
        (cut(&rest, columns).to_owned(), width(start))
    }
}

fn is_mark(char: char) -> bool {
    char.width() == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> LineEditor {
        let mut editor = LineEditor::default();
        text.chars().for_each(|char| editor.insert(char));
        editor
    }

    fn press(editor: &mut LineEditor, keys: &[(KeyCode, KeyModifiers)]) -> Edited {
        let mut edited = Edited::Open;
        for (code, modifiers) in keys {
            edited = editor.press(KeyEvent::new(*code, *modifiers));
        }
        edited
    }

    const PLAIN: KeyModifiers = KeyModifiers::NONE;

    #[test]
    fn a_line_is_written_corrected_and_sent() {
        let mut editor = LineEditor::default();
        let keys = [
            (KeyCode::Char('H'), KeyModifiers::SHIFT),
            (KeyCode::Char('x'), PLAIN),
            (KeyCode::Backspace, PLAIN),
            (KeyCode::Char('i'), PLAIN),
            (KeyCode::Char('!'), PLAIN),
            (KeyCode::Left, PLAIN),
            (KeyCode::Char('?'), PLAIN),
            (KeyCode::Home, PLAIN),
            (KeyCode::Char('>'), PLAIN),
            (KeyCode::Delete, PLAIN),
            (KeyCode::End, PLAIN),
            (KeyCode::Char('🎉'), PLAIN),
        ];
        assert_eq!(press(&mut editor, &keys), Edited::Open);
        let entered = press(&mut editor, &[(KeyCode::Enter, PLAIN)]);
        assert_eq!(entered, Edited::Entered(">i?!🎉".to_owned()));
    }

    #[test]
    fn a_blank_line_says_nothing_and_escape_cancels() {
        assert_eq!(press(&mut typed("  "), &[(KeyCode::Enter, PLAIN)]), Edited::Cancelled);
        assert_eq!(press(&mut typed("hello"), &[(KeyCode::Esc, PLAIN)]), Edited::Cancelled);
    }

    #[test]
    fn the_commands_of_other_programs_do_not_end_up_in_the_text() {
        let mut editor = typed("one two three");
        press(&mut editor, &[(KeyCode::Char('w'), KeyModifiers::CONTROL)]);
        assert_eq!(editor.view(80).0, "one two ");
        press(&mut editor, &[(KeyCode::Char('w'), KeyModifiers::CONTROL)]);
        assert_eq!(editor.view(80).0, "one ");
        let strange = [
            (KeyCode::Char('x'), KeyModifiers::CONTROL),
            (KeyCode::Char('b'), KeyModifiers::ALT),
            (KeyCode::F(1), PLAIN),
        ];
        press(&mut editor, &strange);
        assert_eq!(editor.view(80).0, "one ");
        press(&mut editor, &[(KeyCode::Char('u'), KeyModifiers::CONTROL)]);
        assert_eq!(editor.view(80), (String::new(), 0));
        let nowhere = [KeyCode::Backspace, KeyCode::Delete, KeyCode::Left, KeyCode::Right];
        press(&mut editor, &nowhere.map(|code| (code, PLAIN)));
        assert_eq!(editor.view(80), (String::new(), 0));
    }

    #[test]
    fn an_emoji_goes_as_a_whole() {
        let mut editor = typed("a❤\u{fe0f}");
        press(&mut editor, &[(KeyCode::Backspace, PLAIN)]);
        assert_eq!(editor.view(80), ("a".to_owned(), 1));
    }

    #[test]
    fn a_long_line_is_shown_where_it_is_written() {
        let editor = typed("abcdefghij");
        assert_eq!(editor.view(20), ("abcdefghij".to_owned(), 10));
        assert_eq!(editor.view(5), ("ghij".to_owned(), 4));
        let mut editor = typed("漢字漢字");
        assert_eq!(editor.view(5), ("漢字".to_owned(), 4));
        press(&mut editor, &[(KeyCode::Home, PLAIN)]);
        assert_eq!(editor.view(5), ("漢字".to_owned(), 0));
        assert_eq!(editor.view(0), (String::new(), 0));
    }

    #[test]
    fn what_is_pasted_is_one_line_and_no_longer_than_the_server_takes() {
        let mut editor = LineEditor::default();
        editor.paste("two\nlines\u{1b}[31m");
        assert_eq!(editor.view(80).0, "two lines[31m");
        editor.paste(&"x".repeat(2 * MAX_CHAT_CHARS));
        let Edited::Entered(text) = press(&mut editor, &[(KeyCode::Enter, PLAIN)]) else {
            panic!("a line");
        };
        assert_eq!(text.chars().count(), MAX_CHAT_CHARS);
    }
}
