//! The table of a stream, as the runner opens it.

use std::sync::Arc;

use super::{NAME, OpenStorage, Processor, TableOptions, Validator};
use crate::log::Position;
use crate::metrics::{StreamMetrics, TableMetrics};
use crate::quarantine::Quarantine;
use crate::sinks::{OpenSink, Sink, SinkError, StartFile};

/// What a table is made of.
#[derive(Debug)]
pub struct Parts {
    /// How events are processed.
    pub options: TableOptions,
    /// Which of them may be.
    pub validator: Arc<dyn Validator>,
    /// What is made of them.
    pub processor: Arc<dyn Processor>,
    /// Where that is put.
    pub storage: Arc<dyn OpenStorage>,
    /// The pair's start file, which becomes the floor (T5).
    pub start: StartFile,
    /// Where failed events go.
    pub quarantine: Quarantine,
    /// Of the pool.
    pub metrics: TableMetrics,
    /// Of the stream.
    pub stream_metrics: StreamMetrics,
}

/// Opens the table of a stream.
#[derive(Debug)]
pub struct Table {
    parts: Parts,
}

impl Table {
    /// A table made of `parts`; nothing is opened yet.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }
}

impl OpenSink for Table {
    fn name(&self) -> &'static str {
        NAME
    }

    fn stream(&self) -> &str {
        self.parts.start.stream()
    }

    /// The floor, which is the start file: the database may be away.
    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        Ok(self.parts.start.load()?.map(|mark| mark.position))
    }

    fn open(&self, start: Position) -> Result<Box<dyn Sink>, SinkError> {
        self.parts.storage.open(start.log)?;
        Err(SinkError::Other("the table isn't there yet".into()))
    }
}
