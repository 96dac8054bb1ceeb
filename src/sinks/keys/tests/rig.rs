//! Keys of two streams without a log: commits are handed to the sinks as the runner does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use crate::disk::{Disk, RealDisk};
use crate::log::reader::CommittedRequest;
use crate::log::scan::LogDir;
use crate::log::{Key, LogId, Lsn, Position, Receipt, RequestId};
use crate::sinks::keys::{Claimed, Keys, KeysParts, NAME, StreamKeys, Unclaimed};
use crate::sinks::{OpenSink, Sink, SinkError, StartFile};
use crate::stream::SchemaVersion;
use crate::time::Timestamp;

/// How long keys are kept.
pub const KEEP: Duration = Duration::from_hours(24);
/// How many.
pub const KEYS_MAX: u64 = 1000;
/// Each commit is alone in its batch,
const BATCH_BYTES: u64 = 4096;
/// and stands behind the batch's header.
const FRAME_OFFSET: u64 = 64;
const LOG: LogId = LogId([7; 16]);

/// The keys of one stream, and the sink that follows it.
pub struct Side {
    pub keys: Arc<StreamKeys>,
    pub sink: Option<Box<dyn Sink>>,
}

pub struct Rig {
    pub dir: TempDir,
    pub sides: [Side; 2],
    /// Where the next batch stands.
    pub next: Lsn,
    /// Where the log ended when this process opened it.
    recovered_end: Lsn,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What is remembered of a request.
pub fn receipt(body: u8, arrival: Timestamp, commit: Lsn) -> Receipt {
    Receipt {
        fingerprint: [body; 32],
        arrival,
        seed: commit.0,
        version: SchemaVersion(1),
        events: 3,
        rejected: 0,
        commit,
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), Lsn(4096))
    }

    /// Opens what is in the directory; the log, as far as there is one, ends at `end`.
    pub fn in_dir(dir: TempDir, end: Lsn) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let keys = Keys::new(KeysParts {
            data_dir: dir.path().to_owned(),
            log: LogDir::new(disk.clone(), dir.path().join("wal")),
            disk: disk.clone(),
            keep: KEEP,
            keys_max: KEYS_MAX,
            patience: Duration::from_millis(50),
        });
        let side = |stream| {
            let keys = keys.of(StartFile::new(disk.clone(), dir.path(), NAME, stream));
            Side { sink: None, keys }
        };
        let sides = ["a", "b"].map(side);
        let mut rig = Self { dir, sides, next: end, recovered_end: end };
        for side in 0..2 {
            rig.open(side).unwrap();
        }
        rig
    }

    /// Opens a side's sink, again if need be. Where it stands.
    pub fn open(&mut self, side: usize) -> Result<Position, SinkError> {
        let side = &mut self.sides[side];
        side.sink = None;
        let start = Position::at(LOG, Lsn(4096));
        let sink = side.keys.sink().open(start, self.recovered_end)?;
        let durable = sink.durable();
        side.sink = Some(sink);
        Ok(durable)
    }

    /// What a crash leaves: a new process opens the store.
    pub fn restart(self) -> Self {
        let Self { dir, sides, next, .. } = self;
        drop(sides);
        Self::in_dir(dir, next)
    }

    /// Where the next request commits.
    pub fn commit(&mut self) -> Lsn {
        let commit = self.next.advanced(FRAME_OFFSET);
        self.next = self.next.advanced(BATCH_BYTES);
        commit
    }

    pub async fn claim(
        &self,
        side: usize,
        key: &str,
        now: Timestamp,
    ) -> Result<Claimed, Unclaimed> {
        self.sides[side].keys.claim(Bytes::copy_from_slice(key.as_bytes()), now).await
    }

    /// Claims a key that must be new, and commits its request.
    pub async fn send(&mut self, side: usize, key: &str, body: u8, now: Timestamp) -> Receipt {
        let Claimed::New(claim) = self.claim(side, key, now).await.unwrap() else {
            panic!("{key} isn't new");
        };
        let receipt = receipt(body, now, self.commit());
        claim.settle(receipt);
        receipt
    }

    /// Hands a commit to a side's sink.
    pub fn hand_over(&mut self, side: usize, key: &str, of: &Receipt) -> Result<(), SinkError> {
        let position = self.position(side, of.commit);
        let key = Key::new(Bytes::copy_from_slice(key.as_bytes()), of.fingerprint);
        let request = CommittedRequest {
            request: RequestId(of.commit.0),
            arrival: of.arrival,
            seed: of.seed,
            version: of.version,
            events: of.events,
            rejected: of.rejected,
            key,
            position,
        };
        self.sink(side).committed(&request)
    }

    /// Says that everything durable is handed over.
    pub fn reach_end(&mut self, side: usize) {
        let position = Position { restart: self.next, ..self.sink(side).durable() };
        self.sink(side).reached(&position).unwrap();
    }

    /// What the runner does at the end of a pass in which it is time to store.
    pub fn store(&mut self, side: usize) -> Result<(), SinkError> {
        self.sink(side).settle(Instant::now())?;
        self.sink(side).checkpoint()
    }

    pub fn sink(&mut self, side: usize) -> &mut Box<dyn Sink> {
        self.sides[side].sink.as_mut().unwrap()
    }

    fn position(&mut self, side: usize, commit: Lsn) -> Position {
        let durable = self.sink(side).durable();
        Position { commit, restart: commit.advanced(BATCH_BYTES - FRAME_OFFSET), ..durable }
    }
}
