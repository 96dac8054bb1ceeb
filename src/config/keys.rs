//! Every key there is, with its kind, its default and its description: the one list that the file, the
//! environment, the flags, their help, `windrow config`, its example and its schema are made from.
//!
//! `wal.segment` is that key in the file, `WINDROW_WAL_SEGMENT` in the environment and
//! `--wal-segment` as a flag. A stream's keys stand in [`STREAM_KEYS`] without their prefix:
//! `windows.length` of the stream `user-events` is `streams.user-events.windows.length`,
//! `WINDROW_STREAMS_USER_EVENTS_WINDOWS_LENGTH` and `--streams-user-events-windows-length`.

use std::time::Duration;

use super::kind::{ABOVE_ZERO, Kind};
use crate::log::frame::FRAME_PAYLOAD_BYTES_MAX;
use crate::stream::{DEPTH_MAX, Schema};

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file, with dots between tables.
    pub name: &'static str,
    /// What its value is, with unit and range.
    pub kind: Kind,
    /// Its default as text; `None` when unset means something of its own, which the help says.
    pub default: Option<&'static str>,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Why it is there, or why its default is what it is: what somebody who changes it should know.
    pub why: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
    why: &'static str,
) -> Key {
    Key { name, kind, default, help, why }
}

const fn text(placeholder: &'static str, expected: &'static str) -> Kind {
    Kind::Text { placeholder, expected, pattern: None }
}

const DIR: Kind =
    text("DIR", "a directory; a relative one is relative to where windrow is started");
const FILE: Kind = text("FILE", "a file; a relative one is relative to where windrow is started");
const ADDRESS: Kind = Kind::Text {
    placeholder: "ADDRESS",
    expected: "an address and port such as `127.0.0.1:8080`, or a socket such as `unix:/run/windrow.sock`",
    pattern: Some("^(unix:.+|.+:[0-9]+)$"),
};
const ROUTE: Kind = Kind::Text {
    placeholder: "PATH",
    expected: "a path such as `/orders`",
    pattern: Some("^(/[A-Za-z0-9._~/-]+|none)$"),
};
const SIZE: Kind = Kind::Size(0, u64::MAX);
const TIME: Kind = Kind::Duration(Duration::ZERO);
const TIME_ABOVE_ZERO: Kind = Kind::Duration(ABOVE_ZERO);
const COUNT: Kind = Kind::Count(1, u64::MAX);
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// The smallest segment: below it, headers and padding would outweigh what they hold.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// The largest segment: trimming and recovery work in segments.
const SEGMENT_BYTES_MAX: u64 = 4 << 30;
/// More workers than this only wait for each other's processor time.
pub const WORKERS_MAX: u64 = 64;
/// More connections than this only wait for the database.
const TABLE_CONNECTIONS_MAX: u64 = 1000;
/// Below it a few small requests would be all that fits.
const IN_FLIGHT_BYTES_MIN: u64 = 1 << 20;
/// The shortest window: file names carry whole seconds.
const WINDOW_LENGTH_MIN: Duration = Duration::from_secs(1);
/// The sinks that a stream can name.
pub const SINKS: &[&str] = &["windows", "table", "usage"];

