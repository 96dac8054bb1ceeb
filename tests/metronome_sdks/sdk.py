"""Metronome's SDK for Python, unchanged, against windrow: every call that windrow answers.

`METRONOME_BASE_URL` says where windrow is. Fails by an exception.
"""

import asyncio
import time
from datetime import datetime, timezone

import metronome
from metronome import AsyncMetronome, Metronome

PREFIX = "python-"
# Slashes, blanks, quotes, percent signs, and nothing that fits a UUID.
CUSTOMERS = ["team@example.com", 'a/b "c" 100%', "🦀"]
TYPES = ["heartbeat", "api request"]
HOURS = 48

client = Metronome(bearer_token="any", max_retries=0)


def event(number: int) -> dict:
    hour = number % HOURS
    return {
        "transaction_id": f"{PREFIX}{number}",
        "customer_id": PREFIX + CUSTOMERS[number % len(CUSTOMERS)],
        "event_type": PREFIX + TYPES[number % len(TYPES)],
        "timestamp": f"2024-02-{28 + hour // 24:02}T{hour % 24:02}:{number % 60:02}:00.000001Z",
        "properties": {"number": number, "nested": {"deep": [1.5, None]}},
    }


def wait_for(transaction_id: str) -> None:
    for _ in range(1000):
        if client.v1.usage.search(transaction_ids=[transaction_id]):
            return
        time.sleep(0.02)
    raise AssertionError(f"{transaction_id} isn't found")


def ingests() -> None:
    for first in range(0, 600, 100):
        assert client.v1.usage.ingest(usage=[event(n) for n in range(first, first + 100)]) is None
    # Some of them again, with other content: the first wins.
    again = {**event(7), "customer_id": "somebody else"}
    client.v1.usage.ingest(usage=[event(n) for n in range(50)] + [again])
    client.v1.usage.ingest(usage=[])
    asyncio.run(ingest_asynchronously(event(600)))
    wait_for(f"{PREFIX}600")


async def ingest_asynchronously(usage: dict) -> None:
    async with AsyncMetronome(bearer_token="any", max_retries=0) as client:
        await client.v1.usage.ingest(usage=[usage])


def searches() -> None:
    ids = [f"{PREFIX}{n}" for n in (7, 3)] + ["nobody has sent this", f"{PREFIX}599"]
    found = client.v1.usage.search(transaction_ids=ids)
    assert [it.transaction_id for it in found] == [ids[0], ids[1], ids[3]], found
    seven, sent = found[0], event(7)
    assert seven.id and seven.customer_id == sent["customer_id"], seven
    assert seven.event_type == sent["event_type"] and seven.properties == sent["properties"], seven
    assert seven.timestamp == datetime(2024, 2, 28, 7, 7, 0, 1, tzinfo=timezone.utc), seven
    assert seven.is_duplicate is False and seven.processed_at > datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert seven.matched_customer.id == sent["customer_id"], seven
    assert seven.matched_billable_metrics[0].id == sent["event_type"], seven
    assert client.v1.usage.search(transaction_ids=[]) == []


def lists(window_size: str, windows: int) -> None:
    interval = {"starting_on": "2024-02-28T00:00:00Z", "ending_before": datetime(2024, 3, 1, tzinfo=timezone.utc)}
    customers = [PREFIX + name for name in CUSTOMERS]
    everything = client.v1.usage.list(**interval, window_size=window_size, customer_ids=customers)
    items = list(everything)
    assert len(items) == len(CUSTOMERS) * len(TYPES) * windows, len(items)
    assert sum(item.value for item in items) == 601, items
    expected = {}
    for number in range(601):
        key = (event(number)["customer_id"], event(number)["event_type"])
        expected[key] = expected.get(key, 0) + 1
    found = {}
    for item in items:
        assert item.billable_metric_id == item.billable_metric_name, item
        assert item.start_timestamp < item.end_timestamp, item
        key = (item.customer_id, item.billable_metric_id)
        found[key] = found.get(key, 0) + item.value
    assert found == expected, (found, expected)
    assert items[0].start_timestamp == datetime(2024, 2, 28, tzinfo=timezone.utc), items[0]


def lists_page_by_page() -> None:
    interval = {"starting_on": "2024-02-01T00:00:00Z", "ending_before": "2024-04-01T00:00:00Z"}
    page = client.v1.usage.list(
        **interval,
        window_size="HOUR",
        customer_ids=[PREFIX + CUSTOMERS[0]],
        billable_metrics=[{"id": PREFIX + TYPES[0]}, {"id": "nobody has sent this"}],
    )
    assert page.next_page and len(page.data) <= 1000
    items = list(page)
    assert len(items) == 2 * 60 * 24, len(items)
    starts = [item.start_timestamp for item in items[: 60 * 24]]
    assert starts == sorted(set(starts)) and sum(item.value for item in items) == 101, items
    assert all(a.end_timestamp == b.start_timestamp for a, b in zip(items[:1000], items[1:1001]))
    everybody = client.v1.usage.list(**interval, window_size="NONE")
    mine = [item for item in everybody if item.customer_id.startswith(PREFIX)]
    assert sum(item.value for item in mine) == 601, mine
    nobody = client.v1.usage.list(**interval, window_size="DAY", customer_ids=["nobody"])
    assert list(nobody) == []


def is_refused(kind: type, says: str, call) -> None:
    try:
        call()
    except kind as error:
        assert says in error.message and says in error.body["message"], error.body
    else:
        raise AssertionError(f"not refused: {says}")


def errors() -> None:
    bad = metronome.BadRequestError
    usage = client.v1.usage
    is_refused(bad, "timestamp", lambda: usage.ingest(usage=[event(1), {**event(2), "timestamp": "noon"}]))
    is_refused(bad, "transaction_id", lambda: usage.ingest(usage=[{**event(1), "transaction_id": ""}]))
    list_ = lambda **more: usage.list(
        **{"starting_on": "2024-02-28", "ending_before": "2024-03-01", "window_size": "DAY", **more}
    )
    is_refused(bad, "window_size", lambda: list_(window_size="WEEK"))
    is_refused(bad, "ending_before", lambda: list_(ending_before="2024-02-27"))
    is_refused(bad, "next_page", lambda: list_(next_page="7"))
    is_refused(bad, "group_by", lambda: list_(billable_metrics=[{"id": "a", "group_by": {"key": "b"}}]))
    is_refused(metronome.NotFoundError, "/v1/customers", lambda: client.v1.customers.retrieve(customer_id="x"))


ingests()
searches()
lists("HOUR", HOURS)
lists("DAY", 2)
lists("NONE", 1)
lists_page_by_page()
errors()
