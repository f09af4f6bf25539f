//! Counts what arrives of one stream (RFC 3550 §6.4.1, appendix A.3 and A.8).

use crate::subscribe::micros::{Micros, from_ticks};

/// One stream, without retransmissions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reception {
    first: Option<i64>,
    highest: i64,
    received: u64,
    bytes: u64,
    transit: Option<i64>,
    /// In ticks.
    jitter: f64,
}

impl Reception {
    /// Takes in a packet that came at `arrival`: extended number and timestamp, and payload in bytes.
    pub(crate) fn observe(&mut self, sequence: i64, timestamp: i64, bytes: usize, arrival: Micros, rate: u32) {
        self.first = Some(self.first.map_or(sequence, |first| first.min(sequence)));
        self.highest = if self.received == 0 {
            sequence
        } else {
            self.highest.max(sequence)
        };
        self.received += 1;
        self.bytes += bytes as u64;
        let transit = arrival - from_ticks(timestamp, rate);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit - before).unsigned_abs() as f64 * f64::from(rate) / 1e6;
            self.jitter += (difference - self.jitter) / 16.0;
        }
    }

    /// Counts the payload of a retransmission.
    pub(crate) fn observe_again(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Packets.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Packets that did not come; less than none where some came twice.
    pub(crate) fn lost(&self) -> i64 {
        let expected = self.first.map_or(0, |first| self.highest - first + 1);
        expected - self.received as i64
    }

    /// Payload in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// In milliseconds, once two packets have come.
    pub(crate) fn jitter_ms(&self, rate: u32) -> Option<f64> {
        self.transit.map(|_| self.jitter * 1e3 / f64::from(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscribe::micros::MILLISECOND;

    #[test]
    fn loss_is_what_was_expected_without_what_came() {
        let mut reception = Reception::default();
        for sequence in [5, 6, 9, 8] {
            reception.observe(sequence, 0, 100, 0, 90_000);
        }
        assert_eq!((reception.received(), reception.lost(), reception.bytes()), (4, 1, 400));
        reception.observe(7, 0, 100, 0, 90_000);
        assert_eq!(reception.lost(), 0, "what comes late was not lost");
    }

    #[test]
    fn jitter_settles_at_the_mean_difference_of_transit_times() {
        let mut reception = Reception::default();
        for packet in 0..500 {
            let delay = packet % 2 * 8 * MILLISECOND;
            reception.observe(packet, packet * 960, 1, packet * 20 * MILLISECOND + delay, 48_000);
        }
        let jitter = reception.jitter_ms(48_000).expect("packets came");
        assert!((jitter - 8.0).abs() < 0.1, "{jitter}");
    }
}
