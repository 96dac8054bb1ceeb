//! U3: what is asked, against counting by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rig::{Rig, at, line};
use crate::sinks::usage::{Bucket, Question, WindowSize};
use crate::time::Timestamp;

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;
const CUSTOMERS: [&str; 4] = ["", "a b/\"c\"%2F", "ü🦀", "plain"];
const TYPES: [&str; 3] = ["call", "sms", ""];

#[derive(Clone, Debug)]
struct Event {
    customer: usize,
    kind: usize,
    nanos: i64,
}

/// Times that crowd around hours, days, months, years, leap days and the ends of all time.
fn nanos() -> impl Strategy<Value = i64> {
    let point = prop_oneof![
        Just(at("2024-02-29T00:00:00Z").as_nanos()),
        Just(at("2023-12-31T23:00:00Z").as_nanos()),
        Just(at("2024-03-01T00:00:00Z").as_nanos()),
        Just(at("1969-12-31T23:00:00Z").as_nanos()),
        Just(0),
        Just(i64::MIN),
        Just(i64::MAX - 1),
    ];
    let beside = prop_oneof![Just(-1), Just(0), Just(1), -3 * HOUR..3 * HOUR, -40 * DAY..40 * DAY];
    (point, beside)
        .prop_map(|(point, beside): (i64, i64)| point.saturating_add(beside).min(i64::MAX - 1))
}

fn event() -> impl Strategy<Value = Event> {
    (0..CUSTOMERS.len(), 0..TYPES.len(), nanos()).prop_map(|(customer, kind, nanos)| Event {
        customer,
        kind,
        nanos,
    })
}

fn question() -> impl Strategy<Value = (Question, Option<usize>)> {
    let window = prop_oneof![Just(WindowSize::Hour), Just(WindowSize::Day), Just(WindowSize::None)];
    let edge = || prop::option::of(nanos());
    (edge(), edge(), prop::option::of(0..TYPES.len()), window).prop_map(|(a, b, kind, window)| {
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b))),
            other => other,
        };
        let question = Question {
            starting_at: a.map(Timestamp::from_nanos),
            ending_before: b.map(Timestamp::from_nanos),
            event_type: kind.map(|kind| TYPES[kind].to_owned()),
            window,
        };
        (question, kind)
    })
}

/// Counts by hand: bucket starts and counts, and the total.
fn by_hand(
    events: &[Event],
    customer: usize,
    kind: Option<usize>,
    question: &Question,
) -> (BTreeMap<i64, u64>, u64) {
    let its = || {
        let of = |it: &&Event| it.customer == customer && kind.is_none_or(|kind| it.kind == kind);
        events.iter().filter(of).map(|it| it.nanos)
    };
    let mut buckets = BTreeMap::new();
    let from = question.starting_at.map(Timestamp::as_nanos).or(its().min());
    let to = question.ending_before.map(Timestamp::as_nanos).or(its().max().map(|it| it + 1));
    let (Some(from), Some(to)) = (from, to) else { return (buckets, 0) };
    let mut total = 0;
    for nanos in its().filter(|nanos| (from..to).contains(nanos)) {
        let start = match question.window {
            WindowSize::Hour => nanos.div_euclid(HOUR).checked_mul(HOUR).unwrap_or(i64::MIN),
            WindowSize::Day => nanos.div_euclid(DAY).checked_mul(DAY).unwrap_or(i64::MIN),
            WindowSize::None => from,
        };
        *buckets.entry(start).or_default() += 1;
        total += 1;
    }
    (buckets, total)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_agree_with_counting_by_hand(
        requests in prop::collection::vec((prop::collection::vec(event(), 0..40), 0..4_u8), 1..8),
        questions in prop::collection::vec((0..CUSTOMERS.len(), question()), 40),
    ) {
        let mut rig = Rig::new();
        let (mut events, mut arrival) = (Vec::new(), at("2024-06-01T00:00:00Z"));
        for (request, what) in requests {
            let lines: Vec<_> = (events.len()..)
                .zip(&request)
                .map(|(n, it)| {
                    let at = Timestamp::from_nanos(it.nanos);
                    line(&format!("t{n}"), CUSTOMERS[it.customer], TYPES[it.kind], at)
                })
                .collect();
            rig.hand_over(arrival, &lines).unwrap();
            match what {
                // Gathered with the next one, or put in at once, or with a crash behind it.
                0 => {}
                1 | 2 => rig.settle(),
                _ => {
                    rig.settle();
                    rig.restart();
                }
            }
            events.extend(request);
            arrival = arrival.saturating_add(std::time::Duration::from_millis(1));
        }
        rig.settle();
        for (customer, (question, kind)) in questions {
            let totals = rig.ask(CUSTOMERS[customer], &question);
            let (expected, total) = by_hand(&events, customer, kind, &question);
            let counts: BTreeMap<_, _> =
                totals.counts.iter().map(|it| (it.start.as_nanos(), it.count)).collect();
            prop_assert_eq!(&counts, &expected, "{:?} {:?}", question, totals);
            prop_assert_eq!(totals.total, total);
            // Walking centuries of hours would take longer than it tells.
            let span = totals.starting_at.zip(totals.ending_before);
            let walk = span.is_none_or(|(from, to)| {
                i128::from(to.as_nanos()) - i128::from(from.as_nanos()) < i128::from(400 * DAY)
            });
            if walk {
                let sum: u64 = totals.buckets().map(|bucket: Bucket| bucket.count).sum();
                prop_assert_eq!(sum, total, "what is counted stands in some bucket");
            }
        }
    }

    #[test]
    fn intervals_add_up(
        events in prop::collection::vec(nanos(), 1..60),
        cuts in prop::array::uniform3(nanos()),
    ) {
        let mut rig = Rig::new();
        let lines: Vec<_> = (0..).zip(&events)
            .map(|(n, nanos): (u32, _)| line(&n.to_string(), "c", "t", Timestamp::from_nanos(*nanos)))
            .collect();
        rig.send(at("2024-06-01T00:00:00Z"), &lines);
        let mut cuts = cuts;
        cuts.sort_unstable();
        let [a, b, c] = cuts.map(Timestamp::from_nanos);
        let total = |from, to| {
            let question = Question {
                starting_at: Some(from),
                ending_before: Some(to),
                ..Question::default()
            };
            rig.ask("c", &question).total
        };
        prop_assert_eq!(total(a, c), total(a, b) + total(b, c));
    }
}

