//! Serving a connection until it ends, has nothing to do, or can wait elsewhere for its next request.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::activity::Activity;

/// A connection on which nothing has happened for this long, and at most twice as long, is closed.
/// Above the 60 s after which load balancers give up theirs: the side that closes first must be
/// them, or a request of theirs meets a closed connection.
pub(super) const IDLE_CHECK: Duration = Duration::from_secs(90);
/// One that may be taken back once it is quiet is looked at so often. An alarm that is set anew for each
/// request would cost more than one that goes off for nothing now and then.
const QUIET_CHECK: Duration = Duration::from_secs(1);

/// How serving a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// By the protocol, by either side, because it broke, or because nothing has happened on it. That is
    /// of no interest to anybody but its client.
    Over,
    /// It is between two requests, or in the head of one that hasn't come to its end.
    Waiting,
}

/// When a connection that waits for a request is taken back from whoever serves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Back {
    /// Never: there is more to it than its requests.
    Never,
    /// Once nothing has happened for a while, or a head isn't complete.
    Quiet,
    /// At once.
    AtOnce,
}

/// Serves `connection`, which notes its `activity`, to its end or until it is to be taken `back`. What is
/// `ending` isn't: it ends with its requests.
pub(super) async fn until_end<C>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    ending: &mut watch::Receiver<bool>,
    back: Back,
) -> End
where
    C: GracefulConnection,
{
    let check = if back == Back::Never { IDLE_CHECK } else { QUIET_CHECK };
    let mut ending = pin!(ending.wait_for(|ending| *ending));
    let mut is_told = false;
    let mut alarm = pin!(sleep(check));
    let mut seen = None;
    let mut quiet = Duration::ZERO;
    poll_fn(move |cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Over);
        }
        if !is_told && ending.as_mut().poll(cx).is_ready() {
            is_told = true;
            connection.as_mut().graceful_shutdown();
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
        }
        let at_once = back == Back::AtOnce || (back == Back::Quiet && activity.is_in_head());
        if at_once && !is_told && activity.is_between_requests() {
            return Poll::Ready(End::Waiting);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            let now = activity.idle_since();
            quiet = if now.is_some() && now == seen { quiet + check } else { Duration::ZERO };
            seen = now;
            if quiet >= IDLE_CHECK {
                return Poll::Ready(End::Over);
            }
            let is_quiet = back == Back::Quiet && !quiet.is_zero();
            if is_quiet && !is_told && activity.is_between_requests() {
                return Poll::Ready(End::Waiting);
            }
            alarm.as_mut().reset(Instant::now() + check);
        }
        Poll::Pending
    })
    .await
}
