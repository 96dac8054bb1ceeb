//! The parameters of every route that has some: what is refused, and what the others mean, by a strict
//! reading of the query (`application/x-www-form-urlencoded` by the WHATWG's URL standard, section 5.1).

mod routes;

use std::cell::Cell;

use arbitrary::{Result, Unstructured};
use serde_json::Value;

use self::routes::{FILE, Kind, ROUTES, Route};
use crate::harness::{Answer, position, user_events};
use crate::subject::Subject;
use crate::{daemon, timestamps};

/// Answers with more buckets than this are asked for elsewhere.
const BUCKETS_MAX: i64 = 5000;
const HOUR_NANOS: i64 = 3_600_000_000_000;

thread_local! {
    /// Behind everything that the daemon holds.
    static END: Cell<u64> = const { Cell::new(0) };
}

#[test]
fn queries() {
    let _daemon = daemon::start();
    fill();
    Subject { name: "queries", generate, check, entropy_bytes_max: 512, cases: 3000 }.run();
}

/// When the events that the daemon holds happened, of usage and of the table alike.
const TIMES: [&str; 3] = ["2024-07-01T02:03:04Z", "2024-07-01T04:00:00Z", "2024-07-02T00:00:00Z"];
const EVENT_TYPES: [&str; 3] = ["login", "login", "a&b"];
const KINDS: [&str; 3] = ["user_action", "sensor_data", "user_action"];
const SOURCES: [&str; 3] = ["web", "web", "iot_device"];
const USERS: [&str; 3] = ["é", "u 1", "u 1"];

