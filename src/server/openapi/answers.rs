//! Schemas of what is answered.

use utoipa::openapi::ObjectBuilder;

use super::columns;
use super::description::Description;
use super::schema::{
    Member, always, anything, count, flag, list, named, number, object, one_of, or_null, position,
    sometimes, text, time, with,
};

/// Describes them, for operations to name.
pub(super) fn add_to(description: &mut Description) {
    description.schema(columns::TIMESTAMP, columns::timestamp());
    description.schema("Problem", problem());
    description.schema("BadLine", bad_line());
    let id = text("The event's id. Missing if it is in quarantine, or can't be told again.");
    let ids = list(
        "The events' ids, in their order, without those in quarantine. \
                Missing if they can't be told again.",
        text(""),
    );
    description.schema("Accepted", accepted([]));
    description.schema("AcceptedEvent", accepted([sometimes("id", id)]));
    description.schema("AcceptedEvents", accepted([sometimes("ids", ids)]));
    description.schema("Stream", stream());
    description.schema("Column", column());
    description.schema("Windows", windows());
    description.schema("Window", window());
    description.schema("OpenWindow", open_window());
    description.schema("RejectedLines", rejected_lines());
    description.schema("StoredEvent", stored_event());
    description.schema("StoredEvents", stored_events());
    description.schema("Totals", totals());
    description.schema("AllTotals", all_totals());
    description.schema("UsagePage", usage_page());
    description.schema("FoundEvent", found_event());
    description.schema("Health", health());
    description.schema("Sink", sink());
    description.schema("Statistics", statistics());
    description.schema("Backup", backup());
}

fn problem() -> ObjectBuilder {
    object(
        "A problem document (RFC 9457).",
        [
            always(
                "type",
                text("`urn:windrow:problem:` and the kind.")
                    .pattern(Some("^urn:windrow:problem:[a-z-]+$")),
            ),
            always("title", text("The kind, for people.")),
            always("status", count("The answer's status.").maximum(Some(599))),
            always("detail", text("What is wrong, where, and what would be right.")),
            always("message", text("The same as `detail`.")),
            sometimes("line", count("The line that is wrong, from 1.")),
            sometimes("index", count("The event of a JSON document that is wrong, from 0.")),
            sometimes("field", text("The field, parameter or header that is wrong.")),
            sometimes(
                "oldest",
                position("Where the log begins, if what was asked for is trimmed."),
            ),
        ],
    )
}

fn bad_line() -> ObjectBuilder {
    object(
        "A line that was sent to quarantine.",
        [
            sometimes("line", count("Its number, from 1.")),
            sometimes(
                "index",
                count("Instead of that, the index of an event in a JSON document, from 0."),
            ),
            sometimes("field", text("The field, where it is one field's fault.")),
            always("detail", text("What was expected, and what was found.")),
        ],
    )
}

fn accepted<const N: usize>(own: [Member; N]) -> ObjectBuilder {
    let answer = object(
        "What became of the events.",
        [
            always("accepted", count("Events that were ingested.")),
            always("rejected", count("Lines that went to quarantine.")),
            always(
                "position",
                position("Where the request stands in the log: for `?position=…` of a GET."),
            ),
            sometimes("errors", list("The first ten of the rejected lines.", named("BadLine"))),
        ],
    );
    own.into_iter().fold(answer, with)
}

fn stream() -> ObjectBuilder {
    object(
        "A stream.",
        [
            always("name", text("")),
            always("paths", list("Where its events may be sent.", text(""))),
            always(
                "formats",
                list(
                    "In which forms `/v1/streams/…` and its own path take them, as \
                `Content-Type` has it.",
                    text(""),
                ),
            ),
            always("time", text("The column that holds an event's time.")),
            always("columns", list("In the order of its CSV.", named("Column"))),
            always("sinks", list("Where its events go.", text(""))),
        ],
    )
}

fn column() -> ObjectBuilder {
    object(
        "A column.",
        [
            always("name", text("The field's name in JSON and the heading in CSV.")),
            always(
                "type",
                text(
                    "What it holds: `timestamp`, `uuid`, `i64`, `f64`, `bool`, \
                `string`, `string(50)`, `string(1..)`, `decimal`, `object`, or one \
                of several texts, `a|b|c`.",
                ),
            ),
            sometimes("optional", flag("May be null or missing.")),
            sometimes(
                "made",
                one_of("How it is made if it is null or missing.", ["uuid7", "arrival"]),
            ),
        ],
    )
}

fn windows() -> ObjectBuilder {
    object(
        "A stream's windows.",
        [
            always("stream", text("")),
            always("rows", count("Rows that it has ever put into windows.")),
            always("committed", list("Records of its manifest, newest first.", named("Window"))),
            always(
                "open",
                list(
                    "What is open: windows in order, then the file of late events.",
                    named("OpenWindow"),
                ),
            ),
            always(
                "next",
                or_null(text("The `cursor` of the next page; null if this is the last.")),
            ),
        ],
    )
}

