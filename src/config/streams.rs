//! Streams: the built-in three, changed by what is configured, and the configured ones.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Limits;
use super::error::ConfigError;
use super::file::read_table;
use super::keys::SINKS;
use super::names::{split_stream_key, stream_key};
use super::own_streams;
use super::settings::{Settings, Written};
use super::suggest::{did_you_mean, nearest};
use super::units::{FromText, Size};
use crate::sinks::windows::{Anchor, Keep, OnCommit, WindowsOptions};
use crate::stream::{Schema, UnknownFields};

/// The longest name of a stream, in bytes: it is part of file names.
const NAME_BYTES_MAX: usize = 64;
/// What a stream's name matches, as a regular expression: the same that [`check_name`] holds.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";
/// Routes that are the server's own; a stream's path can't begin with one.
const OWN_ROUTES: [&str; 5] = ["/v1", "/metrics", "/health", "/openapi.json", "/events"];

/// One stream, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamConfig {
    /// Its name.
    pub name: String,
    /// Its route besides `/v1/streams/NAME`.
    pub path: Option<String>,
    /// Its columns.
    pub schema: Schema,
    /// What fields that no column has do.
    pub unknown_fields: UnknownFields,
    /// What a bad line does.
    pub on_invalid: OnInvalid,
    /// The names of its sinks, at least one.
    pub sinks: Vec<String>,
    /// How the `windows` sink cuts it.
    pub windows: WindowsOptions,
}

/// What a bad line does to its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnInvalid {
    /// The request is refused.
    #[default]
    Reject,
    /// The line goes to quarantine, and the others are ingested.
    Quarantine,
}

