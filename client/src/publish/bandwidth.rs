//! What stands around the estimate of what the path carries ([`Congestion`](super::congestion::Congestion)): where it starts, its
//! floor and ceiling, how it is shared out, and the pace of sending.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Attribute, Interceptor, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;

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

/// Sound alone takes no more than this share of the path: what has gathered before it has to get through.
const ALONE_SHARE: f64 = 0.85;

/// Least that Opus carries speech with so that it can be followed (RFC 6716 §2.1.1). A path of less carries nothing.
const AUDIO_LEAST: Bitrate = Bitrate::from_kbps(12);

/// The estimate starts at this share of its ceiling: it falls within 200 ms where that is too much, and a probe comes after seconds.
const START_SHARE: f64 = 0.7;

/// What is below RTP, in bytes of each packet: IPv4 and UDP headers, and the tag of SRTP (RFC 7714 §13.2).
pub(super) const BELOW_RTP: u32 = 20 + 8 + 16;

/// Headers of sound at 50 packets a second, with 8 bytes of extensions: 50 × (12 + 8 + 44) × 8.
const AUDIO_HEADERS_BPS: f64 = 25_600.0;

/// Headers over video payload: 20 bytes of RTP and extensions, and what is below, for 1,140 bytes; and some retransmission.
const VIDEO_OVERHEAD: f64 = 1.07;

/// And what a slow path's 12 or so pictures a second have more of, whose packets are not full: 12 × 64 × 8.
const VIDEO_HEADERS_BPS: f64 = 6_000.0;

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
        f64::from(video.bps()) * VIDEO_OVERHEAD + VIDEO_HEADERS_BPS + f64::from(self.audio.bps()) + AUDIO_HEADERS_BPS
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

    /// What an estimate is held within, in bits per second: sound at its least, and all that is wanted.
    pub(super) fn range(self) -> (f64, f64) {
        let least = f64::from(AUDIO_LEAST.bps()) + AUDIO_HEADERS_BPS;
        (least, self.total(self.ceiling))
    }

    /// What would be sent if the path carried it, for pictures of at most `video` together and where nobody has use for more than
    /// `useful`; in bits per second.
    pub(crate) fn desired(self, video: Bitrate, useful: f64) -> f64 {
        self.total(video.min(self.ceiling)).min(useful)
    }

    /// The same for all that there may be.
    pub(crate) fn desired_most(self, useful: f64) -> f64 {
        self.desired(self.ceiling, useful)
    }

    /// How a path that carries `estimate` bits per second is shared out. Sound gives up bits, but never for the sake of a picture that
    /// can still be smaller, and outlasts it.
    pub(crate) fn shares(self, estimate: f64) -> Shares {
        let payload = (estimate - AUDIO_HEADERS_BPS).max(0.0);
        let beside = (estimate * AUDIO_SHARE).max(f64::from(AUDIO_BESIDE_PICTURE.bps()));
        let audio = bitrate(beside).min(self.audio);
        let video = bitrate(((payload - f64::from(audio.bps()) - VIDEO_HEADERS_BPS) / VIDEO_OVERHEAD).round());
        if video >= PICTURE_LEAST {
            return Shares {
                audio,
                video: video.min(self.ceiling),
            };
        }
        Shares {
            audio: bitrate(estimate * ALONE_SHARE - AUDIO_HEADERS_BPS).clamp(AUDIO_LEAST, self.audio),
            video: Bitrate::from_bps(0),
        }
    }
}

/// Of a number that may be negative or none at all.
fn bitrate(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps.max(0.0) as u32)
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
        assert_eq!(kbps(300_000.0), (64, 191));
        assert_eq!(kbps(200_000.0), (50, 110));
        assert_eq!(kbps(100_000.0), (25, 40), "a small picture beside speech");
        assert_eq!(kbps(83_000.0), (24, 25));
        assert_eq!(
            kbps(80_000.0),
            (42, 0),
            "sound takes over what the picture had, and leaves some to get through"
        );
        assert_eq!(kbps(50_000.0), (16, 0));
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
        for (estimate, expected) in [(0.0, 8e3), (40e3, 12.4e3), (200e3, 202_177.8), (4e6, 9_910.4e3)] {
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
