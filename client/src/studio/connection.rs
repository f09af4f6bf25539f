//! One connection of a studio to a server. It offers; the server answers; whoever owns the room carries both.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use footlight_protocol::TrackSource;
use serde::Serialize;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::AbortHandle,
};
use webrtc::peer_connection::RTCPeerConnectionState;

use super::{Studio, share::shares, source::Source};
use crate::{
    publish::{
        bandwidth::Budget,
        congestion::Congestion,
        feedback::Feedback,
        outlet::{Outlet, SentCounters},
        peer::{Peer, PeerSetup},
    },
    units::Bitrate,
};

/// Most that all pictures of a studio take together: a camera at 1080p and a screen beside it.
const VIDEO_CEILING: Bitrate = Bitrate::from_kbps(10_000);
/// What congestion control starts from where no picture is open yet.
const FIRST_PICTURE: Bitrate = Bitrate::from_kbps(2_500);
/// Set aside for sound.
const SOUND: Bitrate = Bitrate::from_kbps(96);
/// How often the connection is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A server that gets media reports on it every tenth of a second. After this much silence the way is interrupted.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// News that wait for media to flow: what a few offers say of four sources.
const NEWS: usize = 16;

/// Why a connection could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The WebRTC engine, which also refuses answers that make no sense.
    #[error("WebRTC: {0}")]
    WebRtc(#[from] webrtc::error::Error),
    /// Nothing was to be sent.
    #[error("nothing to publish: open a camera, a microphone or a screen first")]
    NothingToSend,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// On the way.
    Connecting,
    /// Media flows.
    Connected,
    /// The server was not heard for some seconds; it may come back.
    Interrupted,
    /// It will carry nothing any more.
    Failed,
}

/// What is to be sent to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// With all candidates.
    pub sdp: String,
    /// The source of each media section, by its identification tag (RFC 5888 §4).
    pub sources: BTreeMap<String, TrackSource>,
}

/// What a connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ConnectionStats {
    /// Pictures that were handed to the network, since the start.
    pub frames_sent: u64,
    /// Payload that was handed to the network, since the start.
    pub bytes_sent: u64,
    /// Share of packets lost on the way to the server, smoothed, 0 to 1.
    pub loss: f32,
    /// In milliseconds, once it has been measured.
    pub round_trip_ms: Option<f32>,
    /// What congestion control thinks that the path carries, in bits per second.
    pub estimate_bps: f64,
}

/// A connection on which sources of a [`Studio`] are sent. Dropping it ends it without a farewell.
pub struct Connection {
    studio: Arc<Studio>,
    peer: Mutex<Peer>,
    sent: Arc<SentCounters>,
    /// Taken up once media can flow: before that, packets would be lost, a keyframe first.
    news: mpsc::Sender<News>,
    feedback: Arc<Feedback>,
    estimate: watch::Receiver<f64>,
    state: watch::Receiver<ConnectionState>,
    watching: AbortHandle,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Makes a connection to the server at `host`, as in its URL, and the first offer for it.
    ///
    /// One connection at a time sends a studio's sources: another one takes them over. Must be called within a tokio runtime.
    pub async fn offer(
        studio: Arc<Studio>,
        host: &str,
        sources: &[TrackSource],
    ) -> Result<(Self, Offer), ConnectionError> {
        if sources.is_empty() {
            return Err(ConnectionError::NothingToSend);
        }
        let asked = Arc::downgrade(&studio);
        let feedback = Arc::new(Feedback::new(move |place, _| {
            if let Some(source) = asked.upgrade().and_then(|studio| studio.source(place).ok()) {
                source.request_keyframe();
            }
        }));
        let wanted: u32 = pictures(&studio).iter().map(|(_, bitrate)| bitrate.bps()).sum();
        let start = Budget::new(SOUND, Bitrate::from_bps(wanted.max(FIRST_PICTURE.bps()))).start(None);
        let budget = Budget::new(SOUND, VIDEO_CEILING);
        let (peer, sdp) = Peer::offer(PeerSetup {
            host,
            clock: studio.clock,
            sources,
            layers: 1,
            budget,
            start,
            feedback: Arc::clone(&feedback),
        })
        .await?;
        let offer = Offer {
            sdp,
            sources: peer.sections().await?,
        };
        let (sender, state) = watch::channel(ConnectionState::Connecting);
        let estimate = peer.estimate.clone();
        let (news, heard) = mpsc::channel(NEWS);
        let sent: Arc<SentCounters> = Arc::default();
        let watch = Watch {
            studio: Arc::clone(&studio),
            sent: Arc::clone(&sent),
            news: heard,
            opened: studio.opened.subscribe(),
            outlets: Vec::new(),
            feedback: Arc::clone(&feedback),
            transport: peer.state(),
            congestion: peer.congestion.clone(),
            estimate: estimate.clone(),
            limit: feedback.limit(),
            budget,
            expected_loss: AtomicU8::new(0),
        };
        let watching = tokio::spawn(watch.run(sender)).abort_handle();
        let connection = Self {
            studio,
            peer: Mutex::new(peer),
            sent,
            news,
            feedback,
            estimate,
            state,
            watching,
        };
        Ok((connection, offer))
    }

