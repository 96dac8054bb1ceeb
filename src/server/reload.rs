//! What is read again from its files while the daemon runs.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::metrics::ReloadMetrics;

/// Something that can be read again from its files, so that a changed file needs no restart.
pub trait Reload: fmt::Debug + Send + Sync {
    /// What it is, for windrow's log: `the certificate`.
    fn name(&self) -> &'static str;

    /// Reads its files. What was read before stays in force on an error, which is one sentence, and for
    /// whatever is under way.
    fn reload(&self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// Everything that is read again at SIGHUP.
#[derive(Clone, Debug)]
pub struct Reloads {
    parts: Vec<Arc<dyn Reload>>,
    metrics: ReloadMetrics,
}

impl Reloads {
    /// Nothing yet.
    pub fn new(metrics: ReloadMetrics) -> Self {
        Self { parts: Vec::new(), metrics }
    }

    /// Adds a part.
    pub fn add(&mut self, part: Arc<dyn Reload>) {
        self.parts.push(part);
    }

    /// Reads all parts again, each whatever becomes of the others, and tells how that went in windrow's log
    /// and in metrics. Reads files, so it is for a thread that may block.
    pub fn all(&self) {
        if self.parts.is_empty() {
            tracing::info!("SIGHUP: there is nothing to read again");
        }
        for part in &self.parts {
            self.metrics.reloads.inc();
            match part.reload() {
                Ok(()) => tracing::info!("{} is read again", part.name()),
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::error!(
                        %error,
                        "{} can't be read again: what was read before stays in force",
                        part.name()
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::metrics::Metrics;

    #[derive(Debug, Default)]
    struct Part {
        broken: bool,
        read: AtomicU32,
    }

    impl Reload for Part {
        fn name(&self) -> &'static str {
            "the part"
        }

        fn reload(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
            self.read.fetch_add(1, Ordering::Relaxed);
            if self.broken { Err("it is broken".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn a_part_that_fails_keeps_no_other_from_being_read() {
        let metrics = Metrics::new().unwrap();
        let mut reloads = Reloads::new(metrics.reloads.clone());
        let parts = [true, false].map(|broken| Arc::new(Part { broken, ..Part::default() }));
        for part in &parts {
            reloads.add(part.clone());
        }
        reloads.all();
        reloads.all();
        assert!(parts.iter().all(|part| part.read.load(Ordering::Relaxed) == 2));
        assert_eq!((metrics.reloads.reloads.get(), metrics.reloads.failures.get()), (4, 2));
    }
}
