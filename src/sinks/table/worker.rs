//! What a worker does with one event.

use std::sync::Arc;
use std::time::Instant;

use super::batch::Batch;
use super::contained::contained;
use super::job::{Failure, Job, Next, Outcome, Turn};
use super::{Processor, Refused, Row, Validator};
use crate::quarantine::Stage;
use crate::time::Timestamp;

/// What all workers do.
#[derive(Debug)]
pub(super) struct Work {
    pub validator: Arc<dyn Validator>,
    pub processor: Arc<dyn Processor>,
}

impl Work {
    /// Processes what is left of a job. Never [`Next::Event`].
    pub(super) fn on(&self, job: &Job, turn: Turn) -> Next {
        let mut next = job.begin(turn);
        while let Next::Event(index) = next {
            next = job.finish(turn, self.outcome(&job.batch, index));
        }
        next
    }

    /// Validator, then processor; a panic of either fails the event (T4).
    fn outcome(&self, batch: &Batch, index: usize) -> Outcome {
        let begun = Instant::now();
        let event = batch.event(index).map_err(|refused| refused_by(Stage::Schema, refused))?;
        contained(|| self.validator.validate(&event))
            .map_err(|panic| panicked(Stage::Validator, &panic))?
            .map_err(|refused| refused_by(Stage::Validator, refused))?;
        let processed = contained(|| self.processor.process(&event))
            .map_err(|panic| panicked(Stage::Processor, &panic))?
            .map_err(|refused| refused_by(Stage::Processor, refused))?;
        Ok(Row {
            id: event.id,
            kind: event.kind.to_owned(),
            source: event.source.to_owned(),
            user_id: event.user_id.map(str::to_owned),
            processed_data: processed.into_string(),
            processing_time_ms: i32::try_from(begun.elapsed().as_millis()).unwrap_or(i32::MAX),
            created_at: event.time,
            processed_at: Timestamp::now(),
        })
    }
}

fn refused_by(stage: Stage, Refused(reason): Refused) -> Failure {
    Failure { stage, reason }
}

fn panicked(stage: Stage, with: &str) -> Failure {
    let who = if stage == Stage::Validator { "validator" } else { "processor" };
    Failure { stage, reason: format!("the {who} panicked: {with}") }
}
