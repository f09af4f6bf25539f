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

/// A new connection is not told that it has less for video: the estimate falls within 200 ms where it has.
const VIDEO_START: Bitrate = Bitrate::from_kbps(120);

/// Below this there is no picture, and all that the path carries is for sound. The pipeline sends none either: it is less than the
/// smallest picture takes.
const PICTURE_LEAST: Bitrate = Bitrate::from_kbps(25);

/// Sound gets all that it wants while that is at most this share of the path, and then its share.
const AUDIO_SHARE: f64 = 0.25;

/// Beside a picture sound never gets less: Opus carries speech in full bandwidth from here on (RFC 6716 §2.1.1).
const AUDIO_BESIDE_PICTURE: Bitrate = Bitrate::from_kbps(24);

/// Least that Opus carries speech with so that it can be followed (RFC 6716 §2.1.1). A path of less carries nothing.
const AUDIO_LEAST: Bitrate = Bitrate::from_kbps(12);

/// The estimate starts at this share of its ceiling: it climbs by only 8 % a second, and falls within 200 ms.
const START_SHARE: f64 = 0.7;

/// Packets of headers and audio's RTP, UDP and IP headers at 50 packets a second: 50 × (12 + 20 + 28) × 8.
const AUDIO_HEADERS_BPS: f64 = 24_000.0;

/// Headers over video payload: 32 bytes of RTP, extensions and SRTP tag for 1,140 bytes, and some retransmission.
const VIDEO_OVERHEAD: f64 = 1.05;

/// How much faster than the estimate a burst leaves, as in libwebrtc. At the bare estimate a keyframe of ten times the
/// mean frame would take a third of a second to leave.
const PACING_FACTOR: f64 = 2.5;

/// The same on a path so slow that a keyframe is as much as a router's buffer holds (300 ms of 130 kb/s are 5 kB): what leaves
/// faster than the path carries it is lost there, and asked for again.
const PACING_FACTOR_SLOW: f64 = 1.25;

/// Estimates in bits per second up to which a path is slow, and from which on it is not.
const SLOW: (f64, f64) = (150_000.0, 600_000.0);

/// Even where there is no room for a picture, what is asked for again leaves some time, in bits per second.
const PACE_LEAST: f64 = 8_000.0;

/// What each kind of media may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Of the Opus stream.
    pub(crate) audio: Bitrate,
    /// Of all pictures together; 0 where there is no room for any.
    pub(crate) video: Bitrate,
}

/// The range of the estimate, and how it is shared out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Budget {
    audio: Bitrate,
    ceiling: Bitrate,
}

impl Budget {
    /// For an Opus stream of `audio` and video of at most `ceiling`.
    pub(crate) fn new(audio: Bitrate, ceiling: Bitrate) -> Self {
        Self {
            audio: audio.max(AUDIO_LEAST),
            ceiling: ceiling.max(VIDEO_START),
        }
    }

    /// What a path has to carry for all of `audio` and `video`, in bits per second.
    fn total(self, video: Bitrate) -> f64 {
        f64::from(video.bps()) * VIDEO_OVERHEAD + f64::from(self.audio.bps()) + AUDIO_HEADERS_BPS
    }

    /// Where the estimate starts, in bits per second. `last` is what an earlier connection to the same server ended at.
    pub(crate) fn start(self, last: Option<f64>) -> f64 {
        let share = self.total(self.ceiling) * START_SHARE;
        last.map_or(share, |last| last.min(share)).max(self.total(VIDEO_START))
    }

    /// How fast what is not sound may leave on a path that carries `estimate`, both in bits per second: sound goes past the pacer.
    pub(crate) fn pace(self, estimate: f64) -> f64 {
        let sound = f64::from(self.shares(estimate).audio.bps()) + AUDIO_HEADERS_BPS;
        (pace(estimate) - sound).max(PACE_LEAST)
    }

    /// An estimator within this budget, and where its estimates can be watched, in bits per second.
    pub(crate) fn estimator(self, start: f64) -> (impl BandwidthEstimator + 'static, watch::Receiver<f64>) {
        let (target, targets) = watch::channel(start);
        let floor = f64::from(AUDIO_LEAST.bps()) + AUDIO_HEADERS_BPS;
        let inner = Gcc::new(start, floor, self.total(self.ceiling));
        (WatchedEstimator { inner, target }, targets)
    }

