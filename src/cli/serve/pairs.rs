//! The pairs of sink and stream: those that are configured, and those that once were.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::table::table;
use crate::cli::{Program, WrongUsage};
use crate::config::{Config, OnInvalid};
use crate::disk::Disk;
use crate::log::scan::LogDir;
use crate::log::unapplied::{unapplied, unapplied_rejected};
use crate::log::{Held, Log, Reads};
use crate::metrics::Metrics;
use crate::quarantine::{INGEST, Quarantine, Room};
use crate::sinks::absent::OpenAbsent;
use crate::sinks::keys::{Keys, KeysParts, NAME as KEYS, StreamKeys};
use crate::sinks::quarantine::{NAME as QUARANTINE, OpenQuarantine};
use crate::sinks::table::NAME as TABLE;
use crate::sinks::table::sql::TableReader;
use crate::sinks::usage::{NAME as USAGE, Usage, UsageParts, UsageReader};
use crate::sinks::windows::{Windows, WindowsOptions};
use crate::sinks::{OpenSink, Pair, StartFile};

/// A request with an idempotency key waits so long while it isn't known which keys there are.
const KEYS_PATIENCE: Duration = Duration::from_secs(5);

/// The pairs of a data directory.
pub(super) struct Pairs {
    /// Those that are configured.
    pub(super) configured: Vec<Pair>,
    /// The windows among their sinks.
    pub(super) windows: Vec<Arc<Windows>>,
    /// What reads the table, if one is configured.
    pub(super) table: Option<Arc<TableReader>>,
    /// What answers questions about usage, if that is configured.
    pub(super) usage: Option<Arc<UsageReader>>,
    /// The room for bad lines, by stream.
    pub(super) rooms: HashMap<String, Arc<Room>>,
    /// The idempotency keys of all streams.
    pub(super) keys: Vec<Arc<StreamKeys>>,
    /// Those that are configured no more.
    removed: Vec<Pair>,
}

impl Pairs {
    /// Finds all of them.
    pub(super) fn find(
        config: &Config,
        program: &Program,
        disk: &Arc<dyn Disk>,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let maker = Maker { disk, config, metrics };
        let (mut configured, mut windows, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut table_reader, mut usage_reader) = (None, None);
        let all_keys = maker.keys();
        let mut keys = Vec::new();
        for stream in &config.streams {
            for sink in &stream.sinks {
                let start = maker.start(sink, &stream.name);
                if sink == Windows::NAME {
                    let sink = Arc::new(maker.windows(&stream.name, stream.windows.clone()));
                    windows.push(sink.clone());
                    configured.push(Pair { sink, start });
                } else if sink == TABLE {
                    let (sink, rows) = table(config, program, start.clone(), disk, metrics);
                    table_reader = Some(Arc::new(rows));
                    configured.push(Pair { sink: Arc::new(sink), start });
                } else if sink == USAGE {
                    let sink = Arc::new(maker.usage(start.clone()));
                    usage_reader = Some(Arc::new(sink.reader()));
                    configured.push(Pair { sink, start });
                }
            }
            let start = maker.start(KEYS, &stream.name);
            let own = all_keys.of(start.clone());
            configured.push(Pair { sink: Arc::new(own.sink()), start });
            keys.push(own);
        }
        let mut rooms = HashMap::new();
        for stream in &config.streams {
            if stream.on_invalid == OnInvalid::Quarantine {
                let sink = maker.quarantine(&stream.name);
                rooms.insert(stream.name.clone(), Arc::clone(sink.room()));
                let start = maker.start(QUARANTINE, &stream.name);
                configured.push(Pair { sink: Arc::new(sink), start });
            }
        }
        for start in StartFile::all(disk, &config.data_dir)? {
            let is_configured = configured.iter().any(|pair: &Pair| {
                pair.start.sink() == start.sink() && pair.start.stream() == start.stream()
            });
            if !is_configured {
                removed.extend(maker.removed(start, &all_keys));
            }
        }
        let (table, usage) = (table_reader, usage_reader);
        Ok(Self { configured, windows, table, usage, rooms, keys, removed })
    }

    /// The positions that they hold, as far as they can be read: a pair whose position can't be is its own
    /// trouble (S4), as long as there is a log that it may belong to.
    pub(super) fn held(&self, log: &LogDir) -> anyhow::Result<Vec<Held>> {
        let mut held = Vec::new();
        for pair in &self.removed {
            held.extend(pair.held()?);
        }
        for pair in &self.configured {
            match pair.held() {
                Ok(own) => held.extend(own),
                Err(error) if has_segments(log) => {
                    tracing::debug!(%error, "a position that isn't compared with the log");
                }
                // A new log in the place of one that was lost would lose what it held in silence.
                Err(error) => return Err(error.into()),
            }
        }
        Ok(held)
    }

