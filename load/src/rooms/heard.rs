//! What the viewers heard, counted.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Deserialize;

use super::report::{Phase, Usage};
use crate::{probe, report::Quantiles, tally::histogram};

/// What the host's messages begin with; a number follows.
const MARK: &str = "load ";

/// All viewers' sums of one phase.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the host sent each of its messages, of all phases.
    sent: Vec<Instant>,
    /// Those of them that belong to earlier phases.
    earlier: usize,
    messages: u64,
    receipts: u64,
    repeated: u64,
    delay: Histogram<u64>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            sent: Vec::new(),
            earlier: 0,
            messages: 0,
            receipts: 0,
            repeated: 0,
            delay: histogram(),
        }
    }
}

/// What one viewer expects next.
#[derive(Debug, Default)]
pub(super) struct Attention {
    next: usize,
}

/// As much of a server's message as is looked at.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers are right after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a phase.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        let sent = std::mem::take(&mut state.sent);
        let earlier = sent.len();
        *state = State {
            sent,
            earlier,
            ..State::default()
        };
    }

    /// What the host says now.
    pub(super) fn next_message(&self) -> String {
        let mut state = self.state();
        let number = state.sent.len();
        state.sent.push(Instant::now());
        format!("{MARK}{number}")
    }

    /// Counts what a viewer was sent.
    pub(super) fn message(&self, text: &str, attention: &mut Attention) {
        let at = Instant::now();
        let number = number(text);
        let mut state = self.state();
        state.messages += 1;
        let Some(number) = number else { return };
        let Some(&sent) = state.sent.get(number) else { return };
        if number < attention.next {
            state.repeated += 1;
            return;
        }
        attention.next = number + 1;
        // One that belongs to an earlier phase was given up as missing there.
        if number >= state.earlier {
            state.receipts += 1;
            state.delay.saturating_record(probe::as_ns(at - sent));
        }
    }

    /// Messages of every kind so far.
    pub(super) fn messages(&self) -> u64 {
        self.state().messages
    }

    /// Messages of the host so far, each as often as it was heard.
    pub(super) fn receipts(&self) -> u64 {
        self.state().receipts
    }

    /// The figures of the phase that is over.
    pub(super) fn phase(
        &self,
        expected: u64,
        messages: u64,
        reactions: u64,
        measured: Duration,
        used: &Usage,
    ) -> Phase {
        let state = self.state();
        let seconds = measured.as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Phase {
            seconds,
            chats: (state.sent.len() - state.earlier) as u64,
            expected,
            missing: expected.saturating_sub(state.receipts),
            repeated: state.repeated,
            delay_ms: Quantiles::of(&state.delay, Duration::from_millis(1)),
            messages_per_second: rate(messages),
            reactions_per_second: rate(reactions),
            cpu_seconds: used.own.map(|cpu| cpu.as_secs_f64()),
            server_cpu_seconds: used.server.map(|cpu| cpu.as_secs_f64()),
        }
    }
}

/// The number of a message of the host's.
fn number(text: &str) -> Option<usize> {
    let said: Said<'_> = serde_json::from_str(text).ok()?;
    if said.kind != "chat_message" {
        return None;
    }
    said.message.strip_prefix(MARK)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(message: &str) -> String {
        format!(r#"{{"type":"chat_message","message_id":"1","message":"{message}","timestamp":"x"}}"#)
    }

    fn phase(heard: &Heard, expected: u64) -> Phase {
        heard.phase(expected, heard.messages(), 0, Duration::from_secs(1), &Usage::default())
    }

    #[test]
    fn each_message_counts_once_for_each_viewer() {
        let heard = Heard::default();
        let (mut ann, mut bob) = (Attention::default(), Attention::default());
        heard.begin();
        let (first, second) = (chat(&heard.next_message()), chat(&heard.next_message()));
        for text in [&first, &second, &second] {
            heard.message(text, &mut ann);
        }
        heard.message(&second, &mut bob);
        let found = phase(&heard, 4);
        assert_eq!((found.chats, found.missing, found.repeated), (2, 1, 1));
        assert!(found.delay_ms.max >= found.delay_ms.p50);
    }

    #[test]
    fn what_nobody_said_is_no_receipt() {
        let heard = Heard::default();
        let mut ann = Attention::default();
        heard.begin();
        heard.next_message();
        for text in [
            "",
            "[]",
            r#"{"type":"pong"}"#,
            &chat("load 1"),
            &chat("load -1"),
            &chat("hello"),
        ] {
            heard.message(text, &mut ann);
        }
        assert_eq!((heard.messages(), heard.receipts()), (6, 0));
    }

    #[test]
    fn what_comes_in_the_next_phase_stays_missing() {
        let heard = Heard::default();
        let mut ann = Attention::default();
        heard.begin();
        let late = chat(&heard.next_message());
        assert_eq!(phase(&heard, 1).missing, 1);
        heard.begin();
        let next = chat(&heard.next_message());
        heard.message(&late, &mut ann);
        assert_eq!(phase(&heard, 1).missing, 1);
        heard.message(&next, &mut ann);
        assert_eq!(phase(&heard, 1).missing, 0);
    }
}
