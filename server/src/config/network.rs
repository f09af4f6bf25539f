//! Networks that an operator names.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// Why a text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a prefix.
    #[error(
        "a network is written as an address or with the length of its prefix, such as 10.0.0.0/8, and not as {0:?}"
    )]
    Syntax(String),
    /// An address with bits set after the prefix names a host in it, and leaves open which of the two was meant.
    #[error("{given} is a host in the network {network}: write {network} for all of it, or {host} for that one")]
    Host {
        /// As written.
        given: IpNet,
        /// The whole network.
        network: IpNet,
        /// The address alone.
        host: IpAddr,
    },
}

/// A network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether the address is in it. An IPv4 address that was mapped into IPv6 (RFC 4291 §2.5.5.2) is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let given: IpNet = text.parse().map_err(|_| NetworkError::Syntax(text.to_owned()))?;
        let network = given.trunc();
        if given != network {
            let host = given.addr();
            return Err(NetworkError::Host { given, network, host });
        }
        Ok(Self(network))
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        assert!(network("10.0.0.0/8").contains(address("10.255.0.1")));
        assert!(!network("10.0.0.0/8").contains(address("11.0.0.1")));
        assert!(network("2001:db8::/32").contains(address("2001:db8:1::1")));
        assert!(!network("10.0.0.0/8").contains(address("2001:db8::1")));
        assert!(network("192.0.2.1").contains(address("192.0.2.1")));
        assert!(!network("192.0.2.1").contains(address("192.0.2.2")));
    }

    #[test]
    fn an_address_that_is_mapped_into_ipv6_is_the_one_of_ipv4() {
        assert!(network("10.0.0.0/8").contains(address("::ffff:10.0.0.1")));
        assert!(network("::ffff:10.0.0.1").contains(address("10.0.0.1")));
    }

    #[test]
    fn what_is_no_network_is_refused_in_words() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8"] {
            let error = text.parse::<Network>().expect_err(text).to_string();
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
        let error = "10.1.2.3/8".parse::<Network>().expect_err("a host").to_string();
        assert!(
            error.contains("write 10.0.0.0/8 for all of it, or 10.1.2.3 for that one"),
            "{error}"
        );
    }
}
