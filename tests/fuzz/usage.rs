//! Usage as it is sent, by a client who means no good: all of a body counts, each id once, or nothing of
//! it; told by a ledger that knows `serde_json` and `chrono`.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use arbitrary::{Result, Unstructured};
use serde_json::value::RawValue;
use windrow::stream::Schema;

use crate::harness::encoded;
use crate::subject::Subject;
use crate::{daemon, events, json};

#[test]
fn usage() {
    let _daemon = daemon::start();
    Subject { name: "usage", generate, check, entropy_bytes_max: 1024, cases: 400 }.run();
}

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    transactions: HashSet<String>,
    /// Events by customer and type.
    counts: HashMap<(String, String), u64>,
}

thread_local! {
    static LEDGER: RefCell<Ledger> = RefCell::default();
    static USAGE: Schema = Schema::builtin("usage").unwrap();
}

/// What counts of an event.
struct Event {
    transaction: String,
    customer: String,
    kind: String,
}

fn check(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let media: &[u8] = u.choose(&["application/json", "application/x-ndjson"])?.as_bytes();
    let answer = daemon::ask("POST", "/v1/ingest", &[("content-type", media)], body);
    let Some(events) = sent(body, media == b"application/json") else {
        assert_eq!(answer.status, 400, "it was taken: {}", answer.text());
        return Ok(());
    };
    assert_eq!(answer.status, 200, "it is usage, but: {}", answer.text());
    assert_eq!(answer.json()["accepted"], events.len());
    let asked = events.last().map(|event| (event.customer.clone(), event.kind.clone()));
    LEDGER.with_borrow_mut(|ledger| {
        for event in events {
            if ledger.transactions.insert(event.transaction) {
                *ledger.counts.entry((event.customer, event.kind)).or_default() += 1;
            }
        }
    });
    if let Some(asked) = asked {
        let position = answer.json()["position"].as_str().unwrap().to_owned();
        let target = format!(
            "/v1/customers/{}/total_events?window_size=none&event_type={}&position={position}",
            encoded(&asked.0),
            encoded(&asked.1)
        );
        let total = daemon::ask("GET", &target, &[], b"");
        // Its id may have come with another customer before.
        let count = |ledger: &Ledger| ledger.counts.get(&asked).copied().unwrap_or(0);
        let expected = LEDGER.with_borrow(count);
        assert_eq!(total.json()["total"], expected, "{asked:?}: {}", total.text());
    }
    Ok(())
}

/// The events of a body; `None` if it isn't all usage.
fn sent(body: &[u8], may_be_array: bool) -> Option<Vec<Event>> {
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if may_be_array && text.trim_ascii_start().first() == Some(&b'[') {
        let items: Vec<Box<RawValue>> = serde_json::from_slice(text).ok()?;
        return items.iter().map(|item| event(item.get().as_bytes())).collect();
    }
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.iter().all(|byte| b" \t\r".contains(byte))).map(event).collect()
}

fn event(text: &[u8]) -> Option<Event> {
    // Line ends within an item stand between the parts of its value.
    let line: Vec<u8> = text.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
    let cells = USAGE.with(|schema| events::cells(schema, &line))?;
    let mut cells = cells.into_iter().flatten();
    let mut next = || cells.next();
    Some(Event { transaction: next()?, customer: next()?, kind: next()? })
}

/// Events of few customers, some of which came before.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let schema = Schema::builtin("usage").unwrap();
    let mut items = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        items.push(match u.int_in_range(0..=5)? {
            0 => events::line(&schema, u)?,
            1 if u.ratio(1, 3)? => json::value(u, 2)?,
            _ => format!(
                "{{\"transaction_id\":\"t{}\",\"customer_id\":{},\"event_type\":{},\"timestamp\":\"{}\"}}",
                u.int_in_range(0..=9999)?,
                u.choose(&["\"a\"", "\"\"", "\"a b/ü?\"", "\"\\u0061\"", "\"..\"", "\"%\""])?,
                u.choose(&["\"login\"", "\"\"", "\"&=\""])?,
                u.choose(&["2024-07-01", "1719799384", "2024-07-01T02:03:04+05:30"])?,
            ),
        });
    }
    Ok(match u.int_in_range(0..=2)? {
        0 => format!("[{}]", items.join(u.choose(&[",", ", ", ",\n", "\n"])?)),
        1 => items.join(u.choose(&["\n", "\r\n", "\n\n"])?),
        _ => items.join("\n") + "\n",
    }
    .into_bytes())
}
