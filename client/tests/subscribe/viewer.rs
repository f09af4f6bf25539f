//! Our own subscription, with what a person would see and hear.

use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_client::audio::playback::Output;
use footlight_client::audio::{CHANNELS, SAMPLE_RATE};
use footlight_client::clock::{MediaClock, MediaTime};
use footlight_client::subscribe::{Reference, SubscribeSetup, Subscription, TransportState, Wanted};
use footlight_client::video::mailbox::{Delivery, Mailbox};
use footlight_client::video::strip;
use footlight_protocol::MediaKind;

use crate::server::{PATIENCE, Relay};

/// A picture that was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) number: u32,
    /// Of what flashes: black or white.
    pub(crate) luma: u8,
    pub(crate) at: MediaTime,
}

pub(crate) struct Viewer {
    pub(crate) subscription: Subscription,
    pub(crate) clock: MediaClock,
    pub(crate) pictures: Arc<Mailbox>,
    pub(crate) reference: Reference,
}

impl Viewer {
    /// Watches what `relay` has, with one slot of each kind.
    pub(crate) async fn join(relay: &Arc<Relay>) -> Self {
        let clock = MediaClock::start();
        let setup = SubscribeSetup {
            host: "127.0.0.1".to_owned(),
            wanted: Wanted { audio: 1, video: 1 },
            encoded: Vec::new(),
            output: Output::None,
            clock,
        };
        let (subscription, offer) = Subscription::offer(setup).await.expect("an offer");
        let answer = answer(relay, offer).await;
        subscription.accept(&answer).await.expect("an answer that makes sense");
        let slots = subscription.slots();
        let video = slots
            .iter()
            .find(|(_, kind)| *kind == MediaKind::Video)
            .expect("a slot");
        let pictures = subscription.pictures(&video.0).expect("a slot");
        let reference = subscription.reference();
        let viewer = Self {
            subscription,
            clock,
            pictures,
            reference,
        };
        viewer.reached(TransportState::Connected).await;
        viewer
    }

    pub(crate) async fn reached(&self, wanted: TransportState) {
        let mut state = self.subscription.state();
        let waiting = tokio::time::timeout(PATIENCE, state.wait_for(|state| *state == wanted));
        waiting
            .await
            .unwrap_or_else(|_| panic!("never {wanted:?}"))
            .expect("it reports");
    }

    /// Watches until so many pictures were shown.
    pub(crate) async fn watch(&self, count: usize) -> Vec<Shown> {
        let (pictures, clock) = (Arc::clone(&self.pictures), self.clock);
        let watching = move || {
            (0..count)
                .map(|_| {
                    let frame = match pictures.take(Instant::now() + PATIENCE) {
                        Delivery::Frame(frame) => frame,
                        other => panic!("no picture: {other:?}"),
                    };
                    let at = clock.now();
                    let (width, height) = (frame.width(), frame.height());
                    let reading = strip::read(&frame.y, width, width, height).expect("a strip");
                    // In the middle of the square that flashes.
                    let flash = height / 12;
                    let luma = frame.y[flash * width + width - flash];
                    pictures.recycle(frame);
                    Shown {
                        number: reading.frame_number,
                        luma,
                        at,
                    }
                })
                .collect()
        };
        tokio::task::spawn_blocking(watching).await.expect("pictures")
    }

    /// What has been heard since the last call, on the left, with the time of the first sample. At most half a second.
    pub(crate) fn listen(&mut self) -> Vec<(MediaTime, Vec<f32>)> {
        std::iter::from_fn(|| self.reference.read())
            .map(|block| {
                (
                    block.heard,
                    block.samples.chunks(CHANNELS).map(|frame| frame[0]).collect(),
                )
            })
            .collect()
    }
}

/// The relay's answer.
pub(crate) async fn answer(relay: &Arc<Relay>, offer: String) -> String {
    let relay = Arc::clone(relay);
    tokio::task::spawn_blocking(move || relay.subscribe(&offer))
        .await
        .expect("an answer")
}

/// Power of `hertz` in a signal (Goertzel).
pub(crate) fn power(signal: &[f32], hertz: f32) -> f32 {
    let step = std::f32::consts::TAU * hertz / SAMPLE_RATE as f32;
    let (cos, sin) = signal.iter().enumerate().fold((0.0, 0.0), |(cos, sin), (n, value)| {
        let phase = step * n as f32;
        (cos + value * phase.cos(), sin + value * phase.sin())
    });
    (cos * cos + sin * sin) / (signal.len() as f32).powi(2)
}

/// Length of so many samples.
pub(crate) fn length(samples: usize) -> Duration {
    Duration::from_secs(1) * samples as u32 / SAMPLE_RATE
}
