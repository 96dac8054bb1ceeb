//! How much of the heap a call takes at most: an allocator that counts, for each thread by itself, so
//! that tests beside it don't disturb.
//!
//! What C libraries allocate (zstd) isn't seen here; nor is what a call has other threads do.

#![allow(unsafe_code, reason = "an allocator can't be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed: below zero where it frees what others made.
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    /// The most that it was since somebody began to look.
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Neither cell has a destructor or an initialiser, so that reaching for them allocates nothing.
    let live = LIVE_BYTES.get() + bytes;
    LIVE_BYTES.set(live);
    PEAK_BYTES.set(PEAK_BYTES.get().max(live));
}

// SAFETY: every call goes to the system's allocator as it is, and its answer is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What `call` gives. Panics if it has held more than `bytes_max` of the heap at any time, what it gives
/// included.
pub fn within<T>(bytes_max: usize, call: impl FnOnce() -> T) -> T {
    let before = LIVE_BYTES.get();
    PEAK_BYTES.set(before);
    let given = call();
    let peak = PEAK_BYTES.get() - before;
    assert!(
        peak <= bytes_max.cast_signed(),
        "it took {peak} bytes of memory, more than {bytes_max}"
    );
    given
}

#[test]
fn what_is_taken_and_given_back_counts() {
    let grown = within(3000, || {
        drop(vec![1_u8; 2000]);
        vec![1_u8; 1000]
    });
    assert_eq!(grown.len(), 1000);
    assert!(std::panic::catch_unwind(|| within(999, || vec![1_u8; 1000])).is_err());
}
