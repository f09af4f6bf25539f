//! How wide text is on a terminal.

use unicode_width::UnicodeWidthStr;

/// The longest beginning of `text` that takes at most `columns`.
pub(super) fn cut(text: &str, columns: usize) -> &str {
    if text.width() <= columns {
        return text;
    }
    let mut fits = "";
    for (start, char) in text.char_indices() {
        let longer = &text[..start + char.len_utf8()];
        // Not the sum of the characters' widths: a variation selector makes the one before it wider.
        if longer.width() > columns {
            break;
        }
        fits = longer;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice_and_are_never_halved() {
        assert_eq!(cut("plain", 10), "plain");
        assert_eq!(cut("plain", 3), "pla");
        assert_eq!(cut("漢字", 3), "漢");
        assert_eq!(cut("a👍b", 2), "a");
        assert_eq!(cut("anything", 0), "");
    }
}
