//! Where a request comes from that reverse proxies have passed on.
//!
//! Each proxy adds to a list, at its right end, the address that it was asked from. What stands to the left of that was there
//! before, and may be anybody's invention. The list is therefore read from the right, for as long as the one who wrote an
//! entry is a proxy that the operator trusts: the first address that is none of those is the client's.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::config::Network;

/// Older than the standard, and what most proxies write.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of whoever the request comes from, where `peer` is at the other end of the connection.
///
/// An entry that cannot be read, or that hides its address (RFC 7239 §6.3), leaves the proxy that wrote it: nothing to the
/// left of it can be trusted. So do two headers that contradict each other, because a proxy that writes the one passes on
/// what a client invents in the other.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let standard = headers
        .contains_key(header::FORWARDED)
        .then(|| walk(peer, forwarded(headers), is_trusted));
    let older = headers
        .contains_key(X_FORWARDED_FOR)
        .then(|| walk(peer, x_forwarded_for(headers), is_trusted));
    match (standard, older) {
        (None, None) => peer,
        (Some(client), None) | (None, Some(client)) => client,
        (Some(one), Some(other)) if one == other => one,
        (Some(_), Some(_)) => {
            tracing::debug!(proxy = %peer, "Forwarded and X-Forwarded-For contradict each other");
            peer
        }
    }
}

/// `hops` are from the last one on; `None` is one that names no address.
fn walk(peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut nearest = peer;
    for hop in hops {
        let Some(address) = hop else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// Several lines are one list, in their order (RFC 9110 §5.3).
fn lines_from_the_last(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.to_str().ok()).collect();
    lines.into_iter().rev()
}

fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    lines_from_the_last(headers, X_FORWARDED_FOR).flat_map(|line| {
        let hops: Vec<_> = match line {
            // Empty entries of a list do not count (RFC 9110 §5.6.1).
            Some(line) => line
                .rsplit(',')
                .map(str::trim)
                .filter(|hop| !hop.is_empty())
                .map(node)
                .collect(),
            None => vec![None],
        };
        hops
    })
}

/// RFC 7239 §4. A line is read as a whole: who invents its beginning could otherwise open a quotation there that swallows
/// what a proxy appends.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    lines_from_the_last(headers, header::FORWARDED).flat_map(|line| {
        let mut hops = line.and_then(elements).unwrap_or_else(|| vec![None]);
        hops.reverse();
        hops
    })
}

/// The `for` of each element, in their order; `None` where the line is not of the RFC's grammar.
fn elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut elements = Vec::new();
    let mut rest = line;
    loop {
        let (element, after) = element(rest)?;
        if let Element::Pairs { client } = element {
            elements.push(client.as_deref().and_then(node));
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(elements),
            None => return None,
        }
    }
}

enum Element {
    /// Between two commas, which does not count.
    Empty,
    Pairs {
        client: Option<String>,
    },
}

/// Reads pairs of name and value up to the comma, or the end.
fn element(line: &str) -> Option<(Element, &str)> {
    let mut rest = line.trim_start();
    if rest.is_empty() || rest.starts_with(',') {
        return Some((Element::Empty, rest));
    }
    let mut client = None;
    loop {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => token(after),
        };
        if name.eq_ignore_ascii_case("for") && client.replace(value).is_some() {
            // A parameter stands at most once in an element.
            return None;
        }
        let after = after.trim_start();
        match after.strip_prefix(';') {
            Some(next) => rest = next.trim_start(),
            None => return Some((Element::Pairs { client }, after)),
        }
    }
}

/// A value without quotes. Addresses with a port ought to be quoted, and are not by all who write them.
fn token(text: &str) -> (String, &str) {
    let end = text.find([',', ';', '"', ' ', '\t']).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (value.to_owned(), rest)
}

