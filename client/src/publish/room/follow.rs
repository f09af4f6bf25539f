//! Joining the room, and joining it again.

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Error;

use super::connection::{self, Left, Seat};
use super::{Command, Ends, Entrance, Over};
use crate::publish::backoff;
use crate::publish::status::State;
use crate::trust::Refusal;

/// Attempts to reach a room that has never been reached. After that it is more likely that the address is wrong.
const FIRST_ATTEMPTS: u32 = 4;

/// A WebSocket that stood this long was a good one, and its loss is not held against the server. One that is closed as soon as it stands,
/// by a proxy with nobody behind it, is.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// Largest part of a refusal that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 4096;

/// Follows the room until it is closed to us or nobody holds its other end any more.
pub(crate) async fn follow(mut entrance: Entrance, mut ends: Ends) {
    let mut seat = Seat::default();
    let mut attempt = 0;
    loop {
        if let Some(phases) = &mut entrance.after
            && phases.wait_for(|phase| phase.state == State::Live).await.is_err()
        {
            return;
        }
        let left = match connection::open(&entrance, seat.resume_token.as_deref()).await {
            Ok(mut socket) => {
                let since = Instant::now();
                let left = connection::listen(&mut socket, &mut seat, &mut ends).await;
                if since.elapsed() >= GOOD_CONNECTION {
                    attempt = 0;
                }
                tracing::debug!(?left, "left the room");
                match left {
                    // The host looks in from a browser as well; what is sent by WHIP goes on.
                    Left::Over(Over::Replaced) if entrance.after.is_some() => Left::Stopped,
                    left => left,
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the room is not reached");
                match final_refusal(&error, &entrance, &seat, attempt) {
                    Some(over) => Left::Over(over),
                    None => Left::Lost,
                }
            }
        };
        ends.state.send_modify(|state| {
            state.connected = false;
            state.viewers = None;
            if let Left::Over(over) = &left {
                state.over = Some(over.clone());
            }
        });
        if !matches!(left, Left::Lost) {
            return;
        }
        let wait = backoff::delay(attempt, None, &mut rand::rng());
        attempt = attempt.saturating_add(1);
        if pause(wait, &mut ends).await.is_break() {
            return;
        }
    }
}

/// Waits, and does without a farewell meanwhile: there is nobody to hear it.
async fn pause(wait: Duration, ends: &mut Ends) -> std::ops::ControlFlow<()> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => return std::ops::ControlFlow::Continue(()),
            command = ends.commands.recv() => match command {
                // Dropping an offer's sender says that it was not answered.
                Some(Command::Send(_) | Command::Offer { .. }) => {}
                Some(Command::Leave(done)) => {
                    let _ = done.send(());
                    return std::ops::ControlFlow::Break(());
                }
                None => return std::ops::ControlFlow::Break(()),
            },
        }
    }
}

/// Whether there is no point in knocking again.
///
/// Where media goes by WHIP the room is a convenience, and knocking goes on for as long as there is media.
fn final_refusal(error: &Error, entrance: &Entrance, seat: &Seat, attempt: u32) -> Option<Over> {
    if entrance.after.is_some() {
        return None;
    }
    let was_in = seat.was_taken;
    match error {
        Error::Http(response) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            let body = &body[..body.len().min(MAX_REFUSAL_BYTES)];
            let words = serde_json::from_slice::<footlight_protocol::ApiError>(body).map(|error| error.message);
            // A restarted server knows no sessions until their hosts are back. And what has not the server's words may not be the server:
            // a network's page to sign in on answers in its place.
            let passing =
                status >= 500 || matches!(status, 408 | 425 | 429) || (was_in && (status == 404 || words.is_err()));
            let no_words = || {
                response
                    .status()
                    .canonical_reason()
                    .unwrap_or("no reason given")
                    .to_owned()
            };
            (!passing).then(|| Over::Refused {
                status,
                message: words.unwrap_or_else(|_| no_words()),
            })
        }
        _ if was_in || attempt + 1 < FIRST_ATTEMPTS && Refusal::behind(error).is_none() => None,
        _ => Some(Over::Unreachable {
            server: entrance.server.clone(),
            reason: Refusal::behind(error).map_or_else(|| error.to_string(), |refusal| refusal.to_string()),
        }),
    }
}
