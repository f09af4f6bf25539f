//! Every packet that comes in, on its way to its slot; and what goes back: NACK and PLI.
//!
//! An interceptor of webrtc-rs, application-ward of those that report arrivals to the server. webrtc-rs takes retransmissions
//! apart only behind its interceptors, where none of them sees that a gap was filled; so it is done here (RFC 4588 §4), and
//! packets go on to the slots' threads from here instead of through webrtc-rs' tracks.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::rtp::header::Header;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;

use crate::audio::decoder::samples_in;
use crate::clock::MediaClock;
use crate::subscribe::connection::picture_codec;
use crate::subscribe::micros::{Micros, micros};
use crate::subscribe::nack::NackTracker;
use crate::subscribe::picture::frames::PicturePacket;
use crate::subscribe::picture::show::{PictureEvent, PictureFigures, PictureInlet};
use crate::subscribe::reception::Reception;
use crate::subscribe::sequence::Unwrapper;
use crate::subscribe::sound::jitter::SoundPacket;
use crate::subscribe::sound::room::SoundEvent;
use crate::transport::codecs::{AUDIO_RATE, VIDEO_RATE};
use crate::video::frame::Rotation;

/// How the sender's camera was held (3GPP TS 26.114 §7.4.5).
pub(crate) const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";

/// How often it is looked for what is to be asked for. Half the least time between two questions for one packet.
const TICK: Duration = Duration::from_millis(10);

/// Without a packet for so long nobody sends, and there is nothing to ask for.
const QUIET: Duration = Duration::from_secs(2);

/// In front of a retransmitted payload: the number that the packet had (RFC 4588 §4).
const ORIGINAL_NUMBER_BYTES: usize = 2;

/// Where packets of a slot go.
pub(crate) enum Inlet {
    Sound {
        place: usize,
        events: SyncSender<SoundEvent>,
    },
    Picture {
        inlet: PictureInlet,
        figures: Arc<PictureFigures>,
    },
}

struct Stream {
    inlet: Inlet,
    numbers: Unwrapper,
    ticks: Unwrapper,
    reception: Reception,
    nacks: NackTracker,
    /// The id under which its packets tell how they are to be turned.
    orientation: Option<u8>,
}

/// What one stream has received.
pub(crate) struct StreamFigures {
    pub(crate) reception: Reception,
    /// Where it is pictures.
    pub(crate) figures: Option<Arc<PictureFigures>>,
}

/// The streams of a connection, by SSRC. Written by negotiation, and by the packet path, which runs on one task.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    streams: HashMap<u32, Stream>,
    /// From the SSRC of retransmissions to the one that they repair.
    repairs: HashMap<u32, u32>,
    round_trip: Option<Duration>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every critical section leaves the table whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stream, and the one that repairs it. One that is there already stays as it is.
    pub(crate) fn add(&self, ssrc: u32, repair: Option<u32>, inlet: impl FnOnce() -> Option<Inlet>) {
        let mut table = self.lock();
        if let Some(repair) = repair {
            table.repairs.insert(repair, ssrc);
        }
        if table.streams.contains_key(&ssrc) {
            return;
        }
        if let Some(inlet) = inlet() {
            let stream = Stream {
                inlet,
                numbers: Unwrapper::default(),
                ticks: Unwrapper::default(),
                reception: Reception::default(),
                nacks: NackTracker::default(),
                orientation: None,
            };
            table.streams.insert(ssrc, stream);
        }
    }

    pub(crate) fn set_round_trip(&self, round_trip: Duration) {
        self.lock().round_trip = Some(round_trip);
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.lock().round_trip
    }

    /// What each stream has received.
    pub(crate) fn figures(&self) -> Vec<StreamFigures> {
        let table = self.lock();
        let figures = table.streams.values().map(|stream| {
            let figures = match &stream.inlet {
                Inlet::Sound { .. } => None,
                Inlet::Picture { figures, .. } => Some(Arc::clone(figures)),
            };
            StreamFigures {
                reception: stream.reception.clone(),
                figures,
            }
        });
        figures.collect()
    }
}