/// The rest of a quoted string (RFC 9110 §5.6.4), and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An address, with or without a port; one of IPv6 with or without its brackets. `None` for `unknown` and for names that
/// stand for an address.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => text
            .parse()
            .ok()
            .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    const PROXY: &str = "10.0.0.1";
    const CLIENT: &str = "198.51.100.7";

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn trusted() -> Vec<Network> {
        ["10.0.0.0/8", "fd00::/8"]
            .map(|network| network.parse().expect(network))
            .into()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect(value);
            (HeaderName::from_static(name), value)
        });
        lines.collect()
    }

    fn from_proxy(lines: &[(&'static str, &str)]) -> IpAddr {
        client_address(address(PROXY), &headers(lines), &trusted())
    }

    #[test]
    fn who_is_no_proxy_says_nothing_about_where_it_comes_from() {
        for name in ["forwarded", "x-forwarded-for"] {
            let invented = headers(&[(name, "for=192.0.2.1"), (name, "192.0.2.1")]);
            let stranger = address("203.0.113.9");
            assert_eq!(client_address(stranger, &invented, &trusted()), stranger);
            assert_eq!(client_address(address(PROXY), &invented, &[]), address(PROXY));
        }
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_clients() {
        for line in [
            "198.51.100.7",
            "192.0.2.1, 198.51.100.7",
            "192.0.2.1, 198.51.100.7, 10.9.9.9",
            "nonsense, 198.51.100.7,10.9.9.9 , fd00::1",
            "198.51.100.7:61000",
            "::ffff:198.51.100.7",
            ", 198.51.100.7,,",
        ] {
            assert_eq!(from_proxy(&[("x-forwarded-for", line)]), address(CLIENT), "{line}");
        }
        for line in [
            "for=198.51.100.7",
            "For=\"198.51.100.7:61000\";proto=https;by=10.0.0.1",
            "for=192.0.2.1, for=198.51.100.7",
            "for=_hidden, for=198.51.100.7, for=10.9.9.9",
            "proto=https; for=198.51.100.7 , for=\"[fd00::1]:80\"",
            "for=192.0.2.1;host=\"a, \\\"b\\\"\", for=198.51.100.7",
        ] {
            assert_eq!(from_proxy(&[("forwarded", line)]), address(CLIENT), "{line}");
        }
        let quoted = from_proxy(&[("forwarded", "for=\"[2001:db8:cafe::17]:4711\"")]);
        assert_eq!(quoted, address("2001:db8:cafe::17"));
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "198.51.100.7, 10.1.1.1"),
        ];
        assert_eq!(from_proxy(&lines), address(CLIENT));
        let broken_before = [("forwarded", "for=\"192.0.2.1"), ("forwarded", "for=198.51.100.7")];
        assert_eq!(from_proxy(&broken_before), address(CLIENT));
    }

    #[test]
    fn where_all_are_proxies_it_comes_from_the_first_of_them() {
        assert_eq!(
            from_proxy(&[("x-forwarded-for", "10.3.3.3, 10.2.2.2")]),
            address("10.3.3.3")
        );
        assert_eq!(from_proxy(&[]), address(PROXY));
        assert_eq!(from_proxy(&[("x-forwarded-for", "")]), address(PROXY));
    }

    #[test]
    fn what_cannot_be_read_leaves_the_proxy_that_wrote_it() {
        for line in ["unknown", "_hidden", "nonsense", "192.0.2.1, unknown", "\u{e4}"] {
            assert_eq!(from_proxy(&[("x-forwarded-for", line)]), address(PROXY), "{line}");
        }
        for line in [
            "for=unknown",
            "for=_hidden",
            "for=192.0.2.1, for=unknown",
            "for=192.0.2.1, proto=https",
            "for=192.0.2.1;for=192.0.2.2",
            "for",
            "=192.0.2.1",
            "for=192.0.2.1 192.0.2.2",
        ] {
            assert_eq!(from_proxy(&[("forwarded", line)]), address(PROXY), "{line}");
        }
        let behind = from_proxy(&[("x-forwarded-for", "192.0.2.1, unknown, 10.2.2.2")]);
        assert_eq!(behind, address("10.2.2.2"));
    }

    #[test]
    fn a_quotation_that_is_left_open_swallows_nothing() {
        for invented in ["for=\"192.0.2.1", "for=192.0.2.1;by=\"", "for=192.0.2.1;by=\"\\"] {
            for appended in [
                "for=198.51.100.7",
                "for=\"198.51.100.7:80\"",
                "for=198.51.100.7;proto=\"https\"",
            ] {
                let found = from_proxy(&[("forwarded", &format!("{invented}, {appended}"))]);
                assert_eq!(found, address(PROXY), "{invented}, {appended}");
            }
        }
    }

    #[test]
    fn two_headers_have_to_agree() {
        let both = |standard, older| from_proxy(&[("forwarded", standard), ("x-forwarded-for", older)]);
        assert_eq!(both("for=198.51.100.7", "198.51.100.7"), address(CLIENT));
        // The proxy writes the one, and passes on what the client invented in the other.
        assert_eq!(both("for=192.0.2.1", "198.51.100.7"), address(PROXY));
        assert_eq!(both("for=198.51.100.7", "192.0.2.1"), address(PROXY));
    }

    proptest! {
        #[test]
        fn whatever_a_client_invents_what_a_proxy_appends_counts(invented in "[ -~]{0,60}") {
            let appended = format!("{invented}, {CLIENT}");
            prop_assert_eq!(from_proxy(&[("x-forwarded-for", &appended)]), address(CLIENT));
            for (name, line) in [("x-forwarded-for", CLIENT.to_owned()), ("forwarded", format!("for={CLIENT}"))] {
                prop_assert_eq!(from_proxy(&[(name, &invented), (name, &line)]), address(CLIENT));
            }
        }

        #[test]
        fn no_invention_passes_for_an_address_in_a_list_that_a_proxy_appends_to(
            invented in "([fby]{1,3}=|\"|\\\\|[;, ]|192\\.0\\.2\\.1|\\[::1\\]){0,12}",
            appended in prop::sample::select(vec!["for=198.51.100.7", "for=\"198.51.100.7:80\";proto=\"https\"", "by=\"10.0.0.1\";for=198.51.100.7"]),
        ) {
            let found = from_proxy(&[("forwarded", &format!("{invented}, {appended}"))]);
            prop_assert!([address(CLIENT), address(PROXY)].contains(&found), "{}", found);
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,80}", peer in any::<[u8; 4]>()) {
            let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(header::FORWARDED, value.clone()), (X_FORWARDED_FOR, value)]);
            let found = client_address(IpAddr::from(peer), &headers, &trusted());
            if !trusted()[0].contains(IpAddr::from(peer)) {
                prop_assert_eq!(found, IpAddr::from(peer));
            }
        }
    }
}
