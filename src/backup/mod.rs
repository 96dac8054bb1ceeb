//! Backups: a copy of a data directory that a daemon can be started on, made while another one runs
//! or while none does.
//!
//! ```text
//!  pin the log ─▶ start files ─▶ each sink: freeze, write ─▶ what no sink keeps ─▶ the log ─▶ rename
//!                                └── at a checkpoint of its own ──┘           up to its durable end
//! ```
//!
//! What it promises:
//!
//! B1. A finished copy is a data directory as a crash could have left it: each sink stands at one of its
//!     durable positions, and the log holds everything from there to the copy's end. So a daemon that
//!     starts on it shows every event that was acknowledged before the backup began, once.
//! B2. A copy has its name only when all of it is durable. What was cut off stands under another name,
//!     as which nothing starts, and the next backup of that name removes it.
//! B3. Ingestion doesn't wait for a backup, and neither does any sink for longer than a checkpoint. The log isn't
//!     trimmed and `windows.keep` removes nothing until the backup has what it needs of them. Where that
//!     alone is why the log is full, the backup is given up: events go before it.
//! B4. The original is never changed. Committed windows, which never change, share their bytes with it
//!     where the file system allows that; nothing else does.
//!
//! What is elsewhere than in the data directory isn't in the copy, and the report says so: a table on a
//! MySQL server, the configuration, certificates and tokens.

mod error;
mod report;
mod running;
mod source;
mod stopped;
mod target;

pub use error::BackupError;
pub use report::Report;
pub use running::Backups;
pub use source::Source;
pub use stopped::of_stopped;