    /// Makes the next offer, to send from exactly these sources. Not before the last one was answered.
    pub async fn reoffer(&self, sources: &[TrackSource]) -> Result<Offer, ConnectionError> {
        let mut peer = self.peer.lock().await;
        let sdp = peer.reoffer(sources).await?;
        self.tell(News::Only(sources.to_vec())).await;
        Ok(Offer {
            sdp,
            sources: peer.sections().await?,
        })
    }

    /// Takes the server's answer; what is new in it goes on air.
    pub async fn accept(&self, answer: &str) -> Result<(), ConnectionError> {
        let outlets = self.peer.lock().await.accept(answer).await?;
        for outlet in outlets {
            self.tell(News::Open(outlet)).await;
        }
        Ok(())
    }

    async fn tell(&self, news: News) {
        // Nobody hears it any more on a connection that has failed, on which nothing goes on air.
        let _ = self.news.send(news).await;
    }

    /// Takes a candidate that the server sent beside its answer (RFC 8838), in the form of `a=candidate`.
    pub async fn add_candidate(&self, candidate: &str) -> Result<(), ConnectionError> {
        Ok(self.peer.lock().await.add_candidate(candidate).await?)
    }

    /// How far it is, and each change of that.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// What it carries.
    pub fn stats(&self) -> ConnectionStats {
        ConnectionStats {
            frames_sent: self.sent.frames(),
            bytes_sent: self.sent.bytes(),
            loss: self.feedback.loss(),
            round_trip_ms: self.feedback.round_trip().map(|trip| trip.as_secs_f32() * 1e3),
            estimate_bps: *self.estimate.borrow(),
        }
    }

    /// Ends it, whoever else still holds it: nothing is encoded any more, and its sockets are closed.
    pub async fn close(&self) {
        // Whoever waits to tell something then waits no more, and lets go of the peer.
        self.watching.abort();
        // Closing first: media that is being written to the connection then stops waiting for it.
        self.peer.lock().await.close().await;
        self.go_off_air();
    }

