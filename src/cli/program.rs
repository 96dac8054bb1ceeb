//! windrow as a program: the whole command line, with what an embedding program puts in.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::sinks::table::{Processor, StandardProcessor, StandardValidator, Validator};

/// windrow with all its subcommands, as `windrow` itself is: a program that has a [`Processor`] or a
/// [`Validator`] of its own puts it in and runs it.
///
/// ```no_run
/// use windrow::cli::Program;
/// use windrow::sinks::table::{Event, Processed, Processor, Refused};
///
/// #[derive(Debug)]
/// struct Sources;
///
/// impl Processor for Sources {
///     fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
///         Ok(serde_json::json!({ "from": event.source, "at": event.time.to_string() }).into())
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     Program::new().processor(Sources).run(std::env::args_os())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) validator: Arc<dyn Validator>,
    pub(super) processor: Arc<dyn Processor>,
}

impl Program {
    /// windrow as it comes.
    pub fn new() -> Self {
        Self { validator: Arc::new(StandardValidator), processor: Arc::new(StandardProcessor) }
    }

    /// Processes events with `processor` in place of [`StandardProcessor`].
    ///
    /// Compile the program with `panic = "unwind"`, which is Cargo's default: with `"abort"`, a panic
    /// in the processor ends the daemon instead of failing the event.
    #[must_use]
    pub fn processor(self, processor: impl Processor + 'static) -> Self {
        Self { processor: Arc::new(processor), ..self }
    }

    /// Decides with `validator` in place of [`StandardValidator`], which it may want to ask first:
    /// that one refuses what the table can't hold.
    #[must_use]
    pub fn validator(self, validator: impl Validator + 'static) -> Self {
        Self { validator: Arc::new(validator), ..self }
    }

    /// Runs the command line `arguments`, the program's name first, until it is done or the daemon is
    /// told to stop. Errors go to standard error as one sentence.
    pub fn run(&self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        super::run(self, arguments)
    }
}

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}
