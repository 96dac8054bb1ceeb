//! The same counts, the slow way: with the `csv` crate and chrono, one line after the other.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};

use crate::totals::Question;

/// A moment in one of six forms.
pub(super) fn printed(nanos: i64, form: usize) -> String {
    let utc = Utc.timestamp_nanos(nanos);
    let east = chrono::FixedOffset::east_opt(19_800).unwrap();
    match form {
        0 => utc.to_rfc3339(),
        1 => utc.format("%Y-%m-%d %H:%M:%S%.f+00").to_string(),
        2 => utc.with_timezone(&east).format("%Y-%m-%dT%H:%M:%S%.f%z").to_string(),
        3 => utc.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
        4 => format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000),
        _ => format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000),
    }
}

/// What should come out.
pub(super) struct Expected {
    /// Hour, customer and count, in order.
    pub(super) counts: Vec<(String, String, u64)>,
    /// The numbers of the lines that are bad.
    pub(super) bad: Vec<u64>,
}

/// Counts what `content` holds.
pub(super) fn counts(content: &str, question: &Question) -> Expected {
    let mut events = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let is_header = index == 0 && line.starts_with("customer_id,");
        if line.trim().is_empty() || is_header {
            continue;
        }
        match event(line) {
            Some(event) => events.push(event),
            None => bad.push(index as u64 + 1),
        }
    }
    let (start, end) = (question.interval.start().as_nanos(), question.interval.end().as_nanos());
    events.retain(|(customer, event_type, nanos)| {
        (start..end).contains(nanos)
            && question.customer.as_ref().is_none_or(|wanted| wanted == customer)
            && question.event_type.as_ref().is_none_or(|wanted| wanted == event_type)
    });
    let mut hour = hour_of(start);
    let mut counts = Vec::new();
    while hour.timestamp_nanos_opt().unwrap() < end && start < end {
        let mut of_hour: Vec<(String, u64)> = Vec::new();
        for (customer, _, nanos) in &events {
            if hour_of(*nanos) != hour {
                continue;
            }
            match of_hour.iter_mut().find(|(name, _)| name == customer) {
                Some((_, count)) => *count += 1,
                None => of_hour.push((customer.clone(), 1)),
            }
        }
        if let (true, Some(customer)) = (of_hour.is_empty(), &question.customer) {
            of_hour.push((customer.clone(), 0));
        }
        let name = hour.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        counts.extend(of_hour.into_iter().map(|(customer, n)| (name.clone(), customer, n)));
        hour += chrono::TimeDelta::hours(1);
    }
    Expected { counts, bad }
}

fn hour_of(nanos: i64) -> DateTime<Utc> {
    let time = Utc.timestamp_nanos(nanos);
    time.date_naive().and_hms_opt(time.hour(), 0, 0).unwrap().and_utc()
}

/// Customer, event type and time in nanoseconds.
fn event(line: &str) -> Option<(String, String, i64)> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next()?.ok()?;
    let fields: Vec<&str> = record.iter().collect();
    let [customer, event_type, transaction, time] = fields[..] else { return None };
    let time = nanos(time).filter(|_| !transaction.is_empty())?;
    Some((customer.to_owned(), event_type.to_owned(), time))
}

fn nanos(text: &str) -> Option<i64> {
    if let Some((whole, fraction)) = text.split_once('.').filter(|_| !text.contains(':')) {
        // Seconds with nine digits behind the point, or milliseconds with six.
        return format!("{whole}{fraction}").parse().ok();
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_nanos_opt();
    }
    let zoned = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z")
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"));
    let time = match zoned {
        Ok(time) => time.to_utc(),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc(),
    };
    time.timestamp_nanos_opt()
}
