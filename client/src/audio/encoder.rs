//! Opus for speech and music in real time (RFC 6716, RFC 7587).

use bytes::Bytes;
use opus::{Application, Channels};

use super::{PACKET_VALUES, SAMPLE_RATE};
use crate::units::Bitrate;

/// Most bytes of one Opus frame (RFC 6716 §3.2.1).
const MAX_PACKET: usize = 1_275;
/// Loss that in-band FEC is tuned for until receivers have reported, in percent. With zero Opus would leave FEC out.
pub const INITIAL_EXPECTED_LOSS: u8 = 5;

/// What Opus is set to for 48 kHz stereo, in bits per second (RFC 6716 §2.1.1).
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// Opus failed.
#[derive(Debug, thiserror::Error)]
#[error("the Opus encoder failed: {0}")]
pub struct EncodeError(#[from] opus::Error);

/// Encodes packets of 20 ms, 48 kHz stereo, with in-band FEC.
#[derive(Debug)]
pub struct Encoder {
    opus: opus::Encoder,
    bitrate: Bitrate,
    expected_loss: u8,
}

impl Encoder {
    /// An encoder of `bitrate` (Opus takes 6 to 510 kb/s).
    pub fn new(bitrate: Bitrate) -> Result<Self, EncodeError> {
        let mut opus = opus::Encoder::new(SAMPLE_RATE, Channels::Stereo, Application::Voip)?;
        opus.set_bitrate(within_bounds(bitrate))?;
        opus.set_inband_fec(true)?;
        opus.set_packet_loss_perc(INITIAL_EXPECTED_LOSS.into())?;
        Ok(Self {
            opus,
            bitrate,
            expected_loss: INITIAL_EXPECTED_LOSS,
        })
    }

    /// Works towards `bitrate` from the next packet on.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), EncodeError> {
        if bitrate != self.bitrate {
            self.opus.set_bitrate(within_bounds(bitrate))?;
            self.bitrate = bitrate;
        }
        Ok(())
    }

    /// Tunes FEC for a loss of `percent` (at most 100).
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), EncodeError> {
        if percent != self.expected_loss {
            self.opus.set_packet_loss_perc(percent.min(100).into())?;
            self.expected_loss = percent;
        }
        Ok(())
    }

    /// Encodes one packet of interleaved stereo samples between −1 and 1.
    pub fn encode(&mut self, samples: &[f32; PACKET_VALUES]) -> Result<Bytes, EncodeError> {
        let mut packet = [0; MAX_PACKET];
        let length = self.opus.encode_float(samples, &mut packet)?;
        Ok(Bytes::copy_from_slice(&packet[..length]))
    }
}

fn within_bounds(bitrate: Bitrate) -> opus::Bitrate {
    let bits = bitrate.bps().clamp(*BITRATES.start(), *BITRATES.end());
    opus::Bitrate::Bits(bits.cast_signed())
}

#[cfg(test)]
mod tests {
    use opus::Decoder;

    use super::*;
    use crate::{
        audio::{CHANNELS, PACKET_SAMPLES, tone::Tone},
        clock::MediaClock,
    };

    /// Power of `hertz` in a mono signal (Goertzel).
    fn power(signal: &[f32], hertz: f32) -> f32 {
        let step = std::f32::consts::TAU * hertz / SAMPLE_RATE as f32;
        let (cos, sin) = signal.iter().enumerate().fold((0.0, 0.0), |(cos, sin), (n, value)| {
            let phase = step * n as f32;
            (cos + value * phase.cos(), sin + value * phase.sin())
        });
        (cos * cos + sin * sin) / (signal.len() as f32).powi(2)
    }

