//! The address that somebody gives to `footlight publish`, and the URLs that follow from it.

use footlight_protocol::{IdError, SessionId};
use reqwest::Url;

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL.
    #[error("{address:?} is not an address; it should look like https://host:8443")]
    Malformed {
        /// As it was given.
        address: String,
    },
    /// Neither `http` nor `https`.
    #[error("an address starts with https:// or http://, and this one starts with {scheme}://")]
    Scheme {
        /// As it was given.
        scheme: String,
    },
    /// With a user name or a password in it, which everybody would see in the address to share.
    #[error(
        "an address has no user name and no password in it; the right to publish to a session is its token (--token)"
    )]
    Credentials,
    /// A page that is not one to publish to.
    #[error("nobody can publish to {path:?}; give the server's address, or a …/watch/<id> or …/whip/<id> of it")]
    Page {
        /// As it was given.
        path: String,
    },
    /// The session in the URL.
    #[error("the session in the address is not valid: {0}")]
    Session(#[from] IdError),
}

/// A server, and the session on it where the address names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// With a path that ends in `/`, no query and no fragment.
    base: Url,
    session: Option<SessionId>,
    /// Whether it is that of a session's page, where people come in, and not of its WHIP endpoint.
    is_page: bool,
}

impl std::str::FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed {
            address: text.to_owned(),
        };
        let text = text.trim();
        // `host:8443` parses as the scheme `host`, so a missing scheme has to be noticed before the parser sees it.
        if !text.contains("://") {
            return Err(malformed());
        }
        let mut base = Url::parse(text).map_err(|_| malformed())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(AddressError::Scheme {
                scheme: base.scheme().to_owned(),
            });
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(AddressError::Credentials);
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        let (prefix, session) = split_session(&path)?;
        base.set_path(&format!("{prefix}/"));
        let is_page = path.len() > prefix.len() && path[prefix.len()..].starts_with("/watch/");
        Ok(Self { base, session, is_page })
    }
}

/// Separates `/prefix/watch/{id}` into `/prefix` and the id. A server may live under a prefix, behind a proxy.
fn split_session(path: &str) -> Result<(&str, Option<SessionId>), AddressError> {
    let mut segments = path.rsplitn(3, '/');
    let (last, before) = (segments.next().unwrap_or(""), segments.next());
    match before {
        Some("watch" | "whip") => Ok((segments.next().unwrap_or(""), Some(last.parse()?))),
        _ if matches!(last, "watch" | "whip" | "live" | "stream" | "dashboard") => {
            Err(AddressError::Page { path: path.to_owned() })
        }
        _ => Ok((path, None)),
    }
}

impl ServerAddress {
    /// The session that the address names.
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Whether somebody who has no token asks to be let in, rather than publishes as any WHIP program would.
    pub(crate) fn is_page(&self) -> bool {
        self.is_page
    }

    /// The server's own address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Host and port as one text, which names the server in `known_servers`.
    pub fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// The page to share.
    pub fn watch_url(&self, session: &SessionId) -> String {
        self.joined(&["watch", session.as_str()]).into()
    }

    pub(crate) fn sessions_url(&self) -> Url {
        self.joined(&["api", "sessions"])
    }

    pub(crate) fn whip_url(&self, session: &SessionId) -> Url {
        self.joined(&["whip", session.as_str()])
    }

    pub(crate) fn end_url(&self, session: &SessionId) -> Url {
        self.joined(&["ws", "live", session.as_str(), "end"])
    }

    /// `ws` or `wss`, as the server's own scheme.
    pub(crate) fn websocket_url(&self, session: &SessionId) -> Url {
        let mut url = self.joined(&["ws", "live", session.as_str()]);
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Both are special schemes (WHATWG URL §3.1), between which a change is always allowed.
        let changed = url.set_scheme(scheme);
        debug_assert!(changed.is_ok());
        url
    }

    fn joined(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), segments.join("/")));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerAddress {
        text.parse().expect("an address")
    }

    #[test]
    fn a_server_a_watch_page_and_a_whip_url_are_understood() {
        assert_eq!(parse("https://host:8443").session(), None);
        assert_eq!(
            parse("https://host:8443/").sessions_url().as_str(),
            "https://host:8443/api/sessions"
        );
        for text in ["https://host:8443/watch/show_1", "https://host:8443/whip/show_1/?x=1#y"] {
            let address = parse(text);
            let id = address.session().expect("a session").clone();
            assert_eq!(id.as_str(), "show_1");
            assert_eq!(address.base().as_str(), "https://host:8443/");
            assert_eq!(address.whip_url(&id).as_str(), "https://host:8443/whip/show_1");
            assert_eq!(address.watch_url(&id), "https://host:8443/watch/show_1");
            assert_eq!(address.websocket_url(&id).as_str(), "wss://host:8443/ws/live/show_1");
        }
    }

    #[test]
    fn a_page_is_told_from_an_endpoint() {
        for (text, is_page) in [
            ("https://host", false),
            ("https://host/watch/a", true),
            ("https://host/tv/watch/a/", true),
            ("https://host/whip/a", false),
            ("https://host/watch/whip/a", false),
        ] {
            assert_eq!(parse(text).is_page(), is_page, "{text}");
        }
    }

    #[test]
    fn a_server_behind_a_prefix_keeps_it() {
        let address = parse("http://host/tv/watch/a");
        let id = address.session().expect("a session").clone();
        assert_eq!(address.whip_url(&id).as_str(), "http://host/tv/whip/a");
        assert_eq!(address.websocket_url(&id).as_str(), "ws://host/tv/ws/live/a");
        assert_eq!(
            parse("http://host/tv").sessions_url().as_str(),
            "http://host/tv/api/sessions"
        );
    }

    #[test]
    fn the_authority_names_the_port_even_where_it_is_the_default() {
        assert_eq!(parse("https://host").authority(), "host:443");
        assert_eq!(parse("http://[::1]:80").authority(), "[::1]:80");
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        let error = |text: &str| text.parse::<ServerAddress>().expect_err("not an address").to_string();
        assert!(error("host:8443").contains("https://host:8443"));
        assert!(error("").contains("not an address"));
        assert!(error("https://").contains("not an address"));
        assert!(error("rtmp://host/live").contains("rtmp"));
        for text in [
            "https://ann:secret@host",
            "https://ann@host/watch/a",
            "http://:secret@host",
        ] {
            assert!(error(text).contains("no user name and no password"), "{text}");
            assert!(!error(text).contains("secret"));
        }
        assert!(error("https://host/dashboard").contains("/dashboard"));
        assert!(error("https://host/watch").contains("/watch"));
        assert!(error("https://host/watch/a%20b").contains("'%'"));
    }
}
