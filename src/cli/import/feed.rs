//! The thread that reads: files block, and a slow one must not keep a request from its answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use tokio::sync::mpsc;

use super::ChunkBytes;
use super::chunk::AnyChunk;
use super::chunks::Chunks;
use super::file_chunks::FileChunks;
use super::input::Source;
use super::target::Target;

/// Chunks that are read ahead.
const AHEAD: usize = 1;

/// Gives one chunk after the other.
type Next = Box<dyn FnMut() -> anyhow::Result<Option<AnyChunk>>>;

/// The files as they are read.
pub struct Feed(JoinHandle<anyhow::Result<()>>);

impl Feed {
    /// Begins to read the files, one after the other, and to cut them.
    pub fn start(
        files: Vec<PathBuf>,
        target: Arc<Target>,
        chunk: ChunkBytes,
    ) -> anyhow::Result<(Self, mpsc::Receiver<AnyChunk>)> {
        let (queue, chunks) = mpsc::channel(AHEAD);
        let read = move || {
            for file in files {
                let mut next = chunks_of(&file, &target, chunk)?;
                while let Some(chunk) = next()? {
                    if queue.blocking_send(chunk).is_err() {
                        // Nobody wants more of it, and whoever doesn't has said why.
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        let thread = std::thread::Builder::new()
            .name("import-read".to_owned())
            .spawn(read)
            .context("starting a thread")?;
        Ok((Self(thread), chunks))
    }

    /// Whether everything was read. To be asked once there are no more chunks.
    pub fn finish(self) -> anyhow::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(anyhow!("the thread that reads ended early")))
    }
}

/// Cuts a file, by what it is.
fn chunks_of(file: &Path, target: &Target, chunk: ChunkBytes) -> anyhow::Result<Next> {
    Ok(match Source::open(file)? {
        Source::Plain(file) => {
            let mut chunks = FileChunks::begin(file, target, chunk.in_file)?;
            Box::new(move || chunks.next())
        }
        Source::Read(input) => {
            let mut chunks = Chunks::begin(input, target, chunk.held as usize)?;
            Box::new(move || Ok(chunks.next()?.map(AnyChunk::Held)))
        }
    })
}
