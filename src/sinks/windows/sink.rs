//! The sink: events into open files, and files that are done to the commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, CheckpointFile};
use super::commit::Closed;
use super::keep::Kept;
use super::manifest::Manifest;
use super::names::{TakenNames, file_name};
use super::open_file::{BUFFER_BYTES, OpenFile, Opening};
use super::shared::Shared;
use super::span::{Clock, Route, Rule, Span};
use crate::disk::line::Version1;
use crate::log::{CloseReason, CloseRecord, Control, Position};
use crate::sinks::{Events, Frozen, Sink, SinkError};
use crate::stream::{Schema, SchemaVersion};
use crate::time::Timestamp;

/// A checkpoint is made after so many bytes of rows. A checkpoint takes three syncs, some 5 ms; at
/// 200 MB of rows a second that is 2 % of the time, and what a crash makes to be read again takes a
/// third of a second. At 8 MiB it would be 12 %.
pub const CHECKPOINT_BYTES: u64 = 64 << 20;
/// A checkpoint is made so long after the first row behind the last one.
pub const CHECKPOINT_AFTER: Duration = Duration::from_secs(2);
/// Rows are written to the open file so long after they came, so that people soon see them there.
const VISIBLE_AFTER: Duration = Duration::from_millis(100);
/// So many windows share their syncs at most: each is an open file until its group is committed.
pub const GROUP_WINDOWS_MAX: usize = 256;

/// A stream's windows. See the [module](super).
#[derive(Debug)]
pub struct WindowsSink {
    pub(super) shared: Arc<Shared>,
    pub(super) rule: Rule,
    pub(super) clock: Clock,
    /// Everything up to here is handed over.
    pub(super) position: Position,
    pub(super) sequence: u64,
    /// Rows ever put into windows.
    pub(super) rows: u64,
    /// Open windows in order; `spans` are theirs.
    pub(super) open: Vec<OpenFile>,
    pub(super) spans: Vec<Span>,
    pub(super) late: Option<OpenFile>,
    /// Closed, and not committed yet.
    pub(super) closed: Vec<Closed>,
    pub(super) manifest: Manifest,
    pub(super) names: TakenNames,
    pub(super) kept: Kept,
    /// The directory has names that aren't durable.
    pub(super) names_unsynced: bool,
    pub(super) durable: Position,
    pub(super) spare: Vec<u8>,
    pub(super) pace: Pace,
}

/// What happened when: for things that are done now and then.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes of rows since the last checkpoint.
    pub bytes: u64,
    /// The first row since then.
    pub dirty_since: Option<Instant>,
    /// The first row that isn't written to its file.
    pub unseen_since: Option<Instant>,
    /// The last event, or the opening of the sink.
    pub last_event: Instant,
}

impl Pace {
    pub fn new() -> Self {
        Self { bytes: 0, dirty_since: None, unseen_since: None, last_event: Instant::now() }
    }
}

/// Where an event's row goes.
#[derive(Clone, Copy, Debug)]
enum Target {
    Window(usize),
    Late,
}

impl WindowsSink {
    /// Makes `first`, the event at `row`, and as many of those behind it as go the same way, rows of
    /// their file. The first row that isn't done.
    fn take_run(&mut self, events: &Events<'_>, row: usize) -> Result<usize, SinkError> {
        let time = events.rows.times()[row];
        self.clock.latest = self.clock.latest.max(Some(time));
        let due_at = self.spans.first().map(|oldest| self.rule.due_at(oldest.end));
        if due_at.is_some_and(|due_at| time >= due_at && due_at != Timestamp::MAX) {
            self.close_due(&events.position_before(row))?;
        }
        let target = self.target(events, time)?;
        // What would close a window ends the run, as does what goes elsewhere.
        let due_at =
            self.spans.first().map_or(Timestamp::MAX, |oldest| self.rule.due_at(oldest.end));
        let stays = |time: Timestamp| match target {
            Target::Window(index) => {
                self.spans[index].contains(time) && (time < due_at || due_at == Timestamp::MAX)
            }
            Target::Late => self.clock.floor.is_some_and(|floor| time < floor),
        };
        let behind = &events.rows.times()[row + 1..];
        let same = behind.iter().position(|&time| !stays(time)).unwrap_or(behind.len());
        let range = row..row + 1 + same;
        let count = range.len() as u64;
        let file = match target {
            Target::Window(index) => {
                self.clock.latest = self.clock.latest.max(behind[..same].iter().max().copied());
                self.open.get_mut(index)
            }
            Target::Late => {
                self.shared.metrics.late.inc_by(count);
                self.late.as_mut()
            }
        };
        if let Some(file) = file {
            let before = file.bytes();
            file.append(events.rows, range.clone(), events.lsn)?;
            self.pace.bytes += file.bytes() - before;
        }
        self.rows += count;
        if self.open.len() > 1 && self.buffered_bytes() > BUFFER_BYTES {
            self.flush()?;
        }
        Ok(range.end)
    }

