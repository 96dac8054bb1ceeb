//! windrow: a line is durable before it is acknowledged, and everything else is a replayable
//! consequence of the log.
//!
//! ```text
//!             ┌────────── ingest ──────────┐   ┌── log ──┐   ┌──────── sinks ────────┐
//!  POST ───▶  server ─▶ decode ─▶ validate ▶│──▶│   WAL   │──▶│ windows  CSV + manifest│
//!             (stream, bounded memory)      │   │ fsync   │   └── each at its own      │
//!             └──────────◀── 200 ◀──────────┘◀──│ group   │       position             │
//!                                               │ commit  │
//!                                               └─────────┘
//! ```
//!
//! The rooms, from the bottom up. Imports go one way, `cli → server → ingest → log ← sinks`.
//!
//! * [`time`]: timestamps, parsed and printed without losing a nanosecond.
//! * [`tls`]: certificates and keys, read and checked.
//! * [`stream`]: what a line means: schemas, columns, decoders, and the error that names a bad line.
//! * [`disk`]: the file system as the log and the windows use it, real or simulated.
//! * [`log`]: the write-ahead log: batches, segments, group commit, recovery, readers.
//! * [`ingest`]: one HTTP body into one all-or-nothing request of the log.
//! * [`quarantine`]: the events that came to nothing, each with its reason and its line.
//! * [`sinks`]: what follows the log: the trait, its runner, and one folder per output.
//! * [`backup`]: a copy that a daemon can be started on, made while another one runs.
//! * [`metrics`]: every metric, named and described in one place.
//! * [`config`]: file, environment and flags become one validated configuration.
//! * [`follow`]: one stream as it is committed, for whoever asks, with conditions.
//! * [`server`]: routes, errors and health over HTTP.
//! * [`totals`]: events per customer and hour, straight from a CSV file.
//! * [`cli`]: one file per subcommand.

pub mod backup;
pub mod cli;
pub mod config;
pub mod disk;
pub mod follow;
pub mod ingest;
pub mod log;
pub mod metrics;
pub mod quarantine;
pub mod server;
pub mod sinks;
pub mod stream;
pub mod time;
pub mod tls;
pub mod totals;
