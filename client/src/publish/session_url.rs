//! Where a WHIP session is: a URL of the server's choosing (RFC 9725 §4.2), to which a `DELETE` will be sent.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Who can be reached at an address, fewest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// This machine.
    Machine,
    /// The network that it is in.
    Network,
    /// Everybody.
    World,
}

impl Reach {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() || address.is_unspecified() => Self::Machine,
            IpAddr::V4(address) if address.is_private() || address.is_link_local() => Self::Network,
            IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => Self::Network,
            _ => Self::World,
        }
    }

    /// As far as the URL alone tells; `None` for a name.
    fn of_host(url: &Url) -> Option<Self> {
        let host = url.host_str()?.trim_matches(['[', ']']).trim_end_matches('.');
        match host.parse() {
            Ok(address) => Some(Self::of(address)),
            Err(_) => (host == "localhost" || host.ends_with(".localhost")).then_some(Self::Machine),
        }
    }

    /// Of the server that has answered at `url` from the address `remote`. A name may stand for a server in the same network, but a
    /// loopback address behind one is a proxy's.
    fn of_server(url: &Url, remote: Option<SocketAddr>) -> Self {
        Self::of_host(url)
            .unwrap_or_else(|| remote.map_or(Self::World, |remote| Self::of(remote.ip()).max(Self::Network)))
    }
}

/// The session's URL, from what the server at `endpoint` said of it; why not, in words.
///
/// It may be elsewhere, but not where the server itself could not reach: a server on the web has no business with what answers on
/// this machine or in this network.
pub(crate) fn session_url(endpoint: &Url, remote: Option<SocketAddr>, location: &str) -> Result<Url, String> {
    let refuse = |why: &str| format!("its Location {location:?} {why}");
    let url = endpoint
        .join(location)
        .map_err(|error| refuse(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("is none of the web"));
    }
    let is_closer = Reach::of_host(&url).is_some_and(|reach| reach < Reach::of_server(endpoint, remote));
    if is_closer && url.origin() != endpoint.origin() {
        return Err(refuse(
            "leads to this machine or into its network, where the server is not",
        ));
    }
    Ok(url)
}

/// How near to us what answers at the session's `url` may be: a name tells nothing before it is looked up, and something else each time.
///
/// As near as the server itself where it is the same one, and no nearer than it can reach where it is another.
pub(crate) fn nearest(endpoint: &Url, remote: Option<SocketAddr>, url: &Url) -> Reach {
    if url.origin() == endpoint.origin() {
        remote.map_or(Reach::Machine, |remote| Reach::of(remote.ip()))
    } else {
        Reach::of_server(endpoint, remote)
    }
}

/// Looks names up, and finds nothing that is nearer than this.
pub(crate) struct NoNearer(pub(crate) Reach);

impl Resolve for NoNearer {
    fn resolve(&self, name: Name) -> Resolving {
        let nearest = self.0;
        Box::pin(async move {
            // The port is the URL's.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found.filter(|address| Reach::of(address.ip()) >= nearest).collect();
            if allowed.is_empty() {
                let name = name.as_str();
                return Err(
                    format!("{name} leads to this machine or into its network, where the server is not").into(),
                );
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str, remote: &str, location: &str) -> Result<String, String> {
        let endpoint = endpoint.parse().expect("a URL");
        let remote = SocketAddr::new(remote.parse().expect("an address"), 443);
        session_url(&endpoint, Some(remote), location).map(String::from)
    }

    const WORLD: &str = "203.0.113.7";

    #[test]
    fn a_session_is_beside_its_endpoint_or_elsewhere_on_the_web() {
        let endpoint = "https://live.example/whip/show";
        for (location, url) in [
            ("/whip/show/1", "https://live.example/whip/show/1"),
            ("show/1", "https://live.example/whip/show/1"),
            ("https://edge.example/1", "https://edge.example/1"),
            ("http://198.51.100.1/1", "http://198.51.100.1/1"),
        ] {
            assert_eq!(at(endpoint, WORLD, location), Ok(url.to_owned()));
        }
    }

    #[test]
    fn a_server_on_the_web_names_nothing_on_this_machine_or_in_its_network() {
        for location in [
            "http://127.0.0.1:8080/reset",
            "//127.8.8.8/",
            "http://2130706433/",
            "http://localhost/",
            "http://printer.localhost./",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://192.168.1.1/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
        ] {
            for endpoint in ["https://live.example/whip/show", "https://203.0.113.7/whip/show"] {
                let refusal = at(endpoint, WORLD, location).expect_err(location);
                assert!(refusal.contains("leads to this machine"), "{refusal}");
            }
        }
    }

    #[test]
    fn a_server_in_this_network_names_others_there_and_nothing_on_this_machine() {
        for endpoint in ["http://192.168.1.5/whip/show", "https://hall.example/whip/show"] {
            assert!(at(endpoint, "192.168.1.5", "http://192.168.1.6:8080/1").is_ok());
            assert!(at(endpoint, "192.168.1.5", "http://127.0.0.1:8080/1").is_err());
        }
    }

    #[test]
    fn a_server_on_this_machine_names_what_it_likes() {
        let endpoint = "http://localhost:8080/whip/show";
        assert!(at(endpoint, "127.0.0.1", "http://127.0.0.1:9000/1").is_ok());
    }

    #[test]
    fn a_proxy_on_this_machine_makes_no_server_one_of_this_machine() {
        let endpoint = "https://live.example/whip/show";
        assert!(at(endpoint, "127.0.0.1", "http://127.0.0.1:9000/1").is_err());
    }

    #[test]
    fn other_schemes_are_refused() {
        for location in ["ftp://live.example/1", "file:///etc/passwd", "data:,x"] {
            let refusal = at("https://live.example/whip/show", WORLD, location).expect_err(location);
            assert!(refusal.contains("none of the web"), "{refusal}");
        }
    }

    #[test]
    fn a_server_that_is_met_through_a_proxy_here_is_met_there_again() {
        let near = |endpoint: &str, remote: &str, url: &str| {
            let parse = |text: &str| text.parse().expect("a URL");
            let remote = SocketAddr::new(remote.parse().expect("an address"), 443);
            nearest(&parse(endpoint), Some(remote), &parse(url))
        };
        let endpoint = "https://live.example/whip/show";
        assert_eq!(near(endpoint, "127.0.0.1", "https://live.example/1"), Reach::Machine);
        assert_eq!(near(endpoint, "127.0.0.1", "https://edge.example/1"), Reach::Network);
        assert_eq!(near(endpoint, "192.168.1.5", "https://edge.example/1"), Reach::Network);
        assert_eq!(near(endpoint, WORLD, "https://live.example/1"), Reach::World);
        assert_eq!(near(endpoint, WORLD, "https://edge.example/1"), Reach::World);
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_nearer_than_it_may() {
        let look_up = async |nearest| NoNearer(nearest).resolve("localhost".parse().expect("a name")).await;
        assert!(look_up(Reach::Machine).await.expect("it is known").next().is_some());
        for nearest in [Reach::Network, Reach::World] {
            let refusal = look_up(nearest)
                .await
                .map(|_| ())
                .expect_err("it is too near")
                .to_string();
            assert!(refusal.contains("localhost leads to this machine"), "{refusal}");
        }
    }
}
