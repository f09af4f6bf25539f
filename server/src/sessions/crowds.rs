//! How many connections one network may have that are made by a mere request and are nobody's place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::admission::network;

/// Connections by WHIP and WHEP that one network may have at a time which are not connected yet, or are previews. One is
/// connected within a second or so, and a page shows the previews that are in view, a dozen: it is a class behind one
/// address that opens the grid at the same moment. Such a connection costs its owner one request, and the server a peer for
/// half a minute.
const MOST_OF_ONE_NETWORK: usize = 256;

/// They must not keep the others out: it takes many networks to fill a worker.
const _: () = assert!(MOST_OF_ONE_NETWORK * 16 <= footlight_sfu::MAX_PEERS);

/// Why there is no connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{MOST_OF_ONE_NETWORK} connections from your network are being made or show previews, and it may have no more at a time; \
     try again in a moment"
)]
pub struct Crowded;

/// The numbers, of networks that have any.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowds(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(super) struct Standing {
    crowds: Crowds,
    network: IpAddr,
}

impl Crowds {
    /// Counts one more. `None` for this machine's own, which are not counted: it is a proxy, or whoever runs the server.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Option<Standing>, Crowded> {
        let Some(network) = address.and_then(network) else {
            return Ok(None);
        };
        let mut counts = self.0.lock();
        let count = counts.entry(network).or_default();
        if *count >= MOST_OF_ONE_NETWORK {
            return Err(Crowded);
        }
        *count += 1;
        let crowds = self.clone();
        Ok(Some(Standing { crowds, network }))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut counts = self.crowds.0.lock();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_number_and_no_more_and_the_others_theirs() {
        let crowds = Crowds::default();
        let enter = |text: &str| crowds.enter(Some(text.parse().expect("an address")));
        let mut standing: Vec<_> = (0..MOST_OF_ONE_NETWORK)
            .map(|n| enter(&format!("2001:db8:1:2::{n:x}")).expect("room"))
            .collect();
        assert_eq!(enter("2001:db8:1:2:ffff::1").err(), Some(Crowded));
        assert!(enter("2001:db8:1:3::1").is_ok());
        standing.pop();
        assert!(enter("2001:db8:1:2:ffff::1").is_ok());
        for _ in 0..=MOST_OF_ONE_NETWORK {
            assert!(enter("127.0.0.1").is_ok_and(|own| own.is_none()));
        }
        standing.clear();
        assert!(crowds.0.lock().is_empty());
    }
}
