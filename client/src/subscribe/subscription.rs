//! A subscription, as a program uses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use footlight_protocol::MediaKind;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use webrtc::peer_connection::RTCIceCandidateInit;

use crate::audio::playback::{Output, PlaybackError, SoundState};
use crate::clock::MediaClock;
use crate::devices::DeviceChoice;
use crate::subscribe::connection::{Connection, TransportState};
use crate::subscribe::encoded::{EncodedCodec, EncodedPictures};
use crate::subscribe::intake::Streams;
use crate::subscribe::sdp::{announced, sections};
use crate::subscribe::slots::{Slots, Wanted};
use crate::subscribe::sound::jitter::SoundCounts;
use crate::subscribe::sound::mixer::Volume;
use crate::subscribe::sound::reference::{Reference, tap};
use crate::subscribe::sound::room::{self, SoundEvent};
use crate::subscribe::{MediaSample, SubscribeError};
use crate::video::mailbox::Mailbox;

/// How often the round trip is looked up. ICE measures it every half second.
const ROUND_TRIP_INTERVAL: Duration = Duration::from_secs(1);

/// What a new subscription is made of.
#[derive(Debug, Clone)]
pub struct SubscribeSetup {
    /// The server's host, as in its URL: where it is on this machine, loopback addresses are offered too.
    pub host: String,
    /// The slots of the first offer.
    pub wanted: Wanted,
    /// What the caller decodes: it is offered after H.264, and comes by [`Subscription::encoded_pictures`].
    pub encoded: Vec<EncodedCodec>,
    /// Where sound goes to.
    pub output: Output,
    /// What arrivals and what is heard are stamped with.
    pub clock: MediaClock,
}

/// One connection that receives. It offers; the server answers.
///
/// Dropping it, on whatever thread, ends it. [`Subscription::close`] does the same and says when it is done.
pub struct Subscription {
    clock: MediaClock,
    connection: Connection,
    streams: Streams,
    slots: Mutex<Slots>,
    /// Whether an offer waits for its answer.
    offered: Mutex<bool>,
    master: Arc<Volume>,
    sound: watch::Receiver<SoundState>,
    counts: watch::Receiver<SoundCounts>,
    sound_thread: Option<JoinHandle<()>>,
    sound_events: std::sync::mpsc::SyncSender<SoundEvent>,
    measuring: tokio::task::AbortHandle,
    /// Where the connection is closed: a window lets go of a subscription on a thread of its own, which has no runtime.
    runtime: Handle,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("slots", &self.slots())
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// Makes a subscription and its first offer, as SDP with all candidates. Must be called within a tokio runtime.
    pub async fn offer(setup: SubscribeSetup) -> Result<(Self, String), SubscribeError> {
        setup.wanted.check()?;
        let streams = Streams::default();
        let connection = Connection::new(&setup.host, setup.clock, streams.clone(), &setup.encoded).await?;
        let (sound_sender, sound) = watch::channel(SoundState::Off);
        let (counts_sender, counts) = watch::channel(SoundCounts::default());
        let master = Arc::new(Volume::default());
        let started = room::start(
            setup.output,
            setup.clock,
            Arc::clone(&master),
            sound_sender,
            counts_sender,
        );
        let (sound_events, thread) = match started {
            Ok(started) => started,
            Err(error) => {
                connection.close().await;
                return Err(error.into());
            }
        };
        let subscription = Self {
            clock: setup.clock,
            measuring: measure(connection.clone(), streams.clone()),
            connection,
            streams,
            slots: Mutex::new(Slots::new(setup.clock, sound_events.clone())),
            offered: Mutex::new(false),
            master,
            sound,
            counts,
            sound_thread: Some(thread),
            sound_events,
            runtime: Handle::current(),
        };
        let offer = subscription.extend(setup.wanted).await?;
        Ok((subscription, offer))
    }

    /// Asks for slots until there are as many as wanted; those that exist stay as they are. The next offer, as SDP.
    ///
    /// Fails where the offer before has not been answered.
    pub async fn extend(&self, wanted: Wanted) -> Result<String, SubscribeError> {
        wanted.check()?;
        if std::mem::replace(&mut *lock(&self.offered), true) {
            return Err(SubscribeError::OfferPending);
        }
        let offer = self.make_offer(wanted).await;
        if offer.is_err() {
            *lock(&self.offered) = false;
        }
        offer
    }

    async fn make_offer(&self, wanted: Wanted) -> Result<String, SubscribeError> {
        let added = lock(&self.slots).extend(wanted)?;
        for kind in added {
            self.connection.add_slot(kind).await?;
        }
        let offer = self.connection.offer().await?;
        lock(&self.slots).name(&sections(&offer));
        Ok(offer)
    }

    /// Takes the server's answer. Fails where it makes no sense.
    pub async fn accept(&self, answer: &str) -> Result<(), SubscribeError> {
        if !std::mem::replace(&mut *lock(&self.offered), false) {
            return Err(SubscribeError::NoOffer);
        }
        // Before the engine learns of it, so that no packet comes too early.
        for stream in announced(answer) {
            let slots = lock(&self.slots);
            self.streams
                .add(stream.ssrc, stream.repair, || slots.inlet(&stream.mid));
        }
        self.connection.accept(answer).await?;
        Ok(())
    }

