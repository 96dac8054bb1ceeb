//! Sinks that follow one built-in stream and nothing else: their columns are its.

use super::error::ConfigError;
use super::streams::StreamConfig;
use crate::sinks::{table, usage};
use crate::stream::Schema;

/// Each with its stream.
const OWN_STREAMS: [(&str, &str); 2] = [(table::NAME, table::STREAM), (usage::NAME, usage::STREAM)];

/// Refuses such a sink for another stream, or for its own with other columns.
pub(super) fn check(stream: &StreamConfig) -> Result<(), ConfigError> {
    for (sink, own) in OWN_STREAMS {
        if stream.sinks.iter().any(|name| name == sink) {
            check_sink(stream, sink, own)?;
        }
    }
    Ok(())
}

fn check_sink(stream: &StreamConfig, sink: &str, own: &str) -> Result<(), ConfigError> {
    let Some(built_in) = Schema::builtin(own).filter(|_| stream.name == own) else {
        return Err(ConfigError::Invalid(format!(
            "the stream `{}` can't have the sink `{sink}`, whose columns are those of the stream \
             `{own}`; give it `windows`",
            stream.name
        )));
    };
    let there = stream.schema.columns();
    match built_in.columns().iter().find(|column| !there.contains(column)) {
        None => Ok(()),
        Some(column) => Err(ConfigError::Invalid(format!(
            "the stream `{}` has the sink `{sink}`, which needs its column `{}` as it is built in; \
             other columns may stand beside it",
            stream.name, column.name
        ))),
    }
}