fn window() -> ObjectBuilder {
    object(
        "A committed window: a file that doesn't change any more.",
        [
            always("v", count("Version of the record.")),
            always("file", text("Its name.")),
            sometimes(
                "written_as",
                text(
                    "The name that it was written under, where that isn't `file` with \
                `.open` behind it.",
                ),
            ),
            always("window_start", time("Where the window begins; of late events, the earliest.")),
            always(
                "window_end",
                time("Where the window ends; of late events, 1 ns behind the latest."),
            ),
            always("first_event", time("The earliest event.")),
            always("last_event", time("The latest event.")),
            always("rows", count("Rows, without the header.")),
            always("bytes", count("Length of the file.")),
            always("crc32", text("CRC-32 of the whole file.").pattern(Some("^[0-9a-f]{8}$"))),
            always("late", flag("Whether it holds late events.")),
            always("from_lsn", count("Where in the log its first row stands.")),
            always("to_lsn", count("Where in the log its last row stands.")),
            always("schema", count("The version of its columns.")),
            always("committed_at", time("When, by the wall clock.")),
            always("after", count("Length of the manifest in front of it.")),
            always(
                "checkpoint",
                anything("The state behind it, from which windrow goes on after a crash."),
            ),
            always(
                "line_crc32",
                text("CRC-32 of the record up to here.").pattern(Some("^[0-9a-f]{8}$")),
            ),
        ],
    )
}

fn open_window() -> ObjectBuilder {
    object(
        "A window that is still written.",
        [
            always("file", text("Its name, which ends in `.open`.")),
            always("window_start", time("")),
            always("window_end", time("")),
            always("rows", count("")),
            always("bytes", count("")),
            always("late", flag("Whether it holds late events.")),
        ],
    )
}

fn rejected_lines() -> ObjectBuilder {
    let line = object(
        "",
        [
            always("at", time("When its request was answered.")),
            always("line", count("Its number in the body, from 1.")),
            sometimes("field", text("The field, where it is one field's fault.")),
            always("detail", text("What was expected, and what was found.")),
            always(
                "quarantined",
                flag("Whether it is in quarantine. If not, its request was refused."),
            ),
        ],
    );
    object(
        "The last bad lines of a stream, since windrow was started.",
        [always("stream", text("")), always("lines", list("Newest first.", line))],
    )
}

fn stored_event() -> ObjectBuilder {
    object(
        "A row of the table.",
        [
            always("id", text("")),
            always("type", text("")),
            always("source", text("")),
            always("user_id", or_null(text(""))),
            always("processed_data", anything("What the processor made of `data`, in JSON.")),
            always("processing_time_ms", or_null(count(""))),
            always("created_at", or_null(time("The event's time."))),
            always("processed_at", or_null(time(""))),
        ],
    )
}

fn stored_events() -> ObjectBuilder {
    object(
        "A page of rows.",
        [
            always("events", list("", named("StoredEvent"))),
            always(
                "next",
                or_null(text("The `cursor` of the next page; null if this is the last for now.")),
            ),
        ],
    )
}

fn totals() -> ObjectBuilder {
    let bucket = object(
        "",
        [
            always("start", time("")),
            always("end", time("Not in it.")),
            always("count", count("Events.")),
        ],
    );
    object(
        "A customer's events, counted.",
        [
            always("customer_id", text("")),
            always(
                "starting_at",
                or_null(time("As asked, or else the first event's bucket; null without events.")),
            ),
            always(
                "ending_before",
                or_null(time(
                    "As asked, or else the end of the last event's bucket; null without events.",
                )),
            ),
            always("window_size", one_of("", ["hour", "day", "none"])),
            always("total", count("All events of the interval.")),
            sometimes(
                "complete_from",
                position(
                    "There after a rebuild from a log that was trimmed: what was sent \
                before this address isn't counted.",
                ),
            ),
            always(
                "buckets",
                list(
                    "In order, without gaps. The first and the last count only what \
                lies inside of the interval.",
                    bucket,
                ),
            ),
        ],
    )
}

fn all_totals() -> ObjectBuilder {
    object(
        "A page of customers.",
        [
            always("customers", list("In the order of their first events.", named("Totals"))),
            always(
                "next",
                or_null(text("The `cursor` of the next page; null if this is the last.")),
            ),
        ],
    )
}

fn usage_page() -> ObjectBuilder {
    let item = object(
        "",
        [
            always("billable_metric_id", text("The event type.")),
            always("billable_metric_name", text("The same.")),
            always("customer_id", text("")),
            always("start_timestamp", time("")),
            always("end_timestamp", time("")),
            always("value", count("Events.")),
        ],
    );
    object(
        "A page of windows.",
        [
            always("data", list("", item)),
            always(
                "next_page",
                or_null(text("For `?next_page=…`; null if this is the last page.")),
            ),
        ],
    )
}

