//! Opus to samples, with what stands in for lost packets (RFC 6716 §4, RFC 7587 §3.3).

use opus::Channels;

use super::{CHANNELS, SAMPLE_RATE};

/// Samples of one channel in the longest packet, 120 ms (RFC 6716 §2.1.4).
const MOST_SAMPLES: usize = SAMPLE_RATE as usize * 120 / 1000;

/// Opus failed: the packet is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the Opus decoder failed: {0}")]
pub struct DecodeError(#[from] opus::Error);

/// Decodes one stream to interleaved stereo at 48 kHz, whatever it was encoded from.
#[derive(Debug)]
pub struct Decoder {
    opus: opus::Decoder,
    scratch: Vec<f32>,
}

impl Decoder {
    /// A decoder.
    pub fn new() -> Result<Self, DecodeError> {
        Ok(Self {
            opus: opus::Decoder::new(SAMPLE_RATE, Channels::Stereo)?,
            scratch: vec![0.0; MOST_SAMPLES * CHANNELS],
        })
    }

    /// What a packet holds.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[f32], DecodeError> {
        // An empty one would be taken for a lost one.
        if packet.is_empty() {
            return Ok(&[]);
        }
        self.run(packet, MOST_SAMPLES, false)
    }

    /// The `samples` (of one channel) of the packet before `packet`, which holds them a second time where its encoder had
    /// in-band FEC on; else made up as [`Decoder::conceal`] does it.
    pub fn repair(&mut self, packet: &[u8], samples: usize) -> Result<&[f32], DecodeError> {
        self.run(packet, samples, true)
    }

    /// `samples` (of one channel) made up from what was heard last; they fade out when asked for again and again.
    pub fn conceal(&mut self, samples: usize) -> Result<&[f32], DecodeError> {
        self.run(&[], samples, false)
    }

    fn run(&mut self, packet: &[u8], samples: usize, fec: bool) -> Result<&[f32], DecodeError> {
        // Opus makes up multiples of 2.5 ms only.
        let room = samples.clamp(LEAST_SAMPLES, MOST_SAMPLES) / LEAST_SAMPLES * LEAST_SAMPLES;
        let decoded = self
            .opus
            .decode_float(packet, &mut self.scratch[..room * CHANNELS], fec)?;
        Ok(&self.scratch[..decoded * CHANNELS])
    }
}

/// 2.5 ms.
const LEAST_SAMPLES: usize = SAMPLE_RATE as usize / 400;

/// Samples of one channel that a packet holds, by its first bytes (RFC 6716 §3.1). None where it is damaged.
pub fn samples_in(packet: &[u8]) -> Option<usize> {
    opus::packet::get_nb_samples(packet, SAMPLE_RATE)
        .ok()
        .filter(|samples| (1..=MOST_SAMPLES).contains(samples))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::encoder::Encoder;
    use crate::audio::{PACKET_SAMPLES, PACKET_VALUES};
    use crate::units::Bitrate;

    #[test]
    fn lengths_are_told_before_decoding() {
        let mut encoder = Encoder::new(Bitrate::from_kbps(64)).expect("an encoder");
        let packet = encoder.encode(&[0.1; PACKET_VALUES]).expect("encodes");
        assert_eq!(samples_in(&packet), Some(PACKET_SAMPLES));
        let mut decoder = Decoder::new().expect("a decoder");
        assert_eq!(decoder.decode(&packet).expect("decodes").len(), PACKET_VALUES);
        assert_eq!(decoder.conceal(PACKET_SAMPLES).expect("made up").len(), PACKET_VALUES);
        assert_eq!(
            decoder.repair(&packet, PACKET_SAMPLES).expect("rebuilt").len(),
            PACKET_VALUES
        );
        assert_eq!(decoder.decode(&[]).expect("nothing").len(), 0);
        assert_eq!(samples_in(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(packet in prop::collection::vec(any::<u8>(), 0..200), samples in 0usize..9_000) {
            let mut decoder = Decoder::new().expect("a decoder");
            let _ = samples_in(&packet);
            let _ = decoder.decode(&packet);
            let _ = decoder.repair(&packet, samples);
            let _ = decoder.conceal(samples);
        }
    }
}
