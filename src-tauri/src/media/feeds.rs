//! Pictures for the page, over WebSockets on the loopback interface.
//!
//! Each connection shows one picture source. Its address holds a secret that only the page was told, and a web page that runs in
//! some browser on this machine is turned away by its origin (RFC 6455 §10.2).
//!
//! A binary message is one picture: a header of 20 bytes and what [`Kind`] says. The header has the kind, the quarter turns by which
//! it is to be turned clockwise, whether it is to be shown at all, and what depends on the kind; width and height in pixels as `u32`,
//! which are 0 where the picture itself tells them; and the time of capture in microseconds as `u64`, little-endian.
//!
//! For each the page answers with an empty text message once it has drawn it or is ready for the next; until then no other one is
//! sent, so that a slow page sees fewer pictures and never older ones. Where it could not decode one, it answers [`LOST`].

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use footlight_client::clock::MediaTime;
use footlight_client::pipeline::Preview;
use footlight_client::subscribe::{EncodedCodec, EncodedPicture, EncodedPictures};
use footlight_client::units::Resolution;
use footlight_client::video::colours::Matrix;
use footlight_client::video::frame::{Frame, Rotation};
use footlight_client::video::mailbox::Mailbox;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::window::is_ours;

/// Pictures on one page: a stage has 21 tiles, each perhaps with a screen, and one's own.
const MAX_FEEDS: usize = 64;

/// For the handshake, by a page on the same machine.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// From the offer of a feed until the page has fetched it, which it does at once. A page that forgot one never will.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// A page answers with nothing; whatever is larger is not from ours.
const MAX_MESSAGE: usize = 128;

/// Kind, turns, whether it is shown, and the kind's own; width, height and time.
const HEADER: usize = 20;

/// What a page answers in place of nothing: it needs a keyframe.
const LOST: &str = "keyframe";

/// Bytes of a secret: 128 bits cannot be guessed (RFC 4086 §8).
const SECRET: usize = 16;

/// Where a page's pictures come from.
#[derive(Debug)]
pub(super) enum Feed {
    /// What this machine captures.
    Preview(Preview),
    /// What somebody else sends: what the app has decoded, and what it leaves to the page.
    Slot {
        decoded: Arc<Mailbox>,
        encoded: Arc<EncodedPictures>,
    },
}

/// A feed that the page has not fetched yet.
#[derive(Debug)]
struct Waiting {
    feed: Feed,
    since: Instant,
}

/// What follows the header.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Kind {
    /// Planes in I420 without padding. Of the kind's own bits the first is set for BT.709, which is else BT.601, and the second for full
    /// range.
    I420 = 0,
    /// What [`EncodedPicture::data`] says, in each codec. The first of the kind's own bits is set for a keyframe.
    Vp8 = 1,
    Vp9 = 2,
    Av1 = 3,
}

/// One picture for the page.
enum Picture {
    Decoded(Frame),
    Encoded(EncodedPicture),
}

impl Feed {
    /// Cancel safe.
    async fn next(&self) -> Option<Picture> {
        match self {
            Self::Preview(preview) => preview.receive().await.map(Picture::Decoded),
            Self::Slot { decoded, encoded } => tokio::select! {
                frame = decoded.receive() => frame.map(Picture::Decoded),
                picture = encoded.receive() => picture.map(Picture::Encoded),
            },
        }
    }

    /// Whoever decodes at the other end begins anew.
    fn restart(&self) {
        if let Self::Slot { encoded, .. } = self {
            encoded.restart();
        }
    }

    fn recycle(&self, picture: Picture) {
        match (self, picture) {
            (Self::Preview(preview), Picture::Decoded(frame)) => preview.recycle(frame),
            (Self::Slot { decoded, .. }, Picture::Decoded(frame)) => decoded.recycle(frame),
            (_, Picture::Encoded(_)) => {}
        }
    }
}

/// A small server for one page.
#[derive(Debug)]
pub(super) struct Feeds {
    port: u16,
    /// By their secrets, until the page has fetched them or might have.
    waiting: Mutex<HashMap<String, Waiting>>,
    shown: Mutex<Vec<AbortHandle>>,
    places: Arc<Semaphore>,
}

