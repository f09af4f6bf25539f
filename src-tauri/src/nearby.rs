//! Footlight servers of the local network, by multicast DNS.
//!
//! Whoever is on the same network can say anything here. What is taken from an answer is an address, a port and a name, all
//! of which are checked; that there is a Footlight server behind it, and which, is found out over TLS when somebody chooses
//! it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::{DNS_SD_SERVICE, ROOT_PATH, TXT_PATH, TXT_SCHEME};
use mdns_sd::{Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use parking_lot::Mutex;

use crate::address::Address;
use crate::failure::Failure;
use crate::server::NearbyServer;

/// Servers that are shown. A list that is longer is somebody's idea of a joke.
const MAX_SERVERS: usize = 32;

/// Longest name that is shown, in characters: that of a machine.
const MAX_NAME_CHARS: usize = 63;

/// The looking ends when nobody has asked for the result for so long. Pages ask once a second.
const LEASE: Duration = Duration::from_secs(10);

/// How often the end of the lease is looked for.
const LEASE_CHECK: Duration = Duration::from_secs(5);

/// The looking, while somebody wants to know.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    search: Mutex<Option<Search>>,
}

struct Search {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    found: Found,
    asked: Instant,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search")
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        // Fails where the daemon's thread has ended, which is what was wanted.
        let _ = self.daemon.shutdown();
    }
}

impl Nearby {
    /// The servers that were found so far. The first call begins to look, and none for a while ends it.
    pub(crate) fn servers(self: &Arc<Self>) -> Result<Vec<NearbyServer>, Failure> {
        let mut search = self.search.lock();
        let running = if let Some(running) = search.take() {
            running
        } else {
            let started = Search::start().map_err(|error| Failure::system(&error))?;
            let nearby = Arc::clone(self);
            tauri::async_runtime::spawn(async move { nearby.end_when_unwanted().await });
            started
        };
        let running = search.insert(running);
        running.asked = Instant::now();
        running.read();
        Ok(running.found.list())
    }

    /// Ends the looking when nobody has asked for a while.
    async fn end_when_unwanted(&self) {
        loop {
            tokio::time::sleep(LEASE_CHECK).await;
            let mut search = self.search.lock();
            match &*search {
                Some(running) if running.asked.elapsed() < LEASE => {}
                _ => {
                    *search = None;
                    return;
                }
            }
        }
    }
}

impl Search {
    fn start() -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        let events = daemon.browse(DNS_SD_SERVICE)?;
        Ok(Self {
            daemon,
            events,
            found: Found::default(),
            asked: Instant::now(),
        })
    }

    fn read(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                ServiceEvent::ServiceResolved(service) => self.found.add(&service),
                ServiceEvent::ServiceRemoved(_, full_name) => self.found.remove(&full_name),
                _ => {}
            }
        }
    }
}

/// What was heard, by the full name of the service.
#[derive(Debug, Default)]
struct Found(BTreeMap<String, NearbyServer>);

impl Found {
    fn add(&mut self, service: &ResolvedService) {
        let Some(server) = server_of(service) else {
            tracing::debug!(name = service.fullname, "not a server that can be shown");
            return;
        };
        if self.0.len() < MAX_SERVERS || self.0.contains_key(&service.fullname) {
            self.0.insert(service.fullname.clone(), server);
        }
    }

    fn remove(&mut self, full_name: &str) {
        self.0.remove(full_name);
    }

    fn list(&self) -> Vec<NearbyServer> {
        self.0.values().cloned().collect()
    }
}

/// What an answer says, where it makes sense.
fn server_of(service: &ResolvedService) -> Option<NearbyServer> {
    if service.port == 0
        || service
            .get_property_val_str(TXT_PATH)
            .is_some_and(|path| path != ROOT_PATH)
    {
        return None;
    }
    let mut addresses: Vec<IpAddr> = service.addresses.iter().map(ScopedIp::to_ip_addr).collect();
    addresses.retain(is_of_a_network);
    // IPv4 first: it is what people read to one another.
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    let scheme = service.get_property_val_str(TXT_SCHEME).unwrap_or("https");
    let address = Address::new(scheme, (*addresses.first()?, service.port).into()).ok()?;
    let instance = service.fullname.strip_suffix(DNS_SD_SERVICE)?.strip_suffix('.')?;
    let name = readable(&instance.replace('\\', ""));
    let name = if name.is_empty() { address.authority() } else { name };
    Some(NearbyServer {
        name,
        address: address.origin(),
    })
}

