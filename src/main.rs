//! Arguments in, exit code out.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// With glibc's allocator, what one thread has freed isn't there for the others, and what is left between the
/// small rows that the stores hold until they are in tables isn't there for large blocks.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What is free goes back to the system after a second rather than ten; and of arenas, which keep free memory
/// each for itself, there are four on any machine rather than four for each of its cores. Either can be said
/// otherwise by `_RJEM_MALLOC_CONF` in the environment.
///
/// The attribute is unsafe as no two symbols of a program may have one name. jemalloc's own is weak, and asks
/// for a pointer to text that ends with a zero: <https://jemalloc.net/jemalloc.3.html#tuning>.
#[allow(unsafe_code)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: &[u8; 30] = b"dirty_decay_ms:1000,narenas:4\0";

fn main() -> ExitCode {
    windrow::cli::Program::new().run(std::env::args_os())
}
