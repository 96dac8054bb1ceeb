//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 needs a person (a restart won't help).

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::log::OpenError;

/// The command was called in a way that can't work, in one sentence.
#[derive(thiserror::Error, Debug)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// Damaged data, or anything else that a restart won't mend, in one sentence with what to do.
#[derive(thiserror::Error, Debug)]
#[error("{0}")]
pub struct NeedsPerson(pub String);

/// Says what went wrong, and how the process ends.
pub fn code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "windrow: {error:#}");
    ExitCode::from(number(&error))
}

fn number(error: &anyhow::Error) -> u8 {
    let number_of = |cause: &(dyn std::error::Error + 'static)| {
        let open = cause.downcast_ref::<OpenError>();
        if cause.is::<NeedsPerson>() || open.is_some_and(OpenError::needs_a_person) {
            Some(3)
        } else if cause.downcast_ref::<ConfigError>().is_some_and(ConfigError::may_pass) {
            Some(1)
        } else if cause.is::<WrongUsage>() || cause.is::<ConfigError>() {
            Some(2)
        } else {
            None
        }
    };
    error.chain().find_map(number_of).unwrap_or(1)
}

/// `windrow wal dump | head` is nobody's mistake.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .root_cause()
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_number() {
        let usage = anyhow::Error::new(WrongUsage("no such stream".into()));
        let person = anyhow::Error::new(NeedsPerson("the log is damaged".into())).context("serve");
        let config = Err::<(), _>(ConfigError::Invalid("no".into())).context("config");
        assert_eq!(number(&usage), 2);
        assert_eq!(number(&person), 3);
        assert_eq!(config.map_err(|error| number(&error)), Err(2));
        let unreadable = |kind: io::ErrorKind| {
            let (path, error) = ("windrow.toml".into(), kind.into());
            number(&anyhow::Error::new(ConfigError::Unreadable { path, error }))
        };
        assert_eq!(unreadable(io::ErrorKind::NotFound), 2);
        assert_eq!(unreadable(io::ErrorKind::InvalidData), 2, "it isn't text");
        assert_eq!(unreadable(io::ErrorKind::PermissionDenied), 2);
        assert_eq!(unreadable(io::ErrorKind::Other), 1);
        assert_eq!(number(&anyhow!("anything else")), 1);
    }
}
