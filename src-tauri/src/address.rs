//! The address of a server, as a person types or pastes it.

use std::fmt;
#[cfg(any(mobile, test))]
use std::net::IpAddr;
#[cfg(desktop)]
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// Footlight's own port, which is the likely one where somebody names a machine of the local network alone.
const LOCAL_PORT: u16 = 8443;

/// Longest text that is looked at, in bytes. The longest host name has 253 (RFC 1035 §2.3.4); a pasted link has a path too.
const MAX_BYTES: usize = 2048;

/// Scheme, host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address(Url);

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// Nothing was typed.
    #[error("Type the address of a server, for example 192.168.1.20 or live.example.org.")]
    Empty,
    /// Not an address.
    #[error("This is not an address. One looks like 192.168.1.20 or https://live.example.org.")]
    Malformed,
    /// Neither `http` nor `https`.
    #[error("An address starts with https:// or http://, and this one starts with {0}://.")]
    Scheme(String),
    /// A name or password in front of the host.
    #[error("An address has no name or password in it.")]
    Credentials,
}

impl Address {
    /// A server at an IP address.
    #[cfg(desktop)]
    pub(crate) fn new(scheme: &str, server: SocketAddr) -> Result<Self, AddressError> {
        format!("{scheme}://{server}").parse()
    }

    /// Without a path: `https://host:8443`.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Host and port as one text, which names the server in the list of known ones.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host(), self.0.port_or_known_default().unwrap_or_default())
    }

    /// As it stands in a URL: an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the way to the server leads no farther than the person's own network.
    #[cfg(any(mobile, test))]
    pub(crate) async fn is_on_own_network(&self) -> bool {
        let name = match self.0.host() {
            Some(url::Host::Ipv4(address)) => return is_private(address.into()),
            Some(url::Host::Ipv6(address)) => return is_private(address.into()),
            Some(url::Host::Domain(name)) => name,
            None => return false,
        };
        // Their own names are not looked up, because that too takes the permission which this is asked for.
        if is_local(&self.0) {
            return true;
        }
        let port = self.0.port_or_known_default().unwrap_or_default();
        match tokio::net::lookup_host((name, port)).await {
            Ok(mut found) => found.any(|found| is_private(found.ip())),
            Err(_) => false,
        }
    }

    /// What is at `path` on this server, which must begin with a slash; `None` where it leads elsewhere.
    pub(crate) fn resolve(&self, path: &str) -> Option<Url> {
        if !path.starts_with('/') {
            return None;
        }
        let url = self.0.join(path).ok()?;
        (url.origin() == self.0.origin()).then_some(url)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// A whole link is understood as well: what matters of it is the server.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(AddressError::Malformed);
        }
        let has_scheme = text.contains("://");
        let full = if has_scheme {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let mut url = Url::parse(&full).map_err(|_| AddressError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::Malformed);
        }
        if !has_scheme && names_no_port(text) && is_local(&url) {
            url.set_port(Some(LOCAL_PORT)).map_err(|()| AddressError::Malformed)?;
        }
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(url))
    }
}

/// Whether there is no port after the host; the parser drops 443, which is not the same.
fn names_no_port(text: &str) -> bool {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    !after_host.contains(':')
}

/// Whether the host is one of the local network: a name for it alone, or an IP address, for which nobody has a certificate
/// and port 443.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.rsplit_once('.').is_none_or(|(_, top)| top == "local"),
        Some(_) => true,
        None => false,
    }
}

/// Whether an IP address means something on its own network alone (RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.5.6).
#[cfg(any(mobile, test))]
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_private(address.into()),
            None => address.is_unique_local() || address.is_unicast_link_local(),
        },
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.origin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> String {
        text.parse::<Address>().expect("an address").origin()
    }

    #[test]
    fn what_people_type_is_understood() {
        for (typed, meant) in [
            ("192.168.1.20", "https://192.168.1.20:8443"),
            ("hall", "https://hall:8443"),
            (" hall.local ", "https://hall.local:8443"),
            ("[fd00::2]", "https://[fd00::2]:8443"),
            ("hall:443", "https://hall"),
            ("192.168.1.20:9000", "https://192.168.1.20:9000"),
            ("live.example.org", "https://live.example.org"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://hall:8443/watch/show?token=secret#x", "https://hall:8443"),
            ("hall:8443/watch/show", "https://hall:8443"),
        ] {
            assert_eq!(origin(typed), meant, "{typed}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_in_words() {
        let long = "a".repeat(MAX_BYTES + 1);
        for (typed, error) in [
            ("  ", AddressError::Empty),
            ("https://", AddressError::Malformed),
            ("two words", AddressError::Malformed),
            (long.as_str(), AddressError::Malformed),
            ("rtmp://host/live", AddressError::Scheme("rtmp".to_owned())),
            ("https://me:secret@host", AddressError::Credentials),
        ] {
            assert_eq!(typed.parse::<Address>(), Err(error), "{typed}");
        }
    }

    #[tokio::test]
    async fn a_server_on_the_own_network_is_told_from_one_on_the_internet() {
        let is_near = async |text: &str| text.parse::<Address>().expect("an address").is_on_own_network().await;
        for text in [
            "192.168.1.20",
            "hall",
            "hall.local",
            "[fd00::2]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(is_near(text).await, "{text}");
        }
        for text in ["203.0.113.7", "[2001:db8::7]", "no-such-host.invalid"] {
            assert!(!is_near(text).await, "{text}");
        }
    }

    #[test]
    fn no_path_leads_to_another_server() {
        let address: Address = "https://host:8443".parse().expect("an address");
        let resolved = address.resolve("/api/sessions?x=1").expect("of this server");
        assert_eq!(resolved.as_str(), "https://host:8443/api/sessions?x=1");
        for path in [
            "//elsewhere/x",
            "/\\elsewhere/x",
            "https://elsewhere/",
            "api",
            "",
            "/\t/elsewhere/x",
        ] {
            assert_eq!(address.resolve(path), None, "{path:?}");
        }
    }

    #[test]
    fn the_authority_names_the_port_even_where_it_is_the_default() {
        let authority = |text: &str| text.parse::<Address>().expect("an address").authority();
        assert_eq!(authority("https://live.example.org"), "live.example.org:443");
        assert_eq!(authority("[fd00::2]"), "[fd00::2]:8443");
    }
}
