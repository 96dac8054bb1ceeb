//! What a panic does to the daemon.
//!
//! A panic is a bug, and nothing is known about what the thread has left half done: the process ends at
//! once, and its supervisor's restart recovers from what is on disk. The one exception is code that
//! isn't windrow's own, a processor or validator: its panic fails the event that it was given.

use std::sync::Once;

use crate::sinks::table;

/// Makes every panic end the process that isn't contained by a worker of the table.
pub(super) fn end_the_process() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if table::is_contained() {
                // The worker tells it, with the event that it was about.
                return;
            }
            report(panic);
            abort();
        }));
    });
}

#[expect(clippy::disallowed_methods, reason = "there is no state left to unwind to")]
fn abort() -> ! {
    std::process::abort()
}
