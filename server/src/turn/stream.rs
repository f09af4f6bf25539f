//! TURN over a connection, with TLS or without (RFC 8656 §3.1): messages and channel data one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::message::{COOKIE, HEADER, padded};
use super::relay::{Client, Moment};
use super::{MAX_MESSAGE, RELAYED_QUEUE, Turn};

/// Messages that wait to be written. At a kilobyte each they are half a second of 4 Mb/s; beyond it media is dropped,
/// which makes the sender slow down.
const OUT_QUEUE: usize = 256;

/// Messages that are written together.
const WRITE_BATCH: usize = 32;

/// How long a connection may be without an allocation.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the other side may take nothing of what is written.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether the time of something is over.
const TICK: Duration = Duration::from_secs(5);

/// Whether a connection that begins with these bytes speaks TURN: a request's type, its length, and the cookie.
pub(crate) fn speaks_turn(first: &[u8]) -> bool {
    first.len() >= 8 && first[0] < 2 && first[4..8] == COOKIE
}

/// What the first bytes of a stream are.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    /// Not all there.
    Part,
    /// So many bytes, and so many with what fills up the last word.
    Whole { length: usize, padded: usize },
    /// Nothing of TURN.
    Broken,
}

fn frame(bytes: &[u8]) -> Frame {
    let [first, _, high, low, rest @ ..] = bytes else {
        return Frame::Part;
    };
    let body = usize::from(u16::from_be_bytes([*high, *low]));
    let length = match first >> 6 {
        0 if rest.get(..4).is_none_or(|cookie| cookie == COOKIE) && body.is_multiple_of(4) => HEADER + body,
        1 => 4 + body,
        _ => return Frame::Broken,
    };
    let padded = padded(length);
    if length > MAX_MESSAGE {
        Frame::Broken
    } else if bytes.len() < padded {
        Frame::Part
    } else {
        Frame::Whole { length, padded }
    }
}

impl Turn {
    /// Serves a connection until it ends, breaks the rules or is idle. `read` was read of it already.
    pub(crate) async fn serve<S>(&self, stream: S, client: SocketAddr, read: Vec<u8>, closing: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let (reader, writer) = tokio::io::split(stream);
        let (out, waiting) = mpsc::channel(OUT_QUEUE);
        tokio::select! {
            () = self.read(reader, client, read, out) => {}
            () = write(writer, waiting) => {}
            () = closing.cancelled() => {}
        }
    }

    async fn read(
        &self,
        mut stream: impl AsyncRead + Unpin,
        address: SocketAddr,
        mut read: Vec<u8>,
        out: mpsc::Sender<Vec<u8>>,
    ) {
        let (queue, mut relayed) = mpsc::channel(RELAYED_QUEUE);
        let mut client = Client::new(address);
        let mut used_at = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut chunk = [0; 4096];
        loop {
            let mut at = 0;
            loop {
                match frame(&read[at..]) {
                    Frame::Part => break,
                    Frame::Broken => return,
                    Frame::Whole { length, padded } => {
                        let message = &read[at..at + length];
                        let reaction = client.handle(&self.relay, &queue, message, Moment::now());
                        if let Some((answer, _)) = self.react(reaction)
                            && out.send(answer).await.is_err()
                        {
                            return;
                        }
                        at += padded;
                    }
                }
            }
            read.drain(..at);
            if client.allocation().is_some() {
                used_at = Instant::now();
            }
            tokio::select! {
                count = stream.read(&mut chunk) => match count {
                    Ok(count @ 1..) => read.extend_from_slice(&chunk[..count]),
                    Ok(0) | Err(_) => return,
                },
                Some(datagram) = relayed.recv() => {
                    if let Some(bytes) = client.wrap(&datagram, true, std::time::Instant::now()) {
                        // Dropped where the other side is slow, as a network would.
                        let _ = out.try_send(bytes);
                    }
                }
                _ = tick.tick() => {
                    client.expire(std::time::Instant::now());
                    if client.allocation().is_none() && used_at.elapsed() >= IDLE_TIMEOUT {
                        return;
                    }
                }
            }
        }
    }
}

async fn write<S: AsyncWrite>(mut stream: WriteHalf<S>, mut waiting: mpsc::Receiver<Vec<u8>>) {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    while waiting.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        let bytes = batch.concat();
        batch.clear();
        let written = timeout(STALL_TIMEOUT, async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::message::{Class, Method, Writer};
    use proptest::prelude::*;

    #[test]
    fn messages_and_channel_data_are_told_apart() {
        let message = Writer::new(Method::Allocate, Class::Request, [1; 12]).finish(None);
        assert!(speaks_turn(&message) && !speaks_turn(&message[..7]));
        assert_eq!(frame(&message), Frame::Whole { length: 20, padded: 20 });
        assert_eq!(frame(&message[..19]), Frame::Part);
        let data = [0x40, 1, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        assert_eq!(frame(&data), Frame::Whole { length: 9, padded: 12 });
        assert_eq!(frame(&data[..9]), Frame::Part);
        assert_eq!(frame(b"GET / HTTP/1.1"), Frame::Broken);
        assert_eq!(frame(&[0x40, 1, 0xff, 0xff]), Frame::Broken);
        assert_eq!(frame(&[0, 3, 0, 0, 1, 2, 3, 4]), Frame::Broken);
        // ICE-TCP on the same port: a length before the message.
        assert!(!speaks_turn(&[&[0, 20], &message[..]].concat()));
    }

    proptest! {
        #[test]
        fn a_frame_is_never_longer_than_what_is_there(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Frame::Whole { length, padded } = frame(&bytes) {
                prop_assert!(0 < length && length <= padded && padded <= bytes.len());
            }
        }
    }
}
