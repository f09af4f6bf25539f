//! One WebRTC connection: the engine, and what the core knows about it.
//!
//! **The invariant to keep:** every mutation of the engine is followed by [`Peer::drain`] before the next one. It is
//! why the engine is private to this module and each method that mutates it drains.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::format::CodecSpec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid};
use str0m::net::{Receive, Transmit};
use str0m::rtp::{Extension, ExtensionMap, Ssrc};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc};

use crate::bandwidth::{Bandwidth, FIRST_ESTIMATE};
use crate::egress::{Egress, Forward};
use crate::publish::Publishing;
use crate::quality::Grade;
use crate::slot::Slot;
use crate::{PeerId, SessionId, SfuError, UserId, codec, sdp};

/// How often the engine reports statistics; the figures shown are "of the last second".
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// The same for viewers, whose line is looked at in between.
const VIEWER_STATS_INTERVAL: Duration = Duration::from_millis(500);

/// How often a viewer gets sender reports. It cannot line up sound and picture before it has one of each, so audio's
/// usual five seconds are too long.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Retransmission history of a slot: two seconds of 2.5 Mb/s video in packets of 1,100 bytes are 570. Memory per viewer
/// is bounded by it.
const HISTORY_PACKETS: usize = 1024;

/// Nobody waits longer for a retransmission: the jitter buffer has given up and asked for a keyframe.
const HISTORY_AGE: Duration = Duration::from_secs(2);

/// Share of a stream that may be retransmissions, so that a viewer on a bad line cannot multiply its own traffic.
const RETRANSMISSION_SHARE: f32 = 0.25;

/// Most datagrams that one call of [`Peer::advance`] paces out. A burst of the pacer's is 63 KB.
const MAX_BURST: usize = 256;

/// Times in a row that an engine may want time moved without sending anything. One with something to say and nowhere to
/// send it wants it again and again.
const MAX_IDLE: u32 = 3;

/// Errors of the engine in a row after which a connection is given up.
const MAX_ERRORS: u32 = 16;

/// What a peer is for.
#[derive(Debug)]
pub(crate) enum Role {
    /// Sends media to us.
    Publish(Publishing),
    /// Gets media from us, in the order of the offer.
    Subscribe(Vec<Slot>),
}

/// What all peers of a worker share.
pub(crate) struct Setup {
    pub(crate) crypto: Arc<CryptoProvider>,
    pub(crate) certificate: DtlsCert,
    pub(crate) candidates: Vec<Candidate>,
}

/// What comes out of the engine of one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<(PeerId, Event)>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EgressFigures {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Of these packets, the ones since the figures before.
    pub(crate) recent: u64,
    pub(crate) loss: Option<f32>,
    /// As the viewer reports it (RFC 3550 §6.4.1).
    pub(crate) jitter: Option<Duration>,
    pub(crate) round_trip: Option<Duration>,
}

pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) role: Role,
    pub(crate) created_at: Instant,
    pub(crate) is_connected: bool,
    /// Its transport cannot take what it is sent: it gets no video until it can.
    pub(crate) is_congested: bool,
    pub(crate) figures: HashMap<Mid, EgressFigures>,
    pub(crate) grade: Grade,
    pub(crate) bandwidth: Bandwidth,
    /// Half of a second's figures are in.
    pub(crate) is_halfway: bool,
    /// When the last datagram came from it.
    pub(crate) heard_at: Instant,
    /// The audio and video slots that it was last told it lacks.
    pub(crate) slots_wanted: Option<(u32, u32)>,
    /// The engine's next deadline.
    pub(crate) deadline: Instant,
    rtc: Rtc,
    last_offer: String,
    errors: u32,
}

/// Extensions that can be negotiated. Those that the engine does not write itself pass through from publisher to
/// viewer.
fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::standard();
    map.set(5, Extension::AbsoluteCaptureTime);
    map
}

