//! Congestion control: what the path carries, and how that is shared out.
//!
//! The estimate itself is webrtc-rs' Google Congestion Control over transport-wide feedback. Here is what stands around
//! it: where it starts, its floor and ceiling, the part of it that video may fill, and the pace of sending.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{
    Attribute, BandwidthEstimator, EstimatorStats, Gcc, Interceptor, PacketReport, StreamInfo, TaggedPacket,
};
use rtc::sansio::Protocol;
use tokio::sync::watch;

use crate::units::Bitrate;

/// Video never gets less. Below this a 320×180 picture falls apart, and the path is better called broken.
const VIDEO_FLOOR: Bitrate = Bitrate::from_kbps(120);

/// The estimate starts at this share of its ceiling: it climbs by only 8 % a second, and falls within 200 ms.
const START_SHARE: f64 = 0.7;

/// Packets of headers and audio's RTP, UDP and IP headers at 50 packets a second: 50 × (12 + 20 + 28) × 8.
const AUDIO_HEADERS_BPS: u32 = 24_000;

/// Headers over video payload: 32 bytes of RTP, extensions and SRTP tag for 1,140 bytes, and some retransmission.
const VIDEO_OVERHEAD: f64 = 1.05;

/// How much faster than the estimate a burst leaves, as in libwebrtc. At the bare estimate a keyframe of ten times the
/// mean frame would take a third of a second to leave.
pub(super) const PACING_FACTOR: f64 = 2.5;

/// The range of the estimate, and video's share of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Budget {
    audio: u32,
    ceiling: Bitrate,
}

impl Budget {
    /// For an Opus stream of `audio` and video of at most `ceiling`.
    pub(crate) fn new(audio: Bitrate, ceiling: Bitrate) -> Self {
        Self {
            audio: audio.bps().saturating_add(AUDIO_HEADERS_BPS),
            ceiling: ceiling.max(VIDEO_FLOOR),
        }
    }

    fn total(self, video: Bitrate) -> f64 {
        f64::from(video.bps()) * VIDEO_OVERHEAD + f64::from(self.audio)
    }

    /// Where the estimate starts, in bits per second. `last` is what an earlier connection to the same server ended at.
    pub(crate) fn start(self, last: Option<f64>) -> f64 {
        let share = self.total(self.ceiling) * START_SHARE;
        last.map_or(share, |last| last.min(share)).max(self.total(VIDEO_FLOOR))
    }

    /// An estimator within this budget, and where its estimates can be watched, in bits per second.
    pub(crate) fn estimator(self, start: f64) -> (impl BandwidthEstimator + 'static, watch::Receiver<f64>) {
        let (target, targets) = watch::channel(start);
        let inner = Gcc::new(start, self.total(VIDEO_FLOOR), self.total(self.ceiling));
        (WatchedEstimator { inner, target }, targets)
    }

    /// What the video encoder may fill when the whole path carries `estimate` bits per second.
    pub(crate) fn video_share(self, estimate: f64) -> Bitrate {
        let video = (estimate - f64::from(self.audio)) / VIDEO_OVERHEAD;
        Bitrate::from_bps(video.max(0.0) as u32).clamp(VIDEO_FLOOR, self.ceiling)
    }
}

/// Publishes an estimator's target; the chain owns the estimator and lets nobody look inside.
struct WatchedEstimator<E> {
    inner: E,
    target: watch::Sender<f64>,
}

impl<E: BandwidthEstimator> WatchedEstimator<E> {
    fn publish(&self) {
        let now = self.inner.target_bitrate();
        self.target.send_if_modified(|target| {
            let changed = (*target - now).abs() > f64::EPSILON;
            *target = now;
            changed
        });
    }
}

impl<E: BandwidthEstimator> BandwidthEstimator for WatchedEstimator<E> {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.inner.on_reports(now, reports);
        self.publish();
    }

    fn target_bitrate(&self) -> f64 {
        self.inner.target_bitrate()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
        self.publish();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn stats(&self) -> EstimatorStats {
        self.inner.stats()
    }
}

/// Gives the pacer [`PACING_FACTOR`] times the estimate. Stands between the estimator and the pacer, where the estimate
/// passes by on a feedback packet.
#[derive(Default)]
pub(super) struct PacingHeadroom {
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for PacingHeadroom {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Self::Error> {
        for attribute in &mut packet.message.attributes {
            if let Attribute::TargetBitrateChanged { bits_per_second } = attribute {
                *bits_per_second *= PACING_FACTOR;
            }
        }
        self.inbound.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.outbound.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for PacingHeadroom {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(Bitrate::from_kbps(64), Bitrate::from_kbps(2500))
    }

    #[test]
    fn video_gets_what_audio_and_headers_leave() {
        assert_eq!(
            budget().video_share(budget().total(Bitrate::from_kbps(1000))),
            Bitrate::from_kbps(1000)
        );
        assert_eq!(budget().video_share(1e9), Bitrate::from_kbps(2500));
        assert_eq!(budget().video_share(0.0), VIDEO_FLOOR);
        assert_eq!(budget().video_share(f64::NAN), VIDEO_FLOOR);
    }

    #[test]
    fn a_new_connection_starts_high_and_a_repeated_one_where_the_last_ended() {
        let first = budget().start(None);
        assert!(
            first > 1_700_000.0 && first < budget().total(Bitrate::from_kbps(2500)),
            "{first}"
        );
        assert!((budget().start(Some(600_000.0)) - 600_000.0).abs() < 1.0);
        assert!((budget().start(Some(1.0)) - budget().total(VIDEO_FLOOR)).abs() < 1.0);
        assert!((budget().start(Some(1e9)) - first).abs() < 1.0);
    }
}
