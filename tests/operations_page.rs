//! docs/OPERATIONS.md says of each fault what happens; each of its rows names a test that shows it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/OPERATIONS.md";
/// Tables of these sections explain something else than faults.
const NO_FAULTS: [&str; 3] = ["Who is told", "Requests are refused", "What the figures say"];
/// A first column of names, not of what one sees.
const NO_FAULT_COLUMNS: [&str; 1] = ["scope"];

/// Long names that aren't tests'.
const NO_TESTS: [&str; 2] = ["innodb_flush_log_at_trx_commit", "average_processing_latency_ms"];

/// The names of all tests and of what generates them, from the sources.
fn functions(dir: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| {
                let (before, rest) = line.split_once("fn ")?;
                let name = rest.split(['(', '<']).next()?;
                matches!(before.trim(), "" | "pub" | "async").then(|| name.to_owned())
            });
            found.extend(names);
        }
    }
}

/// What stands in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether it is a test's name, which is a sentence, and not that of a setting or a metric.
fn is_sentence(name: &str) -> bool {
    let is_word = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.split('_').count() >= 4
        && name.split('_').all(is_word)
        && !NO_TESTS.contains(&name)
        && !name.starts_with("windrow_")
}

#[test]
fn every_row_of_a_fault_names_a_test_that_there_is() {
    let mut functions_found = HashSet::new();
    for dir in ["tests", "src"] {
        functions(Path::new(dir), &mut functions_found);
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let (mut section, mut header) = ("", "");
    let mut rows = 0;
    let lines: Vec<_> = page.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        for name in quoted(line).filter(|name| is_sentence(name)) {
            assert!(functions_found.contains(name), "{PAGE}:{}: no test `{name}`", index + 1);
        }
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        if lines.get(index + 1).is_some_and(|next| next.starts_with("|---")) {
            header = line;
        }
        let is_row = line.starts_with("| ") && *line != header;
        let first = header.split('|').nth(1).unwrap_or_default().trim();
        if is_row && !NO_FAULTS.contains(&section) && !NO_FAULT_COLUMNS.contains(&first) {
            rows += 1;
            let names_one = quoted(line).any(is_sentence);
            assert!(names_one, "{PAGE}:{}: which test shows this?\n{line}", index + 1);
        }
    }
    assert!(rows > 50, "only {rows} rows were found");
}