impl Peer {
    pub(crate) fn new(
        id: PeerId,
        (session, user): (SessionId, UserId),
        role: Role,
        credentials: IceCreds,
        offer: &str,
        setup: &Setup,
        now: Instant,
    ) -> Self {
        // Without feedback the engine would pace by its first estimate for ever.
        let is_estimated = matches!(role, Role::Subscribe(_)) && sdp::gives_transport_feedback(offer);
        let config = codec::enable(Rtc::builder())
            .set_crypto_provider(setup.crypto.clone())
            .set_dtls_cert(setup.certificate.clone())
            .set_local_ice_credentials(credentials)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_extension_map(extensions())
            .set_rtcp_report_interval_audio(REPORT_INTERVAL)
            .set_rtcp_report_interval_video(REPORT_INTERVAL)
            .set_stats_interval(Some(match role {
                Role::Publish(_) => STATS_INTERVAL,
                Role::Subscribe(_) => VIEWER_STATS_INTERVAL,
            }))
            .enable_bwe(is_estimated.then_some(Bitrate::bps(FIRST_ESTIMATE)));
        let mut rtc = config.build(now);
        for candidate in &setup.candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        Self {
            id,
            session,
            user,
            role,
            created_at: now,
            is_connected: false,
            is_congested: false,
            figures: HashMap::new(),
            grade: Grade::default(),
            bandwidth: Bandwidth::new(is_estimated),
            is_halfway: false,
            heard_at: now,
            slots_wanted: None,
            deadline: now,
            rtc,
            last_offer: String::new(),
            errors: 0,
        }
    }

    /// Answers `offer`, the first or a later one.
    pub(crate) fn negotiate(&mut self, offer: &str, now: Instant, out: &mut Outbox) -> Result<String, SfuError> {
        sdp::check_size(offer)?;
        let parsed = SdpOffer::from_sdp_string(offer).map_err(|error| SfuError::BadOffer(error.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(parsed);
        self.advance(now, out);
        let answer = answer.map_err(|error| SfuError::BadOffer(error.to_string()))?;
        offer.clone_into(&mut self.last_offer);
        Ok(sdp::pair_streams(&answer.to_sdp_string()))
    }

    /// The last offer again, with other remote credentials.
    pub(crate) fn renegotiate_ice(
        &mut self,
        remote: &IceCreds,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<String, SfuError> {
        sdp::check_credentials(remote)?;
        let offer = sdp::with_credentials(&self.last_offer, remote);
        self.negotiate(&offer, now, out)
    }

    pub(crate) fn local_credentials(&mut self) -> IceCreds {
        self.rtc.direct_api().local_ice_credentials()
    }

    pub(crate) fn set_local_credentials(&mut self, credentials: IceCreds, out: &mut Outbox) {
        self.rtc.direct_api().set_local_ice_credentials(credentials);
        self.drain(out);
    }

    pub(crate) fn add_remote_candidate(&mut self, candidate: Candidate, out: &mut Outbox) {
        self.rtc.add_remote_candidate(candidate);
        self.drain(out);
    }

    /// What the remote decodes in the media section `mid`.
    pub(crate) fn offered(&self, mid: Mid) -> Vec<(Pt, CodecSpec)> {
        let Some(media) = self.rtc.media(mid) else {
            return Vec::new();
        };
        let params = self.rtc.codec_config().params();
        media
            .remote_pts()
            .iter()
            .filter_map(|pt| params.iter().find(|p| p.pt() == *pt))
            .map(|p| (p.pt(), p.spec()))
            .collect()
    }

    /// Format, and the way to ask for a keyframe, behind a payload type that the remote sends.
    pub(crate) fn format(&self, pt: Pt) -> Option<(CodecSpec, Option<KeyframeRequestKind>)> {
        let params = self.rtc.codec_config().find(|p| p.pt() == pt)?;
        let request = match (params.fb_pli(), params.fb_fir()) {
            (true, _) => Some(KeyframeRequestKind::Pli),
            (false, true) => Some(KeyframeRequestKind::Fir),
            (false, false) => None,
        };
        Some((params.spec(), request))
    }

    /// Kind of a media section, and which way media flows in it, from our side.
    pub(crate) fn media_section(&self, mid: Mid) -> Option<(MediaKind, Direction)> {
        let media = self.rtc.media(mid)?;
        let direction = if media.stopped() {
            Direction::Inactive
        } else {
            media.direction()
        };
        Some((media.kind(), direction))
    }

    /// Where the stream of an SSRC belongs.
    pub(crate) fn stream(&mut self, ssrc: Ssrc, out: &mut Outbox) -> Option<(Mid, Option<Rid>)> {
        let found = self
            .rtc
            .direct_api()
            .stream_rx(&ssrc)
            .map(|stream| (stream.mid(), stream.rid()));
        self.drain(out);
        found
    }

    /// Bounds what a sending section keeps for retransmission. Its SSRC.
    pub(crate) fn bound_history(&mut self, mid: Mid, out: &mut Outbox) -> Option<Ssrc> {
        let mut direct = self.rtc.direct_api();
        let ssrc = direct.stream_tx_by_mid(mid, None).map(|stream| {
            stream.set_rtx_cache(HISTORY_PACKETS, HISTORY_AGE, Some(RETRANSMISSION_SHARE));
            stream.ssrc()
        });
        self.drain(out);
        ssrc
    }

    /// Whether `received` is meant for this peer, by its address or its integrity.
    pub(crate) fn accepts(&self, input: &Input<'_>) -> bool {
        self.rtc.accepts(input)
    }

    pub(crate) fn receive(&mut self, received: Receive<'_>, now: Instant, out: &mut Outbox) {
        // A forged datagram makes the engine complain without harm: never a reason to close.
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, received)) {
            tracing::trace!(peer = %self.id, %error, "datagram refused");
        }
        self.drain(out);
    }

    /// Sends `forward`. Whether the engine took it.
    pub(crate) fn send(&mut self, forward: Forward, now: Instant, out: &mut Outbox) -> bool {
        let sent = self.rtc.send(forward);
        self.advance(now, out);
        sent
    }

    /// When it has something to do next, by itself.
    pub(crate) fn wakes_at(&self) -> Instant {
        self.bandwidth
            .look_at()
            .map_or(self.deadline, |at| self.deadline.min(at))
    }

    /// Begins to estimate the line anew, from so many bits per second.
    pub(crate) fn estimate_anew(&mut self, from: u64, now: Instant, out: &mut Outbox) {
        self.rtc.bwe().reset(Bitrate::bps(from));
        self.advance(now, out);
    }

    /// What the line is to be filled to with padding, and what it should come to carry, in bits per second: it is probed
    /// for up to twice that.
    pub(crate) fn desire(&mut self, least: u64, desired: u64, now: Instant, out: &mut Outbox) {
        let (least, desired) = (Bitrate::bps(least), Bitrate::bps(desired));
        self.rtc.bwe().set_bitrate(least, desired);
        self.advance(now, out);
    }

    pub(crate) fn request_keyframe(
        &mut self,
        (mid, rid): (Mid, Option<Rid>),
        kind: KeyframeRequestKind,
        now: Instant,
        out: &mut Outbox,
    ) -> bool {
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_rx_by_mid(mid, rid);
        let is_known = stream.is_some();
        if let Some(stream) = stream {
            stream.request_keyframe(kind);
        }
        self.advance(now, out);
        is_known
    }

    /// Says goodbye (RTCP BYE, DTLS `close_notify`) where the connection stands.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Outbox) {
        let result = self.rtc.close();
        self.note(result.err().map(|error| error.to_string()));
        self.advance(now, out);
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive() && self.errors < MAX_ERRORS
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        let result = self.rtc.handle_input(Input::Timeout(now));
        self.note(result.err().map(|error| error.to_string()));
        self.advance(now, out);
    }

