//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    windrow::cli::Program::new().run(std::env::args_os())
}
