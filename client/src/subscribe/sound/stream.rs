//! One sound slot: its packets in, its samples out, at the pace of whoever listens.

use std::sync::Arc;

use super::jitter::{JitterBuffer, SoundCounts, SoundPacket, Step, USUAL_TICKS};
use super::stretch;
use crate::audio::decoder::{DecodeError, Decoder};
use crate::audio::playback::BLOCK_VALUES;
use crate::audio::{CHANNELS, SAMPLE_RATE};
use crate::subscribe::micros::{MILLISECOND, Micros, from_ticks};
use crate::subscribe::sync::{Pair, ReportClock};
use crate::transport::codecs::AUDIO_RATE;

/// The delay may be off by this without anything being done: one packet.
const TOLERANCE: Micros = 20 * MILLISECOND;

/// From here on it is worked off even where it can be heard.
const PRESSING: Micros = 100 * MILLISECOND;

/// Packets that are left as they are between two that are made shorter or longer, so that speech keeps its rhythm.
const REST: u32 = 2;

/// Decodes and paces one slot.
pub(crate) struct SoundStream {
    jitter: JitterBuffer,
    decoder: Decoder,
    reports: ReportClock,
    /// Decoded and not yet taken; interleaved.
    ready: Vec<f32>,
    /// Packets since one was stretched.
    rested: u32,
    pair: Arc<Pair>,
}

impl SoundStream {
    pub(crate) fn new(pair: Arc<Pair>) -> Result<Self, DecodeError> {
        Ok(Self {
            jitter: JitterBuffer::default(),
            decoder: Decoder::new()?,
            reports: ReportClock::default(),
            ready: Vec::new(),
            rested: 0,
            pair,
        })
    }

    pub(crate) fn insert(&mut self, packet: SoundPacket) {
        self.jitter.insert(packet);
    }

    /// Takes in a sender report: NTP time and extended timestamp.
    pub(crate) fn report(&mut self, ntp: u64, timestamp: i64) {
        self.reports.report(ntp, timestamp, AUDIO_RATE);
    }

    pub(crate) fn counts(&self) -> SoundCounts {
        self.jitter.counts()
    }

    /// Fills `block` with what is to be played at `now` and heard after `latency`. Whether there was anything.
    pub(crate) fn pull(&mut self, now: Micros, latency: Micros, block: &mut [f32; BLOCK_VALUES]) -> bool {
        self.keep_in_time(now, latency);
        while self.ready.len() < BLOCK_VALUES {
            if !self.decode(now) {
                break;
            }
        }
        let available = self.ready.len().min(BLOCK_VALUES);
        block[..available].copy_from_slice(&self.ready[..available]);
        block[available..].fill(0.0);
        self.ready.drain(..available);
        available > 0
    }

    /// Tells the picture when the sound is heard, and hears how long to wait for it.
    fn keep_in_time(&mut self, now: Micros, latency: Micros) {
        // In terms of media time the two cancel out: heard at `now + latency`, captured `delay` after the earliest arrival.
        let offset = |delay: Micros| {
            let base = self.jitter.base()?;
            let shift = self.reports.captured(0)?;
            Some(base - shift + delay + latency)
        };
        if let Some(heard) = self.jitter.delay(now, self.pending()).and_then(offset) {
            self.pair.sound_plays(heard, now);
        }
        let target = self.jitter.target();
        let wait = offset(target).map_or(0, |own| self.pair.sound_waits(own, now));
        self.jitter.set_minimum(if wait > 0 { target + wait } else { 0 });
    }

    fn pending(&self) -> Micros {
        from_ticks((self.ready.len() / CHANNELS) as i64, SAMPLE_RATE)
    }

    /// Decodes the next packet, or what takes its place. Whether there was anything.
    fn decode(&mut self, now: Micros) -> bool {
        let pending = self.pending();
        let (step, is_real) = match self.jitter.step(now, pending) {
            Step::Silence => return false,
            Step::Play(payload) => (self.decoder.decode(&payload), true),
            Step::Repair(payload, ticks) => (self.decoder.repair(&payload, ticks as usize), false),
            Step::Conceal(ticks) => (self.decoder.conceal(ticks as usize), false),
        };
        let mut samples = match step {
            Ok(samples) => samples.to_vec(),
            Err(error) => {
                tracing::debug!(%error, "sound cannot be decoded");
                vec![0.0; USUAL_TICKS as usize * CHANNELS]
            }
        };
        if is_real {
            self.rested += 1;
            self.stretch(&mut samples, now, pending);
        }
        self.ready.append(&mut samples);
        true
    }

    /// Brings the delay nearer to what it should be.
    fn stretch(&mut self, samples: &mut Vec<f32>, now: Micros, pending: Micros) {
        let length = from_ticks((samples.len() / CHANNELS) as i64, SAMPLE_RATE);
        let Some(excess) = self.jitter.excess(now, pending + length) else {
            return;
        };
        if excess.abs() <= TOLERANCE || self.rested <= REST {
            return;
        }
        let pressing = excess.abs() > PRESSING;
        let changed = if excess > 0 {
            stretch::shorten(samples, pressing)
        } else {
            stretch::lengthen(samples, pressing)
        };
        if changed > 0 {
            self.rested = 0;
        }
    }
}

#[cfg(test)]
mod tests;