    /// Forgets the pairs that are configured no more. Refuses where the log still holds events for
    /// them, unless they shall be discarded. A quarantine that lines wait for runs until they are in it:
    /// that they are kept was promised when they came. To keys, events are nothing: nobody can send to the
    /// stream any more.
    pub(super) fn forget_removed(&mut self, log: &Log, discard: bool) -> anyhow::Result<()> {
        for pair in std::mem::take(&mut self.removed) {
            let (sink, stream) = (pair.start.sink(), pair.start.stream());
            let waiting = if sink == KEYS { 0 } else { waiting(log, &pair)? };
            if waiting > 0 && !discard && sink == QUARANTINE {
                self.configured.push(pair);
                continue;
            }
            if waiting > 0 {
                if !discard {
                    let refused = format!(
                        "the sink `{sink}` of the stream `{stream}` is configured no more, but \
                         {waiting} events wait for it in the log: configure it again until they are \
                         applied, or let them go with `--discard`"
                    );
                    return Err(WrongUsage(refused).into());
                }
                tracing::warn!(sink, stream, events = waiting, "discarding what waits");
            }
            pair.start.remove()?;
        }
        Ok(())
    }
}

fn has_segments(log: &LogDir) -> bool {
    log.path().is_dir() && log.segments().is_ok_and(|segments| !segments.is_empty())
}

/// Makes what a pair consists of.
struct Maker<'a> {
    disk: &'a Arc<dyn Disk>,
    config: &'a Config,
    metrics: &'a Metrics,
}

impl Maker<'_> {
    fn start(&self, sink: &str, stream: &str) -> StartFile {
        StartFile::new(self.disk.clone(), &self.config.data_dir, sink, stream)
    }

    fn usage(&self, start: StartFile) -> Usage {
        Usage::new(UsageParts {
            disk: self.disk.clone(),
            data_dir: self.config.data_dir.clone(),
            log: LogDir::new(self.disk.clone(), &self.config.wal.dir),
            start,
            dedupe: self.config.usage_dedupe,
            metrics: self.metrics.usage.clone(),
        })
    }

    fn keys(&self) -> Keys {
        Keys::new(KeysParts {
            disk: self.disk.clone(),
            data_dir: self.config.data_dir.clone(),
            log: LogDir::new(self.disk.clone(), &self.config.wal.dir),
            keep: self.config.idempotency_keep,
            keys_max: self.config.limits.keys_max,
            patience: KEYS_PATIENCE,
        })
    }

    fn windows(&self, stream: &str, options: WindowsOptions) -> Windows {
        let metrics = self.metrics.stream(stream);
        Windows::new(self.disk.clone(), &self.config.data_dir, stream, options, metrics)
    }

    fn quarantine(&self, stream: &str) -> OpenQuarantine {
        let disk = self.disk.clone();
        let quarantine = Quarantine::new(disk, &self.config.data_dir, stream, INGEST);
        let room = Room::new(stream, quarantine.clone(), self.config.quarantine_bytes_max);
        let start = self.start(QUARANTINE, stream);
        OpenQuarantine::new(quarantine, Arc::new(room), start)
    }

    /// A pair that is configured no more; only its position is of interest.
    fn removed(&self, start: StartFile, keys: &Keys) -> Option<Pair> {
        let sink: Arc<dyn OpenSink> = if start.sink() == Windows::NAME {
            Arc::new(self.windows(start.stream(), WindowsOptions::default()))
        } else if start.sink() == TABLE {
            // Its position, too, is what its start file holds.
            Arc::new(OpenAbsent::new(TABLE, start.clone()))
        } else if start.sink() == USAGE {
            Arc::new(self.usage(start.clone()))
        } else if start.sink() == QUARANTINE {
            Arc::new(self.quarantine(start.stream()))
        } else if start.sink() == KEYS {
            Arc::new(keys.of(start.clone()).sink())
        } else {
            return None;
        };
        Some(Pair { sink, start })
    }
}

/// How much the log holds for a pair that has not applied it: events or, for quarantine, rejected lines.
fn waiting(log: &Log, pair: &Pair) -> anyhow::Result<u64> {
    let (Some(held), Some((stream, _))) = (pair.held()?, log.stream(pair.start.stream())) else {
        return Ok(0);
    };
    if pair.sink.reads() == Reads::Rejected {
        return Ok(unapplied_rejected(log, stream, held.position)?);
    }
    let waiting = unapplied(log, &[(stream, held.position)], log.durable_end(), || true)?;
    Ok(waiting.iter().flatten().sum())
}
