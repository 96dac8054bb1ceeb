//! Windows: a stream's events as CSV files, one for each stretch of event time.

mod options;

pub use options::{Anchor, Keep, OnCommit, WindowsOptions};