    /// Drains, and moves time where the engine wants it moved at once, so that what may be sent now is. The pacer lets one
    /// packet go at a time.
    fn advance(&mut self, now: Instant, out: &mut Outbox) {
        self.drain(out);
        let mut idle = 0;
        let first = out.transmits.len();
        while self.deadline <= now && idle < MAX_IDLE && out.transmits.len() - first < MAX_BURST && self.is_alive() {
            let before = out.transmits.len();
            let result = self.rtc.handle_input(Input::Timeout(now));
            self.note(result.err().map(|error| error.to_string()));
            self.drain(out);
            idle = if out.transmits.len() > before { 0 } else { idle + 1 };
        }
    }

    fn drain(&mut self, out: &mut Outbox) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at;
                    return;
                }
                Ok(Output::Transmit(transmit)) => out.transmits.push_back(transmit),
                Ok(Output::Event(event)) => out.events.push_back((self.id, event)),
                Err(error) => {
                    self.note(Some(error.to_string()));
                    if !self.is_alive() {
                        return;
                    }
                }
            }
        }
    }

    /// One error of the engine's own is no reason to close; a run of them is.
    fn note(&mut self, error: Option<String>) {
        match error {
            None => self.errors = 0,
            Some(error) => {
                self.errors += 1;
                tracing::debug!(peer = %self.id, error, "engine");
            }
        }
    }
}