/// Neither this machine itself, which needs no finding, nor an address that no server has. Link-local IPv6 addresses need a
/// zone, which no URL can carry (RFC 9844).
fn is_of_a_network(address: &IpAddr) -> bool {
    let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || link_local)
}

/// Without what reorders or hides text, and no longer than a name is.
fn readable(text: &str) -> String {
    let shown = text
        .chars()
        .filter(|letter| !letter.is_control() && !is_invisible(*letter));
    let shown: String = shown.take(MAX_NAME_CHARS).collect();
    shown.trim().to_owned()
}

/// Format characters that can make a name look like another one: bidirectional controls (Unicode UAX #9 §2) and those without
/// any width.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceInfo;

    use super::*;

    fn service(name: &str, addresses: &str, port: u16, properties: &[(&str, &str)]) -> ResolvedService {
        ServiceInfo::new(DNS_SD_SERVICE, name, "hall.local.", addresses, port, properties)
            .expect("a valid service")
            .as_resolved_service()
    }

    fn shown(name: &str, addresses: &str, port: u16, properties: &[(&str, &str)]) -> Option<(String, String)> {
        server_of(&service(name, addresses, port, properties)).map(|server| (server.name, server.address))
    }

    #[test]
    fn a_server_is_shown_by_its_machines_name_and_first_ipv4_address() {
        let https = [(TXT_SCHEME, "https"), (TXT_PATH, "/")];
        assert_eq!(
            shown("hall.example", "fd00::7,192.168.1.20", 8443, &https),
            Some(("hall.example".to_owned(), "https://192.168.1.20:8443".to_owned()))
        );
        assert_eq!(
            shown("hall", "fd00::7", 8080, &[(TXT_SCHEME, "http")]),
            Some(("hall".to_owned(), "http://[fd00::7]:8080".to_owned()))
        );
    }

    #[test]
    fn answers_that_make_no_sense_are_passed_over() {
        for (addresses, port, properties) in [
            ("192.168.1.20", 0, &[][..]),
            ("127.0.0.1", 8443, &[][..]),
            ("0.0.0.0", 8443, &[][..]),
            ("224.0.0.251", 8443, &[][..]),
            ("fe80::1", 8443, &[][..]),
            ("", 8443, &[][..]),
            ("192.168.1.20", 8443, &[(TXT_SCHEME, "javascript")][..]),
            ("192.168.1.20", 8443, &[(TXT_PATH, "/elsewhere")][..]),
        ] {
            assert_eq!(
                shown("hall", addresses, port, properties),
                None,
                "{addresses} {port} {properties:?}"
            );
        }
    }

    #[test]
    fn a_name_cannot_disguise_itself() {
        let (name, _) = shown("Bank\u{202e}knaB\u{7}\u{200b}", "192.168.1.20", 8443, &[]).expect("a server");
        assert_eq!(name, "BankknaB");
        let (name, _) = shown("\u{200b}", "192.168.1.20", 8443, &[]).expect("a server");
        assert_eq!(name, "192.168.1.20:8443", "without a name, it is its address");
    }

    #[test]
    fn the_list_has_an_end_and_forgets_who_left() {
        let mut found = Found::default();
        for number in 0..MAX_SERVERS + 8 {
            found.add(&service(&format!("hall-{number}"), "192.168.1.20", 8443, &[]));
        }
        assert_eq!(found.list().len(), MAX_SERVERS);
        let gone = format!("hall-0.{DNS_SD_SERVICE}");
        found.remove(&gone);
        assert_eq!(found.list().len(), MAX_SERVERS - 1);
    }
}
