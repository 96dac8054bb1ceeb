//! File, environment and flags become one validated [`Config`].
//!
//! ```text
//!  windrow.toml ─┐
//!  WINDROW_…  ───┼─▶ Settings: key → (text, origin) ─▶ Config: types with meaning
//!  --flags    ───┘    the strongest origin wins          or one sentence that says
//!                     (flag, environment, file, default)  what is wrong where
//! ```
//!
//! A key that doesn't exist is an error. Relative paths are relative to the directory in which windrow
//! was started, wherever they are written.

mod access;
mod effective;
mod environment;
mod error;
mod example;
mod file;
mod json_schema;
mod keys;
mod kind;
mod names;
mod own_streams;
mod secret;
mod settings;
mod streams;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod units;

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use access::{AccessConfig, Origins};
pub use effective::{Effective, Entry};
pub use error::ConfigError;
pub use example::example;
pub use json_schema::json_schema;
pub use keys::{KEYS, Key, STREAM_KEYS};
pub use kind::Kind;
pub use names::{flag_names_key, kebab, section, stream_key, upper};
pub use secret::TOKEN_PREFIX;
pub use settings::{Origin, Setting, Settings, Written};
pub use streams::{OnInvalid, StreamConfig};
pub use suggest::{did_you_mean, nearest};
pub use table::{TableConfig, database_url};
pub use tls::TlsConfig;
pub use units::{DurationText, FromText, Listen, Size};

/// The configuration file that is read if it exists and no other is named.
pub const FILE_NAME: &str = "windrow.toml";
/// The log must be able to roll at its limit.
const SEGMENTS_MIN: u64 = 2;

/// What the daemon and the commands do, validated.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The directory that holds everything.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// TLS, if it is served.
    pub tls: Option<TlsConfig>,
    /// The log.
    pub wal: WalConfig,
    /// Who may do what.
    pub access: AccessConfig,
    /// Bounds on requests and connections.
    pub limits: Limits,
    /// All streams, the built-in ones first.
    pub streams: Vec<StreamConfig>,
    /// The table sink.
    pub table: TableConfig,
    /// How long the usage sink remembers a `transaction_id`, in arrival time.
    pub usage_dedupe: Duration,
    /// Bytes of bad lines that are kept of one stream.
    pub quarantine_bytes_max: u64,
    /// How long an idempotency key is remembered, in arrival time.
    pub idempotency_keep: Duration,
    /// Time that requests in flight get at shutdown.
    pub shutdown: Duration,
    /// How windrow's own log is written.
    pub log_format: LogFormat,
    /// The least level that it holds.
    pub log_level: LogLevel,
    /// Whether a stream that is gone from the configuration may take unapplied data with it.
    pub discard: bool,
}

/// The log, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WalConfig {
    /// Its directory.
    pub dir: PathBuf,
    /// Size of one segment.
    pub segment_bytes: u64,
    /// Past this size of the log requests get 429.
    pub bytes_max: u64,
    /// Free space that is left alone; past it requests get 507.
    pub reserve_bytes: u64,
    /// How long segments are kept once every sink has them.
    pub retain: Duration,
}

/// Bounds on requests and connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest body as it is sent.
    pub body_bytes_max: Option<u64>,
    /// Longest body once decompressed.
    pub decompressed_bytes_max: Option<u64>,
    /// Longest line, without its end.
    pub line_bytes_max: usize,
    /// How deep arrays and objects of a line may nest, the line's own object counted.
    pub depth_max: usize,
    /// How long a request's head, or a TLS handshake, may take.
    pub head: Duration,
    /// How long a body may send nothing.
    pub stall: Duration,
    /// How long a body may take as a whole.
    pub request: Option<Duration>,
    /// Bytes of requests held in memory at a time.
    pub in_flight_bytes: u64,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Idempotency keys kept at a time, of all streams together.
    pub keys_max: u64,
    /// Clients that follow a stream at a time.
    pub tails_max: usize,
    /// Requests a second of one token; any number if `None`.
    pub requests_per_second: Option<NonZeroU32>,
    /// Columns of one stream.
    pub columns_max: usize,
    /// Streams.
    pub streams_max: usize,
}

/// How windrow's own log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One readable line an entry.
    Text,
    /// One JSON object an entry.
    Json,
}

