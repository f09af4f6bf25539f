//! An allocator that counts, for the tests that look at memory. What each thread allocates is its own.

#![allow(
    unsafe_code,
    reason = "a global allocator cannot be written without; each call goes on to the system's as it came"
)]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed. Below zero where it freed another's.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static IS_TRACED: Cell<bool> = const { Cell::new(false) };
    static TRACES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that this thread has allocated and not freed.
pub(crate) fn live() -> i64 {
    LIVE.get()
}

/// Notes where this thread allocates from now on, or no more.
pub(crate) fn trace(is_on: bool) {
    IS_TRACED.set(is_on);
}

/// The call stacks of what was allocated while it was noted, innermost call first, a line each.
pub(crate) fn take_traces() -> Vec<String> {
    TRACES.take()
}

fn note(change: i64, is_allocation: bool) {
    LIVE.set(LIVE.get() + change);
    // Taking a stack allocates as well.
    if is_allocation && IS_TRACED.replace(false) {
        let trace = Backtrace::force_capture().to_string();
        TRACES.with_borrow_mut(|traces| traces.push(trace));
        IS_TRACED.set(true);
    }
}

// SAFETY: every call goes on to the system's allocator as it came; counting touches thread-locals that need no
// allocation to be made and no destructor, apart from the stacks, for which noting is off.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64, true);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64, true);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as i64 - layout.size() as i64, true);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(-(layout.size() as i64), false);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(block, layout) }
    }
}
