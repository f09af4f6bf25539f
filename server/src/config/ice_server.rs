//! STUN and TURN servers that clients are told of.

use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::SystemTime;

use serde::Deserialize;

use super::Secret;
use crate::turn::{Login, TurnSecret};

/// Why something names no ICE server. What is repeated of it is never a username or a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IceServerError {
    /// RFC 7064 and RFC 7065 name the schemes.
    #[error("an ICE server starts with stun:, stuns:, turn: or turns:, and this does not: {0:?}")]
    Scheme(String),
    /// Not of the grammar of RFC 7064 §3.1 and RFC 7065 §3.1.
    #[error(
        "an ICE server is written as SCHEME:HOST or SCHEME:HOST:PORT, where turn: and turns: may end with ?transport=udp or \
         ?transport=tcp, and this is not: {0:?}"
    )]
    Uri(String),
    /// Quotes, angle brackets and control characters would break out of the `Link` header.
    #[error("this character cannot be in an ICE server: {0:?}")]
    Character(char),
    /// Neither one word nor three, nor two of which the second is a secret.
    #[error("an ICE server is written as \"URL\", as \"URL USERNAME CREDENTIAL\" or as \"URL secret=SECRET\"")]
    Shape,
    /// A secret stands for both.
    #[error("an ICE server has either `secret` or `username` and `credential`")]
    SecretAndLogin,
    /// A table without any.
    #[error("`urls` of an ICE server names none")]
    NoUrl,
    /// Browsers take no TURN server without (W3C WebRTC §4.4.1.6).
    #[error("{0:?} needs both `username` and `credential`, or a `secret`: browsers take no TURN server without")]
    Login(String),
}

/// One server, by one or more URLs. Written as `URL`, as `URL USERNAME CREDENTIAL`, as `URL secret=SECRET` or, in a file,
/// as a table.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct IceServer {
    urls: Vec<String>,
    credentials: Credentials,
}

#[derive(Clone, PartialEq, Eq)]
enum Credentials {
    None,
    /// The same for everybody.
    Fixed(Login),
    /// For each participant some that end, which the TURN server checks by the same secret (coturn's `use-auth-secret`).
    Shared(TurnSecret),
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "an ICE server is a text, or a table of `urls` and of `username` and `credential` or `secret`"
)]
enum Written {
    Text(String),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    urls: Vec<String>,
    username: Option<String>,
    credential: Option<String>,
    secret: Option<Secret>,
}

impl IceServer {
    /// As browsers take it, with new credentials where each participant has some.
    pub fn to_wire(&self, now: SystemTime) -> footlight_protocol::IceServer {
        let login = match &self.credentials {
            Credentials::None => None,
            Credentials::Fixed(login) => Some(login.clone()),
            Credentials::Shared(secret) => Some(secret.issue(now)),
        };
        let (username, credential) = login.map(|login| (login.username, login.password)).unzip();
        footlight_protocol::IceServer {
            urls: self.urls.clone(),
            username,
            credential,
        }
    }

    /// Whether it is written with a credential or a secret.
    pub(super) fn holds_secret(&self) -> bool {
        self.credentials != Credentials::None
    }

    /// One by these URLs, which take this login.
    pub(crate) fn new(urls: Vec<String>, login: Option<Login>) -> Result<Self, IceServerError> {
        Self::check(urls, login.map_or(Credentials::None, Credentials::Fixed))
    }

    fn check(urls: Vec<String>, credentials: Credentials) -> Result<Self, IceServerError> {
        if urls.is_empty() {
            return Err(IceServerError::NoUrl);
        }
        let login = match &credentials {
            Credentials::Fixed(login) => vec![&login.username, &login.password],
            _ => Vec::new(),
        };
        let mut texts = urls.iter().chain(login).flat_map(|text| text.chars());
        if let Some(bad) = texts.find(|c| !fits_a_header(*c)) {
            return Err(IceServerError::Character(bad));
        }
        for url in &urls {
            if check_uri(url)? && credentials == Credentials::None {
                return Err(IceServerError::Login(url.clone()));
            }
        }
        Ok(Self { urls, credentials })
    }

