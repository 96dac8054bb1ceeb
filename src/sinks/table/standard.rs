//! What is done with events where nobody says otherwise.

use super::{Event, Processed, Processor, Refused, Validator};

/// Takes what the table can hold.
#[derive(Clone, Copy, Default, Debug)]
pub struct StandardValidator;

/// Normalises and enriches.
#[derive(Clone, Copy, Default, Debug)]
pub struct StandardProcessor;

impl Validator for StandardValidator {
    fn validate(&self, _event: &Event<'_>) -> Result<(), Refused> {
        Ok(())
    }
}

impl Processor for StandardProcessor {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        Ok(Processed::from_json(event.data.unwrap_or("{}").to_owned()))
    }
}