/// The interceptor.
pub(crate) struct Intake {
    clock: MediaClock,
    streams: Streams,
    /// In whose name we ask. We send no media, so that nobody else uses it.
    ssrc: u32,
    due: Option<Instant>,
    quiet_from: Option<Instant>,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl Intake {
    pub(crate) fn new(clock: MediaClock, streams: Streams) -> Self {
        Self {
            clock,
            streams,
            ssrc: rand::random(),
            due: None,
            quiet_from: None,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    fn ask(&mut self, now: Instant) {
        let mut questions: Vec<Box<dyn rtcp::Packet>> = Vec::new();
        let mut table = self.streams.lock();
        let round_trip = table.round_trip.map(|trip| trip.as_micros() as Micros);
        let at = micros(self.clock.at(now));
        for (&media_ssrc, stream) in &mut table.streams {
            let Inlet::Picture { figures, .. } = &stream.inlet else {
                continue;
            };
            if let Some(needed) = figures.needed_from() {
                stream.nacks.forget_before(needed);
            }
            let missing: Vec<u16> = stream.nacks.due(at, round_trip).into_iter().map(|n| n as u16).collect();
            if !missing.is_empty() {
                questions.push(Box::new(TransportLayerNack {
                    sender_ssrc: self.ssrc,
                    media_ssrc,
                    nacks: nack_pairs_from_sequence_numbers(&missing),
                }));
            }
            if figures.take_keyframe_wish() {
                questions.push(Box::new(PictureLossIndication {
                    sender_ssrc: self.ssrc,
                    media_ssrc,
                }));
            }
        }
        drop(table);
        self.outbound.extend(questions.into_iter().map(|question| TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(vec![question])),
        }));
    }
}

impl Table {
    fn take(&mut self, header: &Header, payload: &Bytes, arrival: Micros) {
        if let Some(primary) = self.repairs.get(&header.ssrc) {
            // Without the number it is padding, sent to find out what the path carries.
            if let Some((number, rest)) = payload.split_at_checked(ORIGINAL_NUMBER_BYTES)
                && let Some(stream) = self.streams.get_mut(primary)
            {
                stream.reception.observe_again(rest.len());
                let number = u16::from_be_bytes([number[0], number[1]]);
                stream.pass_on(header, number, payload.slice(ORIGINAL_NUMBER_BYTES..), arrival);
            }
        } else if let Some(stream) = self.streams.get_mut(&header.ssrc) {
            let rate = stream.rate();
            let (number, timestamp) = stream.pass_on(header, header.sequence_number, payload.clone(), arrival);
            stream
                .reception
                .observe(number, timestamp, payload.len(), arrival, rate);
        }
    }
}

impl Stream {
    fn rate(&self) -> u32 {
        match self.inlet {
            Inlet::Sound { .. } => AUDIO_RATE,
            Inlet::Picture { .. } => VIDEO_RATE,
        }
    }

    /// The packet's extended number and timestamp.
    fn pass_on(&mut self, header: &Header, number: u16, payload: Bytes, arrival: Micros) -> (i64, i64) {
        let sequence = self.numbers.sequence(number);
        let timestamp = self.ticks.timestamp(header.timestamp);
        match &self.inlet {
            Inlet::Sound { place, events } => {
                if let Some(samples) = samples_in(&payload) {
                    let packet = SoundPacket {
                        sequence,
                        timestamp,
                        ticks: samples as i64,
                        arrival,
                        payload,
                    };
                    tell(events, SoundEvent::Packet(*place, packet));
                }
            }
            Inlet::Picture { inlet, .. } => {
                self.nacks.arrived(sequence, arrival);
                let turned = self.orientation.and_then(|id| header.get_extension(id));
                inlet.send(PictureEvent::Packet(PicturePacket {
                    sequence,
                    timestamp,
                    marker: header.marker,
                    codec: picture_codec(header.payload_type),
                    arrival,
                    rotation: turned.and_then(|value| value.first().copied()).map(rotation),
                    payload,
                }));
            }
        }
        (sequence, timestamp)
    }

    fn report(&mut self, report: &SenderReport) {
        let timestamp = self.ticks.timestamp(report.rtp_time);
        match &self.inlet {
            Inlet::Sound { place, events } => tell(events, SoundEvent::Report(*place, report.ntp_time, timestamp)),
            Inlet::Picture { inlet, .. } => inlet.send(PictureEvent::Report(report.ntp_time, timestamp)),
        }
    }
}

fn tell(events: &SyncSender<SoundEvent>, event: SoundEvent) {
    if let Err(TrySendError::Full(_)) = events.try_send(event) {
        tracing::debug!("sound is decoded too slowly");
    }
}

/// The two lowest bits (3GPP TS 26.114 §7.4.5).
fn rotation(value: u8) -> Rotation {
    match value & 3 {
        0 => Rotation::None,
        1 => Rotation::Quarter,
        2 => Rotation::Half,
        _ => Rotation::ThreeQuarters,
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Intake {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        match &packet.message.packet {
            Packet::Rtp(rtp) => {
                let arrival = micros(self.clock.at(packet.now));
                self.streams.lock().take(&rtp.header, &rtp.payload, arrival);
                self.due.get_or_insert(packet.now + TICK);
                self.quiet_from = Some(packet.now + QUIET);
                // It ends here.
                return Ok(());
            }
            Packet::Rtcp(packets) => {
                let mut table = self.streams.lock();
                for report in packets
                    .iter()
                    .filter_map(|packet| packet.as_any().downcast_ref::<SenderReport>())
                {
                    if let Some(stream) = table.streams.get_mut(&report.ssrc) {
                        stream.report(report);
                    }
                }
            }
            _ => {}
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

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        if self.due.is_some_and(|due| now >= due) {
            self.ask(now);
            self.due = self.quiet_from.is_some_and(|quiet| now < quiet).then(|| now + TICK);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.due
    }
}

impl Interceptor for Intake {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        let orientation = info
            .rtp_header_extensions
            .iter()
            .find(|extension| extension.uri == VIDEO_ORIENTATION);
        if let (Some(extension), Some(stream)) = (orientation, self.streams.lock().streams.get_mut(&info.ssrc)) {
            stream.orientation = u8::try_from(extension.id).ok();
        }
    }

    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests;
