//! Counters of a subscription, as its pages show them.

use serde::Serialize;

use crate::subscribe::intake::StreamFigures;
use crate::subscribe::picture::show::PictureFigures;
use crate::subscribe::sound::jitter::SoundCounts;
use crate::transport::codecs::{AUDIO_RATE, VIDEO_RATE};

/// Counters of one subscription at one moment, over all its slots, under the names of `MediaSample` in
/// `client-ui/src/media/sample.ts`. They run from the start of the subscription.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaSample {
    /// When it was taken, in milliseconds on the subscription's clock.
    pub at_ms: f64,
    /// Of the largest picture.
    pub width: u32,
    /// The same.
    pub height: u32,
    /// Of the same picture, as in SDP.
    pub video_codec: Option<&'static str>,
    /// Payload, with what was sent again.
    pub video_bytes: u64,
    /// Payload.
    pub audio_bytes: u64,
    /// Of both kinds together, without what was sent again.
    pub packets_received: u64,
    /// Of both kinds together; goes down when a packet that counted as lost arrives late (RFC 3550 §6.4.1).
    pub packets_lost: i64,
    /// Frames.
    pub frames_decoded: u64,
    /// The same of the largest picture alone.
    pub frames_of_largest: u64,
    /// Frames that were given up or never shown.
    pub frames_dropped: u64,
    /// Of the largest picture, or else of the first sound, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: Option<f64>,
    /// Of the path to the server, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Time that all frames together waited to be decoded, in milliseconds.
    pub buffered_ms: f64,
    /// How many they were.
    pub buffered_frames: u64,
    /// Time that all frames together took to decode, in milliseconds.
    pub decode_ms: f64,
    /// Keyframes that were asked for because something could not be decoded.
    pub keyframes_requested: u64,
    /// Sound packets that came after their place had been played.
    pub audio_late: u64,
    /// Sound packets that were rebuilt from the one after.
    pub audio_repaired: u64,
    /// Sound that was made up, in milliseconds, over all slots.
    pub audio_concealed_ms: f64,
}

impl MediaSample {
    pub(crate) fn add_reception(&mut self, streams: &[StreamFigures]) {
        let pictures = streams
            .iter()
            .filter_map(|stream| Some((stream, stream.figures.as_ref()?)));
        let sounds = streams.iter().filter(|stream| stream.figures.is_none());
        for reception in streams.iter().map(|stream| &stream.reception) {
            self.packets_received += reception.received();
            self.packets_lost += reception.lost();
        }
        let bytes = |stream: &StreamFigures| stream.reception.bytes();
        self.video_bytes += pictures.clone().map(|(stream, _)| bytes(stream)).sum::<u64>();
        self.audio_bytes += sounds.clone().map(bytes).sum::<u64>();
        let largest = pictures.max_by_key(|(_, figures)| figures.size().pixels());
        let of_picture = largest.and_then(|(stream, _)| stream.reception.jitter_ms(VIDEO_RATE));
        let mut of_sound = sounds.filter_map(|stream| stream.reception.jitter_ms(AUDIO_RATE));
        self.jitter_ms = of_picture.or_else(|| of_sound.next());
    }

    pub(crate) fn add_pictures(&mut self, figures: &PictureFigures) {
        let size = figures.size();
        if size.pixels() > u64::from(self.width) * u64::from(self.height) {
            (self.width, self.height) = (size.width, size.height);
            self.video_codec = Some(figures.codec());
            self.frames_of_largest = figures.decoded();
        }
        let (waited, frames) = figures.buffered();
        self.frames_decoded += figures.decoded();
        self.frames_dropped += figures.dropped();
        self.buffered_ms += waited.as_secs_f64() * 1e3;
        self.buffered_frames += frames;
        self.decode_ms += figures.decoding().as_secs_f64() * 1e3;
        self.keyframes_requested += figures.keyframes_wanted();
    }

    pub(crate) fn add_sound(&mut self, counts: SoundCounts) {
        self.audio_late = counts.late;
        self.audio_repaired = counts.repaired;
        self.audio_concealed_ms = counts.concealed as f64 * 1e3 / f64::from(AUDIO_RATE);
    }
}
