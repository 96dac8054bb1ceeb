//! Standard output, as far as it is somebody else's.

use std::io;
use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// Waits until nobody can read any more what is written: the other end of the pipe is closed. For ever, where
/// standard output is no pipe.
pub async fn nobody_reads() {
    if let Some(pipe) = watched() {
        // A duplicate that is never written to, so that it doesn't matter that writing may block.
        if pipe.ready(Interest::ERROR).await.is_ok() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Standard output, if it can be waited for. A file can't: it is always taken.
fn watched() -> Option<Sender> {
    let duplicate = io::stdout().as_fd().try_clone_to_owned().ok()?;
    Sender::from_owned_fd_unchecked(duplicate).ok()
}
