//! The viewers: how they come in, listen, react and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use footlight_protocol::{ClientMessage, Reaction};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::heard::{Attention, Heard};
use super::options::Options;
use super::session::Session;
use super::socket::{self, Listener, Speaker, encode};
use crate::LoadError;

/// How many reasons a report names; the others are the same, as a rule.
const REFUSALS_SHOWN: usize = 5;

/// How long leaving may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everybody who came in.
pub(super) struct Audience {
    speakers: Vec<Speaker>,
    listening: JoinSet<()>,
    presence: Arc<Presence>,
    joins: Joins,
    /// One of each, encoded.
    reactions: [Utf8Bytes; 4],
    next: usize,
}

/// How it went.
#[derive(Debug, Default)]
pub(super) struct Joins {
    /// From connecting to being in the room, of those who came in.
    pub(super) durations: Vec<Duration>,
    /// Why the others did not, the first few.
    pub(super) refusals: Vec<String>,
    /// Those whose connection ended before they left.
    pub(super) lost: u32,
}

#[derive(Debug, Default)]
struct Presence {
    lost: AtomicU32,
    leaving: AtomicBool,
}

impl Audience {
    /// Lets them come in, at a steady rate. Whoever is refused is counted, and the others go on.
    pub(super) async fn join(options: &Options, session: &Session, heard: &Arc<Heard>) -> Result<Self, LoadError> {
        let mut audience = Self {
            speakers: Vec::with_capacity(options.viewers as usize),
            listening: JoinSet::new(),
            presence: Arc::default(),
            joins: Joins::default(),
            reactions: [Reaction::Heart, Reaction::Fire, Reaction::ThumbsUp, Reaction::Surprise]
                .map(|reaction| encode(&ClientMessage::Reaction { reaction })),
            next: 0,
        };
        let mut joining = JoinSet::new();
        let mut pace = interval(Duration::from_secs(1) / options.join_rate);
        let mut number = 0;
        while number < options.viewers || !joining.is_empty() {
            tokio::select! {
                _ = pace.tick(), if number < options.viewers => {
                    let (address, server) = (session.viewer_address(number), session.server);
                    joining.spawn(timeout(options.join_timeout, async move {
                        let began = Instant::now();
                        let (speaker, listener) = socket::enter(&address, server).await?;
                        Ok::<_, LoadError>((speaker, listener, began.elapsed()))
                    }));
                    number += 1;
                }
                Some(joined) = joining.join_next() => match joined {
                    Ok(Ok(Ok((speaker, listener, took)))) => {
                        audience.joins.durations.push(took);
                        audience.speakers.push(speaker);
                        let listening = listen(listener, heard.clone(), audience.presence.clone());
                        audience.listening.spawn(listening);
                    }
                    Ok(Ok(Err(error))) => audience.refused(error.to_string()),
                    Ok(Err(_)) => audience.refused("not in the room in time".into()),
                    Err(error) => return Err(LoadError::Worker(error.to_string())),
                },
            }
        }
        Ok(audience)
    }

    fn refused(&mut self, why: String) {
        if self.joins.refusals.len() < REFUSALS_SHOWN {
            self.joins.refusals.push(why);
        }
    }

    /// Viewers that came in.
    pub(super) fn size(&self) -> u64 {
        self.joins.durations.len() as u64
    }

    /// Sends this many reactions, of viewers in turn.
    pub(super) async fn react(&mut self, count: u64) {
        for _ in 0..count {
            let Some(index) = self.next.checked_rem(self.speakers.len()) else {
                return;
            };
            let reaction = self.reactions[self.next % self.reactions.len()].clone();
            self.next = self.next.wrapping_add(1);
            // Whose connection is gone is counted by the listener.
            let _ = self.speakers[index].send(reaction).await;
        }
    }

    /// Everybody says good-bye.
    pub(super) async fn leave(mut self) -> Joins {
        self.joins.lost = self.presence.lost.load(Ordering::Relaxed);
        self.presence.leaving.store(true, Ordering::Relaxed);
        let leaving = async {
            for speaker in &mut self.speakers {
                speaker.leave().await;
            }
            while self.listening.join_next().await.is_some() {}
        };
        if timeout(LEAVE_TIMEOUT, leaving).await.is_err() {
            tracing::warn!("not everybody left in time");
        }
        self.joins
    }
}

async fn listen(mut listener: Listener, heard: Arc<Heard>, presence: Arc<Presence>) {
    let mut attention = Attention::default();
    while let Some(text) = listener.next().await {
        heard.message(&text, &mut attention);
    }
    if !presence.leaving.load(Ordering::Relaxed) {
        presence.lost.fetch_add(1, Ordering::Relaxed);
    }
}