/// All streams: the built-in ones first, then the others by name.
pub(super) fn streams(
    settings: &Settings,
    limits: &Limits,
) -> Result<Vec<StreamConfig>, ConfigError> {
    let mut streams = Vec::new();
    let names = names(settings);
    if names.len() > limits.streams_max {
        return Err(ConfigError::Invalid(format!(
            "there are {} streams, the built-in ones among them, and `limits.streams` allows {}: leave \
             some out, or raise it",
            names.len(),
            limits.streams_max
        )));
    }
    for name in names {
        let stream = stream(&name, settings)?;
        let columns = stream.schema.columns().len();
        if columns > limits.columns_max {
            return Err(ConfigError::Invalid(format!(
                "the stream `{name}` has {columns} columns, and `limits.columns` allows {}: leave some \
                 out, or raise it",
                limits.columns_max
            )));
        }
        own_streams::check(&stream)?;
        let same_path = |other: &&StreamConfig| other.path.is_some() && other.path == stream.path;
        if let (Some(other), Some(path)) = (streams.iter().find(same_path), &stream.path) {
            return Err(ConfigError::Invalid(format!(
                "the streams `{}` and `{name}` have the same path `{path}`; give one of them another",
                other.name
            )));
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// The names of all streams, built-in ones first.
pub(super) fn names(settings: &Settings) -> Vec<String> {
    let built_in = Schema::builtin_names();
    let configured: BTreeSet<_> = settings
        .iter()
        .filter_map(|(key, _)| Some(split_stream_key(key)?.0))
        .filter(|name| !built_in.contains(name))
        .collect();
    built_in.iter().copied().chain(configured).map(str::to_owned).collect()
}

/// Puts what a built-in stream's keys are by default.
pub(super) fn put_builtin_defaults(settings: &mut Settings) {
    for (key, value) in [
        ("streams.user-events.path", "/user/event"),
        ("streams.events.sinks", "table"),
        ("streams.usage.sinks", "usage"),
    ] {
        settings.put_default(key, value);
    }
}

fn stream(name: &str, settings: &Settings) -> Result<StreamConfig, ConfigError> {
    check_name(name)?;
    let key = |inner: &str| stream_key(name, inner);
    Ok(StreamConfig {
        name: name.to_owned(),
        path: path(&key("path"), settings)?,
        schema: schema(name, settings)?,
        unknown_fields: settings.get(&key("unknown_fields"))?,
        on_invalid: on_invalid(&key("on_invalid"), settings)?,
        sinks: sinks(&key("sinks"), settings)?,
        windows: windows(name, settings)?,
    })
}

fn windows(stream: &str, settings: &Settings) -> Result<WindowsOptions, ConfigError> {
    let key = |inner: &str| stream_key(stream, inner);
    let options = WindowsOptions {
        length: settings.get(&key("windows.length"))?,
        anchor: settings.get(&key("windows.anchor"))?,
        header: settings.get(&key("windows.header"))?,
        lateness: settings.get(&key("windows.lateness"))?,
        idle_close: settings.optional(&key("windows.idle_close"))?,
        keep: settings.optional(&key("windows.keep"))?,
        on_commit: settings.optional(&key("windows.on_commit"))?,
    };
    match options.validate() {
        Ok(()) => Ok(options),
        Err(reason) => Err(ConfigError::Invalid(format!("the stream `{stream}`: {reason}"))),
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let right = name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_');
    if right {
        return Ok(());
    }
    Err(ConfigError::Invalid(format!(
        "a stream can't be called `{name}`: names are up to {NAME_BYTES_MAX} lower-case letters, \
         digits, `-` and `_`, and begin with a letter or digit"
    )))
}

fn path(key: &str, settings: &Settings) -> Result<Option<String>, ConfigError> {
    let Some(path) = settings.optional::<String>(key)? else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let own = OWN_ROUTES.iter().find(|own| {
        path.strip_prefix(**own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let expected = match own {
        Some(own) => format!("a path that isn't below `{own}`, which is windrow's own"),
        None if path.len() > 1 && path.starts_with('/') && path.chars().all(plain) => {
            return Ok(Some(path));
        }
        None => "a path such as `/orders`".to_owned(),
    };
    Err(settings.refused(key, &expected))
}

fn on_invalid(key: &str, settings: &Settings) -> Result<OnInvalid, ConfigError> {
    match settings.get::<String>(key)?.as_str() {
        "reject" => Ok(OnInvalid::Reject),
        "quarantine" => Ok(OnInvalid::Quarantine),
        _ => Err(settings.refused(key, "`reject` or `quarantine`")),
    }
}

fn sinks(key: &str, settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let sinks = settings.list(key)?;
    if sinks.is_empty() {
        return Err(settings.refused(key, "at least one of `windows`, `table` and `usage`"));
    }
    let unknown = |sink: &&String| !SINKS.contains(&sink.as_str());
    if let Some(sink) = sinks.iter().find(unknown) {
        let suggestion = did_you_mean(nearest(sink, SINKS.iter().copied()));
        let expected = format!("sinks out of `windows`, `table` and `usage`{suggestion}");
        return Err(settings.refused(key, &expected));
    }
    let mut distinct = sinks.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < sinks.len() {
        return Err(settings.refused(key, "each sink once"));
    }
    Ok(sinks)
}

fn schema(name: &str, settings: &Settings) -> Result<Schema, ConfigError> {
    let (time_key, columns_key) = (stream_key(name, "time"), stream_key(name, "columns"));
    let time = settings.optional::<String>(&time_key)?;
    let Some(setting) = settings.written(&columns_key) else {
        return match (Schema::builtin(name), time) {
            (Some(schema), None) => Ok(schema),
            (Some(_), Some(_)) => Err(settings.refused(
                &time_key,
                "`columns` beside it: the time column of a built-in schema is fixed",
            )),
            (None, _) => Err(ConfigError::Invalid(format!(
                "the stream `{name}` has no columns; give it some, for example \
                 `{columns_key} = {{ at = \"timestamp\", total = \"decimal\", note = \"string?\" }}`{}",
                did_you_mean(nearest(name, Schema::builtin_names()))
            ))),
        };
    };
    let from_text = match &setting.written {
        Written::Scalar(text) => read_table(text),
        written => Some(written.clone()),
    };
    let Some(Written::Table(columns)) = from_text else {
        return Err(setting.refused(
            &columns_key,
            "a table of names and types such as `{ at = \"timestamp\", total = \"decimal\" }`",
        ));
    };
    let built_in_time = || Schema::builtin(name).map(|own| own.columns()[own.time()].name.clone());
    let Some(time) = time.or_else(built_in_time) else {
        return Err(ConfigError::Invalid(format!(
            "the stream `{name}` doesn't say which column is its time; set `{time_key}`"
        )));
    };
    Schema::new(&time, columns).map_err(|error| {
        ConfigError::Invalid(format!("{}: `{columns_key}`: {error}", setting.origin))
    })
}

impl FromText for UnknownFields {
    const EXPECTED: &'static str = "`ignore` or `reject`";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "ignore" => Some(Self::Ignore),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }
}

impl FromText for Anchor {
    const EXPECTED: &'static str = "`first-event`, `grid` or `epoch`";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromText for OnCommit {
    const EXPECTED: &'static str =
        "a command, or a URL that begins with `http://` (for `https://`, a command that runs curl)";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromText for Keep {
    const EXPECTED: &'static str = "an age such as `30d` or a size such as `10GiB`";

    fn from_text(text: &str) -> Option<Self> {
        match Duration::from_text(text) {
            Some(age) => (!age.is_zero()).then_some(Self::For(age)),
            None => Size::from_text(text).map(|size| Self::Bytes(size.0)),
        }
    }
}