fn found_event() -> ObjectBuilder {
    let customer = object("", [always("id", text("")), always("name", text("The same."))]);
    let metric = object(
        "",
        [
            always("id", text("The event type.")),
            always("name", text("The same.")),
            always("aggregation_type", one_of("", ["COUNT"])),
        ],
    );
    object(
        "An event of `usage`.",
        [
            always("id", text("The same as `transaction_id`.")),
            always("transaction_id", text("")),
            always("customer_id", text("")),
            always("event_type", text("")),
            always("timestamp", time("")),
            sometimes("properties", object("As they were sent.", [])),
            always("processed_at", time("When it arrived.")),
            always("is_duplicate", flag("Always false: of those with one id, the first is told.")),
            always("matched_customer", customer),
            always("matched_billable_metrics", list("", metric)),
        ],
    )
}

fn health() -> ObjectBuilder {
    let holder = object(
        "The sink without which more of the log could be removed.",
        [
            always("sink", text("")),
            always("stream", text("")),
            always("restart", count("It needs the log from here on.")),
        ],
    );
    let log = object(
        "The log.",
        [
            always("durable_end", count("Where it ends.")),
            always("oldest", count("Where it begins.")),
            always("segments", count("Its files.")),
            always("bytes", count("What they take.")),
            sometimes("free_bytes", count("What its file system has left.")),
            always("in_flight_bytes", count("What waits to be written.")),
            always("space", one_of("", ["enough", "log_full", "disk_full"])),
            sometimes("held_by", holder),
        ],
    );
    let quarantine = object(
        "A stream's quarantine.",
        [
            always("stream", text("")),
            always("bytes", count("What it holds.")),
            always("bytes_max", count("`quarantine.max`.")),
            sometimes("error", text("Why requests with bad lines are refused.")),
        ],
    );
    object(
        "How the daemon is. `/health/live` and `/health/ready` tell only the first members.",
        [
            always(
                "status",
                one_of(
                    "`degraded`: something needs a look. `failing`: requests aren't taken.",
                    ["ok", "degraded", "failing"],
                ),
            ),
            always("version", text("")),
            always("uptime_seconds", number("").minimum(Some(0))),
            sometimes("reason", text("Why it isn't `ok`.")),
            sometimes("log", log),
            sometimes("sinks", list("The pairs of sink and stream.", named("Sink"))),
            sometimes("quarantine", list("Of the streams that keep bad lines.", quarantine)),
        ],
    )
}

fn sink() -> ObjectBuilder {
    let lag = object(
        "What it has not applied.",
        [
            always("events", count("Events of the stream.")),
            always("bytes", count("Bytes of the log, other streams' included.")),
            always(
                "seconds",
                number("Age of the newest request that is applied; 0 at the log's end.")
                    .minimum(Some(0)),
            ),
        ],
    );
    object(
        "A sink of a stream.",
        [
            always("sink", text("")),
            always("stream", text("")),
            always("status", one_of("", ["ok", "retrying", "damaged", "stopped"])),
            always("position", count("Every request up to here is applied.")),
            always("restart", count("It needs the log from here on.")),
            always("lag", lag),
            always("events_applied", count("Events that it is done with.")),
            always("events_failed", count("How many of them stand in quarantine instead.")),
            always("events_duplicate", count("How many of them were known already.")),
            sometimes("error", text("Why it doesn't go on.")),
            sometimes("attempts", count("How often it has failed in a row.")),
            sometimes("next_retry_ms", count("Milliseconds until it is tried again.")),
        ],
    )
}

fn statistics() -> ObjectBuilder {
    object(
        "Figures over all streams. The first is the sum of the next three \
                and of `current_queue_depth`.",
        [
            always("events_received", count("Events acknowledged.")),
            always(
                "events_processed",
                count("Events that are in the output of each sink of their stream."),
            ),
            always("events_failed", count("Events that stand in quarantine instead.")),
            always("events_duplicate", count("Events that were known already.")),
            always(
                "average_processing_latency_ms",
                number("From an event's arrival to its having been applied.").minimum(Some(0)),
            ),
            always("current_queue_depth", count("Events that a sink has yet to apply.")),
            always("active_workers", count("Workers of the table that are busy.")),
            always(
                "events_per_second",
                number("Events acknowledged, over the last minute.").minimum(Some(0)),
            ),
            always("uptime_seconds", number("").minimum(Some(0))),
        ],
    )
}

fn backup() -> ObjectBuilder {
    object(
        "A backup that is whole.",
        [
            always("dir", text("Where it is, on the daemon's machine.")),
            sometimes(
                "position",
                position("Everything that was committed before this address of the log is in it."),
            ),
            always("files", count("Files in it.")),
            always("linked_files", count("How many of them share their bytes with the original.")),
            always("bytes", count("Bytes of all of them.")),
            always("seconds", number("How long it took.").minimum(Some(0))),
            always("notes", list("What isn't in it, and what else to know.", text(""))),
        ],
    )
}
