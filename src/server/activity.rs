//! What a connection has done lately, for its driver to see whether it still does something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What a connection has done.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests that are being answered: until the head of the answer is known.
    in_service: AtomicU32,
    /// Requests of whose answers there is something left to be written, or to be made.
    unfinished: AtomicU32,
    /// The socket takes no more for now, or is being shut down.
    held_back: AtomicBool,
    /// Grows with each beginning and end of a request and each write.
    progress: AtomicU64,
    /// Whether some of a request's body may still come, or lie unread in the socket.
    unread: AtomicBool,
    /// Something has come since the last request, which isn't a whole one yet.
    in_head: AtomicBool,
    /// Something was read, and more wasn't asked for since: whoever reads may not have looked at it.
    unseen: AtomicBool,
}

impl Activity {
    /// A request begins, and ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InService {
        self.in_service.fetch_add(1, Ordering::Relaxed);
        self.progress.fetch_add(1, Ordering::Relaxed);
        self.in_head.store(false, Ordering::Relaxed);
        InService(self.clone())
    }

    /// A request has an answer that isn't written yet, until the guard is dropped.
    pub(super) fn begin_answer(self: &Arc<Self>) -> Unfinished {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        Unfinished(self.clone())
    }

    /// Whether there is no request, also not in what was read, and everything is written of those before.
    pub(super) fn is_between_requests(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed) == 0
            && !self.held_back.load(Ordering::Relaxed)
            && !self.unseen.load(Ordering::Relaxed)
    }

    /// Whether something is held back that was to be written, or the end is under way.
    pub(super) fn set_held_back(&self, held_back: bool) {
        self.held_back.store(held_back, Ordering::Relaxed);
    }

    /// `None` while a request is being answered: its own limits hold. Otherwise a number that stays
    /// the same exactly as long as nothing happens.
    pub(super) fn idle_since(&self) -> Option<u64> {
        self.is_idle().then(|| self.progress.load(Ordering::Relaxed))
    }

    /// Whether a part of a request's head has come.
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head.load(Ordering::Relaxed)
    }

    /// Whether some of a request's body may lie unread in the socket.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// The same, as it is known before or behind a request.
    pub(super) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    /// Nothing more can be read for now: whoever reads has made of it what can be made.
    pub(super) fn has_read_all(&self) {
        self.unseen.store(false, Ordering::Relaxed);
    }

    /// Something has been read: between requests, it is of a head.
    pub(super) fn has_read(&self) {
        self.unseen.store(true, Ordering::Relaxed);
        if self.is_idle() {
            self.in_head.store(true, Ordering::Relaxed);
        }
    }

    /// Something has been written.
    pub(super) fn has_written(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.in_service.load(Ordering::Relaxed) == 0
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InService(Arc<Activity>);

impl InService {
    /// Whether the request's body may not have been read to its end.
    pub(super) fn set_unread(&self, unread: bool) {
        self.0.set_unread(unread);
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.in_service.fetch_sub(1, Ordering::Relaxed);
        self.0.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer of which something is left.
#[derive(Debug)]
pub(super) struct Unfinished(Arc<Activity>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.unfinished.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_between_requests_is_a_head_until_one_begins() {
        let activity = Arc::new(Activity::default());
        assert!(!activity.is_in_head());
        activity.has_read();
        assert!(activity.is_in_head());
        let request = activity.begin();
        assert!(!activity.is_in_head() && activity.idle_since().is_none());
        // Of its body.
        activity.has_read();
        drop(request);
        assert!(!activity.is_in_head());
        let since = activity.idle_since();
        assert_eq!(activity.idle_since(), since);
        activity.has_written();
        assert_ne!(activity.idle_since(), since);
    }

    #[test]
    fn a_connection_is_between_requests_once_all_of_the_answer_is_written() {
        let activity = Arc::new(Activity::default());
        assert!(activity.is_between_requests());
        let (request, answer) = (activity.begin(), activity.begin_answer());
        drop(request);
        assert!(!activity.is_between_requests(), "its body is still to come");
        activity.set_held_back(true);
        drop(answer);
        assert!(!activity.is_between_requests(), "the socket doesn't take it");
        activity.set_held_back(false);
        assert!(activity.is_between_requests());
    }

    /// hyper reads on behind an answer, and may look at what came only when it is asked again.
    #[test]
    fn what_was_read_may_be_a_request_until_more_is_asked_for() {
        let activity = Activity::default();
        activity.has_read();
        assert!(!activity.is_between_requests());
        activity.has_read_all();
        assert!(activity.is_between_requests() && activity.is_in_head());
    }
}