/// The keys besides those of streams.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        DIR,
        Some("./data"),
        "Where the log and the outputs are",
        "Put it on a disk that keeps what it says it has synced: not on NFS, tmpfs or a container's own layer",
    ),
    key(
        "listen",
        ADDRESS,
        Some("127.0.0.1:8080"),
        "Where to listen; also unix:/path",
        "The loopback address, so that nobody else reaches windrow before somebody has thought of tokens and TLS",
    ),
    key(
        "shutdown",
        TIME,
        Some("10s"),
        "Time that requests in flight get at shutdown",
        "What isn't answered by then is cut off, and its client sends again; keep it below the supervisor's own patience",
    ),
    key(
        "wal.dir",
        DIR,
        None,
        "The log's directory, if it isn't `wal` in the data directory",
        "Every acknowledged request waits for a sync of this disk: a fast one of its own pays off",
    ),
    key(
        "wal.segment",
        Kind::Size(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
        Some("64MiB"),
        "Size of one file of the log",
        "The log is trimmed in whole files: large ones hold space longer, small ones are made more often",
    ),
    key(
        "wal.max",
        SIZE,
        Some("64GiB"),
        "Size of the log past which requests get 429",
        "At least twice `wal.segment`. It bounds what a sink that is stuck can make the log hold, before the disk is full",
    ),
    key(
        "wal.reserve",
        SIZE,
        Some("256MiB"),
        "Free disk space that is left alone; past it, 507",
        "Sinks need room to catch up and to commit, without which nothing could be trimmed",
    ),
    key(
        "wal.retain",
        TIME,
        Some("0s"),
        "How long the log is kept once all sinks have it",
        "What is kept longer can be replayed into a sink; it takes its space up to `wal.max`",
    ),
    key(
        "limits.body",
        SIZE,
        None,
        "Longest body as it is sent; no limit if unset",
        "A body is never held in memory as a whole, so it may be of any length",
    ),
    key(
        "limits.decompressed",
        SIZE,
        None,
        "Longest body once decompressed; no limit if unset",
        "Bodies that decompress to much of nothing are refused without it",
    ),
    key(
        "limits.line",
        Kind::Size(1, FRAME_PAYLOAD_BYTES_MAX as u64),
        Some("1MiB"),
        "Longest line: one is held in memory as a whole",
        "Each request under way may hold one",
    ),
    key(
        "limits.depth",
        Kind::Count(1, DEPTH_MAX as u64),
        Some("128"),
        "How deep arrays and objects of a line may nest",
        "Counts the line's own object. Deeper than this no parser is safe",
    ),
    key(
        "limits.head",
        TIME_ABOVE_ZERO,
        Some("30s"),
        "How long a request's head or a TLS handshake may take: slow ones hold connections",
        "A client that means well needs milliseconds",
    ),
    key(
        "limits.stall",
        TIME_ABOVE_ZERO,
        Some("30s"),
        "How long a body may send nothing",
        "A client that stalls holds memory; after this it is answered 408",
    ),
    key(
        "limits.request",
        TIME_ABOVE_ZERO,
        None,
        "How long a body may take as a whole, however steadily it comes; no limit if unset",
        "A large upload over a slow line may take hours and be right",
    ),
    key(
        "limits.in_flight",
        Kind::Size(IN_FLIGHT_BYTES_MIN, u64::MAX),
        Some("64MiB"),
        "Bytes of requests held in memory at a time",
        "At least twice `limits.line`. Past it requests wait, and then get 429",
    ),
    key(
        "limits.connections",
        COUNT,
        Some("20000"),
        "Connections open at a time: each takes a file and memory",
        "The limit of open files (`ulimit -n`) must be above it",
    ),
    key(
        "limits.keys",
        COUNT,
        Some("10000000"),
        "Idempotency keys kept, which take disk space; past it, new ones get 429",
        "Of all streams together. One takes some 100 bytes for as long as `idempotency.keep`",
    ),
    key(
        "limits.rate",
        Kind::Count(1, u32::MAX as u64),
        None,
        "Requests a second with one token; no limit if unset",
        "One client can't take what all of them share",
    ),
    key(
        "limits.tails",
        COUNT,
        Some("32"),
        "Clients that follow a stream at a time; past it, new ones get 429",
        "Each reads the log by itself, and takes some MiB while it reads history",
    ),
    key(
        "limits.columns",
        Kind::Count(1, Schema::COLUMNS_MAX as u64),
        Some("1024"),
        "Columns of one stream: every row in memory has room for all of them",
        "A mistake in what writes the configuration is told at start",
    ),
    key(
        "limits.streams",
        COUNT,
        Some("1000"),
        "Streams: each has threads and files of its own",
        "The built-in ones count, too",
    ),
    key(
        "table.url",
        text(
            "URL",
            "a URL such as `mysql://user:password@host:3306/database`, or `user:password@tcp(host:3306)/database`",
        ),
        None,
        "Database of the table sink; SQLite in the data directory if unset",
        "It holds a password: better in `WINDROW_TABLE_URL`, or in a file that only windrow may read",
    ),
    key(
        "table.workers",
        Kind::Count(1, WORKERS_MAX),
        None,
        "Workers of the table sink; one a core if unset",
        "Processing an event takes processor time, storing it doesn't",
    ),
    key(
        "table.connections",
        Kind::Count(1, TABLE_CONNECTIONS_MAX),
        Some("8"),
        "Connections for reading the table at most",
        "`GET /events` waits for one; the sink that writes has one of its own",
    ),
    key(
        "table.timeout",
        TIME_ABOVE_ZERO,
        Some("30s"),
        "How long connecting or one statement may take",
        "After it the sink says that the database is away, and tries again",
    ),
    key(
        "table.process_timeout",
        TIME_ABOVE_ZERO,
        Some("5s"),
        "How long processing one event may take",
        "An event that takes longer goes to quarantine, so that others don't wait behind it",
    ),
    key(
        "usage.dedupe",
        TIME,
        Some("34d"),
        "How long a transaction_id is remembered",
        "In arrival time. Longer than a month, so that a whole billing period can be sent again",
    ),
    key(
        "quarantine.max",
        SIZE,
        Some("1GiB"),
        "Bad lines kept of one stream; past it, requests with bad lines are refused",
        "Somebody who sends nothing but rubbish must not fill the disk",
    ),
    key(
        "idempotency.keep",
        TIME_ABOVE_ZERO,
        Some("24h"),
        "How long an Idempotency-Key is remembered",
        "In arrival time. A client that sends again later than that is not recognised",
    ),
    key(
        "tokens",
        FILE,
        None,
        "File of hashed tokens, of which clients must have one; windrow token makes them",
        "Without it, everybody who reaches the address may do everything",
    ),
    key(
        "require_tokens",
        Kind::Bool,
        Some("false"),
        "Refuse to start without a file of tokens",
        "So that a file that is forgotten leaves no door open",
    ),
    key(
        "tls.cert",
        FILE,
        None,
        "Certificate chain, PEM",
        "Needs `tls.key`; from then on the port speaks nothing but TLS. SIGHUP reads it again",
    ),
    key(
        "tls.key",
        FILE,
        None,
        "Private key of the certificate, PEM",
        "Readable for windrow's user and nobody else",
    ),
    key(
        "tls.client_ca",
        FILE,
        None,
        "Authorities that clients' certificates must come from, PEM",
        "Whoever has no such certificate is refused before the first request",
    ),
    key(
        "cors",
        Kind::Texts("ORIGINS", "origins such as `https://example.org`, or `*` alone"),
        None,
        "Origins whose pages may send and read, with commas between; * for all",
        "Without it, browsers keep other sites' pages from reading what windrow answers",
    ),
    key(
        "log_format",
        Kind::Choice("FORMAT", &["text", "json"]),
        Some("text"),
        "How windrow's own log is written: text or json",
        "`json` where a program collects it",
    ),
    key(
        "log_level",
        Kind::Choice("LEVEL", LEVELS),
        Some("info"),
        "Least level logged: error, warn, info, debug, trace",
        "`-v` and `-q` shift it by one",
    ),
];

