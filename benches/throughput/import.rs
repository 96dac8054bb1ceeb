//! A file by `windrow import`, against `curl` posting it as one body.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::args::Options;
use crate::report::{self, Figures, Target, millions_per_second};
use crate::subject::{Kind, Subject};
use crate::usage_file::{self, UsageFile};

const RATE_RATIO_MIN: f64 = 0.8;

pub fn run(options: &Options) -> Result<()> {
    let lines = options.rows.unwrap_or(usage_file::LINES);
    let path = options.dir.join(format!("import-{}.csv", std::process::id()));
    let file = UsageFile::create(&path, lines)?;
    println!(
        "import: {lines} rows of CSV, {} MB, until all are acknowledged, in million rows a second",
        file.bytes / 1_000_000
    );
    let (mut by_curl, mut by_import) = (Figures::default(), Figures::default());
    for round in 1..=options.rounds {
        for (what, figures) in [("curl", &mut by_curl), ("import", &mut by_import)] {
            let subject = Subject::start(Kind::Windrow, options, &[])?;
            let url = format!("http://{}", subject.address());
            let took = match what {
                "curl" => timed(&mut curl(&url, &file.path), lines, "\"accepted\":")?,
                _ => timed(
                    &mut import(&options.windrow, &url, &file.path),
                    lines,
                    "Rows accepted: ",
                )?,
            };
            let rate = millions_per_second(lines, took);
            println!("  round {round}  {what:<7} {rate:.2}");
            figures.push(rate);
        }
    }
    let target = Target::AtLeast(RATE_RATIO_MIN);
    report::ratio("rows, to curl", "M/s", &by_import, &by_curl, Some(&target));
    Ok(())
}

fn curl(url: &str, file: &Path) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--request", "POST", "--header"]);
    // `Expect` would cost a wait for nothing.
    command.args(["Content-Type: text/csv", "--header", "Expect:", "--upload-file"]);
    command.arg(file).arg(format!("{url}/v1/ingest"));
    command
}

fn import(windrow: &Path, url: &str, file: &Path) -> Command {
    let mut command = Command::new(windrow);
    command.args(["import", "--stream", "usage", "--url", url]).arg(file);
    command
}

/// How long the command takes, which must say behind `accepted` that it brought in so many rows.
fn timed(command: &mut Command, lines: u64, accepted: &str) -> Result<Duration> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output();
    let took = began.elapsed();
    let output = output.with_context(|| format!("starting {}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains(&format!("{accepted}{lines}")),
        "not all rows were taken: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}
