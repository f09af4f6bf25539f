//! How loud it is.

use super::PACKET_VALUES;

/// Packets over which the peak is held: 100 ms, so that a meter that looks ten times a second misses none.
const HELD_PACKETS: usize = 5;

/// Peak level over the last 100 ms.
#[derive(Debug, Default)]
pub struct LevelMeter {
    peaks: [f32; HELD_PACKETS],
    next: usize,
}

impl LevelMeter {
    /// Takes a packet in and returns the peak in dBFS: 0 for full scale, −∞ for digital silence.
    pub fn update(&mut self, packet: &[f32; PACKET_VALUES]) -> f32 {
        self.peaks[self.next] = packet.iter().fold(0.0, |peak, value| value.abs().max(peak));
        self.next = (self.next + 1) % HELD_PACKETS;
        20.0 * self.peaks.iter().copied().fold(0.0, f32::max).log10()
    }
}

#[cfg(test)]
// Minus infinity is exact.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_zero_and_half_of_it_six_decibels_less() {
        let mut meter = LevelMeter::default();
        let close = |value: f32, expected: f32| (value - expected).abs() < 0.05;
        assert_eq!(meter.update(&[0.0; PACKET_VALUES]), f32::NEG_INFINITY);
        assert!(close(meter.update(&[-0.5; PACKET_VALUES]), -6.02));
        assert!(close(meter.update(&[1.0; PACKET_VALUES]), 0.0));
    }

    #[test]
    fn a_peak_is_held_for_a_tenth_of_a_second() {
        let mut meter = LevelMeter::default();
        meter.update(&[1.0; PACKET_VALUES]);
        let levels: Vec<f32> = (0..5).map(|_| meter.update(&[0.0; PACKET_VALUES])).collect();
        assert_eq!(levels, [0.0, 0.0, 0.0, 0.0, f32::NEG_INFINITY]);
    }
}