    #[test]
    fn packets_decode_back_to_the_tone() {
        let mut tone = Tone::new(MediaClock::start());
        let mut encoder = Encoder::new(Bitrate::from_kbps(64)).expect("an encoder");
        let mut decoder = Decoder::new(SAMPLE_RATE, Channels::Stereo).expect("a decoder");
        let mut packet = [0.0; PACKET_VALUES];
        let mut left = Vec::new();
        let mut bytes = 0;
        for _ in 0..100 {
            tone.fill(&mut packet);
            let data = encoder.encode(&packet).expect("encodes");
            bytes += data.len();
            let mut output = [0.0; PACKET_VALUES];
            assert_eq!(
                decoder.decode_float(&data, &mut output, false).expect("decodes"),
                PACKET_SAMPLES
            );
            left.extend(output.chunks_exact(CHANNELS).map(|frame| frame[0]));
        }
        // The first packets hold the codec's start.
        let signal = &left[4_800..];
        let others = [220.0, 330.0, 660.0, 880.0, 1_500.0]
            .map(|hertz| power(signal, hertz))
            .into_iter()
            .fold(0.0, f32::max);
        assert!(
            power(signal, 440.0) > others * 100.0,
            "{} against {others}",
            power(signal, 440.0)
        );
        let kbps = bytes as f32 * 8.0 / 2.0 / 1000.0;
        assert!((30.0..80.0).contains(&kbps), "{kbps} kb/s");
    }

    #[test]
    fn another_bitrate_holds_from_the_next_packet_on() {
        let mut tone = Tone::new(MediaClock::start());
        let mut encoder = Encoder::new(Bitrate::from_kbps(64)).expect("an encoder");
        let mut packet = [0.0; PACKET_VALUES];
        let mut kbps = |encoder: &mut Encoder| {
            let bytes: usize = (0..50)
                .map(|_| {
                    tone.fill(&mut packet);
                    encoder.encode(&packet).expect("encodes").len()
                })
                .sum();
            bytes * 8 / 1000
        };
        let before = kbps(&mut encoder);
        encoder.set_bitrate(Bitrate::from_kbps(16)).expect("a bitrate");
        let after = kbps(&mut encoder);
        assert!(
            (10..20).contains(&after) && before > after * 3 / 2,
            "{before}, then {after}"
        );
        encoder.set_bitrate(Bitrate::from_bps(0)).expect("its least");
    }

    #[test]
    fn a_lost_packet_can_be_rebuilt_from_the_next_one() {
        let mut encoder = Encoder::new(Bitrate::from_kbps(64)).expect("an encoder");
        encoder.set_expected_loss(20).expect("a percentage");
        // Four syllables a second: FEC is part of Opus's speech layer, which spends it on what sounds like speech.
        let packets: Vec<Bytes> = (0..50)
            .map(|packet| {
                let samples: [f32; PACKET_VALUES] = std::array::from_fn(|n| {
                    let time = (packet * PACKET_SAMPLES + n / CHANNELS) as f32 / SAMPLE_RATE as f32;
                    let sine = |hertz: f32| (std::f32::consts::TAU * hertz * time).sin();
                    let voice: f32 = (1..12)
                        .map(|harmonic| sine(130.0 * harmonic as f32) / harmonic as f32)
                        .sum();
                    voice * 0.3 * (0.5 + 0.5 * sine(4.0)).powi(2)
                });
                encoder.encode(&samples).expect("encodes")
            })
            .collect();
        let rebuilt_energy = |fec: bool| {
            let mut decoder = Decoder::new(SAMPLE_RATE, Channels::Stereo).expect("a decoder");
            let mut out = [0.0; PACKET_VALUES];
            // Nothing but the packet after the lost one is known to this decoder.
            // The sixteenth packet begins in the middle of a syllable.
            decoder
                .decode_float(if fec { &packets[17] } else { &[] }, &mut out, fec)
                .expect("decodes");
            out.iter().map(|value| value * value).sum::<f32>()
        };
        assert!(rebuilt_energy(true) > 1.0, "{}", rebuilt_energy(true));
        assert!(rebuilt_energy(false) < 0.1);
    }
}
