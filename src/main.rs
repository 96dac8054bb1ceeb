//! Arguments in, exit code out.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// With glibc's allocator, what one thread has freed isn't there for the others, and what is left between the
/// small rows that the stores hold until they are in tables isn't there for large blocks.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    windrow::cli::Program::new().run(std::env::args_os())
}
