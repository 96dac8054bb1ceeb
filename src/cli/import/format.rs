//! What a file's lines are, by how it begins.

use anyhow::bail;

use super::target::Target;
use crate::stream::csv::{self, Order, Wanted};

/// What lines are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Each a JSON object.
    Ndjson,
    /// Each a record.
    Csv {
        /// The first line of a file, or a body, names the columns.
        header: bool,
    },
}

impl Format {
    /// By a file's first line that isn't blank.
    pub fn of(line: &[u8], target: &Target) -> anyhow::Result<Self> {
        match line.trim_ascii_start().first() {
            Some(b'{') => Ok(Self::Ndjson),
            Some(b'[') => bail!(
                "it is a JSON array, which can't be cut into chunks of lines: make lines of it, as \
                 `jq -c '.[]'` does"
            ),
            _ => {
                let wanted: Vec<_> = target.columns().collect();
                let line = csv::without_line_end(line);
                Ok(Self::Csv { header: Order::from_header(line, &wanted)?.is_some() })
            }
        }
    }

    /// As `Content-Type` says it. Chunks of a file must not be taken for files, so that whether there is
    /// a header isn't left to be found out.
    pub const fn media(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv { header: true } => "text/csv; header=present",
            Self::Csv { header: false } => "text/csv; header=absent",
        }
    }

    /// Lines in front of a body's own.
    pub const fn head_lines(self) -> u64 {
        match self {
            Self::Csv { header: true } => 1,
            Self::Csv { header: false } | Self::Ndjson => 0,
        }
    }
}

impl Target {
    /// The columns as a CSV file may name them.
    fn columns(&self) -> impl Iterator<Item = Wanted<'_>> {
        self.schema.columns().iter().map(|column| Wanted {
            name: &column.name,
            required: !column.optional && column.made.is_none(),
        })
    }
}
