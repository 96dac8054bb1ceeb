//! A log, a table that follows it, and what a test wants to know about both.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::memory::{Memory, REFUSED_USER};
use crate::disk::{Disk, SimDisk};
use crate::log::{Committer, Lines, Log, LogOptions, Opened, Outcome};
use crate::metrics::{Metrics, TableMetrics};
use crate::quarantine::{Quarantine, Record};
use crate::sinks::runner::{Runner, Step};
use crate::sinks::table::{
    Event, NAME, Parts, Processed, Processor, Refused, StandardProcessor, Table, TableOptions,
    Validator,
};
use crate::sinks::{Mark, Pair, StartFile};
use crate::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};

const STREAM: &str = "events";
const DATA_DIR: &str = "/data";

/// What becomes of an event, told to the test's processor by the event's user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Stored,
    RefusedByValidator,
    RefusedByProcessor,
    Panics,
    RefusedByStorage,
}

impl Fate {
    /// Whom the event is of.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Stored => "anybody",
            Self::RefusedByValidator => "validator",
            Self::RefusedByProcessor => "processor",
            Self::Panics => "panics",
            Self::RefusedByStorage => REFUSED_USER,
        }
    }

    /// The end of the reason in quarantine.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Stored => "",
            Self::RefusedByValidator => "not valid",
            Self::RefusedByProcessor => "not processed",
            Self::Panics => "the processor panicked: as told",
            Self::RefusedByStorage => "it doesn't like this row",
        }
    }
}

/// Does what the event's user says, and takes a little time about it, so that workers overtake.
#[derive(Debug)]
pub struct Scripted {
    pub slow: bool,
}

impl Validator for Scripted {
    fn validate(&self, event: &Event<'_>) -> Result<(), Refused> {
        match event.user_id {
            Some("validator") => Err(Refused(Fate::RefusedByValidator.reason().to_owned())),
            _ => Ok(()),
        }
    }
}

impl Processor for Scripted {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        if self.slow {
            let micros = event.id.as_u128() % 7 * 100;
            std::thread::sleep(Duration::from_micros(micros as u64));
        }
        match event.user_id {
            Some("processor") => Err(Refused(Fate::RefusedByProcessor.reason().to_owned())),
            // Without the hook that prints.
            Some("panics") => std::panic::resume_unwind(Box::new("as told")),
            _ => StandardProcessor.process(event),
        }
    }
}

/// A line of the stream.
pub fn line(id: Uuid, fate: Fate, number: usize) -> String {
    let user = fate.user();
    format!(
        r#"{{"id":"{id}","type":"user_action","source":"web","user_id":"{user}","data":{{"n":{number}}}}}"#
    )
}

pub fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x7000, 0x8000_0000_0000_0000 | number)
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A daemon, as far as the table needs one.
pub struct Rig {
    pub disk: SimDisk,
    pub database: Memory,
    pub log: Log,
    committer: Committer,
    pub runner: Runner,
    pub table: Arc<Table>,
    pub metrics: TableMetrics,
    options: TableOptions,
    scripted: Arc<Scripted>,
}

pub fn options(workers: usize) -> TableOptions {
    TableOptions { workers, process_timeout: Duration::from_secs(20) }
}

impl Rig {
    pub fn new(options: TableOptions) -> Self {
        let scripted = Arc::new(Scripted { slow: false });
        Self::with(options, scripted.clone(), scripted)
    }

    pub fn slow(options: TableOptions) -> Self {
        let scripted = Arc::new(Scripted { slow: true });
        Self::with(options, scripted.clone(), scripted)
    }

    pub fn with(
        options: TableOptions,
        processor: Arc<dyn Processor>,
        scripted: Arc<Scripted>,
    ) -> Self {
        Self::on(SimDisk::new(7), Memory::default(), options, processor, scripted)
    }

