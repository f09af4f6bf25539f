//! What another program says to `footlight publish --json`: one JSON object a line, on the standard input.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use tokio::sync::mpsc;

/// Longest line, in bytes: a message of the longest kind, each character escaped as two of six bytes.
const MAX_LINE_BYTES: u64 = 8 * 1024;

/// Commands that wait; a program that sends more waits itself, because its pipe is not read on.
const WAITING: usize = 16;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    /// Says something to everybody in the room.
    Chat(String),
}

/// Reads commands until the input ends, which ends nothing else. A line that is none comes as what is wrong with it.
pub(super) fn read(input: impl Read + Send + 'static) -> mpsc::Receiver<Result<Command, String>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    // A thread, because a read of the standard input cannot be called off; it ends with the process.
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return;
            }
            let command = match line.trim_ascii() {
                [] => continue,
                text => serde_json::from_slice(text).map_err(|error| error.to_string()),
            };
            if sender.blocking_send(command).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_a_command_and_a_bad_one_does_not_end_them() {
        let input = "{\"chat\":\"hello\"}\n\nnonsense\n{\"dance\":1}\n{\"chat\":\"caf\\u00e9 🎉\"}";
        let mut commands = read(input.as_bytes());
        assert_eq!(commands.recv().await, Some(Ok(Command::Chat("hello".to_owned()))));
        assert!(matches!(commands.recv().await, Some(Err(_))));
        let unknown = commands.recv().await.expect("an answer").expect_err("unknown");
        assert!(unknown.contains("dance"), "{unknown}");
        assert_eq!(commands.recv().await, Some(Ok(Command::Chat("café 🎉".to_owned()))));
        assert_eq!(commands.recv().await, None);
    }
}
