//! What may be answered instead of 200, each with a document that windrow really sends.
//!
//! The documents are made by what makes them when a request is refused, so that an example can't say
//! anything else. A name stands for one document; answers of a status are shared by the operations that
//! have the same.

use std::time::Duration;

use http::StatusCode;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use uuid::Uuid;

use super::headers;
use super::schema::named;
use crate::backup::BackupError;
use crate::config::StreamConfig;
use crate::disk::CopyError;
use crate::follow::{Begin, ConditionError, FollowError};
use crate::ingest::{DocumentError, Encoding, IngestError, NotKept, Shape};
use crate::log::{AppendError, Lsn};
use crate::quarantine::NoRoom;
use crate::server::auth::{Denial, Scope};
use crate::server::problem::{self, Problem};
use crate::server::{
    app, backup, binary_mode, csv_file, events, idempotency, media, observe, parameters,
    read_your_writes, tail, usage,
};
use crate::sinks::keys::Unclaimed;
use crate::sinks::usage::{NAME as USAGE_SINK, STREAM as USAGE, UsageError};
use crate::sinks::windows::Windows;
use crate::stream::{BadLine, LineError};
use crate::time::Timestamp;

/// An id, an address of the log and one in front of it, for examples.
const ID: Uuid = Uuid::from_u128(0x0190_6c08_07f7_79fc_9eac_94b3_b37e_b2d4);
const POSITION: Lsn = Lsn(8192);
const EARLIER: Lsn = Lsn(4096);

/// One reason for another answer than 200.
pub(super) struct Refusal {
    /// What its example is called.
    pub(super) name: &'static str,
    problem: Problem,
}

impl Refusal {
    fn new(name: &'static str, problem: impl Into<Problem>) -> Self {
        Self { name, problem: problem.into() }
    }

    pub(super) fn status(&self) -> u16 {
        self.problem.status().as_u16()
    }

    pub(super) fn example(&self) -> RefOr<Example> {
        let document = serde_json::from_slice(&self.problem.json()).ok();
        ExampleBuilder::new().value(document).into()
    }
}

/// The answer that stands for these refusals, which have one status.
pub(super) fn response(refusals: &[Refusal]) -> Response {
    let status = refusals.first().map_or(StatusCode::OK, |it| it.problem.status());
    let examples = refusals.iter().map(|refusal| {
        let at = format!("#/components/examples/{}", refusal.name);
        (refusal.name, RefOr::Ref(Ref::new(at)))
    });
    let content = ContentBuilder::new().schema(Some(named("Problem")));
    let content = content.examples_from_iter(examples).build();
    let mut response = ResponseBuilder::new().description(meaning(status));
    response = headers::on_all(response).content(problem::MEDIA, content);
    if refusals.iter().any(|it| it.problem.retry_after_seconds().is_some()) {
        response = headers::shared(response, headers::RETRY_AFTER);
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        response = headers::shared(response, headers::WWW_AUTHENTICATE);
    }
    response.build()
}

/// What a status means here.
fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => {
            "Something of the request is wrong: what, where, and what would be right."
        }
        StatusCode::UNAUTHORIZED => "It needs a token, or another one.",
        StatusCode::FORBIDDEN => "The token isn't for that.",
        StatusCode::NOT_FOUND => "Nothing has that name.",
        StatusCode::GONE => "That isn't in the log any more.",
        StatusCode::REQUEST_TIMEOUT => "The body came too slowly.",
        StatusCode::CONFLICT => "The `Idempotency-Key` is that of another request.",
        StatusCode::PAYLOAD_TOO_LARGE => "Something is longer than its limit.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "`Content-Type` or `Content-Encoding` isn't taken here."
        }
        StatusCode::TOO_MANY_REQUESTS => "Too much for now: try again after `Retry-After` seconds.",
        StatusCode::SERVICE_UNAVAILABLE => "Not now: try again after `Retry-After` seconds.",
        StatusCode::INSUFFICIENT_STORAGE => "A disk is full, or would be.",
        _ => "Something failed that should not have.",
    }
}

