//! Titles and display names, as they come from strangers.

use footlight_protocol::{ANONYMOUS, DEFAULT_TITLE, MAX_TITLE_CHARS, MAX_USERNAME_CHARS, UserId};

use crate::text::short_line;

/// A display name of at most [`MAX_USERNAME_CHARS`]; `None` where nothing is left of it.
pub(super) fn username(text: Option<&str>) -> Option<String> {
    short_line(text?, MAX_USERNAME_CHARS)
}

/// A display name, [`ANONYMOUS`] where there is none.
pub(crate) fn username_or_anonymous(text: Option<&str>) -> String {
    username(text).unwrap_or_else(|| ANONYMOUS.to_owned())
}

/// A title of at most [`MAX_TITLE_CHARS`]; `None` where nothing is left of it.
pub(super) fn title(text: Option<&str>) -> Option<String> {
    short_line(text?, MAX_TITLE_CHARS)
}

/// A title, [`DEFAULT_TITLE`] where there is none.
pub(super) fn title_or_default(text: Option<&str>) -> String {
    title(text).unwrap_or_else(|| DEFAULT_TITLE.to_owned())
}

/// A participant's id that nobody else has.
pub(crate) fn new_user_id() -> UserId {
    crate::token::unguessable_name()
        .parse()
        .expect("22 characters of base64url are within an id's alphabet and length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_name_is_anonymous() {
        for blank in [None, Some(""), Some(" \t\n "), Some("\u{202e}")] {
            assert_eq!(username_or_anonymous(blank), ANONYMOUS, "{blank:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let long = "ö".repeat(500);
        assert_eq!(username(Some(&long)), Some("ö".repeat(MAX_USERNAME_CHARS)));
    }

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(title(Some(" a\nb\u{202e}c ")), Some("a bc".into()));
    }
}
