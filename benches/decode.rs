//! Lines into rows, on one core, beside what `serde_json` takes for the same lines; and a batch of
//! `POST /events/batch` into lines, and these into rows; and records of `usage` into lines, and these
//! into rows.
//!
//! The rates are of elements, which are lines: those of `user-events` as they are, and as other
//! clients send them. The last shape is one that only the reference path reads.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a bench")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::value::RawValue;
use windrow::ingest::{
    BodyLimits, BodyReader, DecompressionRoom, Encoding, Form, Items, LineSource as _,
};
use windrow::stream::csv::{Header, ToNdjson};
use windrow::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};
use windrow::time::Timestamp;

#[path = "throughput/events.rs"]
#[allow(dead_code)]
mod events;

/// 256 KiB of them: what a frame gathers.
const LINES: usize = 1024;

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

/// Fields in the order of their names, as clients send them that keep them in a sorted map.
fn sorted(lines: &str) -> String {
    let sorted = |line: &str| {
        let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
        serde_json::to_string(&fields).unwrap()
    };
    lines.lines().map(sorted).collect::<Vec<_>>().join("\n")
}

fn decode(criterion: &mut Criterion) {
    let mut lines = events::Lines::new(LINES, 1);
    lines.stamp(0, Duration::from_millis(1));
    let lines = std::str::from_utf8(lines.text()).unwrap();

    let schema = Arc::new(Schema::builtin("user-events").unwrap());
    let limits = DecodeLimits { line_bytes_max: 1 << 20, ..DecodeLimits::OPEN };
    let decoder = Decoder::new(schema, UnknownFields::Ignore, limits);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(LINES as u64));
    for (shape, text) in [
        ("windrow", lines.to_owned()),
        (
            "windrow, spaces as Python writes them",
            lines.replace("\":", "\": ").replace(",\"", ", \""),
        ),
        ("windrow, fields sorted by name", sorted(lines)),
        ("windrow, an unknown field", lines.replace(",\"id\"", ",\"request\":\"r-1\",\"id\"")),
        ("windrow, an escape in a string", lines.replace("\",\"credits", "\\t\",\"credits")),
        ("windrow, by the reference", lines.replace("\"id\"", "\"\\u0069d\"")),
    ] {
        let payload = Bytes::from(text);
        group.bench_function(shape, |bencher| {
            bencher.iter(|| decoder.decode(black_box(payload.clone()), &context).unwrap());
        });
    }

    group.bench_function("serde_json, from bytes", |bencher| {
        bencher.iter(|| {
            for line in lines.as_bytes().split_inclusive(|&byte| byte == b'\n') {
                black_box(serde_json::from_slice::<UserEvent<'_>>(line).unwrap());
            }
        });
    });

    group.bench_function("serde_json, from text that simdutf8 has checked", |bencher| {
        bencher.iter(|| {
            let lines = simdutf8::basic::from_utf8(lines.as_bytes()).unwrap();
            for line in lines.split_inclusive('\n') {
                black_box(serde_json::from_str::<UserEvent<'_>>(line).unwrap());
            }
        });
    });
    group.finish();
}

/// What a request of one line costs, with everything that is made once for a payload.
fn one_line(criterion: &mut Criterion) {
    let mut lines = events::Lines::new(1, 1);
    lines.stamp(0, Duration::ZERO);
    let payload = Bytes::copy_from_slice(lines.text());
    let schema = Arc::new(Schema::builtin("user-events").unwrap());
    let decoder = Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };
    criterion.bench_function("one line alone", |bencher| {
        bencher.iter_batched(
            || payload.clone(),
            |payload| decoder.decode(payload, &context).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

/// Events of one batch.
const BATCH_EVENTS: usize = 100;

/// What a batch costs before the log: its document into lines, and its lines into rows.
fn batch(criterion: &mut Criterion) {
    let event = concat!(
        r#"{"id":"0190abcd-1234-7abc-8def-0123456789ab","type":"sensor_data","#,
        r#""source":"iot_device","timestamp":"2024-07-01T02:03:04.055Z","user_id":"user-12345","#,
        r#""data":{"celsius":21.5,"humidity":40,"label":"kitchen, window to the north","#,
        r#""metadata":{"firmware":"1.2.3","battery":87}}}"#,
    );
    let events = [event; BATCH_EVENTS];
    let document = Bytes::from(format!("{{\"events\":[{}]}}", events.join(",")));
    let lines = Bytes::from(events.map(|event| format!("{event}\n")).concat());

    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(BATCH_EVENTS as u64));
    let form = Form::Member { name: "events", items_max: BATCH_EVENTS as u64 };
    let stall = Duration::from_secs(1);
    let limits =
        BodyLimits { sent_bytes_max: None, decompressed_bytes_max: None, stall, whole: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let room = DecompressionRoom::new(0);
    group.bench_function("document into lines", |bencher| {
        bencher.iter(|| {
            let body = Full::new(black_box(document.clone()));
            let body = BodyReader::new(body, Encoding::Identity, limits, &room).unwrap();
            let mut items = Items::new(body, form);
            runtime.block_on(async {
                let mut bytes = 0;
                loop {
                    let count = items.fill().await.unwrap().len();
                    if count == 0 {
                        return bytes;
                    }
                    items.consume(count);
                    bytes += count;
                }
            })
        });
    });

    let schema = Arc::new(Schema::builtin("events").unwrap());
    let decoder = Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };
    group.bench_function("lines into rows", |bencher| {
        bencher.iter(|| decoder.decode(black_box(lines.clone()), &context).unwrap());
    });
    group.finish();
}

/// Records of `usage` in one body.
const RECORDS: usize = 4096;

/// What CSV costs before the log: records into lines, and these into rows. The rates are of the CSV's
/// bytes.
fn records(criterion: &mut Criterion) {
    let time = |n: usize| format!("2024-07-31 19:{:02}:{:02}.{n:06}+00", n / 60 % 60, n % 60);
    let plain: String = (0..RECORDS)
        .flat_map(|n| {
            let customer = n * 7919 % 1000;
            [
                format!("30330c9c4e7173ba9474c46ee5{customer:06},api_call,"),
                format!("{n:032x},{}\n", time(n)),
            ]
        })
        .collect();
    let quoted = plain.lines().map(|line| format!("\"{}\"\n", line.replace(',', "\",\"")));
    let schema = Arc::new(Schema::builtin("usage").unwrap());
    let decoder = Decoder::new(schema.clone(), UnknownFields::Ignore, DecodeLimits::OPEN);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };

    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    for (shape, body) in [("plain", plain.clone()), ("every field quoted", quoted.collect())] {
        group.bench_function(format!("into lines, {shape}"), |bencher| {
            let mut lines = Vec::new();
            bencher.iter(|| {
                lines.clear();
                let mut csv = ToNdjson::new("usage", schema.clone(), Header::Detected);
                for (number, line) in (1..).zip(black_box(&body).lines()) {
                    csv.line(line.as_bytes(), number, &mut lines).unwrap();
                }
                lines.len()
            });
        });
    }
    let mut lines = Vec::new();
    let mut csv = ToNdjson::new("usage", schema, Header::Detected);
    for (number, line) in (1..).zip(plain.lines()) {
        csv.line(line.as_bytes(), number, &mut lines).unwrap();
    }
    let lines = Bytes::from(lines);
    group.bench_function("their lines into rows", |bencher| {
        bencher.iter(|| decoder.decode(black_box(lines.clone()), &context).unwrap());
    });
    group.finish();
}

fn timestamps(criterion: &mut Criterion) {
    let text = "2024-07-07T00:36:10.719091325Z";
    criterion.bench_function("timestamp, scanned", |bencher| {
        bencher.iter(|| Timestamp::scan(black_box(text.as_bytes())));
    });
    criterion.bench_function("timestamp, parsed", |bencher| {
        bencher.iter(|| Timestamp::parse(black_box(text)));
    });
}

criterion_group!(benches, decode, one_line, batch, records, timestamps);
criterion_main!(benches);
