//! STUN and TURN servers that clients are told of.

use std::str::FromStr;

use serde::Deserialize;

/// Why a text names no ICE server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IceServerError {
    /// RFC 7064 and RFC 7065 name the schemes.
    #[error("an ICE server starts with stun:, stuns:, turn: or turns:, and this does not: {0:?}")]
    Scheme(String),
    /// Quotes, angle brackets and control characters would break out of the `Link` header.
    #[error("this character cannot be in an ICE server: {0:?}")]
    Character(char),
    /// Neither one word nor three.
    #[error("an ICE server is written as \"URL\" or as \"URL USERNAME CREDENTIAL\"")]
    Shape,
}

/// One server, written as `URL` or as `URL USERNAME CREDENTIAL`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IceServer {
    url: String,
    login: Option<(String, String)>,
}

impl IceServer {
    /// The value of its `Link` header (RFC 9725 §4.6).
    pub fn link(&self) -> String {
        let url = &self.url;
        match &self.login {
            None => format!("<{url}>; rel=\"ice-server\""),
            Some((username, credential)) => format!(
                "<{url}>; rel=\"ice-server\"; username=\"{username}\"; credential=\"{credential}\"; \
                 credential-type=\"password\""
            ),
        }
    }
}

impl std::fmt::Debug for IceServer {
    /// Without its credential: configurations end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl FromStr for IceServer {
    type Err = IceServerError;

    fn from_str(text: &str) -> Result<Self, IceServerError> {
        if let Some(bad) = text
            .chars()
            .find(|c| matches!(c, '"' | '<' | '>' | '\\') || !(' '..='~').contains(c))
        {
            return Err(IceServerError::Character(bad));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (url, login) = match words[..] {
            [url] => (url, None),
            [url, username, credential] => (url, Some((username.to_owned(), credential.to_owned()))),
            _ => return Err(IceServerError::Shape),
        };
        let known = ["stun:", "stuns:", "turn:", "turns:"];
        if !known
            .iter()
            .any(|scheme| url.starts_with(scheme) && url.len() > scheme.len())
        {
            return Err(IceServerError::Scheme(url.to_owned()));
        }
        Ok(Self {
            url: url.to_owned(),
            login,
        })
    }
}

impl TryFrom<String> for IceServer {
    type Error = IceServerError;

    fn try_from(text: String) -> Result<Self, IceServerError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_header_is_that_of_the_rfc() {
        let stun: IceServer = "stun:stun.example.net".parse().expect("stun");
        assert_eq!(stun.link(), "<stun:stun.example.net>; rel=\"ice-server\"");
        let turn: IceServer = "turn:turn.example.net?transport=udp user myPassword"
            .parse()
            .expect("turn");
        assert_eq!(
            turn.link(),
            "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"user\"; \
             credential=\"myPassword\"; credential-type=\"password\""
        );
        assert!(!format!("{turn:?}").contains("myPassword"));
    }

    #[test]
    fn what_would_break_the_header_is_refused() {
        let parse = |text: &str| text.parse::<IceServer>().expect_err(text);
        assert_eq!(parse("stun:a\"b"), IceServerError::Character('"'));
        assert_eq!(parse("stun:a\r\nb"), IceServerError::Character('\r'));
        assert_eq!(parse("https://a"), IceServerError::Scheme("https://a".into()));
        assert_eq!(parse("turn:a user"), IceServerError::Shape);
        assert_eq!(parse(""), IceServerError::Shape);
    }
}