impl Feeds {
    /// Begins to listen, on a port of the system's choice.
    pub(super) async fn serve() -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let feeds = Arc::new(Self {
            port: listener.local_addr()?.port(),
            waiting: Mutex::default(),
            shown: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_FEEDS)),
        });
        tauri::async_runtime::spawn(accept(listener, Arc::downgrade(&feeds)));
        Ok(feeds)
    }

    /// Offers a feed to the page: the address of its WebSocket, good for one connection. `None` where there are too many.
    pub(super) fn offer(&self, feed: Feed) -> Option<String> {
        self.offer_at(feed, Instant::now())
    }

    fn offer_at(&self, feed: Feed, now: Instant) -> Option<String> {
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, other| now.saturating_duration_since(other.since) < FETCH_TIMEOUT);
        if waiting.len() >= MAX_FEEDS {
            return None;
        }
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET]>());
        let url = format!("ws://127.0.0.1:{}/{secret}", self.port);
        waiting.insert(secret, Waiting { feed, since: now });
        Some(url)
    }

    /// Ends all feeds.
    pub(super) fn close_all(&self) {
        self.waiting.lock().clear();
        for shown in self.shown.lock().drain(..) {
            shown.abort();
        }
    }
}

async fn accept(listener: TcpListener, feeds: std::sync::Weak<Feeds>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // The system is out of descriptors; some may be free soon.
                tracing::warn!(%error, "no connection for a picture");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(feeds) = feeds.upgrade() else {
            return;
        };
        let Ok(place) = Arc::clone(&feeds.places).try_acquire_owned() else {
            continue;
        };
        let server = Arc::clone(&feeds);
        let showing = tokio::spawn(async move {
            let _place = place;
            if let Err(error) = show(stream, &server).await {
                tracing::debug!(%error, "a picture is shown no more");
            }
        });
        let mut shown = feeds.shown.lock();
        shown.retain(|task| !task.is_finished());
        shown.push(showing.abort_handle());
    }
}

async fn show(stream: TcpStream, feeds: &Feeds) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    stream.set_nodelay(true)?;
    let mut fetched = None;
    #[expect(clippy::result_large_err, reason = "the size is the WebSocket library's")]
    let check = |request: &Request, response: Response| {
        fetched = Some(admit(request, feeds)?);
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config));
    let Ok(socket) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else {
        return Ok(());
    };
    let mut socket = socket?;
    let Some(feed) = fetched else {
        return Ok(());
    };
    feed.restart();
    loop {
        let picture = tokio::select! {
            picture = feed.next() => picture,
            // Nothing is expected now but the end.
            message = socket.next() => match message {
                Some(Ok(Message::Text(_))) => continue,
                _ => return Ok(()),
            },
        };
        let Some(picture) = picture else {
            return socket.close(None).await;
        };
        socket.send(Message::Binary(picture.message().into())).await?;
        feed.recycle(picture);
        // Drawn, or gone.
        match socket.next().await {
            Some(Ok(Message::Text(answer))) if answer.as_str() == LOST => feed.restart(),
            Some(Ok(Message::Text(_))) => {}
            _ => return Ok(()),
        }
    }
}

/// The feed that a request is for.
#[expect(clippy::result_large_err, reason = "the size is the WebSocket library's")]
fn admit(request: &Request, feeds: &Feeds) -> Result<Feed, ErrorResponse> {
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    let ours = origin
        .and_then(|origin| origin.parse().ok())
        .is_some_and(|origin| is_ours(&origin));
    if !ours {
        return Err(refusal(StatusCode::FORBIDDEN));
    }
    let secret = request.uri().path().trim_start_matches('/');
    // A map's look-up tells by its time at most whether a hash was met; the secret behind it is random and good for one use.
    feeds
        .waiting
        .lock()
        .remove(secret)
        .map(|waiting| waiting.feed)
        .ok_or_else(|| refusal(StatusCode::NOT_FOUND))
}

