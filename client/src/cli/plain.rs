//! Words that others wrote, made harmless for a terminal.

/// Turns text from the network into one line that moves nothing on a terminal but the cursor, to the right.
///
/// Control characters go, which start escape sequences (ECMA-48 §5.3 and §5.4: ESC and the C1 set) and end lines; so do the
/// characters that turn the direction of writing (UAX #9 §2) or cannot be seen, by which a text looks like another one.
/// Emoji stay whole: they are joined by U+200D and finished by U+FE0F.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|char| match char {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            char if char.is_control() || is_invisible(char) => None,
            char => Some(char),
        })
        .collect()
}

fn is_invisible(char: char) -> bool {
    matches!(char,
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator, Hangul fillers.
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        // Zero-width space and non-joiner, marks of direction; U+200D is left in for emoji.
        | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        // Embeddings and overrides, invisible operators, isolates.
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Byte order mark, interlinear annotations, tags.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_what_makes_them_some() {
        assert_eq!(plain("\u{1b}[2J\u{1b}]0;owned\u{7}hi"), "[2J]0;ownedhi");
        assert_eq!(plain("\u{9b}31mred\u{90}\u{9c}"), "31mred", "the one-byte forms of C1");
        assert_eq!(plain("a\r\nb\tc\u{2028}d\u{8}\u{7f}"), "a  b c d");
    }

    #[test]
    fn text_cannot_run_backwards_or_hide() {
        assert_eq!(plain("\u{202e}txt.exe\u{2066}\u{200f}"), "txt.exe");
        assert_eq!(plain("A\u{200b}n\u{feff}n\u{e0041}"), "Ann");
    }

    #[test]
    fn writing_of_all_kinds_and_emoji_stay() {
        for text in ["Größe 漢字 שלום مرحبا", "❤️ 👩‍💻 🇩🇪 👍🏽", "e\u{301}"] {
            assert_eq!(plain(text), text);
        }
    }
}
