//! `windrow totals`: events per customer and hour, straight from a CSV file.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::exit::WrongUsage;
use super::progress::Progress;
use crate::time::{Timestamp, TimestampError};
use crate::totals::{
    self, BadLines, Head, Input, InputError, Interval, Question, TotalsError, print_csv,
    print_json, print_text,
};

/// Arguments of `windrow totals`.
#[derive(Args, Debug)]
#[command(after_help = "Lines that can't be understood are skipped; the first ten are named.\n\n\
    Examples:\n  \
    windrow totals events.csv 2021-03-01T04:00:00Z 2021-03-01T06:30:00Z\n  \
    windrow totals events.csv.gz 2021-03-01 2021-04-01 --customer acme --format json\n  \
    zcat events.csv.gz | windrow totals - 2021-03-01 2021-04-01 --format csv")]
pub struct Arguments {
    /// CSV without a header: `customer_id,event_type,transaction_id,timestamp`; with one, columns go by
    /// name. May be compressed with gzip or zstd; - is standard input
    file: PathBuf,
    /// From this moment on; any form of timestamp
    #[arg(value_parser = timestamp, allow_negative_numbers = true)]
    start: Timestamp,
    /// Up to this moment, without it
    #[arg(value_parser = timestamp, allow_negative_numbers = true)]
    end: Timestamp,
    /// 1, true, yes or on print JSON; 0, false, no or off text. --format goes before
    #[arg(value_parser = truthy)]
    truthy: Option<bool>,
    /// As --customer
    #[arg(value_name = "CUSTOMER", conflicts_with = "customer")]
    fifth: Option<String>,
    /// Only this customer, which may be the empty one
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only events of this type
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// What to print
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Fail (exit code 1) if there are lines that can't be understood
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
    Csv,
}

fn timestamp(text: &str) -> Result<Timestamp, TimestampError> {
    Timestamp::parse(text)
}

fn truthy(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected 1, true, yes or on for JSON, or 0, false, no or off for text"),
    }
}

/// Counts and prints.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let question = arguments.question()?;
    let input = Input::open(&arguments.file).map_err(wrong_file)?;
    let progress = Progress::new(input.bytes());
    let (totals, bad_lines) = totals::count(&input, &question, &|bytes| progress.advance(bytes, 0))
        .map_err(|error| match error {
            TotalsError::Header(error) => {
                anyhow::Error::new(WrongUsage(format!("{}: {error}", arguments.file.display())))
            }
            TotalsError::Input(error) => wrong_file(error),
        })?;
    drop(progress);
    let out = &mut BufWriter::new(out);
    match arguments.format() {
        Format::Text => {
            let input = &arguments.file;
            print_text(Head { input, question: &question }, &totals, out)
        }
        Format::Json => print_json(&totals, out),
        Format::Csv => print_csv(&totals, out),
    }
    .and_then(|()| out.flush())
    .context("the totals can't be printed")?;
    arguments.tell(&bad_lines)
}

fn wrong_file(error: InputError) -> anyhow::Error {
    match error {
        InputError::Missing { .. } | InputError::Directory { .. } => {
            anyhow::Error::new(WrongUsage(error.to_string()))
        }
        InputError::Io { .. } => anyhow::Error::new(error),
    }
}

impl Arguments {
    fn question(&self) -> Result<Question, WrongUsage> {
        let interval = Interval::new(self.start, self.end)
            .map_err(|backwards| WrongUsage(backwards.to_string()))?;
        let customer = self.customer.clone().or_else(|| self.fifth.clone());
        Ok(Question { interval, customer, event_type: self.event_type.clone() })
    }

    fn format(&self) -> Format {
        let by_truthy = if self.truthy == Some(true) { Format::Json } else { Format::Text };
        self.format.unwrap_or(by_truthy)
    }

    /// Names the first bad lines and counts them all.
    fn tell(&self, bad_lines: &BadLines) -> anyhow::Result<()> {
        let (file, count) = (self.file.display(), bad_lines.count);
        if count == 0 {
            return Ok(());
        }
        // Where standard error is closed there is nobody to tell.
        let err = &mut io::stderr().lock();
        for bad_line in &bad_lines.first {
            let _ = writeln!(err, "{file}, line {}: {}", bad_line.line, bad_line.reason);
        }
        let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
        if self.strict {
            bail!("{file}: {lines} can't be understood");
        }
        let _ = writeln!(err, "{file}: {lines} can't be understood and not counted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_argument_is_understood_in_any_case() {
        for (text, meant) in [("1", true), ("TRUE", true), ("yes", true), ("On", true)] {
            assert_eq!(truthy(text), Ok(meant), "{text}");
        }
        for text in ["", "0", "False", "no", "OFF"] {
            assert_eq!(truthy(text), Ok(false), "{text}");
        }
        assert!(truthy("maybe").is_err() && truthy("2").is_err() && truthy(" 1").is_err());
    }
}