/// Those of every operation that needs a token with this scope.
pub(super) fn of_guard(scope: Scope) -> Vec<Refusal> {
    let lacking = match scope {
        Scope::Ingest => ("lacks-scope-ingest", Scope::Read),
        Scope::Read => ("lacks-scope-read", Scope::Ingest),
        Scope::Admin => ("lacks-scope-admin", Scope::Ingest),
    };
    let denied = |name, denial: Denial| Refusal::new(name, denial.problem());
    let too_many = Denial::TooMany { per_second: 100, again_in: Duration::from_secs(1) };
    let mut all = vec![
        denied("no-token", Denial::Missing),
        denied("unknown-token", Denial::Unknown),
        denied("too-fast", too_many),
    ];
    let (name, has) = lacking;
    // A scope's name is one scope.
    if let Ok(has) = has.name().parse() {
        all.push(denied(name, Denial::Scope { needed: scope, has }));
    }
    all
}

/// Those of a path with a stream in it.
pub(super) fn of_stream(streams: &[StreamConfig]) -> [Refusal; 2] {
    [
        Refusal::new("no-stream", app::no_stream(streams, "unknown")),
        Refusal::new("still-opening", app::still_opening()),
    ]
}

/// Those of a path with a stream in it that has windows.
pub(super) fn of_windows() -> [Refusal; 2] {
    [
        Refusal::new("no-windows", app::no_windows(USAGE, &[USAGE.to_owned()])),
        Refusal::new(
            "manifest-unreadable",
            Problem::internal("reading the manifest: Input/output error"),
        ),
    ]
}

/// Those of a file's download.
pub(super) fn of_file(stream: &str) -> [Refusal; 1] {
    [Refusal::new("no-file", csv_file::no_file(stream, &format!("{stream}-19700101-000000.csv")))]
}

/// Those of a tail.
pub(super) fn of_tail() -> Vec<Refusal> {
    let mut all = vec![
        Refusal::new("shutting-down", AppendError::ShuttingDown),
        Refusal::new("no-form", tail::no_form("csv")),
        of_unknown("unknown-of-tail", &tail::PARAMETERS),
        Refusal::new("trimmed", FollowError::Trimmed { oldest: POSITION }),
        Refusal::new("too-many-tails", Problem::too_many_tails(32)),
    ];
    let no_begin = "yesterday".parse::<Begin>().err();
    all.extend(no_begin.map(|why| Refusal::new("no-begin", tail::no_begin("from", why))));
    let no_condition = ConditionError::Form { text: "credits".to_owned() };
    all.push(Refusal::new("no-condition", no_condition));
    all
}

/// Those of the parameter `position`.
pub(super) fn of_position(sink: &str, stream: &str) -> [Refusal; 3] {
    let late = read_your_writes::not_there_yet(sink, stream, EARLIER, POSITION);
    let name = match sink {
        Windows::NAME => "windows-not-there-yet",
        USAGE_SINK => "usage-not-there-yet",
        _ => "table-not-there-yet",
    };
    [
        Refusal::new("no-position", read_your_writes::no_position()),
        Refusal::new(
            "position-of-another-log",
            read_your_writes::of_another_log(POSITION, EARLIER),
        ),
        Refusal::new(name, late),
    ]
}

/// Those of a listing that comes in pages of `max` things at most.
pub(super) fn of_pages(max: usize) -> [Refusal; 2] {
    let name = if max > 1000 { "no-limit-of-windows" } else { "no-limit" };
    [
        Refusal::new(name, parameters::no_limit(max)),
        Refusal::new("no-cursor", parameters::no_cursor()),
    ]
}

/// Those of an interval.
pub(super) fn of_interval(from: &str, to: &str) -> [Refusal; 2] {
    let [earlier, later] = [0, 1].map(|second| Timestamp::from_nanos(second * 1_000_000_000));
    let [no_time, backwards] = match from {
        "from" => ["no-time", "backwards"],
        _ => ["no-time-of-usage", "backwards-usage"],
    };
    let why = Timestamp::parse_query("noon").err();
    let wrong = why.map_or_else(parameters::no_cursor, |why| parameters::no_time(from, &why));
    [
        Refusal::new(no_time, wrong),
        Refusal::new(backwards, parameters::backwards(from, later, to, earlier)),
    ]
}

