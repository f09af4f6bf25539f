//! RTCP, both ways: sender reports on the capture clock, and what the server reports back.
//!
//! webrtc-rs' own sender reports relate a packet's RTP timestamp to the time at which it was *sent*. Picture and sound
//! take different times from capture to sending, so a receiver that goes by those reports shows lips early or late by
//! the difference. Here both tracks' reports are computed from the clock that stamped the media ([`RtpClock`]), and
//! agree to one tick.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::TrackSource;
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;

use crate::clock::{MediaClock, MediaTime};
use crate::publish::feedback::Feedback;
use crate::publish::peer::Plan;
use crate::publish::rtp_clock::RtpClock;

/// Between two sender reports. RFC 3550 §6.2 allows this from about 200 kb/s of media, and receivers synchronise only
/// after two reports at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// One of our tracks.
struct Track {
    source: TrackSource,
    /// Which simulcast layer of it.
    layer: usize,
    clock: RtpClock,
    packets: u32,
    octets: u32,
}

/// Takes the place of webrtc-rs' sender report interceptor.
pub(super) struct CaptureClockReports {
    clock: MediaClock,
    /// Tells receivers which tracks belong together (RFC 3550 §6.5.1).
    cname: String,
    /// By SSRC.
    tracks: HashMap<u32, Track>,
    due: Option<Instant>,
    feedback: Arc<Feedback>,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl CaptureClockReports {
    pub(super) fn new(clock: MediaClock, cname: String, tracks: &[Plan], feedback: Arc<Feedback>) -> Self {
        let tracks = tracks.iter().flat_map(|plan| {
            plan.ssrcs.into_iter().enumerate().map(|(layer, ssrc)| {
                let track = Track {
                    source: plan.source,
                    layer,
                    clock: plan.clock,
                    packets: 0,
                    octets: 0,
                };
                (ssrc, track)
            })
        });
        Self {
            clock,
            cname,
            tracks: tracks.collect(),
            due: None,
            feedback,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    /// The report of one track at `time`, with the CNAME that each compound packet must carry (RFC 3550 §6.1).
    fn report(&self, ssrc: u32, track: &Track, time: MediaTime) -> Vec<Box<dyn rtcp::Packet>> {
        let report = SenderReport {
            ssrc,
            ntp_time: self.clock.ntp(time),
            rtp_time: track.clock.timestamp(time),
            packet_count: track.packets,
            octet_count: track.octets,
            ..Default::default()
        };
        let description = SourceDescription {
            chunks: vec![SourceDescriptionChunk {
                source: ssrc,
                items: vec![SourceDescriptionItem {
                    sdes_type: SdesType::SdesCname,
                    text: self.cname.clone().into(),
                }],
            }],
        };
        vec![Box::new(report), Box::new(description)]
    }

    fn receive(&self, packet: &dyn rtcp::Packet) {
        let content = packet.as_any();
        if let Some(reports) = content.downcast_ref::<ReceiverReport>() {
            let now = self.clock.ntp(self.clock.now());
            for report in reports
                .reports
                .iter()
                .filter(|report| self.tracks.contains_key(&report.ssrc))
            {
                self.feedback.reception(report, now);
            }
        } else if let Some(loss) = content.downcast_ref::<PictureLossIndication>() {
            self.keyframe_wanted(loss.media_ssrc);
        } else if let Some(request) = content.downcast_ref::<FullIntraRequest>() {
            // Its header's media source is unused; each entry names one (RFC 5104 §4.3.1.1).
            for entry in &request.fir {
                self.keyframe_wanted(entry.ssrc);
            }
        } else if let Some(limit) = content.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
            self.feedback.limited(limit.bitrate);
        }
    }

    fn keyframe_wanted(&self, ssrc: u32) {
        if let Some(track) = self.tracks.get(&ssrc) {
            self.feedback.keyframe_wanted(track.source, track.layer);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for CaptureClockReports {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            self.feedback.heard();
            for packet in packets {
                self.receive(packet.as_ref());
            }
        }
        self.inbound.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtp(rtp) = &packet.message.packet
            && let Some(track) = self.tracks.get_mut(&rtp.header.ssrc)
        {
            track.packets = track.packets.wrapping_add(1);
            track.octets = track.octets.wrapping_add(rtp.payload.len() as u32);
            // The first report goes out with the first packets, so that a receiver can synchronise from the start.
            self.due.get_or_insert(packet.now);
        }
        self.outbound.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        self.due = Some(now + INTERVAL);
        let time = self.clock.at(now);
        let reports: Vec<_> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.packets > 0)
            .map(|(ssrc, track)| self.report(*ssrc, track, time))
            .collect();
        self.outbound.extend(reports.into_iter().map(|report| TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(report)),
        }));
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.due
    }
}

impl Interceptor for CaptureClockReports {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::payload_feedbacks::full_intra_request::FirEntry;

    use super::*;
    use crate::publish::rtp_clock::{AUDIO_RATE, VIDEO_RATE};

    const VIDEO: u32 = 1;
    const AUDIO: u32 = 2;

