//! One WebRTC connection: the engine, and what the core knows about it.
//!
//! **The invariant to keep:** every mutation of the engine is followed by [`Peer::drain`] before the next one. It is
//! why the engine is private to this module and each method that mutates it drains.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::format::CodecSpec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{Extension, ExtensionMap, Ssrc};
use str0m::stats::CandidatePairStats;
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc};

use crate::bandwidth::{Bandwidth, FIRST_ESTIMATE};
use crate::codec::{self, PayloadTypes};
use crate::egress::{Departures, Egress, Heard, Path, Scratch, StreamConfig, take_keys};
use crate::numbering::Numbering;
use crate::publish::Publishing;
use crate::quality::Grade;
use crate::sfu::CONNECT_TIMEOUT;
use crate::slot::Slot;
use crate::told::Told;
use crate::{PeerId, SessionId, SfuError, UserId, normalize, route, sdp};

/// How often the engine reports statistics of a publisher; the figures shown are "of the last second".
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// How often a viewer's figures are taken, and its line is looked at.
const VIEWER_INTERVAL: Duration = Duration::from_millis(500);

/// Times in a row that an engine may want time moved without sending anything. One with something to say and nowhere to
/// send it wants it again and again.
const MAX_IDLE: u32 = 3;

/// Errors of the engine in a row after which a connection is given up.
const MAX_ERRORS: u32 = 16;

/// What a peer is for.
#[derive(Debug)]
pub(crate) enum Role {
    /// Sends media to us.
    Publish(Box<Publishing>),
    /// Gets media from us, in the order of the offer.
    Subscribe(Vec<Slot>),
}

/// What a publisher sends by a payload type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    pub(crate) types: PayloadTypes,
    pub(crate) spec: CodecSpec,
    /// How it wants to be asked for a keyframe; `None`: it cannot be asked.
    pub(crate) request: Option<KeyframeRequestKind>,
}

/// Whether an engine can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineState {
    Sound,
    /// It was left halfway.
    Panicked,
}

/// What all peers of a worker share.
pub(crate) struct Setup {
    pub(crate) crypto: Arc<CryptoProvider>,
    pub(crate) certificate: DtlsCert,
    pub(crate) candidates: Arc<[Candidate]>,
}

/// What comes out of the engine of one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) departures: Departures,
    pub(crate) scratch: Scratch,
    pub(crate) events: VecDeque<(PeerId, Event)>,
}

/// What a viewer was sent in one of its sections.
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
    /// How often a viewer's figures were taken.
    pub(crate) looks: u32,
    /// When the last datagram came from it.
    pub(crate) heard_at: Instant,
    /// The audio and video slots that it was last told it lacks.
    pub(crate) slots_wanted: Option<(u32, u32)>,
    /// Packets wait in its egress for the end of the round.
    pub(crate) is_unsent: bool,
    /// The engine's next deadline.
    deadline: Instant,
    /// When a viewer's figures are due.
    figures_at: Instant,
    rtc: Rtc,
    told: Told,
    /// A viewer's way out.
    pub(crate) egress: Option<Egress>,
    /// Where the remote wants to be sent to, if the engine believes the request that is handled now.
    nominated: Option<Path>,
    crypto: Arc<CryptoProvider>,
    last_offer: String,
    /// Of its last offer: see [`repeated_types`].
    repeated_types: u128,
    numbering: Numbering,
    errors: u32,
    pub(crate) engine: EngineState,
}

/// Extensions that can be negotiated. Those that the engine does not write itself pass through from publisher to
/// viewer.
fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::standard();
    map.set(5, Extension::AbsoluteCaptureTime);
    map
}

