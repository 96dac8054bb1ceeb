//! Following: one stream's committed events as they happen, or from a position, for whoever asks.
//!
//! A follower is no sink. It has no state that is kept, the log waits for it in nothing, and there may be
//! many. So its contract is another one, numbered for the tests:
//!
//! F1. What it yields are the lines of committed requests, as they stand in the log, in the order of their
//!     commits, each once, without one left out that its conditions hold for.
//! F2. Each event comes with the position behind it. A follower that begins there yields exactly the
//!     rest, whatever process has the log open by then.
//! F3. It never keeps the log from being trimmed. Where that has taken what comes next, it says so
//!     ([`FollowError::Trimmed`]), and a request that has lost a part, by that or in a repair, is named
//!     ([`Yield::PassedOver`]): nothing is left out in silence.
//! F4. What it does at a time is bounded ([`Follower::pass`]), and so is the memory that it holds: some
//!     frames, whatever a request's size.
//!
//! ```text
//!  log ──▶ Reader ──events of one frame──▶ Conditions ──▶ line, time, arrival, position
//!            ▲                                │
//!            └── Search: where a request begins that began before the position
//! ```

mod begin;
mod compare;
mod condition;
mod decimal;
mod error;
mod follower;
mod position;
mod search;
#[cfg(test)]
mod tests;

pub use begin::{Begin, NoBegin};
pub use condition::{CONDITIONS_MAX, ConditionError, Conditions};
pub use error::FollowError;
pub use follower::{Followed, Follower, Pass, Yield};
pub use position::FollowPosition;
