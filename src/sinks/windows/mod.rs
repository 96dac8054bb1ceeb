//! Windows: a stream's events as CSV files, one for each stretch of event time.

mod checkpoint;
mod options;
mod span;

pub use options::{Anchor, Keep, OnCommit, WindowsOptions};
