//! What is done with events where nobody says otherwise.

use super::normalise::normalise;
use super::{Event, Processed, Processor, Refused, Validator};

/// The values of `type` that the table's column has.
const TYPES: [&str; 3] = ["user_action", "sensor_data", "system_log"];
/// The values of `source`.
const SOURCES: [&str; 4] = ["web", "mobile", "iot_device", "system"];
/// What `user_id` can hold.
const USER_ID_CHARS_MAX: usize = 50;

/// Takes what the table can hold. The stream's own schema has seen to that already; but somebody may
/// have configured another one, and lines that were accepted under it are in the log.
#[derive(Clone, Copy, Default, Debug)]
pub struct StandardValidator;

impl Validator for StandardValidator {
    fn validate(&self, event: &Event<'_>) -> Result<(), Refused> {
        one_of("type", event.kind, &TYPES)?;
        one_of("source", event.source, &SOURCES)?;
        let user_id = event.user_id.unwrap_or_default();
        // Bytes first: they are never fewer than characters, and counted already.
        if user_id.len() > USER_ID_CHARS_MAX {
            let chars = user_id.chars().count();
            if chars > USER_ID_CHARS_MAX {
                return Err(Refused(format!(
                    "`user_id` must have at most {USER_ID_CHARS_MAX} characters, and has {chars}"
                )));
            }
        }
        Ok(())
    }
}

fn one_of(field: &str, value: &str, values: &[&str]) -> Result<(), Refused> {
    if values.contains(&value) {
        return Ok(());
    }
    Err(Refused(format!("`{field}` must be one of {}, and is `{value}`", values.join(", "))))
}

/// Normalises and enriches:
///
/// ```json
/// {"timestamp": "2024-07-01T02:03:04.055123456Z", "received_at": "2024-07-01T02:03:05Z",
///  "latency": 944, "data": {"temperature": 21.50, "room": "attic", "metadata": {"as": " it came "}}}
/// ```
///
/// `timestamp` is the event's time to the nanosecond, `latency` the whole milliseconds from there to
/// `received_at`, negative if the sender's clock is ahead. In `data`, strings lose white space around
/// them, at every depth, and keys don't; numbers keep every digit; its member `metadata` is left as it
/// came. Without `data` it is `{}`.
#[derive(Clone, Copy, Default, Debug)]
pub struct StandardProcessor;

/// Bytes of what is put around `data`.
const FRAME_BYTES: usize = 140;
const NANOS_PER_MILLI: i128 = 1_000_000;

impl Processor for StandardProcessor {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        use std::fmt::Write;

        let data = event.data.unwrap_or("{}");
        let mut text = String::with_capacity(FRAME_BYTES + data.len());
        let nanos = i128::from(event.received_at.as_nanos()) - i128::from(event.time.as_nanos());
        let (time, received_at, latency) = (event.time, event.received_at, nanos / NANOS_PER_MILLI);
        write!(
            text,
            r#"{{"timestamp":"{time}","received_at":"{received_at}","latency":{latency},"data":"#
        )
        .map_err(|error| Refused(error.to_string()))?;
        normalise(data, &mut text);
        text.push('}');
        Ok(Processed::from_json(text))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::time::Timestamp;

    fn event(data: Option<&str>) -> Event<'_> {
        Event {
            id: Uuid::nil(),
            kind: "sensor_data",
            source: "iot_device",
            time: Timestamp::parse("2024-07-01T02:03:04.055123456Z").unwrap(),
            user_id: Some("u"),
            data,
            received_at: Timestamp::parse("2024-07-01T02:03:05Z").unwrap(),
        }
    }

    fn processed(event: &Event<'_>) -> String {
        StandardProcessor.process(event).unwrap().into_string()
    }

    #[test]
    fn an_event_is_enriched_and_its_data_normalised() {
        let data = r#"{ "t": 21.50, "room ": " attic\n", "metadata": {"as": " it came "} }"#;
        assert_eq!(
            processed(&event(Some(data))),
            r#"{"timestamp":"2024-07-01T02:03:04.055123456Z","received_at":"2024-07-01T02:03:05Z","latency":944,"data":{"t":21.50,"room ":"attic","metadata":{"as": " it came "}}}"#
        );
        assert!(processed(&event(None)).ends_with(r#""data":{}}"#));
    }

    #[test]
    fn latency_is_negative_for_a_clock_that_is_ahead_and_never_overflows() {
        let latency = |time, received_at| {
            let text = processed(&Event { time, received_at, ..event(None) });
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["latency"].clone()
        };
        let second = Timestamp::from_nanos(1_000_000_000);
        assert_eq!(latency(second, Timestamp::from_nanos(0)), -1000);
        assert_eq!(latency(Timestamp::MIN, Timestamp::MAX), 18_446_744_073_709_i64);
    }

    #[test]
    fn what_the_table_cannot_hold_is_refused_by_name() {
        let reason = |event: Event<'_>| StandardValidator.validate(&event).map_err(|r| r.0);
        assert_eq!(reason(event(None)), Ok(()));
        let long = "ü".repeat(50);
        assert_eq!(reason(Event { user_id: Some(&long), ..event(None) }), Ok(()));
        let long = "ü".repeat(51);
        let refused = reason(Event { user_id: Some(&long), ..event(None) }).unwrap_err();
        assert_eq!(refused, "`user_id` must have at most 50 characters, and has 51");
        let refused = reason(Event { kind: "", ..event(None) }).unwrap_err();
        assert!(refused.starts_with("`type` must be one of user_action, "), "{refused}");
        assert!(reason(Event { source: "Web", ..event(None) }).unwrap_err().contains("`source`"));
    }
}
