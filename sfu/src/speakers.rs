//! Who speaks: what the ears of this worker's microphones tell the application, and how often.

use std::time::{Duration, Instant};

use crate::relay::Control;
use crate::sfu::Sfu;
use crate::{SfuEvent, Source, TrackId};

/// Least time between two rounds of news of who speaks in one session. People see no difference below it, and every
/// round is a message to all of a session.
const NEWS_INTERVAL: Duration = Duration::from_millis(300);

/// The microphones of one worker that are looked at by a timer: those that speak, or have news that wait.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    watched: Vec<TrackId>,
    look_at: Option<Instant>,
}

impl Speakers {
    pub(crate) fn due(&self) -> Option<Instant> {
        self.look_at
    }

    fn look_by(&mut self, at: Instant) {
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }
}

impl Sfu {
    /// Takes in the audio level of a packet of a track, in dBov.
    pub(crate) fn hear(&mut self, id: TrackId, level: i8, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let Some(ingest) = track
            .ingest
            .as_mut()
            .filter(|_| track.info.source == Source::Microphone)
        else {
            return;
        };
        let speech = &mut ingest.speech;
        speech.hear(level, now);
        if speech.has_news() {
            if !std::mem::replace(&mut speech.is_watched, true) {
                self.speakers.watched.push(id);
            }
            let session = self.sessions.get(&track.info.session);
            let told_at = session.and_then(|session| session.speech_told_at);
            let open_at = told_at.map_or(now, |at| at + NEWS_INTERVAL);
            self.speakers.look_by(open_at.max(now));
        }
    }

    /// Tells what has changed, when its time has come.
    pub(crate) fn tell_speakers(&mut self, now: Instant) {
        if self.speakers.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.speakers.look_at = None;
        let mut changed = Vec::new();
        for id in std::mem::take(&mut self.speakers.watched) {
            let Some(track) = self.tracks.get_mut(&id) else {
                continue;
            };
            let (info, Some(ingest)) = (&track.info, &mut track.ingest) else {
                continue;
            };
            let speech = &mut ingest.speech;
            speech.pass(now);
            if speech.has_news()
                && let Some(session) = self.sessions.get_mut(&info.session)
            {
                let last = session.speech_told_at;
                // One round has the news of all.
                let open_at = last.filter(|at| *at != now).map_or(now, |at| at + NEWS_INTERVAL);
                if open_at <= now {
                    session.speech_told_at = Some(now);
                    let spoke = speech.told.is_some();
                    speech.told = speech.loudness();
                    let (peer, session, user) = (info.peer, info.session.clone(), info.user.clone());
                    if spoke != speech.told.is_some() {
                        changed.push(Control::Speech(session.clone(), user.clone(), !spoke));
                    }
                    self.events.push_back(match speech.told {
                        Some(level) => SfuEvent::Speaking {
                            peer,
                            session,
                            user,
                            level,
                        },
                        None => SfuEvent::Silent { peer, session, user },
                    });
                } else {
                    self.speakers.look_by(open_at);
                }
            }
            speech.is_watched = speech.has_news() || speech.loudness().is_some();
            if let Some(at) = speech.silent_at() {
                self.speakers.look_by(at);
            }
            if speech.is_watched {
                self.speakers.watched.push(id);
            }
        }
        for control in changed {
            self.announce(control, now);
        }
    }

    /// Says at once that a track is silent, which is closed or muted.
    pub(crate) fn hush(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let Some(ingest) = &mut track.ingest else { return };
        ingest.speech.reset();
        if ingest.speech.told.take().is_some() {
            let (peer, session, user) = (track.info.peer, track.info.session.clone(), track.info.user.clone());
            self.announce(Control::Speech(session.clone(), user.clone(), false), now);
            self.events.push_back(SfuEvent::Silent { peer, session, user });
        }
    }
}
