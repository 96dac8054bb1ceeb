//! A page of Markdown as what can be executed of it.

use std::fs;
use std::path::Path;

/// A page of the repository.
#[derive(Debug)]
pub struct Page {
    /// Its path from the repository's root.
    pub name: &'static str,
    pub text: String,
}

/// A fenced block of a page.
#[derive(Debug)]
pub struct Block {
    /// Where its fence is: page and line, from 1.
    pub at: String,
    /// What stands behind the fence: language and mark.
    pub info: String,
    pub text: String,
}

impl Page {
    pub fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        Self { name, text: fs::read_to_string(path).unwrap() }
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    let at = format!("{}:{}", self.name, index + 1);
                    open = Some(Block { at, info: info.to_owned(), text: String::new() });
                }
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "a block of {} isn't closed", self.name);
        blocks
    }
}
