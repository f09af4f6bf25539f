//! Text that strangers write and others read.

/// What turns the text around it (Unicode TR #9 §2): embeddings, overrides and isolates.
const fn is_directional(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What takes no room and shows nothing. Zero-width joiners are not among what is taken out: emoji are made with them.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// One line without what would break a log line or turn the text around it, trimmed; `None` where nothing is left to see.
pub(crate) fn line(text: &str) -> Option<String> {
    let visible: String = text
        .chars()
        .filter(|c| !is_directional(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let trimmed = visible.trim();
    trimmed
        .chars()
        .any(|c| !c.is_whitespace() && !is_invisible(c))
        .then(|| trimmed.to_owned())
}

/// The same, cut after `max_chars` characters.
pub(crate) fn short_line(text: &str, max_chars: usize) -> Option<String> {
    let line = line(text)?;
    match line.char_indices().nth(max_chars) {
        Some((end, _)) => self::line(&line[..end]),
        None => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_nobody_could_see_is_nothing() {
        for blank in [
            "",
            " \t\n ",
            "\u{202e}",
            "\u{200b}\u{200d}",
            "\u{3164}",
            "\u{fe0f} \u{feff}",
        ] {
            assert_eq!(line(blank), None, "{blank:?}");
        }
    }

    #[test]
    fn emoji_and_every_script_stay_as_they_are() {
        for text in ["👩‍👩‍👧‍👦 ❤️", "مرحبا", "שלום", "நன்றி", "a\u{0301}"] {
            assert_eq!(line(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_cut_is_at_a_character() {
        assert_eq!(short_line(&"ö".repeat(500), 40), Some("ö".repeat(40)));
        assert_eq!(short_line("ab   c", 4).as_deref(), Some("ab"));
    }

    proptest! {
        #[test]
        fn it_is_one_line_and_stable(text in "\\PC*|[\\x00-\\u{2100}]{0,80}") {
            if let Some(once) = line(&text) {
                prop_assert!(!once.contains(char::is_control));
                let again = line(&once);
                prop_assert_eq!(again.as_deref(), Some(&once[..]));
            }
        }
    }
}