fn refusal(status: StatusCode) -> ErrorResponse {
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = status;
    refusal
}

impl Picture {
    fn message(&self) -> Vec<u8> {
        match self {
            Self::Decoded(frame) => {
                let planes = [&frame.y[..], &frame.u, &frame.v];
                let own = u8::from(frame.colours.matrix == Matrix::Bt709) | u8::from(frame.colours.full_range) << 1;
                let header = header(Kind::I420, frame.rotation, true, own);
                message(header, frame.size(), frame.capture, &planes)
            }
            Self::Encoded(picture) => {
                let kind = match picture.codec {
                    EncodedCodec::Vp8 => Kind::Vp8,
                    EncodedCodec::Vp9 => Kind::Vp9,
                    EncodedCodec::Av1 => Kind::Av1,
                };
                let header = header(kind, picture.rotation, picture.shown, u8::from(picture.keyframe));
                message(header, Resolution::new(0, 0), picture.capture, &[&picture.data])
            }
        }
    }
}

fn header(kind: Kind, rotation: Rotation, shown: bool, own: u8) -> [u8; 4] {
    let turns = (rotation.degrees() / 90) as u8;
    [kind as u8, turns, u8::from(shown), own]
}

fn message(header: [u8; 4], size: Resolution, capture: MediaTime, content: &[&[u8]]) -> Vec<u8> {
    let length = content.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(HEADER + length);
    out.extend_from_slice(&header);
    out.extend_from_slice(&size.width.to_le_bytes());
    out.extend_from_slice(&size.height.to_le_bytes());
    let micros = capture.as_duration().as_micros() as u64;
    out.extend_from_slice(&micros.to_le_bytes());
    for part in content {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use footlight_client::pipeline::VideoSource;
    use footlight_client::studio::{SourceConfig, Studio};
    use footlight_client::units::{Bitrate, Resolution};
    use footlight_client::video::colours::Colours;
    use footlight_protocol::TrackSource;
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

    use super::*;

    const PAGE: &str = "tauri://localhost";

    fn studio() -> Studio {
        let studio = Studio::new();
        let pattern = SourceConfig::Picture {
            source: VideoSource::Pattern,
            size: Resolution::new(320, 180),
            fps: 30,
            bitrate: Bitrate::from_kbps(300),
        };
        studio.open(TrackSource::Camera, pattern).expect("it needs no device");
        studio
    }

    fn preview(studio: &Studio) -> Feed {
        let preview = studio.preview(TrackSource::Camera, Resolution::new(160, 90));
        Feed::Preview(preview.expect("it is open"))
    }

    /// Connects as a page of `origin` would; the status of a refusal.
    async fn open(url: &str, origin: Option<&str>) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, u16> {
        let mut request = url.into_client_request().expect("a request");
        if let Some(origin) = origin {
            let origin = origin.parse().expect("a header");
            request.headers_mut().insert(header::ORIGIN, origin);
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(refusal)) => Err(refusal.status().as_u16()),
            Err(error) => panic!("neither taken nor refused: {error}"),
        }
    }

    /// Width, height and time of capture in microseconds.
    async fn next(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> (u32, u32, u64) {
        let message = socket.next().await.expect("a message").expect("a whole one");
        let data = message.into_data();
        let number = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(data[..4], [0, 0, 1, 0], "I420 as cameras have it, upright, to be shown");
        let (width, height) = (number(4), number(8));
        assert_eq!(data.len(), HEADER + (width * height * 3 / 2) as usize);
        let micros = u64::from_le_bytes(data[12..HEADER].try_into().expect("eight bytes"));
        (width, height, micros)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_page_is_sent_the_next_picture_when_it_has_drawn_the_last() {
        let (feeds, studio) = (Feeds::serve().await.expect("a port"), studio());
        let url = feeds.offer(preview(&studio)).expect("a place");
        let mut socket = open(&url, Some(PAGE)).await.expect("our own page");
        let (width, height, first) = next(&mut socket).await;
        assert_eq!((width, height), (160, 90));
        // A page that is slow: several pictures are captured meanwhile.
        let captured = || {
            let video = studio.stats().sources.into_iter().find_map(|source| source.video);
            video.expect("a picture").frames_captured
        };
        let enough = captured() + 8;
        while captured() < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        socket.send(Message::text("")).await.expect("an answer");
        let (.., second) = next(&mut socket).await;
        assert!(
            second - first > 150_000,
            "none was sent that would have waited: {}",
            second - first
        );
        drop(studio);
        socket.send(Message::text("")).await.expect("an answer");
        while let Some(Ok(message)) = socket.next().await {
            // What was captured before the end.
            if message.is_binary() && socket.send(Message::text("")).await.is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_picture_says_what_it_is_and_how_it_is_to_be_turned() {
        let mut frame = Frame::black(Resolution::new(4, 2));
        frame.rotation = Rotation::ThreeQuarters;
        frame.capture = MediaTime::from_duration(Duration::from_micros(0x0102));
        frame.colours = Colours {
            matrix: Matrix::Bt709,
            full_range: true,
        };
        let raw = Picture::Decoded(frame).message();
        let header = [0, 3, 1, 3, 4, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!((&raw[..HEADER], raw.len()), (&header[..], HEADER + 12));
        let encoded = |codec, keyframe, shown| EncodedPicture {
            codec,
            data: vec![7, 8],
            keyframe,
            capture: MediaTime::default(),
            rotation: Rotation::Quarter,
            shown,
        };
        let message = |codec, keyframe, shown| Picture::Encoded(encoded(codec, keyframe, shown)).message();
        for (codec, kind) in [(EncodedCodec::Vp8, 1), (EncodedCodec::Vp9, 2), (EncodedCodec::Av1, 3)] {
            assert_eq!(message(codec, true, true)[..4], [kind, 1, 1, 1]);
            assert_eq!(message(codec, false, false)[..4], [kind, 1, 0, 0]);
        }
        let message = message(EncodedCodec::Vp8, false, true);
        assert_eq!(message[4..], [[0; 16].as_slice(), &[7, 8]].concat());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_our_page_gets_a_picture_and_only_once() {
        let (feeds, studio) = (Feeds::serve().await.expect("a port"), studio());
        let url = feeds.offer(preview(&studio)).expect("a place");
        for origin in [
            None,
            Some("https://example.org"),
            Some("null"),
            Some("http://127.0.0.1:8443"),
        ] {
            assert_eq!(open(&url, origin).await.err(), Some(403), "{origin:?}");
        }
        let guess = format!("{}x", &url[..url.len() - 1]);
        assert_eq!(open(&guess, Some(PAGE)).await.err(), Some(404));
        let taken = open(&url, Some(PAGE)).await.expect("it was not used up by strangers");
        assert_eq!(
            open(&url, Some(PAGE)).await.err(),
            Some(404),
            "a secret is good for once"
        );
        drop(taken);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pictures_that_nobody_fetches_do_not_pile_up() {
        let (feeds, studio) = (Feeds::serve().await.expect("a port"), studio());
        for _ in 0..MAX_FEEDS {
            assert!(feeds.offer(preview(&studio)).is_some());
        }
        assert!(feeds.offer(preview(&studio)).is_none());
        feeds.close_all();
        assert!(feeds.offer(preview(&studio)).is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_page_forgot_to_fetch_makes_room() {
        let (feeds, studio) = (Feeds::serve().await.expect("a port"), studio());
        let start = Instant::now();
        let url = feeds.offer_at(preview(&studio), start).expect("a place");
        for _ in 1..MAX_FEEDS {
            assert!(feeds.offer_at(preview(&studio), start + FETCH_TIMEOUT / 2).is_some());
        }
        assert!(feeds.offer_at(preview(&studio), start + FETCH_TIMEOUT / 2).is_none());
        assert!(feeds.offer_at(preview(&studio), start + FETCH_TIMEOUT).is_some());
        assert!(feeds.offer_at(preview(&studio), start + FETCH_TIMEOUT).is_none());
        assert_eq!(open(&url, Some(PAGE)).await.err(), Some(404), "it is too late");
    }
}
