//! Decoded rows into CSV, on one core: the windows' hot path.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a bench")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use windrow::sinks::windows::csv::append_rows;
use windrow::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};
use windrow::time::Timestamp;

#[path = "throughput/events.rs"]
#[allow(dead_code)]
mod events;

/// A quarter of a MiB of them: a usual frame.
const LINES: usize = 1024;

fn rows_to_csv(criterion: &mut Criterion) {
    let mut lines = events::Lines::new(LINES, 1);
    lines.stamp(0, Duration::from_millis(1));
    let schema = Arc::new(Schema::builtin("user-events").unwrap());
    let limits = DecodeLimits { line_bytes_max: 1 << 20, ..DecodeLimits::OPEN };
    let decoder = Decoder::new(Arc::clone(&schema), UnknownFields::Ignore, limits);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };
    let rows = decoder.decode(Bytes::copy_from_slice(lines.text()), &context).unwrap();

    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Elements(LINES as u64));
    let mut out = Vec::with_capacity(1 << 20);
    group.bench_function("windrow", |bencher| {
        bencher.iter(|| {
            out.clear();
            append_rows(&mut out, black_box(&rows), 0..LINES, usize::MAX)
        });
    });
    group.bench_function("windrow, with its checksum", |bencher| {
        bencher.iter(|| {
            out.clear();
            append_rows(&mut out, black_box(&rows), 0..LINES, usize::MAX);
            crc32fast::hash(&out)
        });
    });

    let columns = schema.columns().len();
    group.bench_function("the csv crate", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mut writer = csv::Writer::from_writer(&mut out);
            for row in 0..LINES {
                let cells = (0..columns).map(|column| rows.cell(row, column).unwrap_or_default());
                writer.write_record(cells).unwrap();
            }
        });
    });
}

criterion_group!(benches, rows_to_csv);
criterion_main!(benches);
