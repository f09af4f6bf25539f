//! The addresses that this machine has from outside, followed while the server runs: behind many a router at home they
//! change every night.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::media::{Media, MediaError};
use crate::stun_discovery::{StunError, public_addresses};

/// How long a media worker that has more to do than it can note is left alone.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A configuration that says nothing would ask without end.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// What the last answers said.
#[derive(Debug, Default)]
struct Known {
    /// One of each family at most.
    addresses: Vec<IpAddr>,
    is_failing: bool,
}

/// What is new in an answer.
#[derive(Debug, PartialEq, Eq)]
struct News {
    /// There are other addresses.
    has_changed: bool,
    /// It is the first failure (`true`), or the first answer after failures (`false`).
    fails: Option<bool>,
}

impl Known {
    /// A failure leaves what is known, and so does an answer about one family what is known of the other.
    fn hear(&mut self, answer: Option<Vec<IpAddr>>) -> News {
        let is_failing = answer.is_none();
        let before = self.addresses.clone();
        for address in answer.into_iter().flatten() {
            let of_family = |known: &&mut IpAddr| known.is_ipv4() == address.is_ipv4();
            match self.addresses.iter_mut().find(of_family) {
                Some(known) => *known = address,
                None => self.addresses.push(address),
            }
        }
        let fails = (is_failing != self.is_failing).then_some(is_failing);
        self.is_failing = is_failing;
        News {
            has_changed: self.addresses != before,
            fails,
        }
    }

    /// The same, with a word to the operator.
    fn take(&mut self, answer: Result<Vec<IpAddr>, StunError>) -> News {
        let (answer, error) = match answer {
            Ok(addresses) => (Some(addresses), None),
            Err(error) => (None, Some(error)),
        };
        let news = self.hear(answer);
        match (news.fails, error) {
            (Some(true), Some(error)) => tracing::warn!(addresses = ?self.addresses, "{error}. It is asked again"),
            (Some(false), _) => tracing::info!("the STUN server answers again"),
            _ => {}
        }
        if news.has_changed {
            tracing::info!(addresses = ?self.addresses, "new addresses from outside");
        }
        news
    }
}

/// Asks the STUN server of `config`, if there is one, for as long as the media engine runs, and advertises what it says.
pub(crate) async fn follow(config: Arc<Config>, media: Media) {
    let Some(stun) = &config.stun_discovery else {
        return;
    };
    let mut known = Known {
        addresses: config.public_addresses.clone(),
        is_failing: false,
    };
    let mut ticks = interval(config.stun_interval.max(LEAST_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if !known.addresses.is_empty() {
        // The first is at once, and it was just asked.
        ticks.tick().await;
    }
    loop {
        ticks.tick().await;
        let news = known.take(public_addresses(stun).await);
        if news.has_changed && !advertise(&media, config.advertised(&known.addresses)).await {
            return;
        }
    }
}

/// Whether the media engine still runs.
async fn advertise(media: &Media, addresses: Vec<IpAddr>) -> bool {
    loop {
        match media.advertise(addresses.clone()) {
            Ok(()) => return true,
            Err(MediaError::Overloaded) => sleep(TELL_AGAIN_AFTER).await,
            Err(MediaError::Stopped) => return false,
            Err(error) => {
                tracing::warn!(%error, ?addresses, "addresses cannot be advertised");
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn known(addresses: &[&str]) -> Known {
        Known {
            addresses: addresses.iter().map(|text| ip(text)).collect(),
            is_failing: false,
        }
    }

    fn hear(known: &mut Known, answer: &[&str]) -> News {
        known.hear(Some(answer.iter().map(|text| ip(text)).collect()))
    }

    fn news(has_changed: bool, fails: Option<bool>) -> News {
        News { has_changed, fails }
    }

    #[test]
    fn another_address_is_news_and_the_same_is_none() {
        let mut known = known(&[]);
        assert_eq!(hear(&mut known, &["203.0.113.7"]), news(true, None));
        assert_eq!(hear(&mut known, &["203.0.113.7"]), news(false, None));
        assert_eq!(hear(&mut known, &["203.0.113.8"]), news(true, None));
        assert_eq!(known.addresses, [ip("203.0.113.8")]);
    }

    #[test]
    fn what_is_known_of_a_family_stays_until_another_is_heard_of() {
        let mut known = known(&["203.0.113.7", "2001:db8::7"]);
        assert_eq!(hear(&mut known, &["203.0.113.7"]), news(false, None));
        assert_eq!(hear(&mut known, &["2001:db8::8"]), news(true, None));
        assert_eq!(known.addresses, [ip("203.0.113.7"), ip("2001:db8::8")]);
    }

    #[test]
    fn a_failure_is_told_when_it_begins_and_when_it_ends() {
        let mut known = known(&["203.0.113.7"]);
        assert_eq!(known.hear(None), news(false, Some(true)));
        for _ in 0..3 {
            assert_eq!(known.hear(None), news(false, None));
        }
        assert_eq!(known.addresses, [ip("203.0.113.7")], "the last that were known");
        assert_eq!(hear(&mut known, &["203.0.113.8"]), news(true, Some(false)));
        assert_eq!(hear(&mut known, &["203.0.113.8"]), news(false, None));
    }
}
