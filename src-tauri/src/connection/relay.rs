//! How far the server's frames may run ahead of the page.
//!
//! A Tauri channel takes whatever it is given, and a page that is busy or asleep would have it grow without bound. So each
//! frame is to be acknowledged, and beyond a window nothing more is read from the server: then its own queue fills, and its
//! own rules for slow participants hold.

use std::collections::VecDeque;

/// Frames on their way to the page. A chat history and the list of who is there come within two; a lively room sends some
/// dozens a second, and the page answers within milliseconds.
const MAX_FRAMES: usize = 64;

/// Bytes on their way to the page, after which no further frame is read. The largest single frame has 1 MiB.
const MAX_BYTES: usize = 1024 * 1024;

/// What is on its way to the page.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Sizes in bytes, oldest first.
    sizes: VecDeque<usize>,
    bytes: usize,
    /// Frames since the beginning that the page has taken.
    taken: u64,
}

/// The page acknowledged frames that it was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NeverSent;

impl Window {
    /// Whether another frame may be read.
    pub(super) fn has_room(&self) -> bool {
        self.sizes.len() < MAX_FRAMES && self.bytes < MAX_BYTES
    }

    /// A frame of `bytes` is on its way.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sizes.push_back(bytes);
        self.bytes += bytes;
    }

    /// The page has taken `taken` frames since the beginning. An older count that comes late changes nothing.
    pub(super) fn acknowledged(&mut self, taken: u64) -> Result<(), NeverSent> {
        let fresh = taken.saturating_sub(self.taken);
        let fresh = usize::try_from(fresh).ok().filter(|fresh| *fresh <= self.sizes.len());
        self.bytes -= self.sizes.drain(..fresh.ok_or(NeverSent)?).sum::<usize>();
        self.taken = self.taken.max(taken);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_takes_nothing_gets_a_window_of_frames_and_no_more() {
        let mut window = Window::default();
        for _ in 0..MAX_FRAMES {
            assert!(window.has_room());
            window.sent(10);
        }
        assert!(!window.has_room());
        window.acknowledged(1).expect("one was sent");
        assert!(window.has_room());
    }

    #[test]
    fn a_large_frame_fills_the_window_alone() {
        let mut window = Window::default();
        window.sent(MAX_BYTES);
        assert!(!window.has_room());
        window.acknowledged(1).expect("one was sent");
        assert!(window.has_room());
    }

    #[test]
    fn counts_that_come_late_or_twice_change_nothing() {
        let mut window = Window::default();
        (0..4).for_each(|_| window.sent(MAX_BYTES / 2));
        window.acknowledged(3).expect("three were sent");
        window.acknowledged(1).expect("an old count");
        window.acknowledged(3).expect("the same count");
        assert!(window.has_room(), "one is on its way");
        window.sent(MAX_BYTES / 2);
        assert!(!window.has_room(), "two are on their way");
    }

    #[test]
    fn what_was_never_sent_cannot_be_acknowledged() {
        let mut window = Window::default();
        window.sent(1);
        assert_eq!(window.acknowledged(2), Err(NeverSent));
        assert_eq!(window.acknowledged(u64::MAX), Err(NeverSent));
        window.acknowledged(1).expect("one was sent");
    }
}
