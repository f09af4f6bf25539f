//! Which STUN and TURN servers somebody is told of: those of the configuration, and this server's own relay under the
//! name by which that person reached it.

use std::time::SystemTime;

use footlight_protocol::Topology;

use crate::config;
use crate::turn::TurnSecret;

/// Where somebody reached this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// As in a URL: an address of IPv6 in its brackets.
    pub host: String,
    /// The port that leads to this server's own listener, with no proxy on the way.
    pub port: u16,
}

/// This server's own relay, on the port of the pages.
#[derive(Debug, Clone)]
pub(crate) struct OwnRelay {
    pub(crate) secret: TurnSecret,
    /// Whether it listens by UDP.
    pub(crate) udp: bool,
    /// Whether the listener speaks TLS.
    pub(crate) tls: bool,
}

/// All that there are.
#[derive(Debug, Default)]
pub struct IceServers {
    configured: Vec<config::IceServer>,
    own: Option<OwnRelay>,
}

impl IceServers {
    pub(crate) fn new(configured: Vec<config::IceServer>, own: Option<OwnRelay>) -> Self {
        Self { configured, own }
    }

    /// Those for somebody who was let in, with credentials of their own.
    pub(crate) fn told(
        &self,
        reached: Option<&Reached>,
        topology: Topology,
        now: SystemTime,
    ) -> Vec<footlight_protocol::IceServer> {
        let configured = self.configured.iter().map(|server| server.to_wire(now));
        let own = self
            .own
            .as_ref()
            .zip(reached)
            .and_then(|(own, reached)| own.told(reached, topology, now));
        configured.chain(own).collect()
    }
}

impl OwnRelay {
    fn told(
        &self,
        Reached { host, port }: &Reached,
        topology: Topology,
        now: SystemTime,
    ) -> Option<footlight_protocol::IceServer> {
        let turn = |scheme: &str, transport: &str| format!("{scheme}:{host}:{port}?transport={transport}");
        let (urls, login) = match topology {
            Topology::Sfu => {
                let ways = [
                    self.udp.then(|| turn("turn", "udp")),
                    Some(turn("turn", "tcp")),
                    self.tls.then(|| turn("turns", "tcp")),
                ];
                (ways.into_iter().flatten().collect(), Some(self.secret.issue(now)))
            }
            // The relay leads to this server alone, but tells browsers their addresses from outside.
            Topology::Mesh if self.udp => (vec![format!("stun:{host}:{port}")], None),
            Topology::Mesh => return None,
        };
        // The host is what a client says, and has to be one before it is repeated.
        config::IceServer::new(urls, login)
            .ok()
            .map(|server| server.to_wire(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(udp: bool, tls: bool) -> IceServers {
        let secret = TurnSecret::from("north");
        IceServers::new(Vec::new(), Some(OwnRelay { secret, udp, tls }))
    }

    fn reached(host: &str) -> Reached {
        Reached {
            host: host.to_owned(),
            port: 8443,
        }
    }

    fn urls(servers: &IceServers, host: &str, topology: Topology) -> Vec<String> {
        let told = servers.told(Some(&reached(host)), topology, SystemTime::now());
        told.into_iter().flat_map(|server| server.urls).collect()
    }

    #[test]
    fn the_relay_is_told_under_the_name_that_it_was_reached_by() {
        assert_eq!(
            urls(&own(true, true), "live.example.org", Topology::Sfu),
            [
                "turn:live.example.org:8443?transport=udp",
                "turn:live.example.org:8443?transport=tcp",
                "turns:live.example.org:8443?transport=tcp",
            ]
        );
        assert_eq!(
            urls(&own(false, false), "[2001:db8::1]", Topology::Sfu),
            ["turn:[2001:db8::1]:8443?transport=tcp"]
        );
        assert_eq!(
            urls(&own(true, true), "live.example.org", Topology::Mesh),
            ["stun:live.example.org:8443"]
        );
    }

    #[test]
    fn everybody_has_credentials_of_their_own() {
        let servers = own(true, true);
        let told = || servers.told(Some(&reached("a")), Topology::Sfu, SystemTime::now());
        assert_ne!(told()[0].username, told()[0].username);
        assert_ne!(told()[0].credential, told()[0].credential);
    }

    #[test]
    fn a_strange_host_is_not_repeated() {
        let servers = own(true, true);
        for host in ["a\"; rel=\"x", "a b", "a>b", "", "a,b", "a/b", "[::1"] {
            assert!(urls(&servers, host, Topology::Sfu).is_empty(), "{host}");
        }
        assert!(servers.told(None, Topology::Sfu, SystemTime::now()).is_empty());
    }
}
