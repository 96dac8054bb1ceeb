//! The thread that reads: files block, and a slow one must not keep a request from its answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use tokio::sync::mpsc;

use super::chunks::{Chunk, Chunks};
use super::input::Input;
use super::target::Target;
use crate::config::Size;

/// Chunks that are read ahead.
const AHEAD: usize = 1;

/// The files as they are read.
pub struct Feed(JoinHandle<anyhow::Result<()>>);

impl Feed {
    /// Begins to read the files, one after the other, and to cut them.
    pub fn start(
        files: Vec<PathBuf>,
        target: Arc<Target>,
        chunk: Size,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Chunk>)> {
        let (queue, chunks) = mpsc::channel(AHEAD);
        let read = move || {
            for file in files {
                let input = Input::open(&file)?;
                let mut chunks = Chunks::begin(input, &target, chunk.0 as usize)?;
                while let Some(chunk) = chunks.next()? {
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
