"""What schemathesis has to be told of windrow besides its description; each with the reason."""

import datetime
import json
import os
import uuid

import schemathesis
from hypothesis import strategies as st

NDJSON = "application/x-ndjson"
# Points in time in bodies.
TIMES = ("at", "time", "timestamp", "starting_on", "ending_before")
# Columns of integers.
INTEGERS = ("id",)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path in raw_schema["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            # OpenAPI 3.1 has no word for a body of several JSON values: which schema each line has stands in
            # the description for people.
            if NDJSON in content:
                event = content[NDJSON]["schema"]["description"].split("`")[1]
                content[NDJSON] = {"schema": {"type": "array", "items": {"$ref": event}}}
            # Everything in CSV is text, so that no value is of a wrong type there.
            content.pop("text/csv", None)
    # An empty header is as good as none (RFC 9110, section 5.6.1).
    encodings = raw_schema["components"]["parameters"]["Content-Encoding"]["schema"]["enum"]
    encodings.append("")
    close(raw_schema["components"]["schemas"])


def close(schemas):
    """Lets answers have no members but those that are described. The description itself leaves room for what
    later versions tell, and for events, of which fields that no column has are ignored."""
    for name, schema in schemas.items():
        if not name.startswith("event.") and name != "CloudEvent":
            close_schema(schema)


def close_schema(schema):
    if isinstance(schema, dict):
        if schema.get("properties"):
            schema["additionalProperties"] = False
        for part in schema.values():
            close_schema(part)
    elif isinstance(schema, list):
        for part in schema:
            close_schema(part)


@schemathesis.serializer(NDJSON)
def lines(context, value):
    values = value if isinstance(value, list) else [value]
    return "".join(json.dumps(value) + "\n" for value in values).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    # Bodies aren't compressed here, and a header that says that they are would be a lie.
    if case.headers and case.headers.get("Content-Encoding") in ("gzip", "x-gzip", "zstd"):
        del case.headers["Content-Encoding"]
    # Backups go where this test may write, each to a place of its own.
    if case.path == "/v1/backup" and isinstance(case.body, dict) and str(case.body.get("dir")).startswith("/"):
        case.body["dir"] = os.path.join(os.environ["WINDROW_BACKUPS"], uuid.uuid4().hex)
    if case.meta is None or case.meta.generation.mode.is_positive:
        make_possible(case)


def make_possible(case):
    """A schema can't say everything that a good request needs."""
    query = case.query or {}
    # Cursors and positions are what windrow has answered with. Tests of their own have real ones.
    for name in ("cursor", "next_page"):
        query.pop(name, None)
    if "position" in query:
        query["position"] = "0"
    # An interval ends behind its beginning.
    for begin, end in (("from", "to"), ("starting_at", "ending_before")):
        if begin in query and end in query:
            query[begin] = query[end] = max(query[begin], query[end])
    whole_numbers(case.body)
    if isinstance(case.body, dict) and {"starting_on", "ending_before"} <= case.body.keys():
        case.body["starting_on"] = case.body["ending_before"]


def whole_numbers(value):
    """A float of random bits has more digits behind the point than there are nanoseconds, and `1.0`, which is an
    integer to JSON Schema, is none to a column: what is written is kept, and two texts can't be one integer."""
    if isinstance(value, list):
        for item in value:
            whole_numbers(item)
    elif isinstance(value, dict):
        for name in TIMES + INTEGERS:
            if isinstance(value.get(name), float):
                value[name] = int(value[name])
        whole_numbers(list(value.values()))


# What the description calls a timestamp.
schemathesis.openapi.format(
    "timestamp",
    st.builds(
        lambda time, offset: time.isoformat() + offset,
        st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2260, 1, 1)),
        st.sampled_from(["", "Z", "+02:00"]),
    ),
)