/// The keys of one stream, without `streams.NAME.`.
pub const STREAM_KEYS: &[Key] = &[
    key("path", ROUTE, None, "Route besides /v1/streams/NAME", "For clients that know another one"),
    key(
        "time",
        text("COLUMN", "the name of a required column of type `timestamp`"),
        None,
        "The column that holds the event's time",
        "Windows are cut by it. A stream of your own must name it; a built-in one has its own",
    ),
    key(
        "columns",
        Kind::Columns,
        None,
        "Names and types, in order: { at = \"timestamp\", n = \"i64?\" }",
        "Types are timestamp, uuid, i64, f64, bool, string, string(50), string(1..50), decimal, object and a|b|c; a ? behind one makes the column optional",
    ),
    key(
        "sinks",
        Kind::Choices("SINKS", SINKS),
        Some("windows"),
        "What follows the stream: windows, table, usage",
        "`table` is for the stream `events` and `usage` for `usage`, whose columns they know",
    ),
    key(
        "on_invalid",
        Kind::Choice("ACTION", &["reject", "quarantine"]),
        Some("reject"),
        "What a bad line does: reject or quarantine",
        "`reject` refuses the whole request; `quarantine` keeps the bad line with its reason and takes the others",
    ),
    key(
        "unknown_fields",
        Kind::Choice("ACTION", &["ignore", "reject"]),
        Some("ignore"),
        "What to do about fields that no column has: ignore or reject",
        "Ignored ones are counted in a metric, and named once in the log",
    ),
    key(
        "windows.length",
        Kind::Duration(WINDOW_LENGTH_MIN),
        Some("5m"),
        "Event time that one window covers",
        "Short windows come sooner, long ones make fewer files",
    ),
    key(
        "windows.anchor",
        Kind::Choice("ANCHOR", &["first-event", "grid", "epoch"]),
        Some("first-event"),
        "Where windows begin: first-event, grid or epoch",
        "At an event that no window covers, at whole lengths from the stream's first event, or at whole lengths by the clock",
    ),
    key(
        "windows.header",
        Kind::Bool,
        Some("true"),
        "Whether a file begins with the column names",
        "Readers find columns by name",
    ),
    key(
        "windows.lateness",
        TIME,
        Some("0s"),
        "Event time past its end that keeps a window open",
        "Events that come out of order by no more than this go into their window; later ones into a late file",
    ),
    key(
        "windows.idle_close",
        TIME_ABOVE_ZERO,
        None,
        "Close a window when nothing came for so long",
        "Without it only a later event closes a window, and a quiet stream's last one stays open",
    ),
    key(
        "windows.keep",
        text("AGE|SIZE", "an age such as `30d` or a size such as `10GiB`"),
        None,
        "Remove committed files past this age or size in all",
        "Unset, nothing is ever removed",
    ),
    key(
        "windows.on_commit",
        text(
            "COMMAND",
            "a command, or a URL that begins with `http://` (for `https://`, a command that runs curl)",
        ),
        None,
        "Command or http(s) URL called for each committed file",
        "At least once for each, in their order",
    ),
];