/// Metrics in a format that there isn't.
pub(super) fn no_format() -> Refusal {
    Refusal::new("no-format", observe::no_format("xml"))
}

/// A parameter that the operation doesn't have.
pub(super) fn of_unknown(name: &'static str, known: &[&str]) -> Refusal {
    Refusal::new(name, parameters::unknown("unknown", known))
}

/// The daemon has just been started.
pub(super) fn still_opening() -> Refusal {
    Refusal::new("still-opening", app::still_opening())
}

/// Those of operations that change something: none once the daemon ends.
pub(super) fn of_writing() -> [Refusal; 3] {
    let failed = AppendError::Failed("fsync of segment 0: Input/output error".to_owned());
    [
        still_opening(),
        Refusal::new("shutting-down", AppendError::ShuttingDown),
        Refusal::new("log-failed", failed),
    ]
}

/// Those of the log's space.
pub(super) fn of_space() -> [Refusal; 3] {
    [
        Refusal::new("busy", AppendError::Busy),
        Refusal::new("log-full", AppendError::LogFull),
        Refusal::new("disk-full", AppendError::DiskFull),
    ]
}

/// Those of a body that is read.
fn of_reading() -> [Refusal; 8] {
    let (waited, whole) = (Duration::from_secs(30), Duration::from_mins(5));
    let bytes_max = 1 << 30;
    let broken = IngestError::Broken { reason: "unexpected end of file".to_owned() };
    let reason = "invalid gzip header".to_owned();
    let damaged = IngestError::Undecodable { encoding: Encoding::Gzip, reason };
    let bomb = IngestError::DecompressedTooLarge { bytes_max };
    [
        Refusal::new("broken-body", broken),
        Refusal::new("bad-encoding", damaged),
        Refusal::new("stalled", IngestError::Stalled { waited }),
        Refusal::new("too-slow", IngestError::TooSlow { whole }),
        Refusal::new("body-too-large", IngestError::BodyTooLarge { bytes_max }),
        Refusal::new("decompressed-too-large", bomb),
        Refusal::new("unknown-encoding", media::not_compressed_so(b"br")),
        Refusal::new("busy", AppendError::Busy),
    ]
}

/// Those of a body that is read for events.
pub(super) fn of_body(keeps_bad_lines: bool) -> Vec<Refusal> {
    let mut all = vec![Refusal::new("upload-fills-log", AppendError::UploadHoldsLog)];
    all.extend(of_reading());
    if keeps_bad_lines {
        all.extend(of_quarantine());
    }
    all
}

fn of_quarantine() -> [Refusal; 2] {
    let not_kept = |why| {
        let line = bad_line();
        IngestError::NotKept(Box::new(NotKept { line, why }))
    };
    let stream = || "orders".to_owned();
    let full = NoRoom::Full { stream: stream(), bytes: 1 << 30, bytes_max: 1 << 30 };
    let failing = NoRoom::Failing { stream: stream(), error: "Input/output error".to_owned() };
    [
        Refusal::new("quarantine-full", not_kept(full)),
        Refusal::new("quarantine-failing", not_kept(failing)),
    ]
}

/// Those of events that stand one a line.
pub(super) fn of_lines(stream: &str) -> [Refusal; 4] {
    [
        Refusal::new("bad-line", IngestError::Line(bad_line())),
        Refusal::new("line-too-long", IngestError::LineTooLong { line: 1, bytes_max: 1 << 20 }),
        Refusal::new("nothing-but-blanks", IngestError::TooMuchBlank),
        Refusal::new(
            if stream == USAGE { "unknown-type-for-usage" } else { "unknown-type" },
            media::not_taken(if stream == USAGE { stream } else { "user-events" }, b"image/png"),
        ),
    ]
}

/// Those of a `CloudEvent` whose attributes are headers.
pub(super) fn in_binary_mode() -> [Refusal; 2] {
    [
        Refusal::new("cloud-event-data-not-json", media::data_not_json("text/csv")),
        Refusal::new("cloud-event-attribute-not-text", binary_mode::not_text("ce-id")),
    ]
}