    /// The file for an event at `time`, opened if need be.
    fn target(&mut self, events: &Events<'_>, time: Timestamp) -> Result<Target, SinkError> {
        let opening = |span, late| Opening {
            span,
            late,
            first_event: time,
            lsn: events.lsn,
            schema: events.version,
        };
        match self.rule.route(time, &self.clock, &self.spans) {
            Route::Into(index) => Ok(Target::Window(index)),
            Route::Open(index, span) => {
                self.clock.first = self.clock.first.or(Some(time));
                let file = self.create(&opening(span, false), events.schema)?;
                self.open.insert(index, file);
                self.spans.insert(index, span);
                Ok(Target::Window(index))
            }
            Route::Extend(index) => {
                self.spans[index].start = time;
                self.open[index].extend_to(time);
                Ok(Target::Window(index))
            }
            Route::Late => {
                if self.late.is_none() {
                    let span = Span { start: time, end: time };
                    self.late = Some(self.create(&opening(span, true), events.schema)?);
                }
                Ok(Target::Late)
            }
        }
    }

    fn create(&mut self, opening: &Opening, schema: &Schema) -> Result<OpenFile, SinkError> {
        let Shared { disk, dir, stream, options, .. } = self.shared.as_ref();
        for number in 1.. {
            let name = file_name(stream, opening.first_event, opening.late, number);
            if self.names.contains(&name) {
                continue;
            }
            let file = OpenFile::create(disk.as_ref(), dir, name, opening, &mut self.spare)?;
            let Some(mut file) = file else { continue };
            self.names_unsynced = true;
            if options.header {
                file.append_header(schema);
            }
            return Ok(file);
        }
        Err(SinkError::Other(format!("{}: no name is left for another file", dir.display())))
    }

    /// Closes the windows that the latest event has ended. `before` is the position before it.
    fn close_due(&mut self, before: &Position) -> Result<(), SinkError> {
        let Some(latest) = self.clock.latest else { return Ok(()) };
        let due = |span: &Span| {
            let due_at = self.rule.due_at(span.end);
            due_at <= latest && due_at != Timestamp::MAX
        };
        let count = self.spans.iter().take_while(|span| due(span)).count();
        if count == 0 {
            return Ok(());
        }
        self.close_late(before)?;
        for _ in 0..count {
            self.close_oldest(before)?;
        }
        self.commit_if_many()
    }

    /// Closes everything that is open: the newest window ends behind its last event. What `after`
    /// stands behind happens only with the last of them, so that a crash in between, after which
    /// it is seen again, closes the rest.
    fn close_all(&mut self, before: &Position, after: &Position) -> Result<(), SinkError> {
        let position = |last: bool| if last { after } else { before };
        self.close_late(position(self.open.is_empty()))?;
        if let Some(newest) = self.open.last_mut() {
            let end = newest.state().last_event.saturating_add(Duration::from_nanos(1));
            newest.end_at(end);
        }
        while !self.open.is_empty() {
            self.close_oldest(position(self.open.len() == 1))?;
        }
        self.commit_if_many()
    }

    fn close_oldest(&mut self, position: &Position) -> Result<(), SinkError> {
        if self.open.is_empty() {
            return Ok(());
        }
        self.spans.remove(0);
        let file = self.open.remove(0);
        self.clock.floor = self.clock.floor.max(Some(file.state().window_end));
        self.close(file, position)
    }

    fn close_late(&mut self, position: &Position) -> Result<(), SinkError> {
        let Some(mut file) = self.late.take() else { return Ok(()) };
        let (first, last) = (file.state().first_event, file.state().last_event);
        file.extend_to(first);
        file.end_at(last.saturating_add(Duration::from_nanos(1)));
        self.close(file, position)
    }

    /// Puts a file that is done among the closed ones, with the state behind it.
    fn close(&mut self, mut file: OpenFile, position: &Position) -> Result<(), SinkError> {
        let state = file.flushed_state()?;
        self.spare = file.take_buffer();
        let checkpoint = self.capture(*position)?;
        self.closed.push(Closed { file, state, checkpoint });
        Ok(())
    }

    fn commit_if_many(&mut self) -> Result<(), SinkError> {
        if self.closed.len() >= GROUP_WINDOWS_MAX { self.commit_closed() } else { Ok(()) }
    }

    /// The state at `position`. All open files are written up to it.
    pub(super) fn capture(&mut self, position: Position) -> Result<Checkpoint, SinkError> {
        self.sequence += 1;
        let files = self.open.iter_mut().chain(&mut self.late);
        let open = files.map(OpenFile::flushed_state).collect::<Result<_, _>>()?;
        let (sequence, rows, clock) = (self.sequence, self.rows, self.clock);
        Ok(Checkpoint { sequence, position, rows, clock, open })
    }

