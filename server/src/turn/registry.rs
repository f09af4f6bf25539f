//! The allocations of all clients: their relayed addresses, and how many there may be.
//!
//! A relayed address (RFC 8656 §2.4) is a name and no socket: what a client sends goes to the media workers within this
//! process, and they answer to that name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::media::{Relayed, relayed_ip};

/// Relayed ports (RFC 8656 §7.2 wants the dynamic range).
const FIRST_PORT: u16 = 49_152;

/// All allocations. Each is a client's connection with its queue, of up to a quarter of a MiB while it is slow.
const MAX_ALLOCATIONS: usize = 4096;

const _: () = assert!(MAX_ALLOCATIONS < (u16::MAX - FIRST_PORT) as usize);

/// Allocations by one username: a browser makes one for each of its addresses, each way to the server (UDP, TCP, TLS) and
/// each of a participant's two connections.
const MAX_PER_USER: usize = 32;

/// Allocations from one address, which may be that of a whole office.
const MAX_PER_ADDRESS: usize = 512;

/// Why there is no allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    User,
    Server,
}

/// All allocations.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    queues: HashMap<u16, mpsc::Sender<Relayed>>,
    by_user: HashMap<String, usize>,
    by_address: HashMap<IpAddr, usize>,
    next: u16,
    /// What a client was too slow for.
    lost: u64,
}

/// One relayed address; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Lease {
    registry: Arc<Registry>,
    user: String,
    client: IpAddr,
    address: SocketAddr,
}

impl Lease {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.registry.0.lock();
        table.queues.remove(&self.address.port());
        release(&mut table.by_user, self.user.clone());
        release(&mut table.by_address, self.client);
    }
}

fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Registry {
    /// A relayed address of a family; what comes for it goes into `queue`.
    pub(crate) fn lease(
        self: &Arc<Self>,
        user: &str,
        client: IpAddr,
        ipv4: bool,
        queue: mpsc::Sender<Relayed>,
    ) -> Result<Lease, Full> {
        let mut table = self.0.lock();
        let of = |count: Option<&usize>| count.copied().unwrap_or_default();
        if table.queues.len() >= MAX_ALLOCATIONS {
            return Err(Full::Server);
        }
        if of(table.by_user.get(user)) >= MAX_PER_USER || of(table.by_address.get(&client)) >= MAX_PER_ADDRESS {
            return Err(Full::User);
        }
        // There are more ports than allocations, so that one is free. The next one rather than the last that was freed:
        // what is still on its way to that would reach a stranger.
        let port = loop {
            let port = table.next.max(FIRST_PORT);
            table.next = port.wrapping_add(1);
            if !table.queues.contains_key(&port) {
                break port;
            }
        };
        table.queues.insert(port, queue);
        *table.by_user.entry(user.to_owned()).or_default() += 1;
        *table.by_address.entry(client).or_default() += 1;
        Ok(Lease {
            registry: self.clone(),
            user: user.to_owned(),
            client,
            address: SocketAddr::new(relayed_ip(ipv4), port),
        })
    }

    /// Passes on what a worker sent. Where the client is slow it is dropped, as a network would.
    pub(crate) fn deliver(&self, relayed: Relayed) {
        let mut table = self.0.lock();
        let queue = table.queues.get(&relayed.remote.port());
        if queue.is_some_and(|queue| queue.try_send(relayed).is_err()) {
            table.lost += 1;
        }
    }

    /// Allocations, and datagrams that were dropped because a client was slow.
    pub(crate) fn figures(&self) -> (u64, u64) {
        let table = self.0.lock();
        (table.queues.len() as u64, table.lost)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn lease(registry: &Arc<Registry>, user: &str, last: u8) -> Result<Lease, Full> {
        let (queue, _) = mpsc::channel(1);
        registry.lease(user, Ipv4Addr::new(192, 0, 2, last).into(), true, queue)
    }

    #[test]
    fn nobody_has_more_than_a_share() {
        let registry = Arc::new(Registry::default());
        let mine: Vec<_> = (0..MAX_PER_USER)
            .map(|_| lease(&registry, "ann", 1).expect("a share"))
            .collect();
        assert_eq!(lease(&registry, "ann", 2).expect_err("too many"), Full::User);
        let other = lease(&registry, "bea", 1).expect("a share of her own");
        assert!(mine.iter().all(|lease| lease.address() != other.address()));
        drop(mine);
        lease(&registry, "ann", 1).expect("there is room again");
        drop(other);
        assert_eq!(registry.figures().0, 0);
    }

    #[test]
    fn an_address_has_its_share_and_the_server_its_end() {
        let registry = Arc::new(Registry::default());
        let mut all = Vec::new();
        for number in 0..MAX_PER_ADDRESS {
            all.push(lease(&registry, &number.to_string(), 1).expect("a share"));
        }
        assert_eq!(lease(&registry, "ann", 1).expect_err("too many"), Full::User);
        for number in MAX_PER_ADDRESS..MAX_ALLOCATIONS {
            let last = (2 + number / MAX_PER_ADDRESS) as u8;
            all.push(lease(&registry, &number.to_string(), last).expect("a share"));
        }
        assert_eq!(lease(&registry, "bea", 99).expect_err("full"), Full::Server);
        let table = registry.0.lock();
        assert_eq!(table.queues.len(), MAX_ALLOCATIONS);
        drop(table);
        drop(all);
        let table = registry.0.lock();
        assert!(table.by_user.is_empty() && table.by_address.is_empty());
    }
}
