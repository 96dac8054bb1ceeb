//! Who may do what: bearer tokens (RFC 6750), each with its scopes and the streams that it is for.
//!
//! ```text
//!  Authorization: Bearer windrow_ID_SECRET          file of `tokens`: id, SHA-256, scopes, streams
//!         │                                                  │ at start, and on SIGHUP
//!         ▼                                                  ▼
//!  authenticate ── the id finds one, the digests are compared ──▶ Grant ──▶ authorise ──▶ the route
//!         │ 401                                                                │ 403
//! ```
//!
//! What it promises:
//!
//! A1. Without a good token nobody learns anything but `/health…`: neither which streams there are, nor
//!     which routes. No byte of a body is read for somebody who may not send it.
//! A2. No route can be registered without saying what it needs ([`Need`]); only health needs nothing.
//! A3. Tokens are kept as digests, compared in constant time, and shown once, when they are made: no log,
//!     metric, error or `Debug` has one.
//! A4. Reading the file again takes all of it or nothing, and no request notices: each is judged by the
//!     tokens that were in force when its head had come.
//!
//! A scope contains no other: `admin` alone can neither send nor read.

mod denial;
mod edit;
mod file;
mod gate;
mod grant;
mod guard;
mod hexadecimal;
mod rate;
mod scope;
mod streams;
mod token;

pub(super) use self::denial::Denial;
pub(super) use self::gate::{Access, HeldToken, Peer, authenticate, authorised};
pub(super) use self::grant::Need;

pub use self::edit::{add, revoke};
pub use self::file::{TokenFileError, read};
pub use self::grant::Grant;
pub use self::guard::Guard;
pub use self::scope::{Scope, Scopes};
pub use self::streams::Streams;
pub use self::token::{Token, TokenId};