/// The payload types, one bit each, of which whoever offers sends lost packets again where it is asked for them (RFC 4585 §4.2).
fn repeated_types(offer: &str) -> u128 {
    let feedback = offer.lines().filter_map(|line| line.strip_prefix("a=rtcp-fb:"));
    let nack = feedback.filter_map(|feedback| feedback.trim_end().strip_suffix(" nack"));
    nack.fold(0, |types, of| match of.parse::<u32>() {
        Ok(payload_type) => types | 1_u128.checked_shl(payload_type).unwrap_or(0),
        Err(_) if of == "*" => u128::MAX,
        Err(_) => types,
    })
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
        let is_viewer = matches!(role, Role::Subscribe(_));
        // Without feedback the first estimate would stand for ever.
        let is_estimated = is_viewer && sdp::gives_transport_feedback(offer);
        let mut config = codec::enable(Rtc::builder());
        if is_viewer && !codec::has_repair(offer) {
            config = codec::without_repair(config);
        }
        let config = config
            .set_crypto_provider(setup.crypto.clone())
            .set_dtls_cert(setup.certificate.clone())
            .set_local_ice_credentials(credentials)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_extension_map(extensions())
            .set_stats_interval(Some(if is_viewer { VIEWER_INTERVAL } else { STATS_INTERVAL }));
        let mut rtc = config.build(now);
        let told = Told::new(&setup.candidates, &mut rtc);
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
            looks: 0,
            heard_at: now,
            slots_wanted: None,
            is_unsent: false,
            deadline: now,
            figures_at: now + VIEWER_INTERVAL,
            rtc,
            told,
            egress: is_viewer.then(|| Egress::new(is_estimated.then_some(FIRST_ESTIMATE), now)),
            nominated: None,
            crypto: setup.crypto.clone(),
            last_offer: String::new(),
            repeated_types: 0,
            numbering: Numbering::default(),
            errors: 0,
            engine: EngineState::Sound,
        }
    }

    /// Answers `offer`, the first or a later one. Where it restarts ICE, with the `candidates` of now.
    pub(crate) fn negotiate(
        &mut self,
        offer: &str,
        candidates: &Arc<[Candidate]>,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<String, SfuError> {
        sdp::check_size(offer)?;
        sdp::check_fingerprints(offer)?;
        let text = normalize::normalize(offer);
        self.numbering.take(&text)?;
        let answer = self.guard(|peer| peer.answer(&text, candidates, now, out))?;
        Ok(normalize::keep_protocols(offer, &answer))
    }

    /// Has the engine do something with what a stranger wrote. If it panics, this connection is lost, and not its worker with
    /// all the others.
    pub(crate) fn guard<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, SfuError>) -> Result<T, SfuError> {
        // Whatever state the engine is left in, it is not used again.
        catch_unwind(AssertUnwindSafe(|| act(self))).unwrap_or_else(|_| {
            tracing::error!(peer = %self.id, session = %self.session, "the media engine panicked on an offer");
            self.engine = EngineState::Panicked;
            // They would be taken for another connection's.
            let _ = take_keys();
            Err(SfuError::BadOffer("the media engine failed on it".to_owned()))
        })
    }

    fn answer(
        &mut self,
        offer: &str,
        candidates: &Arc<[Candidate]>,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<String, SfuError> {
        let parsed = SdpOffer::from_sdp_string(&sdp::without_candidates(offer))
            .map_err(|error| SfuError::BadOffer(error.to_string()))?;
        if sdp::restarts_ice(&self.last_offer, offer) {
            self.told.renew(candidates, &mut self.rtc);
            self.drain(out);
        }
        let answer = self.rtc.sdp_api().accept_offer(parsed);
        self.advance(now, out);
        let answer = answer.map_err(|error| SfuError::BadOffer(error.to_string()))?;
        offer.clone_into(&mut self.last_offer);
        self.repeated_types = repeated_types(offer);
        Ok(sdp::pair_streams(&sdp::keep_order_of_sound(
            offer,
            &answer.to_sdp_string(),
        )))
    }

    /// The last offer again, with other remote credentials.
    pub(crate) fn renegotiate_ice(
        &mut self,
        remote: &IceCreds,
        candidates: &Arc<[Candidate]>,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<String, SfuError> {
        sdp::check_credentials(remote)?;
        let offer = sdp::with_credentials(&self.last_offer, remote);
        self.negotiate(&offer, candidates, now, out)
    }

    pub(crate) fn local_credentials(&mut self) -> IceCreds {
        self.rtc.direct_api().local_ice_credentials()
    }

    pub(crate) fn set_local_credentials(&mut self, credentials: IceCreds, out: &mut Outbox) {
        self.rtc.direct_api().set_local_ice_credentials(credentials);
        self.drain(out);
    }

    /// What the remote decodes in the media section `mid`.
    pub(crate) fn offered(&self, mid: Mid) -> Vec<(PayloadTypes, CodecSpec)> {
        let Some(media) = self.rtc.media(mid) else {
            return Vec::new();
        };
        let params = self.rtc.codec_config().params();
        media
            .remote_pts()
            .iter()
            .filter_map(|pt| params.iter().find(|p| p.pt() == *pt))
            .map(|p| (PayloadTypes::of(p), p.spec()))
            .collect()
    }

    /// What is behind a payload type that the remote sends.
    pub(crate) fn format(&self, pt: Pt) -> Option<Format> {
        let params = self
            .rtc
            .codec_config()
            .find(|params| PayloadTypes::of(params).has(pt))?;
        let request = match (params.fb_pli(), params.fb_fir()) {
            (true, _) => Some(KeyframeRequestKind::Pli),
            (false, true) => Some(KeyframeRequestKind::Fir),
            (false, false) => None,
        };
        Some(Format {
            types: PayloadTypes::of(params),
            spec: params.spec(),
            request,
        })
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

    /// Where the stream of an SSRC belongs, whose packets come by `payload_type`.
    pub(crate) fn stream(&mut self, ssrc: Ssrc, payload_type: Pt, out: &mut Outbox) -> Option<(Mid, Option<Rid>)> {
        let is_repeated = self.is_video(payload_type) && self.repeated_types & (1 << (*payload_type & 0x7f)) != 0;
        let found = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| {
            if is_repeated {
                // The engine asks for what is lost only where it comes again on a stream of its own (RFC 4588). Without
                // one it comes again as it was (RFC 4585 §6.2.1).
                stream.suppress_nack(false);
            }
            (stream.mid(), stream.rid())
        });
        self.drain(out);
        found
    }

    fn is_video(&self, payload_type: Pt) -> bool {
        let mut params = self.rtc.codec_config().params().iter();
        params.any(|params| params.pt() == payload_type && params.spec().codec.is_video())
    }

    /// Sends along `mid` from now on, as it was negotiated last. Its SSRC.
    pub(crate) fn open_stream(&mut self, mid: Mid, clock_rate: u32, out: &mut Outbox) -> Option<Ssrc> {
        let mut direct = self.rtc.direct_api();
        let names = direct
            .stream_tx_by_mid(mid, None)
            .map(|stream| (stream.ssrc(), stream.rtx()));
        self.drain(out);
        let (names, media, egress) = (names?, self.rtc.media(mid)?, self.egress.as_mut()?);
        let mut config = StreamConfig::new(mid, names, media.remote_extmap(), clock_rate);
        let params = self.rtc.codec_config().params().iter();
        config.repair_types = params.filter_map(|p| Some((p.pt(), p.resend()?))).collect();
        egress.set_stream(config).then_some(names.0)
    }

    pub(crate) fn close_stream(&mut self, mid: Mid) {
        if let Some(egress) = &mut self.egress {
            egress.close_stream(mid);
        }
    }

    /// Where it sent what came to `destination`, as the engine knows it.
    pub(crate) fn own_address(&self, protocol: Protocol, destination: SocketAddr) -> SocketAddr {
        self.told.destination(protocol, destination)
    }

    /// Whether `received` is meant for this peer, by its address or its integrity.
    pub(crate) fn accepts(&self, input: &Input<'_>) -> bool {
        self.rtc.accepts(input)
    }

    /// Takes in a datagram, whose bytes are `contents`.
    pub(crate) fn receive(&mut self, received: Receive<'_>, contents: &[u8], now: Instant, out: &mut Outbox) {
        if self.egress.is_some() && route::nominates(contents) {
            self.nominated = Some(Path {
                protocol: received.proto,
                source: received.destination,
                destination: received.source,
            });
        }
        // A forged datagram makes the engine complain without harm: never a reason to close.
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, received)) {
            tracing::trace!(peer = %self.id, %error, "datagram refused");
        }
        self.drain(out);
        self.nominated = None;
    }

    /// Takes in RTCP of a viewer's.
    pub(crate) fn hear(&mut self, contents: &[u8], now: Instant, out: &mut Outbox) -> Heard {
        let egress = self.egress.as_mut();
        egress.map_or_else(Heard::default, |egress| egress.receive(contents, now, &mut out.scratch))
    }

    pub(crate) fn is_viewer(&self) -> bool {
        self.egress.is_some()
    }

    /// Sends what may be sent of what its egress took.
    pub(crate) fn flush(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(egress) = &mut self.egress {
            egress.advance(now, &mut out.departures, &mut out.scratch);
        }
    }

    /// When it has something to do next, by itself.
    pub(crate) fn wakes_at(&self) -> Instant {
        let figures = self.is_viewer().then_some(self.figures_at);
        let egress = self.egress.as_ref().and_then(Egress::deadline);
        let connects = (!self.is_connected).then(|| self.connects_until());
        let consent = match &self.role {
            Role::Publish(publishing) => publishing.consent.ends_at(),
            Role::Subscribe(_) => None,
        };
        let others = [self.bandwidth.look_at(), figures, egress, connects, consent];
        others.into_iter().flatten().fold(self.deadline, Instant::min)
    }

    /// Until when a peer that does not connect is waited for.
    pub(crate) fn connects_until(&self) -> Instant {
        self.created_at + CONNECT_TIMEOUT
    }

    /// Whether it is a publisher that is gone without a word.
    pub(crate) fn has_left(&self, now: Instant) -> bool {
        let is_over = |publishing: &Publishing| publishing.consent.has_ended(now);
        self.is_connected && matches!(&self.role, Role::Publish(publishing) if is_over(publishing))
    }

    /// Whether its egress has something to do.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let at = self.egress.as_ref().and_then(Egress::deadline);
        at.is_some_and(|at| at <= now)
    }

    /// Takes a viewer's figures.
    pub(crate) fn take_figures(&mut self, now: Instant) {
        let Some(egress) = &self.egress else { return };
        self.figures_at = now + VIEWER_INTERVAL;
        for (mid, stream) in egress.figures() {
            let figures = self.figures.entry(mid).or_default();
            *figures = EgressFigures {
                packets: stream.packets,
                bytes: stream.bytes,
                recent: stream.packets.saturating_sub(figures.packets),
                loss: stream.loss,
                jitter: stream.jitter,
                round_trip: stream.round_trip,
            };
        }
    }

    /// Whether it is time for [`Self::take_figures`].
    pub(crate) fn has_figures(&self, now: Instant) -> bool {
        self.is_viewer() && self.figures_at <= now
    }

    /// Where a viewer's engine sends to.
    pub(crate) fn confirm_path(&mut self, pair: &CandidatePairStats) {
        let path = Path {
            protocol: pair.protocol,
            source: pair.local.addr,
            destination: pair.remote.addr,
        };
        if let Some(egress) = &mut self.egress {
            egress.confirm_path(path);
        }
    }

    /// What a viewer's line was measured to carry, in bits per second.
    pub(crate) fn estimate(&self) -> Option<u64> {
        self.egress.as_ref().and_then(Egress::estimate)
    }

    /// Whether its line was ever seen to carry no more than it was given.
    pub(crate) fn was_limit(&self) -> bool {
        self.egress.as_ref().is_some_and(Egress::was_limit)
    }

    /// What a viewer's line should come to carry, in bits per second: it is probed for up to twice that.
    pub(crate) fn desire(&mut self, desired: u64) {
        if let Some(egress) = &mut self.egress {
            egress.set_desired(desired);
        }
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

    /// Tells a publisher, by one of its streams, what all that it sends is to take at the most (REMB,
    /// draft-alvestrand-rmcat-remb-03).
    pub(crate) fn limit(&mut self, (mid, rid): (Mid, Option<Rid>), limit: Bitrate, now: Instant, out: &mut Outbox) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_remb(limit);
        }
        self.advance(now, out);
    }

    /// Says goodbye (RTCP BYE, DTLS `close_notify`) where the connection stands.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(egress) = &mut self.egress {
            egress.close(&mut out.departures, &mut out.scratch);
        }
        if self.engine == EngineState::Panicked {
            return;
        }
        let result = self.rtc.close();
        self.note(result.err().map(|error| error.to_string()));
        self.advance(now, out);
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive() && self.errors < MAX_ERRORS
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        if self.deadline <= now {
            let result = self.rtc.handle_input(Input::Timeout(now));
            self.note(result.err().map(|error| error.to_string()));
            self.advance(now, out);
        }
    }

    /// Drains, and moves time where the engine wants it moved at once, so that what may be sent now is.
    fn advance(&mut self, now: Instant, out: &mut Outbox) {
        self.drain(out);
        let mut idle = 0;
        while self.deadline <= now && idle < MAX_IDLE && self.is_alive() {
            let before = out.departures.count();
            let result = self.rtc.handle_input(Input::Timeout(now));
            self.note(result.err().map(|error| error.to_string()));
            self.drain(out);
            idle = if out.departures.count() > before { 0 } else { idle + 1 };
        }
    }

    fn drain(&mut self, out: &mut Outbox) {
        loop {
            let output = self.rtc.poll_output();
            if let Some(keys) = take_keys()
                && let Some(egress) = &mut self.egress
                && !egress.set_keys(&keys, &self.crypto)
            {
                tracing::error!(peer = %self.id, "an SRTP profile that is not known");
            }
            match output {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at;
                    return;
                }
                Ok(Output::Transmit(transmit)) => self.transmit(&transmit, out),
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

    /// Sends a datagram of the engine's. Of a viewer's engine, no media: two that seal with the same keys would give them
    /// away (RFC 7714 §8.1).
    fn transmit(&mut self, transmit: &Transmit, out: &mut Outbox) {
        let path = Path {
            protocol: transmit.proto,
            source: transmit.source,
            destination: transmit.destination,
        };
        if let Some(egress) = &mut self.egress {
            let is_media = route::is_media(&transmit.contents);
            if is_media || route::is_dtls(&transmit.contents) {
                egress.confirm_path(path);
            } else if self.nominated == Some(path) && route::is_success(&transmit.contents) {
                egress.suggest_path(path);
            }
            if is_media {
                return;
            }
        }
        out.departures.copy(path, &transmit.contents);
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
