//! A CSV file of usage, as a database exports it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use windrow::time::Timestamp;

/// How many customers there are.
pub const CUSTOMERS: u32 = 1000;
/// How many lines it has if nothing else is asked for: 500 MB.
pub const LINES: u64 = 4_400_000;
/// The month that the events are of, in no order.
pub const START: &str = "2024-07-01T00:00:00Z";
/// The end of that month.
pub const END: &str = "2024-08-01T00:00:00Z";
const MONTH_MICROS: i64 = 31 * 86_400 * 1_000_000;

/// The file; removed when dropped.
pub struct UsageFile {
    pub path: PathBuf,
    pub lines: u64,
    pub bytes: u64,
}

/// A customer's name, 32 hexadecimal digits.
pub fn customer(number: u32) -> String {
    let mut rng = SmallRng::seed_from_u64(u64::from(number));
    format!("{:032x}", rng.random::<u128>())
}

impl UsageFile {
    /// Writes so many lines such as
    /// `30330c9c4e7173ba9474c46ee5191570,api_call,…,2024-07-31 19:10:46.740096+00`.
    pub fn create(path: &Path, lines: u64) -> Result<Self> {
        let customers: Vec<String> = (0..CUSTOMERS).map(customer).collect();
        let start = Timestamp::parse(START)?.as_nanos();
        let mut rng = SmallRng::seed_from_u64(0);
        let mut out = BufWriter::new(File::create(path).context("creating the file of usage")?);
        for _ in 0..lines {
            let customer = &customers[rng.random_range(0..customers.len())];
            let transaction: u128 = rng.random();
            let nanos = start + rng.random_range(0..MONTH_MICROS) * 1000;
            let time = Timestamp::from_nanos(nanos).sql_text(6);
            writeln!(out, "{customer},api_call,{transaction:040x},{time}+00")?;
        }
        let file = out.into_inner()?;
        Ok(Self { path: path.to_owned(), lines, bytes: file.metadata()?.len() })
    }
}

impl Drop for UsageFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}
