//! Lines into rows, on one core, beside what `serde_json` takes for the same lines.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a bench")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use windrow::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};
use windrow::time::Timestamp;

#[path = "throughput/events.rs"]
#[allow(dead_code)]
mod events;

/// 1 MiB of them: a large frame.
const LINES: usize = 4096;

/// The least that `serde_json` can be asked for: every field by its type, nothing copied.
#[derive(Deserialize)]
#[allow(dead_code)]
struct UserEvent<'a> {
    time: &'a str,
    uuid: &'a str,
    id: i64,
    active: bool,
    email: &'a str,
    phone: &'a str,
    description: &'a str,
    credits: f64,
}

fn decode(criterion: &mut Criterion) {
    let mut lines = events::Lines::new(LINES, 1);
    lines.stamp(0, Duration::from_millis(1));
    let payload = Bytes::copy_from_slice(lines.text());

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(LINES as u64));

    let schema = Arc::new(Schema::builtin("user-events").unwrap());
    let limits = DecodeLimits { line_bytes_max: 1 << 20 };
    let decoder = Decoder::new(schema, UnknownFields::Ignore, limits);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };
    group.bench_function("windrow", |bencher| {
        bencher.iter(|| decoder.decode(black_box(payload.clone()), &context).unwrap());
    });

    group.bench_function("serde_json, from bytes", |bencher| {
        bencher.iter(|| {
            for line in payload.split_inclusive(|&byte| byte == b'\n') {
                black_box(serde_json::from_slice::<UserEvent<'_>>(line).unwrap());
            }
        });
    });

    group.bench_function("serde_json, from text that simdutf8 has checked", |bencher| {
        bencher.iter(|| {
            for line in simdutf8::basic::from_utf8(&payload).unwrap().split_inclusive('\n') {
                black_box(serde_json::from_str::<UserEvent<'_>>(line).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
