//! Pictures that are handed on as they came, to whoever decodes them.
//!
//! Unlike with decoded ones, each refers to the one before: none may be left out but all up to the next keyframe.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::Notify;

use crate::clock::MediaTime;
use crate::video::frame::Rotation;

/// Pictures that may wait: half a second at 30 a second. Whoever is further behind goes on with the next keyframe.
const MOST_WAITING: usize = 15;

/// A codec that is not decoded here, named as in SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EncodedCodec {
    /// RFC 6386, in RTP as of RFC 7741.
    Vp8,
    /// Profile 0, in RTP as of RFC 9628.
    Vp9,
    /// The main profile, in RTP as of the RTP Payload Format For AV1.
    Av1,
}

impl EncodedCodec {
    /// All of them, those first that are decoded with the least work.
    pub const ALL: [Self; 3] = [Self::Vp8, Self::Vp9, Self::Av1];

    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
        }
    }
}

/// A picture as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// What it is encoded in.
    pub codec: EncodedCodec,
    /// As a chunk of the codec's registration with `WebCodecs`: a frame of VP8, a (super)frame of VP9, a temporal unit of AV1 in the
    /// low-overhead format.
    pub data: Vec<u8>,
    /// Whether it can be decoded without any picture before it.
    pub keyframe: bool,
    /// When the last of its packets came, on the subscription's clock.
    pub capture: MediaTime,
    /// How it is to be turned.
    pub rotation: Rotation,
    /// Whether it is to be shown: one that is late is decoded only because others refer to it.
    pub shown: bool,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<EncodedPicture>,
    /// Something is missing: a keyframe has to be next.
    broken: bool,
    /// Somebody waits for that keyframe.
    wish: bool,
    closed: bool,
}

/// The encoded pictures of one slot, each as it is due.
#[derive(Debug, Default)]
pub struct EncodedPictures {
    line: Mutex<Line>,
    arrived: Notify,
}

impl EncodedPictures {
    fn lock(&self) -> MutexGuard<'_, Line> {
        // Every critical section leaves the line whole.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next picture; none once the subscription has ended. It has one taker.
    ///
    /// Cancel safe: a picture that was not returned is still there.
    pub async fn receive(&self) -> Option<EncodedPicture> {
        loop {
            {
                let mut line = self.lock();
                if line.closed {
                    return None;
                }
                if let Some(picture) = line.waiting.pop_front() {
                    return Some(picture);
                }
                // Not earlier: while nobody takes them, no keyframe is of any use.
                line.wish |= line.broken;
            }
            // What arrived since then has left a permit.
            self.arrived.notified().await;
        }
    }

    /// Whoever decodes begins anew, or could not decode: the next picture is a keyframe.
    pub fn restart(&self) {
        let mut line = self.lock();
        let keyframe = line.waiting.iter().position(|picture| picture.keyframe);
        let needless = keyframe.unwrap_or(line.waiting.len());
        line.waiting.drain(..needless);
        line.broken |= keyframe.is_none();
    }

    /// Puts a picture in line; whether it was taken.
    pub(crate) fn send(&self, picture: EncodedPicture) -> bool {
        let mut line = self.lock();
        if line.closed || (line.broken && !picture.keyframe) {
            return false;
        }
        if line.waiting.len() == MOST_WAITING {
            line.waiting.clear();
            if !picture.keyframe {
                line.broken = true;
                return false;
            }
        }
        if picture.keyframe {
            (line.broken, line.wish) = (false, false);
        }
        line.waiting.push_back(picture);
        drop(line);
        self.arrived.notify_one();
        true
    }

    /// Whether somebody has begun to wait for a keyframe.
    pub(crate) fn take_keyframe_wish(&self) -> bool {
        std::mem::take(&mut self.lock().wish)
    }

    /// Ends it, and the wait of whoever takes them.
    pub(crate) fn close(&self) {
        let mut line = self.lock();
        line.closed = true;
        line.waiting.clear();
        drop(line);
        self.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn picture(number: u8, keyframe: bool) -> EncodedPicture {
        EncodedPicture {
            codec: EncodedCodec::Vp8,
            data: vec![number],
            keyframe,
            capture: MediaTime::default(),
            rotation: Rotation::None,
            shown: true,
        }
    }

    #[test]
    fn a_codec_is_at_its_place_among_all() {
        assert!(
            EncodedCodec::ALL
                .iter()
                .enumerate()
                .all(|(place, codec)| *codec as usize == place)
        );
    }

    /// The next picture's number; none where nothing waits.
    async fn next(pictures: &EncodedPictures) -> Option<u8> {
        let waiting = tokio::time::timeout(Duration::from_millis(20), pictures.receive());
        waiting.await.ok().flatten().map(|picture| picture.data[0])
    }

    #[tokio::test]
    async fn pictures_come_out_in_order() {
        let pictures = EncodedPictures::default();
        for number in 0..3 {
            assert!(pictures.send(picture(number, number == 0)));
        }
        for number in 0..3 {
            assert_eq!(next(&pictures).await, Some(number));
        }
        assert_eq!(next(&pictures).await, None);
        assert!(!pictures.take_keyframe_wish(), "nothing is missing");
    }

    #[tokio::test]
    async fn whoever_is_too_slow_goes_on_with_a_keyframe_and_asks_for_it_when_back() {
        let pictures = EncodedPictures::default();
        for number in 0..MOST_WAITING as u8 {
            assert!(pictures.send(picture(number, number == 0)));
        }
        for number in 20..60 {
            assert!(!pictures.send(picture(number, false)));
        }
        assert!(!pictures.take_keyframe_wish(), "nobody is there to take it");
        assert_eq!(next(&pictures).await, None);
        assert!(pictures.take_keyframe_wish());
        assert!(!pictures.take_keyframe_wish(), "once");
        assert!(!pictures.send(picture(60, false)));
        assert!(pictures.send(picture(61, true)) && pictures.send(picture(62, false)));
        assert_eq!((next(&pictures).await, next(&pictures).await), (Some(61), Some(62)));
    }

    #[tokio::test]
    async fn a_keyframe_takes_the_place_of_a_full_line() {
        let pictures = EncodedPictures::default();
        for number in 0..MOST_WAITING as u8 {
            pictures.send(picture(number, number == 0));
        }
        assert!(pictures.send(picture(30, true)));
        assert_eq!((next(&pictures).await, next(&pictures).await), (Some(30), None));
    }

    #[tokio::test]
    async fn a_new_decoder_begins_with_a_keyframe_that_waits_or_asks_for_one() {
        let pictures = EncodedPictures::default();
        for number in 0..4 {
            pictures.send(picture(number, number == 2));
        }
        pictures.restart();
        assert_eq!((next(&pictures).await, next(&pictures).await), (Some(2), Some(3)));
        pictures.restart();
        assert_eq!(next(&pictures).await, None);
        assert!(pictures.take_keyframe_wish());
        assert!(!pictures.send(picture(4, false)));
    }

    #[tokio::test]
    async fn closing_ends_the_wait() {
        let pictures = EncodedPictures::default();
        let (received, ()) = tokio::join!(pictures.receive(), async { pictures.close() });
        assert_eq!(received, None);
        assert!(!pictures.send(picture(0, true)));
    }
}
