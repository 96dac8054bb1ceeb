//! `WINDROW_…` variables into settings.

use std::ffi::OsString;

use super::error::ConfigError;
use super::keys::{KEYS, STREAM_KEYS};
use super::names::{self, upper};
use super::settings::{Origin, Settings, Written};
use super::streams;
use super::suggest::nearest;

/// What windrow's variables begin with.
pub const PREFIX: &str = "WINDROW_";
/// Variables of single commands, and those that `on_commit` hands to its command, which no key
/// stands for.
const OF_COMMANDS: [&str; 10] =
    ["CA", "CERT", "CONFIG", "DISCARD", "FILE", "KEY", "STREAM", "TOKEN", "TOKEN_FILE", "URL"];
/// What an orchestrator puts into the environment beside a service called `windrow`, and what
/// windrow's own tests use.
const NOT_SETTINGS: [&str; 5] = ["PORT", "SERVICE_", "TCP_", "TEST_", "BENCH_"];

/// Reads the variables into `settings`. Those that don't begin with [`PREFIX`] are left alone.
pub fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    settings: &mut Settings,
) -> Result<(), ConfigError> {
    let known_streams = streams::names(settings);
    for (name, value) in variables {
        let Some(own) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if OF_COMMANDS.contains(&own) || NOT_SETTINGS.iter().any(|start| own.starts_with(start)) {
            continue;
        }
        let origin = Origin::Environment(format!("{PREFIX}{own}"));
        let Some(key) = names::from_upper(own, known_streams.iter().map(String::as_str)) else {
            return Err(unknown(own, &known_streams));
        };
        let Some(value) = value.to_str() else {
            return Err(ConfigError::Invalid(format!(
                "{origin} is not UTF-8; give it another value"
            )));
        };
        // Set to nothing is how compose files and unit files leave a variable out.
        if !value.is_empty() {
            settings.put(key, Written::Scalar(value.to_owned()), origin);
        }
    }
    Ok(())
}

fn unknown(own: &str, streams: &[String]) -> ConfigError {
    let of_streams = streams.iter().flat_map(|stream| {
        STREAM_KEYS.iter().map(move |key| upper(&names::stream_key(stream, key.name)))
    });
    let of_commands = OF_COMMANDS.iter().map(|name| (*name).to_owned());
    let known: Vec<_> =
        KEYS.iter().map(|key| upper(key.name)).chain(of_commands).chain(of_streams).collect();
    let nearest = nearest(own, known.iter().map(String::as_str));
    ConfigError::UnknownVariable {
        name: format!("{PREFIX}{own}"),
        nearest: nearest.map(|name| format!("{PREFIX}{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, value: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        match read([(name.into(), value.into())], &mut settings) {
            Ok(()) => Ok(settings),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn variables_are_keys() {
        for (name, key) in [
            ("WINDROW_DATA_DIR", "data_dir"),
            ("WINDROW_WAL_SEGMENT", "wal.segment"),
            ("WINDROW_STREAMS_USER_EVENTS_WINDOWS_LENGTH", "streams.user-events.windows.length"),
        ] {
            let settings = read_one(name, "1h").expect("it is right");
            let setting = settings.written(key).expect("it is set");
            assert_eq!(
                (setting.written.to_string(), setting.origin.to_string()),
                ("1h".into(), name.into())
            );
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for name in ["PATH", "WINDROW_PORT_8080_TCP_ADDR", "WINDROW_SERVICE_HOST", "WINDROW_URL"] {
            assert_eq!(read_one(name, "x"), Ok(Settings::default()), "{name}");
        }
        assert_eq!(read_one("WINDROW_LISTEN", ""), Ok(Settings::default()));
    }

    #[test]
    fn an_unknown_variable_is_told_with_the_nearest() {
        for (wrong, meant) in [
            ("LISTNE", "LISTEN"),
            ("TOKNE", "TOKEN"),
            ("STREAMS_USER_EVENTS_WINDOWS_LENGHT", "STREAMS_USER_EVENTS_WINDOWS_LENGTH"),
        ] {
            let told = format!(
                "there is no setting for the variable WINDROW_{wrong}; did you mean `WINDROW_{meant}`?"
            );
            assert_eq!(read_one(&format!("WINDROW_{wrong}"), "x"), Err(told));
        }
    }
}