fn fill() {
    let lines = |line: fn(usize) -> String| (0..3).map(line).collect::<Vec<_>>().join("\n");
    let usage = lines(|at| {
        format!(
            "{{\"transaction_id\":\"{at}\",\"customer_id\":\"c\",\"event_type\":\"{}\",\"timestamp\":\"{}\"}}",
            EVENT_TYPES[at], TIMES[at]
        )
    });
    let events = lines(|at| {
        format!(
            "{{\"type\":\"{}\",\"source\":\"{}\",\"user_id\":\"{}\",\"timestamp\":\"{}\"}}",
            KINDS[at], SOURCES[at], USERS[at], TIMES[at]
        )
    });
    let mut end = String::new();
    for (path, body) in [
        ("/v1/streams/user-events", user_events(0, 3)),
        ("/v1/streams/user-events/windows/close", String::new()),
        ("/v1/ingest", usage),
        ("/v1/streams/events", events),
    ] {
        let answer = daemon::ask("POST", path, &[], body.as_bytes());
        end = position(&answer);
    }
    END.set(end.parse().unwrap());
    for path in ["/events", "/v1/customers/c/total_events", "/v1/streams/user-events/windows"] {
        let answer = daemon::ask("GET", &format!("{path}?position={end}"), &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// What is to be said of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Right,
    Wrong,
    /// It depends on where the log ends.
    Either,
}

fn check(query: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let route = u.choose(&ROUTES)?;
    let query = sendable(query);
    let pairs = pairs(&query);
    if buckets(&pairs) > BUCKETS_MAX {
        return Ok(());
    }
    let answer =
        daemon::ask(route.method, &format!("{}?{query}", route.path), &[], route.body.as_bytes());
    match verdict(route, &pairs) {
        Verdict::Wrong => {
            assert_eq!(answer.status, 400, "{} takes {pairs:?}: {}", route.path, answer.text());
        }
        Verdict::Right => {
            let is_right = route.right.contains(&answer.status);
            assert!(is_right, "{} refuses {pairs:?}: {}", route.path, answer.text());
        }
        Verdict::Either => {}
    }
    if answer.status == 200 {
        meaning(route, &pairs, &answer);
    }
    Ok(())
}

/// A query of these bytes: what can't stand in a target is percent-encoded.
fn sendable(query: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    query
        .iter()
        .map(|&b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Names and values.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let both = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    both.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|digits| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
        });
        match (first, digits) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn verdict(route: &Route, pairs: &[(String, String)]) -> Verdict {
    let mut verdict = Verdict::Right;
    for (at, (name, value)) in pairs.iter().enumerate() {
        let judged = match route.parameters.iter().find(|(known, _)| known == name) {
            None => Verdict::Wrong,
            Some(_) if pairs[..at].iter().any(|(other, _)| other == name) => Verdict::Wrong,
            Some((_, kind)) => kind.judge(value),
        };
        match judged {
            Verdict::Wrong => return Verdict::Wrong,
            Verdict::Either => verdict = Verdict::Either,
            Verdict::Right => {}
        }
    }
    for (from, to) in [("from", "to"), ("starting_at", "ending_before")] {
        let knows = |name| route.parameters.iter().any(|(known, _)| *known == name);
        if knows(from) && time(pairs, to).is_some_and(|to| Some(to) < time(pairs, from)) {
            return Verdict::Wrong;
        }
    }
    verdict
}

impl Kind {
    fn judge(self, value: &str) -> Verdict {
        let is_right = match self {
            Self::Time => timestamps::meant(value.as_bytes(), true).is_some(),
            Self::Position => match number(value) {
                Some(lsn) if lsn > END.get() && lsn <= END.get() + (1 << 30) => {
                    return Verdict::Either;
                }
                lsn => lsn.is_some_and(|lsn| lsn <= END.get()),
            },
            Self::Number { from, to } => {
                number(value).is_some_and(|number| (from..=to).contains(&number))
            }
            Self::Word(words) => words.contains(&value),
            Self::AnyCase(words) => words.contains(&value.to_ascii_lowercase().as_str()),
            Self::Text(chars_max) => value.chars().count() <= chars_max,
            Self::TableCursor => false,
            Self::UsageCursor => {
                let parts: Vec<&str> = value.split('.').collect();
                matches!(*parts, [customer, metric, start]
                    if number(customer).is_some() && number(metric).is_some()
                        && (start.is_empty() || start.parse::<i64>().is_ok()))
            }
        };
        if is_right { Verdict::Right } else { Verdict::Wrong }
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn time(pairs: &[(String, String)], name: &str) -> Option<i64> {
    timestamps::meant(value(pairs, name)?.as_bytes(), true)
}

fn held_times() -> [i64; 3] {
    TIMES.map(|text| timestamps::meant(text.as_bytes(), false).unwrap())
}

/// How many buckets would be told, about.
fn buckets(pairs: &[(String, String)]) -> i64 {
    let [first, .., last] = held_times();
    let from = time(pairs, "starting_at").unwrap_or(first);
    let to = time(pairs, "ending_before").unwrap_or(last);
    match value(pairs, "window_size").map(str::to_ascii_lowercase).as_deref() {
        Some("none") => 1,
        Some("day") => to.saturating_sub(from) / HOUR_NANOS / 24,
        _ => to.saturating_sub(from) / HOUR_NANOS,
    }
}

/// What is answered is what was asked for.
fn meaning(route: &Route, pairs: &[(String, String)], answer: &Answer) {
    let is_within = |from: &str, to: &str, at: i64| {
        time(pairs, from).is_none_or(|from| from <= at) && time(pairs, to).is_none_or(|to| at < to)
    };
    let is_asked = |name: &str, held: &str| value(pairs, name).is_none_or(|asked| asked == held);
    match route.path {
        "/events" => {
            let held = held_times().into_iter().enumerate().filter(|&(at, time)| {
                is_within("from", "to", time)
                    && is_asked("type", KINDS[at])
                    && is_asked("source", SOURCES[at])
                    && is_asked("user_id", USERS[at])
            });
            let limit = value(pairs, "limit").and_then(number).unwrap_or(100) as usize;
            let events = answer.json()["events"].as_array().unwrap().len();
            assert_eq!(events, held.count().min(limit), "{pairs:?}");
        }
        "/v1/customers/c/total_events" => {
            let totals = answer.json();
            let held = held_times().into_iter().enumerate().filter(|&(at, time)| {
                is_within("starting_at", "ending_before", time)
                    && is_asked("event_type", EVENT_TYPES[at])
            });
            assert_eq!(totals["total"], held.count(), "{pairs:?}");
            for name in ["starting_at", "ending_before"] {
                let told = |text: &Value| timestamps::meant(text.as_str()?.as_bytes(), false);
                if let Some(asked) = time(pairs, name) {
                    let is_clamped = pairs.len() < 2 || value(pairs, "starting_at").is_none();
                    assert!(
                        told(&totals[name]) == Some(asked) || is_clamped,
                        "{pairs:?}: {totals}"
                    );
                }
            }
        }
        "/metrics" if value(pairs, "format") == Some("json") => drop(answer.json()),
        "/metrics" => assert!(answer.text().contains("# TYPE windrow_")),
        FILE => assert!(answer.text().starts_with("time,uuid,")),
        _ => drop(answer.json()),
    }
}

/// Parameters of some route or of none, with values that some of them take.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const VALUES: [&str; 30] = [
        "",
        "0",
        "1",
        "2",
        "1000",
        "1001",
        "10000",
        "10001",
        "+1",
        "-1",
        "4096",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999",
        "user_action",
        "login",
        "a&b",
        "web",
        "iot_device",
        "u 1",
        "é",
        "asc",
        "desc",
        "hour",
        "Day",
        "NONE",
        "json",
        "text",
        "1.0.",
        "1.2.1719799384000000000",
    ];
    let mut pairs = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        let route = u.choose(&ROUTES)?;
        let name = match u.choose(route.parameters) {
            Ok((name, _)) if u.ratio(9, 10)? => name,
            _ => *u.choose(&["userid", "", "Limit", "limit "])?,
        };
        let value = match u.int_in_range(0..=5)? {
            0 => timestamps::generate(u)?,
            1 => u.choose(&TIMES)?.as_bytes().to_vec(),
            2 if u.ratio(1, 4)? => "x".repeat(u.int_in_range(48..=52)?).into_bytes(),
            _ => u.choose(&VALUES)?.as_bytes().to_vec(),
        };
        let mut pair = encoded(name.as_bytes(), u)?;
        if u.ratio(19, 20)? {
            pair.push('=');
        }
        pair += &encoded(&value, u)?;
        pairs.push(pair);
    }
    Ok(pairs.join(u.choose(&["&", "&", "&", "&&"])?).into_bytes())
}

/// As some client might write it.
fn encoded(text: &[u8], u: &mut Unstructured<'_>) -> Result<String> {
    let encodes = u.ratio(1, 4)?;
    let leaves = u.ratio(1, 20)?;
    let byte = |&byte: &u8| match byte {
        byte if leaves && byte.is_ascii_graphic() => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() && !encodes => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    Ok(text.iter().map(byte).collect())
}

#[test]
fn a_query_is_read_as_the_standard_has_it() {
    for (query, expected) in [
        ("a=1&&b", &[("a", "1"), ("b", "")][..]),
        ("a=1=2&%61=+%2b", &[("a", "1=2"), ("a", " +")]),
        ("%=%4&%zz=%ff", &[("%", "%4"), ("%zz", "\u{fffd}")]),
        ("=&=x", &[("", ""), ("", "x")]),
    ] {
        let found = pairs(query);
        let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, expected, "{query}");
    }
}
