"""What is sent: everything about an event is a function of its lane and its number.

A lane is one client's events, numbered from 0 without gaps. So whoever finds an event in an output can
say which one it is, how it must look, and which others must be there, without a list of what was sent.
"""

import json
import re
from datetime import datetime, timedelta, timezone
from uuid import UUID

BASE = datetime(2024, 7, 1, 2, 3, 4, tzinfo=timezone.utc)

# Event time from one user event to the next: 6000 of them make a window of five minutes.
USER_EVENT_STEP = timedelta(milliseconds=50)
ORDER_STEP = timedelta(milliseconds=500)

CUSTOMERS = 7
EVENT_TYPES = ("call", "message", "storage")
USAGE_HOURS = 50

_KINDS = ("user_action", "sensor_data", "system_log")
_SOURCES = ("web", "mobile", "iot_device", "system")
# A UUID keeps lane and number above the bits that say its version. The number is multiplied by an odd one, so
# that ids come from all over as random ones do, and yet say which event they belong to.
_NUMBER_BITS, _UUID_SHIFT = 40, 80
_MIX = 0x9E_3779_B97F
_UNMIX = pow(_MIX, -1, 1 << _NUMBER_BITS)


def _text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _uuid(lane, number):
    mixed = number * _MIX % (1 << _NUMBER_BITS)
    return str(UUID(int=(mixed << 8 | lane) << _UUID_SHIFT, version=4))


def user_event(lane, number):
    """The cells of a user event, in the order of the stream's columns."""
    return [
        _text(BASE + number * USER_EVENT_STEP),
        _uuid(lane, number),
        str(lane * 10**12 + number),
        "true" if number % 2 else "false",
        f"a{number}@example.org",
        "654.681.5166",
        f'Number {number} of lane {lane}, "quoted".',
        f"-{number}.25",
    ]


def user_event_line(lane, number):
    time, uuid, id_, active, email, phone, description, credits_ = user_event(lane, number)
    return (
        f'{{"time":"{time}","uuid":"{uuid}","id":{id_},"active":{active},"email":"{email}",'
        f'"phone":"{phone}","description":{json.dumps(description)},"credits":{credits_}}}'
    )


def user_event_of_row(row):
    """Lane and number of a row of a CSV file."""
    return divmod(int(row[2]), 10**12)


def order_is_bad(number):
    return number % 7 == 3


def order(lane, number):
    """The cells of an order that is good."""
    note = "" if number % 3 else f"order, {number}"
    return [_text(BASE + number * ORDER_STEP), str(lane * 10**12 + number), f"{number}.50", note]


def order_line(lane, number):
    created_at, id_, total, note = order(lane, number)
    if not order_is_bad(number):
        note = json.dumps(note) if note else "null"
        return f'{{"created_at":"{created_at}","order":{id_},"total":{total},"note":{note}}}'
    # Each is bad in a way of its own, and all of them tell where they belong.
    return (
        f'{{"created_at":"{created_at}","order":"{id_}","total":{total}}}',
        f'{{"created_at":"never","order":{id_},"total":{total}}}',
        f'{{"order":{id_}',
    )[number % 3]


def order_of_row(row):
    """Lane and number of a row of a CSV file."""
    return divmod(int(row[1]), 10**12)


def order_of_line(line):
    """Lane and number of a line in quarantine."""
    return divmod(int(re.search(r'"order":"?(\d+)', line)[1]), 10**12)


def table_event(lane, number):
    """An event of the stream `events`, and the columns of the row that it becomes."""
    kind, source = _KINDS[number % 3], _SOURCES[number % 4]
    id_, user = _uuid(lane, number), f"user-{lane}"
    event = {
        "id": id_,
        "type": kind,
        "source": source,
        "timestamp": _text(BASE + timedelta(seconds=number)),
        "user_id": user,
        "data": {"lane": lane, "number": number},
    }
    return event, (id_, kind, source, user)


def table_event_of_id(text):
    """Lane and number of a row of the table."""
    mixed, lane = divmod(UUID(text).int >> _UUID_SHIFT, 1 << 8)
    return lane, mixed * _UNMIX % (1 << _NUMBER_BITS)


def transaction(lane, number):
    """Id, customer, type, and the seconds since `BASE` of a transaction of the stream `usage`."""
    mixed = (number * 0x9E37_79B9_7F4A_7C15 + lane) >> 20
    seconds = mixed // CUSTOMERS % (USAGE_HOURS * 3600)
    return (
        f"transaction-{lane}-{number}",
        f"customer-{mixed % CUSTOMERS}",
        EVENT_TYPES[number % len(EVENT_TYPES)],
        seconds,
    )


def usage_event(lane, number, lies=False):
    """What is sent for it. A lie has the id of a transaction that was acknowledged, and is another's."""
    id_, customer, kind, seconds = transaction(lane, number)
    return {
        "transaction_id": id_,
        "customer_id": "customer-of-lies" if lies else customer,
        "event_type": kind,
        "timestamp": _text(BASE + timedelta(seconds=seconds, microseconds=number % 10**6)),
    }