    fn on(
        disk: SimDisk,
        database: Memory,
        options: TableOptions,
        processor: Arc<dyn Processor>,
        scripted: Arc<Scripted>,
    ) -> Self {
        let log_options = LogOptions {
            segment_bytes: 64 << 10,
            reserve_bytes: 0,
            seal_after: Duration::from_hours(1),
            ..LogOptions::new("/data/wal")
        };
        let schemas = [STREAM, "usage"]
            .map(|name| (name.to_owned(), Schema::builtin(name).unwrap()))
            .to_vec();
        let Opened { log, committer, .. } =
            Log::open(Arc::new(disk.clone()), log_options, schemas, &[]).unwrap();
        let metrics = Metrics::new().unwrap();
        let start = start_file(&disk);
        let table = Arc::new(Table::new(Parts {
            options,
            validator: scripted.clone(),
            processor,
            storage: Arc::new(database.clone()),
            start: start.clone(),
            quarantine: quarantine(&disk),
            metrics: metrics.table.clone(),
        }));
        let pair = Pair { sink: table.clone(), start };
        let stop = Arc::new(AtomicBool::new(false));
        let runner = pair.runner(&log, &metrics, &stop).unwrap();
        Self {
            disk,
            database,
            log,
            committer,
            runner,
            table,
            metrics: metrics.table,
            options,
            scripted,
        }
    }

    /// The power goes and comes back: the daemon, and its connection to the database, die.
    #[must_use]
    pub fn crash(self, seed: u64) -> Self {
        self.disk.cut_power();
        self.database.cut_connections();
        let disk = self.disk.after_crash(seed);
        Self::on(disk, self.database, self.options, self.scripted.clone(), self.scripted)
    }

    /// The daemon is stopped and started.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.runner.finish();
        let Self { disk, database, options, scripted, runner, .. } = self;
        drop(runner);
        Self::on(disk, database, options, scripted.clone(), scripted)
    }

    /// A durable request.
    pub fn append(&mut self, lines: &[String]) {
        self.append_to(STREAM, lines);
    }

    pub fn append_to(&mut self, stream: &str, lines: &[String]) {
        let (number, _) = self.log.stream(stream).unwrap();
        let request = self.log.begin(number);
        let payload = Bytes::from(lines.join("\n"));
        let schema = Arc::new(Schema::builtin(stream).unwrap());
        let decoder = Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN);
        let (arrival, seed) = (request.arrival(), request.seed());
        let context = FrameContext { arrival, seed, first_line: 1 };
        let rows = Arc::new(decoder.decode(payload.clone(), &context).unwrap());
        let permit = now(self.log.admit(64)).unwrap().unwrap();
        let outcome = Outcome { events: lines.len() as u64, ..Outcome::default() };
        let mut committed =
            Box::pin(request.commit(Lines::new(payload, rows, 1, 0), permit, outcome));
        assert!(now(committed.as_mut()).is_none());
        while self.committer.step() {}
        now(committed).unwrap().unwrap();
    }

    /// Steps until everything is applied, over all failures. How many there were.
    pub fn settle(&mut self) -> usize {
        let mut failures = 0;
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            assert!(
                Instant::now() < until,
                "it doesn't come to an end: {:?}",
                self.runner.status()
            );
            match self.runner.step() {
                Step::Idle { .. } => return failures,
                Step::More => {}
                Step::Failed(_) => failures += 1,
                Step::Damaged => panic!("{:?}", self.runner.status()),
            }
            self.check();
        }
    }

    /// What holds at every moment: the floor isn't ahead of the database (T5).
    pub fn check(&self) {
        let floor = self.floor();
        if let Some(mark) = self.database.mark().filter(|mark| mark.epoch == floor.epoch) {
            assert!(floor.position.commit <= mark.position.commit, "{floor:?}, {mark:?}");
        }
    }

    /// A worker is busy until it has put its job away, a moment after the job is done.
    pub fn wait_until_idle(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.metrics.active_workers.get() != 0 {
            assert!(
                Instant::now() < until,
                "{} workers are busy",
                self.metrics.active_workers.get()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn floor(&self) -> Mark {
        start_file(&self.disk).load().unwrap().unwrap()
    }

    pub fn start_file(&self) -> StartFile {
        start_file(&self.disk)
    }

    pub fn quarantined(&self) -> Vec<Record> {
        let records = quarantine(&self.disk).records().unwrap();
        records.map_or(Vec::new(), |records| records.iter().map(Result::unwrap).collect())
    }

    /// `data.n` of the rows, in the order in which they were stored.
    pub fn stored(&self) -> Vec<u64> {
        let number = |data: &str| {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            data["data"]["n"].as_u64().unwrap()
        };
        self.database.rows().iter().map(|row| number(&row.processed_data)).collect()
    }
}

fn start_file(disk: &SimDisk) -> StartFile {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    StartFile::new(disk, Path::new(DATA_DIR), NAME, STREAM)
}

fn quarantine(disk: &SimDisk) -> Quarantine {
    Quarantine::new(Arc::new(disk.clone()), Path::new(DATA_DIR), STREAM, NAME)
}