    /// Takes a candidate that the server sent after its answer: the attribute's value, and the section that it belongs to.
    pub async fn add_candidate(
        &self,
        candidate: String,
        mid: Option<String>,
        section: Option<u16>,
    ) -> Result<(), SubscribeError> {
        let candidate = RTCIceCandidateInit {
            candidate,
            sdp_mid: mid,
            sdp_mline_index: section,
            ..Default::default()
        };
        Ok(self.connection.add_candidate(candidate).await?)
    }

    /// Names, as in the SDP, and kinds of all slots: sound first, each kind in the order of offering.
    pub fn slots(&self) -> Vec<(String, MediaKind)> {
        lock(&self.slots).names()
    }

    /// The pictures of a slot, each as it is due; a newer one takes the place of one that was not taken. Frames say how they
    /// are to be turned, and as their capture time, on the subscription's clock, when the last of their packets came.
    ///
    /// The mailbox has one taker; it is closed with the subscription.
    pub fn pictures(&self, mid: &str) -> Result<Arc<Mailbox>, SubscribeError> {
        Ok(Arc::clone(&lock(&self.slots).picture(mid)?.mailbox))
    }

    /// The pictures of a slot that are not decoded here, each as it is due. None but in the codecs asked for; a slot changes
    /// between both ways with whoever is shown in it.
    pub fn encoded_pictures(&self, mid: &str) -> Result<Arc<EncodedPictures>, SubscribeError> {
        Ok(Arc::clone(&lock(&self.slots).picture(mid)?.encoded))
    }

    /// Keeps the picture of one slot in time with the sound of another, or with none. At first the n-th are together.
    pub fn pair(&self, picture: &str, sound: Option<&str>) -> Result<(), SubscribeError> {
        lock(&self.slots).join(picture, sound)
    }

    /// How loud everything is: a linear factor from 0 to 4, 1 for unchanged.
    pub fn set_volume(&self, gain: f32) {
        self.master.set(gain);
    }

    /// Mutes everything, or no longer.
    pub fn mute(&self, muted: bool) {
        self.master.mute(muted);
    }

    /// How loud one sound slot is, as [`Subscription::set_volume`].
    pub fn set_slot_volume(&self, mid: &str, gain: f32) -> Result<(), SubscribeError> {
        lock(&self.slots).sound(mid)?.volume.set(gain);
        Ok(())
    }

    /// Mutes one sound slot, or no longer.
    pub fn mute_slot(&self, mid: &str, muted: bool) -> Result<(), SubscribeError> {
        lock(&self.slots).sound(mid)?.volume.mute(muted);
        Ok(())
    }

    /// The way of the media, now and at each change.
    pub fn state(&self) -> watch::Receiver<TransportState> {
        self.connection.state.clone()
    }

    /// Whether anything can be heard, now and at each change. Pictures go on either way.
    pub fn sound(&self) -> watch::Receiver<SoundState> {
        self.sound.clone()
    }

    /// Has everything come out of another device, as soon as that is open; until then, and where it cannot be opened, it comes from
    /// where it came before. Begins at once; the answer says what became of it. Of a wish that a newer one has overtaken it says nothing
    /// bad, nor of one where no sound was asked for.
    pub fn play_on(
        &self,
        choice: DeviceChoice,
    ) -> impl Future<Output = Result<(), PlaybackError>> + Send + 'static + use<> {
        let (asked, answer) = oneshot::channel();
        // It fails when the thread is gone, and nothing is played any more.
        let _ = self.sound_events.send(SoundEvent::Output(choice, asked));
        async { answer.await.unwrap_or(Ok(())) }
    }

    /// What goes to the loudspeaker from now on: for an echo canceller, which has to know it. At most four readers; a fifth
    /// takes the place of the first.
    pub fn reference(&self) -> Reference {
        let (tap, reference) = tap(self.clock);
        // It fails when the thread is gone, and nothing is played any more.
        let _ = self.sound_events.send(SoundEvent::Tap(tap));
        reference
    }

    /// The counters as they stand, or none before anything has come.
    pub fn sample(&self) -> Option<MediaSample> {
        let streams = self.streams.figures();
        if streams.iter().all(|stream| stream.reception.received() == 0) {
            return None;
        }
        let mut sample = MediaSample {
            at_ms: self.clock.now().as_duration().as_secs_f64() * 1e3,
            round_trip_ms: self.streams.round_trip().map(|trip| trip.as_secs_f64() * 1e3),
            ..MediaSample::default()
        };
        sample.add_reception(&streams);
        for slot in lock(&self.slots).pictures() {
            sample.add_pictures(&slot.figures);
        }
        sample.add_sound(*self.counts.borrow());
        Some(sample)
    }

    /// Ends everything: the connection, the threads, and the sound.
    pub async fn close(mut self) {
        self.end();
        self.connection.close().await;
        if let Some(thread) = self.sound_thread.take() {
            // It ends within a block; a device that hangs while it is closed is not waited for on this thread.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn end(&self) {
        self.measuring.abort();
        lock(&self.slots).close();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.end();
        let connection = self.connection.clone();
        self.runtime.spawn(async move { connection.close().await });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves what it guards whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the round trip of the path up to date, until it is aborted.
fn measure(connection: Connection, streams: Streams) -> tokio::task::AbortHandle {
    let measuring = async move {
        loop {
            tokio::time::sleep(ROUND_TRIP_INTERVAL).await;
            if let Some(round_trip) = connection.round_trip().await {
                streams.set_round_trip(round_trip);
            }
        }
    };
    tokio::spawn(measuring).abort_handle()
}