/// Those of events in a JSON document.
pub(super) fn of_documents() -> [Refusal; 3] {
    let cut_off = DocumentError::Malformed {
        at: 2,
        index: Some(0),
        field: None,
        expected: "the rest of it".to_owned(),
        found: "the end of the body".to_owned(),
    };
    let (line, bytes_max) = (1, 1 << 20);
    [
        Refusal::new("bad-document", IngestError::Document(cut_off)),
        Refusal::new("bad-event", Problem::of_body(IngestError::Line(bad_line()), Shape::Events)),
        Refusal::new(
            "event-too-long",
            Problem::of_body(IngestError::LineTooLong { line, bytes_max }, Shape::Events),
        ),
    ]
}

/// Those of a batch of events.
pub(super) fn of_batch() -> [Refusal; 1] {
    let items_max = events::BATCH_EVENTS_MAX;
    [Refusal::new("too-many-events", IngestError::Document(DocumentError::TooMany { items_max }))]
}

/// A body that takes JSON has another `Content-Type`; NDJSON is for `stream`.
pub(super) fn of_json(stream: &str) -> Refusal {
    let name = if stream == USAGE { "no-json-for-usage" } else { "no-json" };
    Refusal::new(name, media::not_json("text/csv", stream))
}

/// Those of `Idempotency-Key`.
pub(super) fn of_key() -> [Refusal; 7] {
    [
        Refusal::new("no-key", idempotency::no_key()),
        Refusal::new("key-reused", IngestError::KeyReused),
        Refusal::new("key-under-way", Unclaimed::UnderWay),
        Refusal::new("too-many-keys", Unclaimed::TooMany { keys_max: 10_000_000 }),
        Refusal::new("keys-not-read-yet", Unclaimed::CatchingUp),
        Refusal::new("keys-waiting", Unclaimed::Waiting),
        Refusal::new(
            "keys-out-of-space",
            Unclaimed::OutOfSpace("No space left on device".to_owned()),
        ),
    ]
}

fn bad_line() -> LineError {
    LineError {
        line: 1,
        reason: BadLine::NotJson,
        field: None,
        expected: "a JSON object".to_owned(),
        found: "an array: []".to_owned(),
    }
}

/// Those of reading the table.
pub(super) fn of_table() -> [Refusal; 2] {
    [
        Refusal::new("no-table", events::no_table(&["windows".to_owned()])),
        Refusal::new(
            "table-away",
            Problem::unavailable("the table can't be read now: the database is away"),
        ),
    ]
}

/// Those of one event's id.
pub(super) fn of_id() -> [Refusal; 2] {
    [Refusal::new("no-id", events::no_id()), Refusal::new("no-event", events::no_event(ID))]
}

/// Those of reading usage.
pub(super) fn of_usage() -> [Refusal; 2] {
    [
        Refusal::new("not-counted", usage::not_counted(&["windows".to_owned()])),
        Refusal::new("usage-not-open", UsageError::NotOpen),
    ]
}

/// Those of a question in a body, which isn't like what it should be.
pub(super) fn of_question(name: &'static str, like: &str, error: &str) -> Vec<Refusal> {
    let mut all = vec![
        Refusal::new(name, usage::unlike(like, &error)),
        Refusal::new("question-too-long", usage::too_long()),
    ];
    all.extend(of_reading());
    all
}

/// Those of a backup.
pub(super) fn of_backup() -> [Refusal; 6] {
    let relative = "backups must be named by its full path from `/`, without `..`".to_owned();
    let no_room = "the file system of /backups has no room for the copy: it has 4096 bytes free; \
                   free some, or choose another one";
    [
        Refusal::new(
            "no-backup",
            usage::unlike(backup::LIKE, &"missing field `dir` at line 1 column 2"),
        ),
        Refusal::new("backup-not-absolute", BackupError::Directory(relative)),
        Refusal::new("backup-not-json", backup::not_json()),
        Refusal::new("backup-under-way", BackupError::UnderWay),
        Refusal::new("backup-gave-way", BackupError::Copy(CopyError::GaveWay)),
        Refusal::new("no-room-for-backup", Problem::no_room(no_room)),
    ]
}
