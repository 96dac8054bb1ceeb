//! `windrow totals` against DuckDB on the same CSV file, and against `wc -l`.
//!
//! windrow and `wc` are measured from their start to their end as processes; of DuckDB only the query,
//! from the file to the rows on disk, without the start of Python around it. Both answers are
//! compared with each other.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use windrow::time::Timestamp;

use crate::args::Options;
use crate::report::{self, Figures, Target};
use crate::usage_file::{CUSTOMERS, END, LINES, START, UsageFile, customer};

const DUCKDB_RATIO_MAX: f64 = 1.0 / 4.0;
const WC_RATIO_MAX: f64 = 1.5;

/// Prints the seconds that the query took.
const DUCKDB: &str = "
import sys, time
import duckdb
events, out, start, end, customer = sys.argv[1:]
query = f'''
copy (
    select customer_id, cast(epoch(date_trunc('hour', moment)) as bigint), count(*)
    from read_csv('{events}', header = false, columns = {{
        'customer_id': 'varchar', 'event_type': 'varchar', 'transaction_id': 'varchar', 'moment': 'timestamptz'
    }})
    where moment >= '{start}' and moment < '{end}' and ('{customer}' = '' or customer_id = '{customer}')
    group by all
) to '{out}' (format csv, header false)
'''
began = time.perf_counter()
connection = duckdb.connect()
connection.execute('set timezone = \"UTC\"')
connection.execute('set enable_progress_bar = false')
connection.execute(query)
print(time.perf_counter() - began)
";

/// Counts by customer and hour, in seconds since the epoch.
type Counts = HashMap<(String, i64), u64>;

pub fn run(options: &Options) -> Result<()> {
    let events = UsageFile::create(&options.dir.join("usage.csv"), LINES)?;
    println!(
        "totals: {} lines, {} MB, {CUSTOMERS} customers, {START} to {END}, in seconds",
        events.lines,
        events.bytes / 1_000_000
    );
    let one = customer(CUSTOMERS / 2);
    for (what, customer) in [("one customer", Some(one.as_str())), ("all customers", None)] {
        compare(what, &Programs { options, events: &events, customer })?;
    }
    Ok(())
}

fn compare(what: &str, programs: &Programs<'_>) -> Result<()> {
    let (mut windrow, mut duckdb, mut wc) =
        (Figures::default(), Figures::default(), Figures::default());
    for round in 1..=programs.options.rounds {
        let (took_windrow, by_windrow) = programs.windrow()?;
        let (took_duckdb, by_duckdb) = programs.duckdb()?;
        let took_wc = programs.wc()?;
        ensure!(by_windrow == by_duckdb, "windrow and DuckDB disagree on {what}");
        println!(
            "  round {round}  {what}: windrow {took_windrow:.3?}, DuckDB {took_duckdb:.3?}, \
             wc {took_wc:.3?}, {} counts",
            by_windrow.len()
        );
        windrow.push(took_windrow.as_secs_f64());
        duckdb.push(took_duckdb.as_secs_f64());
        wc.push(took_wc.as_secs_f64());
    }
    let target = Target::AtMost(DUCKDB_RATIO_MAX);
    report::ratio(&format!("{what}, DuckDB"), "s", &windrow, &duckdb, Some(&target));
    let target = programs.customer.map(|_| Target::AtMost(WC_RATIO_MAX));
    report::ratio(&format!("{what}, wc -l"), "s", &windrow, &wc, target.as_ref());
    Ok(())
}

/// The programs that are compared, and what they are asked.
struct Programs<'a> {
    options: &'a Options,
    events: &'a UsageFile,
    customer: Option<&'a str>,
}

impl Programs<'_> {
    fn windrow(&self) -> Result<(Duration, Counts)> {
        let out = self.out();
        let mut command = Command::new(&self.options.windrow);
        command.arg("totals").arg(&self.events.path).args([START, END, "--format", "csv"]);
        command.args(self.customer.map(|customer| format!("--customer={customer}")));
        let took = timed(command.stdout(File::create(&out)?))?;
        let counts =
            counts(&out, true, |start| Ok(Timestamp::parse(start)?.as_nanos() / 1_000_000_000))?;
        Ok((took, counts))
    }

    fn duckdb(&self) -> Result<(Duration, Counts)> {
        let out = self.out();
        let output = Command::new(&self.options.python)
            .args(["-c", DUCKDB])
            .args([&self.events.path, &out])
            .args([START, END, self.customer.unwrap_or("")])
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("starting {}", self.options.python.display()))?;
        ensure!(
            output.status.success(),
            "DuckDB has failed: `totals` needs it (pip install duckdb) in the Python that --python names"
        );
        let seconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        let counts = counts(&out, false, |start| Ok(start.parse()?))?;
        Ok((Duration::from_secs_f64(seconds), counts))
    }

    fn wc(&self) -> Result<Duration> {
        timed(Command::new("wc").arg("-l").arg(&self.events.path).stdout(Stdio::null()))
    }

    /// Where an answer goes, on the disk that is measured.
    fn out(&self) -> PathBuf {
        self.options.dir.join("totals.csv")
    }
}

fn timed(command: &mut Command) -> Result<Duration> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} has failed: {status}");
    Ok(began.elapsed())
}

/// Reads an answer: customer, start of the hour, whatever, count. Zeros are left out.
fn counts(path: &Path, has_header: bool, start: impl Fn(&str) -> Result<i64>) -> Result<Counts> {
    let mut reader = csv::ReaderBuilder::new().has_headers(has_header).from_path(path)?;
    let mut counts = Counts::new();
    for record in reader.records() {
        let record = record?;
        let count = record.get(record.len() - 1).unwrap_or_default().parse()?;
        if count > 0 {
            counts.insert((record[0].to_owned(), start(&record[1])?), count);
        }
    }
    std::fs::remove_file(path)?;
    Ok(counts)
}
