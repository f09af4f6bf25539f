//! What came of it: what publishers and viewers have seen, and the lines between.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use footlight_sfu::{SfuEvent, Source, ViewerStats, Wish};

use super::{Line, Network, Seen};

impl Network {
    /// The line of a viewer, to be changed.
    pub(crate) fn line(&mut self, viewer: usize) -> &mut Line {
        &mut self.viewers[viewer].line.is
    }

    /// Since a viewer joined.
    pub(crate) fn elapsed(&self, viewer: usize) -> Duration {
        self.now - self.viewers[viewer].joined_at
    }

    /// What a viewer has seen in its n-th slot for pictures.
    pub(crate) fn seen(&self, viewer: usize, slot: usize) -> Seen {
        let viewer = &self.viewers[viewer];
        let mut mids = viewer.mids.iter().filter(|(_, kind)| kind.is_video());
        let (mid, _) = mids.nth(slot).expect("a slot");
        let mut seen = viewer.seen[mid].clone();
        seen.until = self.now - viewer.joined_at;
        seen.line_lost = viewer.line.lost;
        seen
    }

    pub(crate) fn wish(&mut self, viewer: usize, slot: usize, wish: Wish) {
        let v = &self.viewers[viewer];
        let mut mids = v.mids.iter().filter(|(_, kind)| kind.is_video());
        let mid = mids.nth(slot).expect("a slot").0.to_string();
        let (peer, now) = (v.peer, self.now);
        let worker = usize::from(peer.worker().0);
        self.workers[worker].wish(peer, &mid, wish, now).expect("a slot");
        self.collect();
    }

    /// Which of a viewer's slots for pictures shows this.
    pub(crate) fn slot_of(&self, viewer: usize, user: &str, source: Source) -> usize {
        let v = &self.viewers[viewer];
        let mut shown = BTreeMap::new();
        for event in &self.events {
            if let SfuEvent::SlotAssigned {
                peer,
                mid,
                user,
                source,
                ..
            } = event
                && *peer == v.peer
            {
                shown.insert(mid.clone(), (user.clone(), *source));
            }
        }
        let videos = v.mids.iter().filter(|(_, kind)| kind.is_video());
        let mut slots = videos.map(|(mid, _)| shown.get(&mid.to_string()));
        let is_it = |slot: Option<&(Option<footlight_sfu::UserId>, Source)>| {
            slot.is_some_and(|(of, from)| of.as_ref().is_some_and(|of| of.as_str() == user) && *from == source)
        };
        slots.position(is_it).expect("it is shown")
    }

    /// The share of what was said since then that was heard.
    pub(crate) fn sound(&self, viewer: usize, since: Duration) -> f64 {
        let heard = self.viewers[viewer].sounds.iter().filter(|at| **at >= since).count();
        let time = self.elapsed(viewer).saturating_sub(since);
        heard as f64 / (time.as_secs_f64() * 50.0 * self.publishers.len() as f64)
    }

    /// The share of a line's rate that was used since then.
    pub(crate) fn used(&self, viewer: usize, since: Duration) -> f64 {
        let v = &self.viewers[viewer];
        let bytes: u64 = v.delivered.iter().filter(|(at, _)| *at >= since).map(|(_, b)| b).sum();
        bytes as f64 * 8.0 / (v.line.is.rate as f64 * self.elapsed(viewer).saturating_sub(since).as_secs_f64())
    }

    /// Packets that a publisher has sent: of each layer of its first section, the worst first, and of sound last.
    pub(crate) fn sent(&self, publisher: usize) -> Vec<u64> {
        let publisher = &self.publishers[publisher];
        let pictures = publisher.pictures.iter().map(|picture| picture.packets);
        pictures.chain([publisher.sounds]).collect()
    }

    /// When a publisher was asked for keyframes of each layer.
    pub(crate) fn asked(&self, publisher: usize) -> Vec<Vec<Instant>> {
        let pictures = self.publishers[publisher].pictures.iter();
        pictures.map(|picture| picture.asked.clone()).collect()
    }

    /// What a publisher was told to send at the most since then, in bits per second.
    pub(crate) fn told(&self, publisher: usize, since: Duration) -> Vec<u64> {
        let told = self.publishers[publisher].told.iter();
        let later = told.filter(|(at, _)| *at >= self.start + since);
        later.map(|(_, most)| *most).collect()
    }

    /// From now on a publisher sends what it likes.
    pub(crate) fn disobey(&mut self, publisher: usize) {
        self.publishers[publisher].obeys = false;
    }

    /// Since the beginning.
    pub(crate) fn time(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn stats(&self, viewer: usize) -> ViewerStats {
        let peer = self.viewers[viewer].peer;
        let all = self.workers[usize::from(peer.worker().0)].viewer_stats(None);
        all.into_iter().find(|stats| stats.peer == peer).expect("it is there")
    }
}