/// Levels of windrow's own log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// All that the command line, the environment and the file say.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file, if one is named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: Vec<(OsString, OsString)>,
    /// Names, without `--`, and texts of the flags.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// Reads all of them, the strongest origin for each key.
    pub fn read(self) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        streams::put_builtin_defaults(&mut settings);
        let named = self.file.as_deref();
        let path = named.unwrap_or(Path::new(FILE_NAME));
        match std::fs::read_to_string(path) {
            Ok(text) => file::read(&text, path, &mut settings)?,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(ConfigError::Unreadable { path: path.to_owned(), error }),
        }
        environment::read(self.variables, &mut settings)?;
        let known_streams = streams::names(&settings);
        for (name, text) in self.flags {
            let flag = format!("--{name}");
            let known = known_streams.iter().map(String::as_str);
            match names::from_upper(&upper(&name), known) {
                Some(key) => settings.put(key, Written::Scalar(text), Origin::Flag(flag)),
                None => return Err(ConfigError::Invalid(format!("there is no flag {flag}"))),
            }
        }
        Ok(settings)
    }
}

impl Config {
    /// Understands and validates what was written.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let data_dir: PathBuf = settings.get("data_dir")?;
        let limits = limits(settings)?;
        let listen = settings.get("listen")?;
        Ok(Self {
            wal: wal(settings, &data_dir)?,
            access: access::access(settings)?,
            streams: streams::streams(settings, &limits)?,
            limits,
            data_dir,
            tls: tls::tls(settings, &listen)?,
            listen,
            table: table::table(settings)?,
            usage_dedupe: settings.get("usage.dedupe")?,
            quarantine_bytes_max: settings.get::<Size>("quarantine.max")?.0,
            idempotency_keep: settings.get("idempotency.keep")?,
            shutdown: settings.get("shutdown")?,
            log_format: settings.get("log_format")?,
            log_level: settings.get("log_level")?,
            discard: false,
        })
    }
}

fn wal(settings: &Settings, data_dir: &Path) -> Result<WalConfig, ConfigError> {
    let segment: Size = settings.get("wal.segment")?;
    let bytes_max =
        settings.get_where("wal.max", "at least twice `wal.segment`", |max: &Size| {
            max.0 / SEGMENTS_MIN >= segment.0
        })?;
    Ok(WalConfig {
        dir: settings.optional("wal.dir")?.unwrap_or_else(|| data_dir.join("wal")),
        segment_bytes: segment.0,
        bytes_max: bytes_max.0,
        reserve_bytes: settings.get::<Size>("wal.reserve")?.0,
        retain: settings.get("wal.retain")?,
    })
}

fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let line: Size = settings.get("limits.line")?;
    let in_flight: Size = settings.get_where(
        "limits.in_flight",
        "at least `1MiB` and twice `limits.line`",
        |size: &Size| size.0 / 2 >= line.0,
    )?;
    let bytes = |size: Option<Size>| size.map(|size| size.0);
    Ok(Limits {
        body_bytes_max: bytes(settings.optional("limits.body")?),
        decompressed_bytes_max: bytes(settings.optional("limits.decompressed")?),
        line_bytes_max: line.0 as usize,
        depth_max: settings.get("limits.depth")?,
        head: settings.get("limits.head")?,
        stall: settings.get("limits.stall")?,
        request: settings.optional("limits.request")?,
        in_flight_bytes: in_flight.0,
        connections_max: settings.get("limits.connections")?,
        keys_max: settings.get::<usize>("limits.keys")? as u64,
        tails_max: settings.get("limits.tails")?,
        requests_per_second: settings.optional("limits.rate")?.and_then(NonZeroU32::new),
        columns_max: settings.get("limits.columns")?,
        streams_max: settings.get("limits.streams")?,
    })
}

impl LogLevel {
    /// So many steps further down (more is logged) or, negative, up; as far as there are any.
    #[must_use]
    pub fn shifted(self, steps: i16) -> Self {
        const ALL: [LogLevel; 5] =
            [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        ALL[(self as i16 + steps).clamp(0, 4) as usize]
    }
}

impl FromText for LogFormat {
    const EXPECTED: &'static str = "`text` or `json`";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl FromText for LogLevel {
    const EXPECTED: &'static str = "`error`, `warn`, `info`, `debug` or `trace`";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}