    /// Makes durable what a checkpoint names: files that are open, and their names.
    pub(super) fn sync_open(&mut self) -> Result<(), SinkError> {
        let files = self.open.iter_mut().chain(&mut self.late).collect();
        OpenFile::sync_all(self.shared.disk.as_ref(), files)?;
        self.sync_names()
    }

    pub(super) fn sync_names(&mut self) -> Result<(), SinkError> {
        if self.names_unsynced {
            let Shared { disk, dir, .. } = self.shared.as_ref();
            disk.sync_dir(dir).map_err(SinkError::io("syncing", dir))?;
            self.names_unsynced = false;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        for file in self.open.iter_mut().chain(&mut self.late) {
            file.flush()?;
        }
        self.pace.unseen_since = None;
        Ok(())
    }

    fn buffered_bytes(&self) -> usize {
        self.open.iter().chain(&self.late).map(OpenFile::buffered_bytes).sum()
    }

    /// The file that a close would be about: the newest window, or else the late file.
    fn newest(&self) -> Option<&OpenFile> {
        self.open.last().or(self.late.as_ref())
    }

    /// Whether something is open under another schema version than `version`.
    fn is_of_other_version(&self, version: SchemaVersion) -> bool {
        self.open.iter().chain(&self.late).any(|file| file.state().schema != version)
    }

    pub(super) fn show(&self) {
        self.shared.show(self.rows, self.open.iter().chain(&self.late));
    }
}

impl Sink for WindowsSink {
    fn apply(&mut self, events: &Events<'_>) -> Result<(), SinkError> {
        if events.from_row >= events.rows.len() {
            return Ok(());
        }
        let now = Instant::now();
        self.pace.last_event = now;
        self.pace.dirty_since.get_or_insert(now);
        self.pace.unseen_since.get_or_insert(now);
        if self.is_of_other_version(events.version) {
            let before = events.position_before(events.from_row);
            self.close_all(&before, &before)?;
        }
        let mut row = events.from_row;
        while row < events.rows.len() {
            row = self.take_run(events, row)?;
        }
        self.position = events.position_after(row - 1);
        Ok(())
    }

    fn control(&mut self, control: &Control, position: &Position) -> Result<(), SinkError> {
        match control {
            Control::CloseWindow(_, record) => {
                let meant = |file: &OpenFile| {
                    record.window.as_ref().is_none_or(|window| *window == file.state().file)
                };
                if self.newest().is_some_and(meant) {
                    let before = self.position;
                    self.close_all(&before, position)?;
                }
            }
            Control::Schema(record) => {
                let newer = |file: &OpenFile| file.state().schema < record.version;
                if self.open.iter().chain(&self.late).any(newer) {
                    let before = self.position;
                    self.close_all(&before, position)?;
                }
            }
        }
        self.reached(position)
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.position = *position;
        Ok(())
    }

    fn settle(&mut self, now: Instant) -> Result<(), SinkError> {
        if !self.closed.is_empty() {
            self.commit_closed()?;
        }
        let unseen = self.pace.unseen_since;
        if unseen.is_some_and(|since| now.duration_since(since) >= VISIBLE_AFTER) {
            self.flush()?;
        }
        self.remove_expired()?;
        self.show();
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), SinkError> {
        self.commit_closed()?;
        let checkpoint = self.capture(self.position)?;
        self.sync_open()?;
        let file =
            CheckpointFile { v: Version1, manifest_bytes: self.manifest.bytes(), checkpoint };
        file.store(self.shared.disk.as_ref(), &self.shared.dir)?;
        self.durable = self.position;
        self.pace.bytes = 0;
        self.pace.dirty_since = None;
        self.pace.unseen_since = None;
        self.show();
        Ok(())
    }

    fn wants_checkpoint(&self, now: Instant) -> bool {
        self.pace.bytes >= CHECKPOINT_BYTES
            || self
                .pace
                .dirty_since
                .is_some_and(|since| now.duration_since(since) >= CHECKPOINT_AFTER)
    }

    fn durable(&self) -> Position {
        self.durable
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        Ok(Box::new(self.frozen()?))
    }

    fn idle_close(&mut self, now: Instant) -> Option<CloseRecord> {
        let after = self.shared.options.idle_close?;
        let newest = self.newest()?;
        (now.duration_since(self.pace.last_event) >= after).then(|| CloseRecord {
            reason: CloseReason::Idle,
            window: Some(newest.state().file.clone()),
        })
    }

    fn next_due(&self, now: Instant) -> Option<Duration> {
        let left = |since: Option<Instant>, after: Duration| {
            since.map(|since| (since + after).saturating_duration_since(now))
        };
        let idle = self.shared.options.idle_close.filter(|_| self.newest().is_some());
        [
            left(self.pace.unseen_since, VISIBLE_AFTER),
            left(self.pace.dirty_since, CHECKPOINT_AFTER),
            idle.and_then(|after| left(Some(self.pace.last_event), after)),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
