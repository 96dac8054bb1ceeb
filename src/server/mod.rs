//! The HTTP server: connections, routes, errors and health.
//!
//! HTTP/1.1, and HTTP/2 for those who begin with it or agree on it in TLS. Where there is a certificate
//! (`tls.cert`), there is only TLS.
//!
//! It is up before the log is: `/health/live` answers from the first moment, and everything else is
//! 503 with `Retry-After` until [`App::set_ready`] hands over what the routes need.
//!
//! What it promises:
//!
//! H1. Nothing a client sends ends the process or a thread.
//! H2. Every error of a route is a problem document (RFC 9457), and says what would be right.
//! H3. Connections are bounded (`limits.connections`), and one over HTTP/1.1 that waits for a request, or
//!     for the rest of its head, costs little more than its socket and what has come of it ([`http1`]).
//! H4. A connection without progress is closed in the end: between requests, in a handshake or a
//!     request's head (`limits.head`), in a body (`limits.stall`), and while its answer isn't read.
//! H5. Where tokens are configured, nobody without a good one learns or does anything ([`auth`]).
//! H6. Shutdown refuses what is new, and gives what is under way its time.
//! H7. What a client sends unasked is bounded, whatever it speaks ([`http2`]).

mod activity;
mod answer;
mod app;
pub mod auth;
mod backup;
mod binary_mode;
mod connection;
mod connections;
mod cors;
mod csv_file;
mod events;
mod extract;
mod heads;
mod health;
mod http1;
mod http2;
mod idempotency;
mod ingest;
mod list;
mod listener;
mod media;
mod noted;
mod observe;
mod openapi;
mod page;
mod parameters;
mod prefer;
mod problem;
mod read_out;
mod read_your_writes;
mod reload;
mod request_id;
mod routes;
mod service;
mod socket;
mod statistics;
mod streams;
mod tail;
mod tls;
mod usage;
mod watch;

pub use app::{App, Ready};
pub use connections::Server;
pub use listener::{BindError, Listener};
pub use problem::Problem;
pub use reload::{Reload, Reloads};
pub use tls::Tls;