    fn go_off_air(&self) {
        for place in self.studio.places() {
            if let Ok(source) = self.studio.source(place) {
                source.go_off_air_from(&self.sent);
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watching.abort();
        self.go_off_air();
    }
}

/// The pictures that are open, and what each wants of the path.
fn pictures(studio: &Studio) -> Vec<(Arc<Source>, Bitrate)> {
    let sources = studio
        .places()
        .into_iter()
        .filter_map(|place| studio.source(place).ok());
    sources
        .filter_map(|source| {
            let wanted = source.wanted_bitrate()?;
            Some((source, wanted))
        })
        .collect()
}

/// What becomes of the tracks of a connection.
enum News {
    /// The server takes this one.
    Open(Outlet),
    /// No others are offered any more.
    Only(Vec<TrackSource>),
}

/// Looks after a connection for as long as it lasts.
struct Watch {
    studio: Arc<Studio>,
    sent: Arc<SentCounters>,
    news: mpsc::Receiver<News>,
    /// Sources are closed and opened again on one track, as when another microphone is chosen.
    opened: watch::Receiver<()>,
    /// Those that are negotiated.
    outlets: Vec<Outlet>,
    feedback: Arc<Feedback>,
    transport: watch::Receiver<RTCPeerConnectionState>,
    congestion: Congestion,
    estimate: watch::Receiver<f64>,
    /// What is of use to somebody, in bits per second.
    limit: watch::Receiver<f64>,
    budget: Budget,
    /// What the encoder of sound was told last, in percent.
    expected_loss: AtomicU8,
}

impl Watch {
    async fn run(mut self, state: watch::Sender<ConnectionState>) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            let transport = *self.transport.borrow_and_update();
            let now = self.state_of(transport);
            state.send_if_modified(|state| std::mem::replace(state, now) != now);
            if now == ConnectionState::Failed {
                return;
            }
            tokio::select! {
                // An error is the end of the connection, which its last state has told.
                Ok(()) = self.transport.changed() => self.feedback.heard(),
                Some(news) = self.news.recv(), if transport == RTCPeerConnectionState::Connected => self.heed(news),
                // The studio is there for as long as this is.
                Ok(()) = self.opened.changed() => self.outlets.iter().for_each(|outlet| self.go_on_air(outlet)),
                _ = looks.tick() => {
                    self.share_out();
                    self.tell_loss();
                }
            }
        }
    }

    fn heed(&mut self, news: News) {
        match news {
            News::Open(outlet) => {
                self.go_on_air(&outlet);
                self.outlets.retain(|other| other.source() != outlet.source());
                self.outlets.push(outlet);
            }
            News::Only(offered) => {
                for outlet in self
                    .outlets
                    .extract_if(.., |outlet| !offered.contains(&outlet.source()))
                {
                    if let Ok(source) = self.studio.source(outlet.source()) {
                        source.go_off_air_from(&self.sent);
                    }
                }
            }
        }
    }

    fn go_on_air(&self, outlet: &Outlet) {
        // One that was closed since the offer goes on air when it is opened again.
        if let Ok(source) = self.studio.source(outlet.source()) {
            source.go_on_air(outlet.clone(), Arc::clone(&self.sent));
        }
    }

    fn state_of(&self, transport: RTCPeerConnectionState) -> ConnectionState {
        match transport {
            RTCPeerConnectionState::Connected if self.feedback.silence() > SILENCE_LIMIT => {
                ConnectionState::Interrupted
            }
            RTCPeerConnectionState::Connected => ConnectionState::Connected,
            RTCPeerConnectionState::Disconnected => ConnectionState::Interrupted,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => ConnectionState::Failed,
            _ => ConnectionState::Connecting,
        }
    }

    fn share_out(&self) {
        let useful = *self.limit.borrow();
        let available = self.budget.shares(self.estimate.borrow().min(useful));
        if let Ok(microphone) = self.studio.source(TrackSource::Microphone) {
            microphone.set_audio_bitrate(available.audio);
        }
        let (sources, wanted): (Vec<_>, Vec<_>) = pictures(&self.studio).into_iter().unzip();
        let all = Bitrate::from_bps(wanted.iter().map(|bitrate| bitrate.bps()).sum());
        self.congestion.set_desired(self.budget.desired(all, useful));
        for (source, share) in sources.iter().zip(shares(available.video, &wanted)) {
            source.set_target_bitrate(share);
        }
    }

    fn tell_loss(&self) {
        let loss = (self.feedback.loss() * 100.0).round() as u8;
        if self.expected_loss.swap(loss, Ordering::Relaxed) != loss
            && let Ok(microphone) = self.studio.source(TrackSource::Microphone)
        {
            microphone.set_expected_loss(loss);
        }
    }
}
