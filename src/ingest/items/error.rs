//! What is wrong with a document around its items.

/// Why a body isn't a document with items.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum DocumentError {
    /// It is not JSON, or not in the form that is wanted.
    #[error("{}: expected {expected}, found {found}", place(*index, *at, *field))]
    Malformed {
        /// The byte of the body where that shows, from 1.
        at: u64,
        /// The item where that shows, from 0.
        index: Option<u64>,
        /// The member of the document that is at fault.
        field: Option<&'static str>,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// It has too many items.
    #[error("there are more than {items_max} events; send the others in another request")]
    TooMany {
        /// How many there may be.
        items_max: u64,
    },
    /// Something besides the items is too long.
    #[error("a member besides the events, or its name, is longer than {bytes_max} bytes")]
    BesideTooLong {
        /// How long it may be.
        bytes_max: usize,
    },
}

fn place(index: Option<u64>, at: u64, field: Option<&str>) -> String {
    match (index, field) {
        (Some(index), _) => format!("event {index}, at byte {at} of the body"),
        (None, Some(field)) => format!("field `{field}`, at byte {at} of the body"),
        (None, None) => format!("at byte {at} of the body"),
    }
}