    /// How a path that carries `estimate` bits per second is shared out. Sound gives up bits, but never for the sake of a picture that
    /// can still be smaller, and outlasts it.
    pub(crate) fn shares(self, estimate: f64) -> Shares {
        let payload = (estimate - AUDIO_HEADERS_BPS).max(0.0);
        let beside = (estimate * AUDIO_SHARE).max(f64::from(AUDIO_BESIDE_PICTURE.bps()));
        let audio = bitrate(beside).min(self.audio);
        let video = bitrate((payload - f64::from(audio.bps())) / VIDEO_OVERHEAD);
        if video >= PICTURE_LEAST {
            return Shares {
                audio,
                video: video.min(self.ceiling),
            };
        }
        Shares {
            audio: bitrate(payload).clamp(AUDIO_LEAST, self.audio),
            video: Bitrate::from_bps(0),
        }
    }
}

/// Of a number that may be negative or none at all.
fn bitrate(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps.max(0.0) as u32)
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

/// How fast packets may leave on a path that carries `estimate`, both in bits per second.
fn pace(estimate: f64) -> f64 {
    let (slow, fast) = SLOW;
    let share = ((estimate - slow) / (fast - slow)).clamp(0.0, 1.0);
    estimate * (PACING_FACTOR_SLOW + share * (PACING_FACTOR - PACING_FACTOR_SLOW))
}

/// Gives the pacer the pace of an estimate. Stands between the estimator and the pacer, where the estimate
/// passes by on a feedback packet.
pub(super) struct PacingHeadroom {
    budget: Budget,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl PacingHeadroom {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }
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
                *bits_per_second = self.budget.pace(*bits_per_second);
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
        let all = budget().shares(budget().total(Bitrate::from_kbps(1000)));
        assert_eq!(
            (all.audio, all.video),
            (Bitrate::from_kbps(64), Bitrate::from_kbps(1000))
        );
        assert_eq!(budget().shares(1e9).video, Bitrate::from_kbps(2500));
    }

    #[test]
    fn sound_gives_up_bits_and_outlasts_the_picture() {
        let kbps = |estimate: f64| {
            let Shares { audio, video } = budget().shares(estimate);
            (audio.bps() / 1000, video.bps() / 1000)
        };
        assert_eq!(kbps(300_000.0), (64, 201));
        assert_eq!(kbps(200_000.0), (50, 120));
        assert_eq!(kbps(100_000.0), (25, 48), "a small picture beside speech");
        assert_eq!(kbps(75_000.0), (24, 25));
        assert_eq!(kbps(70_000.0), (46, 0), "sound takes over what the picture had");
        assert_eq!(kbps(40_000.0), (16, 0));
        assert_eq!(kbps(0.0), (12, 0));
        assert_eq!(kbps(f64::NAN), (12, 0));
    }

    #[test]
    fn a_burst_leaves_no_faster_than_a_slow_paths_buffer_bears() {
        for (estimate, factor) in [(0.0, 1.25), (110e3, 1.25), (375e3, 1.875), (600e3, 2.5), (4e6, 2.5)] {
            assert!((pace(estimate) - factor * estimate).abs() < 1e-3, "{estimate}");
        }
    }

    #[test]
    fn what_sound_takes_is_no_part_of_the_pace() {
        for (estimate, expected) in [(0.0, 8e3), (40e3, 10e3), (200e3, 203_777.8), (4e6, 9_912e3)] {
            let pace = budget().pace(estimate);
            assert!((pace - expected).abs() < 1.0, "{estimate}: {pace}");
        }
    }

    #[test]
    fn a_new_connection_starts_high_and_a_repeated_one_where_the_last_ended() {
        let first = budget().start(None);
        assert!(
            first > 1_700_000.0 && first < budget().total(Bitrate::from_kbps(2500)),
            "{first}"
        );
        assert!((budget().start(Some(600_000.0)) - 600_000.0).abs() < 1.0);
        assert!((budget().start(Some(1.0)) - budget().total(VIDEO_START)).abs() < 1.0);
        assert!((budget().start(Some(1e9)) - first).abs() < 1.0);
    }
}