    fn read(table: Table) -> Result<Self, IceServerError> {
        let Table {
            urls,
            username,
            credential,
            secret,
        } = table;
        let credentials = match (username, credential, secret) {
            (None, None, None) => Credentials::None,
            (Some(username), Some(password), None) => Credentials::Fixed(Login { username, password }),
            (None, None, Some(secret)) => Credentials::Shared(TurnSecret::from(secret.reveal())),
            (_, _, Some(_)) => return Err(IceServerError::SecretAndLogin),
            (_, _, None) => {
                let url = urls.into_iter().next().unwrap_or_default();
                return Err(IceServerError::Login(url));
            }
        };
        Self::check(urls, credentials)
    }
}

/// The values of a server's `Link` headers, one for each URL (RFC 9725 §4.6).
pub fn links(server: &footlight_protocol::IceServer) -> impl Iterator<Item = String> {
    let login = match (&server.username, &server.credential) {
        (Some(username), Some(credential)) => {
            format!("; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\"")
        }
        _ => String::new(),
    };
    let urls = server.urls.iter();
    urls.map(move |url| format!("<{url}>; rel=\"ice-server\"{login}"))
}

impl std::fmt::Debug for IceServer {
    /// Without its credentials: configurations end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl FromStr for IceServer {
    type Err = IceServerError;

    fn from_str(text: &str) -> Result<Self, IceServerError> {
        if let Some(bad) = text.chars().find(|c| !fits_a_header(*c)) {
            return Err(IceServerError::Character(bad));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (url, credentials) = match words[..] {
            [url] => (url, Credentials::None),
            [url, second] => {
                let secret = second.strip_prefix("secret=").filter(|secret| !secret.is_empty());
                (url, Credentials::Shared(secret.ok_or(IceServerError::Shape)?.into()))
            }
            [url, username, password] => {
                let (username, password) = (username.to_owned(), password.to_owned());
                (url, Credentials::Fixed(Login { username, password }))
            }
            _ => return Err(IceServerError::Shape),
        };
        Self::check(vec![url.to_owned()], credentials)
    }
}

impl TryFrom<Written> for IceServer {
    type Error = IceServerError;

    fn try_from(written: Written) -> Result<Self, IceServerError> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Table(table) => Self::read(table),
        }
    }
}

/// Whether it can stand in a quoted string of a header, and ends none.
fn fits_a_header(c: char) -> bool {
    !matches!(c, '"' | '<' | '>' | '\\') && (' '..='~').contains(&c)
}

/// Whether the URI is one of TURN, as opposed to STUN.
fn check_uri(uri: &str) -> Result<bool, IceServerError> {
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    let is_turn = match scheme.to_ascii_lowercase().as_str() {
        "stun" | "stuns" => false,
        "turn" | "turns" => true,
        _ => return Err(IceServerError::Scheme(without_login(uri))),
    };
    let (authority, query) = match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (rest, None),
    };
    let query_fits = match query {
        None => true,
        Some(query) => is_turn && matches!(query, "transport=udp" | "transport=tcp"),
    };
    if query_fits && is_host_with_port(authority) {
        Ok(is_turn)
    } else {
        Err(IceServerError::Uri(without_login(uri)))
    }
}

/// What can be repeated of a URI that may be written with a login in it, as URLs of other schemes are.
fn without_login(uri: &str) -> String {
    match uri.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => uri.to_owned(),
    }
}

