//! The table of a stream, as the runner opens it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::copy::FrozenTable;
use super::pool::Pool;
use super::reach::Reach;
use super::sink::{Floor, TableSink};
use super::tickets::Tickets;
use super::worker::Work;
use super::writer::Writer;
use super::{Mark, NAME, OpenStorage, Processor, TableOptions, Validator};
use crate::log::{LogId, Lsn, Position};
use crate::metrics::TableMetrics;
use crate::quarantine::Quarantine;
use crate::sinks::{Frozen, OpenSink, Sink, SinkError, StartFile};

/// How long opening waits for the writer of the sink before, which may be waiting for the database.
const LAST_WRITER_WAIT: Duration = Duration::from_secs(1);
/// How often it looks.
const LAST_WRITER_LOOK: Duration = Duration::from_millis(2);

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
}

/// Opens the table of a stream.
#[derive(Debug)]
pub struct Table {
    storage: Arc<dyn OpenStorage>,
    start: StartFile,
    quarantine: Quarantine,
    metrics: TableMetrics,
    pool: Arc<Pool>,
    /// How far this process can have brought the database.
    reach: Arc<Reach>,
    /// Lives as long as a writer does. There is never more than one: it writes to quarantine.
    writer: Mutex<Weak<()>>,
}

impl Table {
    /// A table made of `parts`. Nothing is opened and no thread started yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { options, validator, processor, storage, start, quarantine, metrics } = parts;
        let work = Work { validator, processor };
        let pool = Arc::new(Pool::new(options, work, metrics.clone()));
        let (reach, writer) = (Arc::default(), Mutex::default());
        Self { storage, start, quarantine, metrics, pool, reach, writer }
    }

    /// Makes sure that the writer of the sink before has ended. A new one begins with what the
    /// database holds then, and the old one could still commit.
    fn new_writer(&self) -> Result<Arc<()>, SinkError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + LAST_WRITER_WAIT;
        while writer.strong_count() > 0 {
            if Instant::now() >= until {
                return Err(SinkError::Other(
                    "what was begun before the last failure is still under way: the database \
                     doesn't answer, or an event takes long to process"
                        .to_owned(),
                ));
            }
            thread::sleep(LAST_WRITER_LOOK);
        }
        let alive = Arc::new(());
        *writer = Arc::downgrade(&alive);
        Ok(alive)
    }

    /// Where to go on: where the database stands, unless what it says is of another beginning.
    fn begin(&self, floor: Mark, stored: Option<Mark>) -> Result<Mark, SinkError> {
        let stream = self.stream();
        Ok(match stored {
            Some(stored) if stored.epoch == floor.epoch => {
                self.check_history(&stored.position)?;
                if stored.position.commit < floor.position.commit {
                    tracing::warn!(
                        stream,
                        stands_at = %stored.position.commit,
                        stood_at = %floor.position.commit,
                        "the database stands further back than it did: was it restored from a \
                         backup? What is missing is stored again, if the log still holds it"
                    );
                }
                stored
            }
            stored => {
                if stored.is_none() && floor.is_moved() {
                    tracing::warn!(
                        stream,
                        from = %floor.position.commit,
                        "the database is a new one, or another: what was stored before isn't there; \
                         `windrow replay --sink table` stores again what the log still holds"
                    );
                }
                floor
            }
        })
    }

    fn frozen(&self, log: LogId) -> FrozenTable {
        FrozenTable {
            stream: self.stream().to_owned(),
            log,
            storage: Arc::clone(&self.storage),
            quarantine: self.quarantine.clone(),
        }
    }

    /// Refuses to go on behind what this log doesn't hold. Its data directory was restored from a backup,
    /// or a copy of it is in use: events that come now stand where the database has had others, and
    /// would be taken for stored.
    fn check_history(&self, stored: &Position) -> Result<(), SinkError> {
        let (stands_at, reach) = (stored.highest(), self.reach.get());
        if stands_at <= reach {
            return Ok(());
        }
        Err(SinkError::Damaged {
            path: self.start.path(),
            reason: format!(
                "the database has followed this log up to LSN {stands_at}, but the log reached \
                 only up to LSN {reach}: the data directory is older than the database, or another \
                 windrow runs on a copy of it. Nothing is stored, and the log keeps what comes. Stop \
                 windrow and run `windrow replay --sink table`: it adds what the table lacks, and \
                 stores no id twice"
            ),
        })
    }
}

impl OpenSink for Table {
    fn name(&self) -> &'static str {
        NAME
    }

    fn stream(&self) -> &str {
        self.start.stream()
    }

    /// The floor, which is the start file: the database may be away.
    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        Ok(self.start.load()?.map(|mark| mark.position))
    }

    fn open(&self, start: Position, recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        let alive = self.new_writer()?;
        self.reach.at_least(recovered_end);
        self.pool.make_ready().map_err(SinkError::Other)?;
        let floor = self.start.load()?.unwrap_or(Mark::first(start));
        let mut storage = self.storage.open(start.log)?;
        let mark = self.begin(floor, storage.stored()?)?;
        let quarantine = self.quarantine.open(&mark.position)?;
        if mark != floor {
            // The reader begins at the floor, and must not hand over what the database has.
            self.start.store(mark)?;
        }
        let tickets = Arc::new(Tickets::new(mark));
        let reach = Arc::clone(&self.reach);
        let writer = Writer { tickets: Arc::clone(&tickets), storage, quarantine, mark, reach };
        thread::Builder::new()
            .name("table-writer".to_owned())
            .spawn(move || writer.run(alive))
            .map_err(|error| SinkError::Other(format!("starting the table's writer: {error}")))?;
        let floor = Floor { file: self.start.clone(), mark, behind_since: None };
        let origin = self.frozen(start.log);
        let (pool, metrics) = (Arc::clone(&self.pool), self.metrics.clone());
        Ok(Box::new(TableSink::new(pool, tickets, floor, origin, metrics)))
    }

    /// The database says by itself where it stands.
    fn freeze_closed(&self) -> Option<Box<dyn Frozen>> {
        let mark = self.start.load().ok().flatten()?;
        Some(Box::new(self.frozen(mark.position.log)))
    }
}