    fn plans(video: RtpClock, audio: RtpClock) -> [Plan; 2] {
        let plan = |source, ssrc, clock| Plan {
            source,
            ssrcs: [ssrc, ssrc + 10, ssrc + 20],
            repair_ssrcs: [ssrc + 30, ssrc + 40, ssrc + 50],
            clock,
        };
        [
            plan(TrackSource::Camera, VIDEO, video),
            plan(TrackSource::Microphone, AUDIO, audio),
        ]
    }

    fn packet(ssrc: u32, timestamp: u32, now: Instant) -> TaggedPacket {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.ssrc = ssrc;
        packet.header.timestamp = timestamp;
        packet.payload = vec![0; 100].into();
        TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        }
    }

    fn reports(chain: &mut CaptureClockReports) -> HashMap<u32, SenderReport> {
        let mut reports = HashMap::new();
        while let Some(out) = chain.poll_write() {
            let Packet::Rtcp(compound) = out.message.packet else {
                continue;
            };
            assert!(
                compound[1].as_any().is::<SourceDescription>(),
                "a CNAME comes with each report"
            );
            let report = compound[0]
                .as_any()
                .downcast_ref::<SenderReport>()
                .expect("a sender report first");
            reports.insert(report.ssrc, report.clone());
        }
        reports
    }

    /// A picture that took 80 ms to encode and sound that took 5 are sent at the same time. Were that time reported,
    /// lips would be 75 ms off.
    #[test]
    fn both_tracks_report_capture_time_however_late_they_were_sent() {
        let clock = MediaClock::start();
        let (video, audio) = (RtpClock::new(VIDEO_RATE), RtpClock::new(AUDIO_RATE));
        let feedback = Arc::new(Feedback::new(|_, _| {}));
        let mut chain = CaptureClockReports::new(clock, "cname".to_owned(), &plans(video, audio), feedback);
        let sent = Instant::now() + Duration::from_millis(200);
        let capture = |delay| clock.at(sent).minus(Duration::from_millis(delay));
        for packet in [
            packet(VIDEO, video.timestamp(capture(80)), sent),
            packet(AUDIO, audio.timestamp(capture(5)), sent),
        ] {
            chain.handle_write(packet).expect("takes packets");
        }
        assert_eq!(
            chain.poll_timeout(),
            Some(sent),
            "the first report goes out with the first packets"
        );
        chain.handle_timeout(sent).expect("takes time");
        let reports = reports(&mut chain);
        assert_eq!(reports.len(), 2);
        for (ssrc, rtp_clock) in [(VIDEO, video), (AUDIO, audio)] {
            let report = &reports[&ssrc];
            assert_eq!(report.ntp_time, clock.ntp(clock.at(sent)));
            assert_eq!(report.rtp_time, rtp_clock.timestamp(clock.at(sent)));
            assert_eq!((report.packet_count, report.octet_count), (1, 100));
        }
        assert_eq!(chain.poll_timeout(), Some(sent + INTERVAL));
    }

    #[test]
    fn a_track_without_packets_is_not_reported() {
        let clock = MediaClock::start();
        let video = RtpClock::new(VIDEO_RATE);
        let tracks = plans(video, RtpClock::new(AUDIO_RATE));
        let mut chain = CaptureClockReports::new(clock, String::new(), &tracks, Arc::new(Feedback::new(|_, _| {})));
        let now = Instant::now();
        chain.handle_write(packet(VIDEO, 0, now)).expect("takes packets");
        chain.handle_timeout(now).expect("takes time");
        assert_eq!(reports(&mut chain).into_keys().collect::<Vec<_>>(), [VIDEO]);
    }

    #[test]
    fn keyframe_requests_of_either_kind_reach_the_encoder_that_they_are_about() {
        const SCREEN: u32 = 3;
        let wanted = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&wanted);
        let feedback = Feedback::new(move |source, layer| heard.lock().expect("no panic").push((source, layer)));
        let mut tracks = plans(RtpClock::new(VIDEO_RATE), RtpClock::new(AUDIO_RATE)).to_vec();
        tracks.push(Plan {
            source: TrackSource::Screen,
            ssrcs: [SCREEN, SCREEN + 10, SCREEN + 20],
            repair_ssrcs: [SCREEN + 30, SCREEN + 40, SCREEN + 50],
            clock: RtpClock::new(VIDEO_RATE),
        });
        let mut chain = CaptureClockReports::new(MediaClock::start(), String::new(), &tracks, Arc::new(feedback));
        let entry = |ssrc| FirEntry {
            ssrc,
            sequence_number: 1,
        };
        let requests: Vec<Box<dyn rtcp::Packet>> = vec![
            Box::new(PictureLossIndication {
                sender_ssrc: 9,
                media_ssrc: VIDEO,
            }),
            Box::new(FullIntraRequest {
                fir: vec![entry(SCREEN), entry(99), entry(VIDEO + 20)],
                ..Default::default()
            }),
            Box::new(ReceiverReport::default()),
        ];
        let compound = TaggedPacket {
            now: Instant::now(),
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(requests)),
        };
        chain.handle_read(compound).expect("takes packets");
        assert_eq!(
            *wanted.lock().expect("no panic"),
            [
                (TrackSource::Camera, 0),
                (TrackSource::Screen, 0),
                (TrackSource::Camera, 2)
            ]
        );
    }
}
