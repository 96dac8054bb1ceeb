"""An independent count: what the outputs hold, read as any program would, without windrow.

Every event that was acknowledged must be there once, as it was sent, and nothing else.
"""

import csv
import json
import os
import random
import sqlite3
import time
import zlib
from bisect import bisect_left
from collections import Counter
from datetime import timedelta
from urllib.parse import urlencode

from daemon import Failure
import events
from load import Orders, TableEvents, Usage, UserEvents

SETTLING_SECONDS_MAX = 300


class Missing:
    """Events that must be there and haven't been found yet: a byte for each number of each lane."""

    def __init__(self, ends, is_meant=lambda number: True):
        self._lanes = {
            lane: bytearray(is_meant(number) for number in range(end)) for lane, end in ends.items()
        }
        self.count = sum(map(sum, self._lanes.values()))

    def take(self, event, path):
        lane, number = event
        numbers = self._lanes.get(lane, b"")
        if number >= len(numbers) or not numbers[number]:
            raise Failure(f"{path}: event {number} of lane {lane} is there twice, or was never sent")
        numbers[number] = False

    def check_none(self, path):
        for lane, numbers in self._lanes.items():
            if (number := numbers.find(True)) >= 0:
                raise Failure(
                    f"{path}: {sum(numbers)} acknowledged events of lane {lane} are missing, "
                    f"the first is {number}"
                )


def check_files(data, load):
    """Windows, table and quarantine of a daemon that has ended in order. How many of each."""
    user_events = Missing(load.acknowledged(UserEvents))
    _check_windows(data, "user-events", events.user_event, events.user_event_of_row, user_events)
    orders = Missing(load.acknowledged(Orders), lambda number: not events.order_is_bad(number))
    _check_windows(data, "orders", events.order, events.order_of_row, orders)
    bad_lines = Missing(load.acknowledged(Orders), events.order_is_bad)
    _check_quarantine(data, bad_lines)
    rows = Missing(load.acknowledged(TableEvents))
    _check_table(data, rows)
    return {
        "user events": user_events.count,
        "orders": orders.count,
        "bad lines": bad_lines.count,
        "rows": rows.count,
    }


def _check_windows(data, stream, cells_of, event_of_row, missing):
    directory = os.path.join(data, "windows", stream)
    manifest = _manifest(directory)
    names = [name for name in os.listdir(directory) if name.endswith((".csv", ".csv.open"))]
    for name in names:
        path = os.path.join(directory, name)
        if name.endswith(".csv"):
            _check_listed(path, manifest.pop(name, None))
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            for row in rows:
                event = event_of_row(row)
                if row != cells_of(*event):
                    raise Failure(f"{path}: {row} isn't what was sent")
                missing.take(event, path)
    if manifest:
        raise Failure(f"{directory}: the manifest lists {sorted(manifest)}, which aren't there")
    missing.check_none(directory)


def _manifest(directory):
    with open(os.path.join(directory, "manifest.ndjson"), encoding="utf-8") as lines:
        records = map(json.loads, lines)
        return {record["file"]: record for record in records if "file" in record}


def _check_listed(path, record):
    if record is None:
        raise Failure(f"{path} is committed and isn't in the manifest")
    with open(path, "rb") as file:
        crc32 = f"{zlib.crc32(file.read()):08x}"
    if record["crc32"] != crc32:
        raise Failure(f"{path} has the CRC-32 {crc32}, and the manifest says {record['crc32']}")


def _check_quarantine(data, missing):
    path = os.path.join(data, "quarantine", "orders", "ingest.ndjson")
    with open(path, encoding="utf-8") as records:
        for record in map(json.loads, records):
            event = events.order_of_line(record["raw"])
            if record["raw"] != events.order_line(*event):
                raise Failure(f"{path}: {record['raw']} isn't what was sent")
            missing.take(event, path)
    missing.check_none(path)


def _check_table(data, missing):
    path = os.path.join(data, "table", "events.sqlite")
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for row in database.execute("SELECT id, type, source, user_id FROM processed_events"):
            event = events.table_event_of_id(row[0])
            if row != events.table_event(*event)[1]:
                raise Failure(f"{path}: {row} isn't what was sent")
            missing.take(event, path)
    finally:
        database.close()
    missing.check_none(path)


def wait_until_applied(daemon):
    """Waits until every sink has applied what the log holds. Fails if one is in trouble."""
    deadline = time.monotonic() + SETTLING_SECONDS_MAX
    while time.monotonic() < deadline:
        _, body = daemon.get("/health")
        health = json.loads(body)
        is_behind = any(sink["lag"]["events"] or sink["lag"]["bytes"] for sink in health["sinks"])
        if health["status"] == "ok" and not is_behind:
            return
        time.sleep(0.1)
    raise Failure(f"sinks haven't caught up in {SETTLING_SECONDS_MAX} s: {health}")


def check_usage(daemon, load, seed):
    """The counts of a running daemon, by hour and in intervals by chance. How many transactions."""
    moments = {}
    for lane, end in load.acknowledged(Usage).items():
        for number in range(end):
            _, customer, kind, seconds = events.transaction(lane, number)
            # To the microsecond, as it was sent.
            moments.setdefault((customer, kind), []).append(seconds * 10**6 + number % 10**6)
    chance = random.Random(seed)
    for (customer, kind), sent in moments.items():
        sent.sort()
        _check_hours(daemon, customer, kind, sent)
        for _ in range(5):
            _check_interval(daemon, customer, kind, sent, chance)
    lies = _total_events(daemon, "customer-of-lies", window_size="none")
    if lies["total"] != 0:
        raise Failure(f"{lies['total']} transactions counted for what was said with a known id")
    return sum(map(len, moments.values()))


def _check_hours(daemon, customer, kind, sent):
    expected = Counter(_hour_of(micros) for micros in sent)
    answer = _total_events(daemon, customer, event_type=kind)
    if answer["total"] != len(sent):
        raise Failure(f"{customer}, {kind}: {answer['total']} transactions instead of {len(sent)}")
    for hour, bucket in enumerate(answer["buckets"], min(expected)):
        if bucket["count"] != expected[hour]:
            raise Failure(f"{customer}, {kind}: {bucket} instead of {expected[hour]}")


def _hour_of(micros):
    """The number of the hour that so many microseconds since `BASE` lie in."""
    since_the_hour = (events.BASE.minute * 60 + events.BASE.second) * 10**6
    return (micros + since_the_hour) // (3600 * 10**6)


def _check_interval(daemon, customer, kind, sent, chance):
    ends = sorted(chance.randrange(events.USAGE_HOURS * 3600 * 10**6) for _ in range(2))
    start, end = (events.BASE + timedelta(microseconds=micros) for micros in ends)
    interval = {"starting_at": start.isoformat(), "ending_before": end.isoformat()}
    answer = _total_events(daemon, customer, event_type=kind, window_size="none", **interval)
    expected = bisect_left(sent, ends[1]) - bisect_left(sent, ends[0])
    if answer["total"] != expected:
        raise Failure(f"{customer}, {kind}, {interval}: {answer['total']} instead of {expected}")


def _total_events(daemon, customer, **parameters):
    status, body = daemon.get(f"/v1/customers/{customer}/total_events?{urlencode(parameters)}")
    if status != 200:
        raise Failure(f"asked for the usage of {customer}: {status} {body.decode()}")
    return json.loads(body)
