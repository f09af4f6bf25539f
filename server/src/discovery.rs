//! Says on the local network that there is a server, by multicast DNS (RFC 6762) and DNS-SD (RFC 6763), so that the app can
//! offer it to whoever starts it for the first time.
//!
//! The library keeps a thread of its own, answers each question from what is registered here, and holds no more than a
//! bounded cache of what others say.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use footlight_protocol::{DNS_SD_SERVICE, ROOT_PATH, TXT_PATH, TXT_SCHEME};
use mdns_sd::{ServiceDaemon, ServiceInfo};

/// Longest label of a name in the DNS, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Set apart from the machine's own name in multicast DNS, for which the operating system may answer already.
const HOST_SUFFIX: &str = "-footlight";

/// A standing announcement; it is taken back when it is dropped.
pub(crate) struct Announcement {
    daemon: ServiceDaemon,
    full_name: String,
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement")
            .field("full_name", &self.full_name)
            .finish_non_exhaustive()
    }
}

impl Announcement {
    /// Announces a server that listens at `addresses`; `None` where none of them can be reached from elsewhere.
    pub(crate) fn start(addresses: &[SocketAddr], scheme: &str) -> Result<Option<Self>, mdns_sd::Error> {
        let hostname = gethostname::gethostname();
        let Some(info) = service_info(&hostname.to_string_lossy(), addresses, scheme)? else {
            return Ok(None);
        };
        let full_name = info.get_fullname().to_owned();
        let daemon = ServiceDaemon::new()?;
        daemon.register(info)?;
        tracing::info!(name = full_name, "announced on the local network");
        Ok(Some(Self { daemon, full_name }))
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Both fail where the daemon's thread has ended; then there is nothing to take back.
        let _ = self.daemon.unregister(&self.full_name);
        let _ = self.daemon.shutdown();
    }
}

fn service_info(hostname: &str, addresses: &[SocketAddr], scheme: &str) -> Result<Option<ServiceInfo>, mdns_sd::Error> {
    let mut reachable = addresses
        .iter()
        .filter(|address| !address.ip().is_loopback())
        .peekable();
    let Some(port) = reachable.peek().map(|address| address.port()) else {
        return Ok(None);
    };
    let everywhere = reachable.clone().any(|address| address.ip().is_unspecified());
    // The other ports, where somebody configured several, are found by whoever knows of them.
    let named: Vec<IpAddr> = reachable
        .filter(|address| address.port() == port)
        .map(SocketAddr::ip)
        .collect();
    let label = host_label(hostname);
    let instance = shortened(hostname, MAX_LABEL_BYTES);
    let properties = [(TXT_SCHEME, scheme), (TXT_PATH, ROOT_PATH)];
    let ips: &[IpAddr] = if everywhere { &[] } else { &named };
    let info = ServiceInfo::new(
        DNS_SD_SERVICE,
        instance,
        &format!("{label}.local."),
        ips,
        port,
        &properties[..],
    )?;
    Ok(Some(if everywhere { info.enable_addr_auto() } else { info }))
}

/// A name for the address records: letters, digits and hyphens (RFC 1123 §2.1).
fn host_label(hostname: &str) -> String {
    let first = hostname.split('.').next().unwrap_or_default();
    let plain: String = first
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let plain = shortened(plain.trim_matches('-'), MAX_LABEL_BYTES - HOST_SUFFIX.len());
    if plain.is_empty() {
        HOST_SUFFIX.trim_start_matches('-').to_owned()
    } else {
        format!("{plain}{HOST_SUFFIX}")
    }
}

/// At most `bytes` of it, cut between characters.
fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn info(addresses: &[&str]) -> Option<ServiceInfo> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        service_info("hall.example", &addresses, "https").expect("a valid service")
    }

    #[test]
    fn a_server_that_only_this_machine_reaches_is_not_announced() {
        assert!(info(&["127.0.0.1:8443", "[::1]:8443"]).is_none());
    }

    #[test]
    fn one_that_listens_everywhere_is_announced_at_all_addresses_of_the_machine() {
        let info = info(&["0.0.0.0:8443", "[::]:8443"]).expect("an announcement");
        assert!(info.is_addr_auto());
        assert_eq!((info.get_port(), info.get_hostname()), (8443, "hall-footlight.local."));
        assert_eq!(info.get_fullname(), format!("hall\\.example.{DNS_SD_SERVICE}"));
        assert_eq!(info.get_property_val_str(TXT_SCHEME), Some("https"));
        assert_eq!(info.get_property_val_str(TXT_PATH), Some("/"));
    }

    #[test]
    fn one_that_listens_at_an_address_is_announced_there_alone() {
        let info = info(&["127.0.0.1:9000", "192.0.2.7:8443"]).expect("an announcement");
        assert!(!info.is_addr_auto());
        let addresses: HashSet<_> = info.get_addresses_v4().into_iter().copied().collect();
        assert_eq!(addresses, HashSet::from([[192, 0, 2, 7].into()]));
        assert_eq!(info.get_port(), 8443);
    }

    #[test]
    fn any_name_of_a_machine_makes_a_label() {
        for (hostname, label) in [
            ("Hall", "hall-footlight"),
            ("hall.example.org", "hall-footlight"),
            ("Café_2", "caf--2-footlight"),
            ("", "footlight"),
            ("---", "footlight"),
        ] {
            assert_eq!(host_label(hostname), label, "{hostname}");
        }
        assert_eq!(host_label(&"x".repeat(200)).len(), MAX_LABEL_BYTES);
        assert_eq!(shortened("aé", 2), "a");
    }
}
