//! What `windrow verify` finds and reads: told line by line as it goes or, for programs, as one JSON document at
//! the end.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::Serialize;

/// What is found and read so far.
pub struct Report<'a, W> {
    out: &'a mut W,
    as_json: bool,
    /// What two checks find is told and counted once.
    told: HashSet<String>,
    failures: usize,
    document: Document,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
struct Document {
    /// Whether everything is as it was written.
    ok: bool,
    findings: Vec<Finding>,
    #[serde(flatten)]
    read: Read,
}

/// One thing that somebody should know.
#[derive(Debug, Serialize)]
struct Finding {
    kind: Kind,
    detail: String,
}

/// What it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something isn't as it was written.
    Damage,
    /// Nothing is wrong.
    Note,
}

/// What was read; `None` is what isn't there or couldn't be read.
#[derive(Debug, Default, Serialize)]
pub struct Read {
    /// The log.
    pub log: Option<Log>,
    /// The committed windows of each stream.
    pub windows: Vec<Windows>,
    /// The embedded table.
    pub table: Option<Table>,
    /// The store of usage.
    pub usage: Option<Usage>,
    /// The store of idempotency keys.
    pub keys: Option<Keys>,
    /// The files of quarantine.
    pub quarantine: Vec<Quarantine>,
}

#[derive(Debug, Serialize)]
pub struct Log {
    pub segments: u64,
    pub batches: u64,
    pub requests: u64,
    pub events: u64,
    pub rejected: u64,
    pub bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Windows {
    pub stream: String,
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Table {
    pub stream: &'static str,
    pub rows: u64,
}

#[derive(Debug, Serialize)]
pub struct Usage {
    pub customers: u64,
    pub events: u64,
    pub transaction_ids: u64,
}

#[derive(Debug, Serialize)]
pub struct Keys {
    pub keys: u64,
}

#[derive(Debug, Serialize)]
pub struct Quarantine {
    pub file: String,
    pub events: u64,
}

impl<'a, W: Write> Report<'a, W> {
    /// Nothing yet; it goes to `out`.
    pub fn new(out: &'a mut W, as_json: bool) -> Self {
        let document = Document::default();
        Self { out, as_json, told: HashSet::new(), failures: 0, document }
    }

    /// Something isn't as it was written.
    pub fn damaged(&mut self, detail: String) -> io::Result<()> {
        self.found(Kind::Damage, detail)
    }

    /// Something that somebody should know.
    pub fn found(&mut self, kind: Kind, detail: String) -> io::Result<()> {
        if !self.told.insert(detail.clone()) {
            return Ok(());
        }
        self.failures += usize::from(kind == Kind::Damage);
        match kind {
            Kind::Damage => self.say(&format!("DAMAGED: {detail}"))?,
            Kind::Note => self.say(&format!("note: {detail}"))?,
        }
        if self.as_json {
            self.document.findings.push(Finding { kind, detail });
        }
        Ok(())
    }

    /// Something is read: `note` puts it into the document, and `line` is what people are told.
    pub fn read(&mut self, line: &str, note: impl FnOnce(&mut Read)) -> io::Result<()> {
        note(&mut self.document.read);
        self.say(line)
    }

    /// The document, if it is one; how many things are not as they were written.
    pub fn finish(mut self) -> io::Result<usize> {
        if self.as_json {
            self.document.ok = self.failures == 0;
            serde_json::to_writer(&mut *self.out, &self.document)?;
            writeln!(self.out)?;
        }
        Ok(self.failures)
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        if self.as_json { Ok(()) } else { writeln!(self.out, "{line}") }
    }
}