#[test]
fn an_edge_is_exact_to_the_nanosecond() {
    let mut rig = Rig::new();
    let time = at("2024-02-29T23:59:59.999999999Z");
    rig.send(time, &[line("1", "c", "t", time)]);
    let total = |from: i64, to: i64| {
        let at = |nanos| Some(Timestamp::from_nanos(time.as_nanos() + nanos));
        let question =
            Question { starting_at: at(from), ending_before: at(to), ..Question::default() };
        rig.ask("c", &question).total
    };
    assert_eq!((total(0, 1), total(-1, 0), total(1, 2), total(0, 0)), (1, 0, 0, 0));
}

#[test]
fn who_is_unknown_has_zeros() {
    let mut rig = Rig::new();
    rig.send(at("2024-01-01"), &[line("1", "c", "t", at("2024-01-01T10:30:00Z"))]);
    let day = Question {
        starting_at: Some(at("2024-01-01T00:30:00Z")),
        ending_before: Some(at("2024-01-02")),
        ..Question::default()
    };
    let unknown = rig.ask("nobody", &day);
    assert_eq!((unknown.total, unknown.buckets().count()), (0, 24));
    let no_type = Question { event_type: Some("x".to_owned()), ..day };
    assert_eq!(rig.ask("c", &no_type).total, 0);
    let open = rig.ask("nobody", &Question::default());
    assert_eq!((open.starting_at, open.ending_before, open.buckets().count()), (None, None, 0));
}

#[test]
fn an_interval_without_ends_is_that_of_the_events() {
    let mut rig = Rig::new();
    let (first, last) = (at("2024-01-01T10:30:00.5Z"), at("2024-01-01T12:00:00Z"));
    rig.send(first, &[line("1", "c", "t", last), line("2", "c", "u", first)]);
    let all = rig.ask("c", &Question::default());
    assert_eq!(all.starting_at, Some(first));
    assert_eq!(all.ending_before.map(Timestamp::as_nanos), Some(last.as_nanos() + 1));
    assert_eq!(all.buckets().map(|it| it.count).collect::<Vec<_>>(), [1, 0, 1]);
    let of_type = Question { event_type: Some("u".to_owned()), ..Question::default() };
    assert_eq!(
        rig.ask("c", &of_type).ending_before.map(Timestamp::as_nanos),
        Some(first.as_nanos() + 1)
    );
    let behind = Question { starting_at: Some(at("2025-01-01")), ..Question::default() };
    assert_eq!((rig.ask("c", &behind).total, rig.ask("c", &behind).buckets().count()), (0, 0));
    let backwards = Question { ending_before: Some(at("2020-01-01")), ..behind };
    let error = rig.reader().total("c", &backwards).unwrap_err().to_string();
    assert!(error.contains("2025-01-01T00:00:00Z") && error.contains("2020-01-01"), "{error}");
}

#[test]
fn customers_are_paged_in_the_order_of_their_first_events() {
    let mut rig = Rig::new();
    let long = "x".repeat(10 << 10);
    let names = ["b", "", &long, "a"];
    let lines: Vec<_> = (0..)
        .zip(names)
        .map(|(n, it): (u32, _)| line(&n.to_string(), it, "t", at("2024-01-01")))
        .collect();
    rig.send(at("2024-01-01"), &lines);
    rig.send(at("2024-01-01"), &[line("9", "late", "u", at("2020-01-01"))]);
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = rig.reader().customers(after, 2).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.extend(page.into_iter().map(|(_, name)| name));
    }
    assert_eq!(found, ["b", "", &long, "a", "late"]);
    assert_eq!(rig.reader().event_types(9).unwrap(), ["t", "u"]);
    assert_eq!(rig.total(&long), 1);
}
