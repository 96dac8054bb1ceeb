//! What the allocator may keep.
//!
//! glibc gives each thread that finds the others' arenas busy one of its own, up to eight a core, and what is
//! freed in an arena stays in it. Threads here come and go (a backup runs in one that the pool lends it), and
//! the rows that the stores hold until they are in tables are small and live long, beside blocks that are large
//! and don't: with the default, a daemon that holds 150 MB at the worst moment grows to twice that within
//! minutes. With few arenas what one thread has freed is there for the others. The threads' own caches
//! of small pieces, in front of the arenas, are as before.

/// Arenas of all threads together.
const ARENAS_MAX: i32 = 2;

/// Bounds the number of arenas. To be called before there is a second thread; what is done already
/// stays. `MALLOC_ARENA_MAX` in the environment is somebody's decision and goes before. Elsewhere than
/// with glibc, nothing happens.
pub(super) fn bound_arenas() {
    #[cfg(target_env = "gnu")]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        #[expect(
            unsafe_code,
            reason = "the only way to say it from within; mallopt(3) has no preconditions"
        )]
        // SAFETY: two integers are passed by value, and no memory. mallopt is MT-safe but for its first
        // call, at which there is one thread.
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX) };
    }
}