/// `host [":" port]` (RFC 3986 §3.2.2, §3.2.3), where a name is one of the DNS.
fn is_host_with_port(text: &str) -> bool {
    let (host_fits, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let Some((address, port)) = bracketed.split_once(']') else {
            return false;
        };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let is_of_names = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        (!name.is_empty() && name.bytes().all(is_of_names), port)
    };
    let port_fits = match port.strip_prefix(':') {
        Some(port) => port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0),
        None => port.is_empty(),
    };
    host_fits && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<IceServer, IceServerError> {
        text.parse()
    }

    fn links(server: &IceServer) -> Vec<String> {
        super::links(&server.to_wire(SystemTime::UNIX_EPOCH)).collect()
    }

    fn tables(text: &str) -> Result<Vec<IceServer>, String> {
        let of = |text| toml::from_str::<std::collections::BTreeMap<String, Vec<IceServer>>>(text);
        of(&format!("servers = [{text}]"))
            .map(|mut read| read.remove("servers").expect("the key"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_link_header_is_that_of_the_rfc() {
        let stun = parse("stun:stun.example.net").expect("stun");
        assert_eq!(links(&stun), ["<stun:stun.example.net>; rel=\"ice-server\""]);
        let turn = parse("turn:turn.example.net?transport=udp user myPassword").expect("turn");
        assert_eq!(
            links(&turn),
            [
                "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"user\"; \
              credential=\"myPassword\"; credential-type=\"password\""
            ]
        );
        assert!(!format!("{turn:?}").contains("myPassword"));
    }

    #[test]
    fn a_table_names_one_server_by_several_urls() {
        let servers = tables(
            "\"stun:stun.example.net\", { urls = [\"turn:turn.example.net\", \"turns:turn.example.net:443?transport=tcp\"], \
             username = \"ann\", credential = \"a pass phrase\" }",
        )
        .expect("two servers");
        assert_eq!(servers[0], parse("stun:stun.example.net").expect("stun"));
        let wire = servers[1].to_wire(SystemTime::UNIX_EPOCH);
        assert_eq!(
            (wire.urls.len(), wire.credential.as_deref()),
            (2, Some("a pass phrase"))
        );
        assert_eq!(links(&servers[1]).len(), 2);
    }

    #[test]
    fn a_secret_makes_credentials_for_each() {
        let table = tables("{ urls = [\"turn:turn.example.net\"], secret = \"north\" }").expect("one server");
        assert_eq!(table[0], parse("turn:turn.example.net secret=north").expect("the same"));
        let wire = table[0].to_wire(SystemTime::UNIX_EPOCH);
        let username = wire.username.as_deref().expect("one");
        assert!(username.starts_with("43200:"), "{username}");
        assert_ne!(wire, table[0].to_wire(SystemTime::UNIX_EPOCH));
        assert!(!format!("{:?}", table[0]).contains("north"));
    }

    #[test]
    fn what_the_rfcs_allow_is_taken() {
        for text in [
            "stun:192.0.2.1",
            "STUN:stun.example.net:3478",
            "stuns:[2001:db8::1]:5349",
            "stun:stun_server.example.net ann secret",
            "turn:[2001:db8::1]?transport=tcp ann secret",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_in_words() {
        let refused = |text: &str| parse(text).expect_err(text);
        assert_eq!(refused("https://a"), IceServerError::Scheme("https://a".into()));
        assert_eq!(
            refused("stun.example.net"),
            IceServerError::Scheme("stun.example.net".into())
        );
        for uri in [
            "stun:",
            "stun://stun.example.net",
            "stun:stun.example.net:",
            "stun:stun.example.net:0",
            "stun:stun.example.net:65536",
            "stun:stun.example.net:+1",
            "stun:stun.example.net?transport=udp",
            "stun:[2001:db8::1",
            "stun:2001:db8::1",
            "turn:turn.example.net?transport=carrier-pigeon",
        ] {
            assert_eq!(refused(uri), IceServerError::Uri(uri.into()));
        }
        assert_eq!(
            refused("stun:ann:b@stun.example.net"),
            IceServerError::Uri("…@stun.example.net".into())
        );
        assert_eq!(refused("turn:a user"), IceServerError::Shape);
        assert_eq!(refused("turn:a secret="), IceServerError::Shape);
        assert_eq!(refused(""), IceServerError::Shape);
        assert_eq!(refused("turn:a"), IceServerError::Login("turn:a".into()));
        for (table, word) in [
            ("{ urls = [] }", "`urls`"),
            ("{ urls = [\"turn:a\"], username = \"ann\" }", "`credential`"),
            (
                "{ urls = [\"turn:a\"], username = \"ann\", secret = \"b\" }",
                "`secret`",
            ),
            ("{ url = \"stun:a\" }", "`urls`"),
            ("7", "a table"),
        ] {
            let error = tables(table).expect_err(table);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_would_break_the_header_is_refused() {
        let refused = |text: &str| parse(text).expect_err(text);
        assert_eq!(refused("stun:a\"b"), IceServerError::Character('"'));
        assert_eq!(refused("stun:a\r\nb"), IceServerError::Character('\r'));
        let error =
            tables("{ urls = [\"turn:a\"], username = \"ann\", credential = \"a\\\"b\" }").expect_err("a quote");
        assert!(error.contains("cannot be in an ICE server"), "{error}");
    }
}
