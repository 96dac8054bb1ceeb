//! The stream that rows go into, as its daemon describes it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::cli::client::{Answer, Client};
use crate::cli::exit::WrongUsage;
use crate::cli::problem::Problem;
use crate::config::{did_you_mean, nearest};
use crate::stream::{Column, Schema};

/// The sink that knows a row again when it comes a second time.
const KNOWS_REPEATS: &str = "usage";

/// A stream of the daemon.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub stream: String,
    /// Its columns.
    pub schema: Arc<Schema>,
    /// Whether a row that comes twice is one.
    pub knows_repeats: bool,
}

/// What `GET /v1/streams` answers, as far as it matters here.
#[derive(Deserialize)]
struct Streams {
    streams: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    time: String,
    columns: Vec<Column>,
    sinks: Vec<String>,
}

impl Target {
    /// Asks the daemon for the stream `name`.
    pub async fn ask(client: &mut Client, name: &str) -> anyhow::Result<Self> {
        let Answer { status, body, .. } = client.get("/v1/streams").await?;
        if !status.is_success() {
            bail!(
                "the daemon doesn't tell its streams: it answers {}",
                Problem::told(status, &body)
            );
        }
        let Streams { streams } = serde_json::from_slice(&body)
            .context("what answers there isn't windrow: its streams can't be read")?;
        let names: Vec<_> = streams.iter().map(|stream| stream.name.clone()).collect();
        let Some(found) = streams.into_iter().find(|stream| stream.name == name) else {
            let hint = did_you_mean(nearest(name, names.iter().map(String::as_str)));
            let names = names.join(", ");
            bail!(WrongUsage(format!("the daemon has no stream `{name}`{hint}; it has {names}")));
        };
        let columns = found
            .columns
            .iter()
            .position(|column| column.name == found.time)
            .map(|time| serde_json::json!({ "time": time, "columns": found.columns }));
        let schema = columns
            .and_then(|schema| serde_json::from_value(schema).ok())
            .with_context(|| format!("the daemon's columns of `{name}` make no schema"))?;
        let knows_repeats =
            !found.sinks.is_empty() && found.sinks.iter().all(|sink| sink == KNOWS_REPEATS);
        Ok(Self { stream: found.name, schema: Arc::new(schema), knows_repeats })
    }

    /// Where its rows are posted.
    pub fn path(&self) -> String {
        format!("/v1/streams/{}", self.stream)
    }
}
