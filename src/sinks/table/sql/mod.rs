//! The table in a database that speaks SQL: SQLite, MySQL or MariaDB.

mod reader;
mod url;

pub use reader::{Listing, Order, Query, StoredEvent, TableReader};
pub use url::{DatabaseUrl, UrlError};
