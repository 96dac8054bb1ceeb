//! What is done with each event between the log and the table.

use super::Event;

/// Decides whether an event may be processed. Called by several workers at a time.
pub trait Validator: Send + Sync + std::fmt::Debug {
    /// Refuses an event for good: it goes to quarantine with the reason.
    fn validate(&self, event: &Event<'_>) -> Result<(), Refused>;
}

/// Makes of an event what is stored in its row. Called by several workers at a time.
///
/// It must be a function of the event: after a crash, events are processed again whose first results
/// were never committed. It may block, up to the time limit of an item; a panic fails the event.
pub trait Processor: Send + Sync + std::fmt::Debug {
    /// The row's `processed_data`.
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused>;
}

/// What becomes the column `processed_data`: the text of a JSON document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Processed(String);

impl Processed {
    /// Of a text that is known to be valid JSON.
    pub(crate) fn from_json(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<serde_json::Value> for Processed {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

/// Why an event is not processed, now or ever: in one sentence.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("{0}")]
pub struct Refused(pub String);
