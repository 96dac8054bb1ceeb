"""Clients that send everything again until it is acknowledged, and some of it once more after that.

What they promise the count: of each lane, events 0 to `acknowledged` were acknowledged, and nothing else
was sent, but what must leave no trace. A request that came to nothing, or may have, comes again with the
same body: under the same Idempotency-Key, or with the same ids, so that it counts once.
"""

import http.client
import json
import random
import threading
import time
import traceback

from daemon import Failure
import events

# A daemon that was killed is back within seconds; one that isn't has lost something.
UNACKNOWLEDGED_SECONDS_MAX = 120
TIMEOUT_SECONDS = 20


class Client(threading.Thread):
    """One lane. What it sends, its kind says."""

    pause_seconds = 0.1

    def __init__(self, lane, daemon, over, seed):
        super().__init__(name=f"{type(self).__name__} {lane}", daemon=True)
        self.lane = lane
        self.acknowledged = 0
        self.requests = 0
        self.repeated = 0
        self.failure = None
        self._daemon = daemon
        self._over = over
        self._random = random.Random(f"{seed}/{lane}")
        self._connection = None

    def run(self):
        try:
            while not self._over.is_set():
                self._one_request()
                # Some burst, some trickle, the mean is the pause.
                time.sleep(self._random.expovariate(1 / self.pause_seconds))
        except Failure as failure:
            self.failure = f"{self.name}: {failure}"
        except Exception:  # pylint: disable=broad-except
            self.failure = f"{self.name}: {traceback.format_exc()}"
        finally:
            self._hang_up()

    def _one_request(self):
        raise NotImplementedError

    def _deliver(self, path, body, headers):
        """Sends it until it is acknowledged. The answer's headers and its JSON."""
        self.requests += 1
        deadline = time.monotonic() + UNACKNOWLEDGED_SECONDS_MAX
        told = "nothing"
        while time.monotonic() < deadline:
            try:
                status, answered, text = self._send(path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                told = repr(error)
                self._hang_up()
            else:
                if status == 200:
                    return answered, json.loads(text)
                told = f"{status} {text.decode(errors='replace')}"
                is_to_be_retried = status in (429, 503) or (status == 409 and answered["Retry-After"])
                if not is_to_be_retried:
                    raise Failure(f"{path}: {told}")
            self.repeated += 1
            time.sleep(self._random.uniform(0.02, 0.2))
        raise Failure(f"{path}: not acknowledged in {UNACKNOWLEDGED_SECONDS_MAX} s: {told}")

    def _send(self, path, body, headers):
        if self._connection is None:
            address = self._daemon.address
            self._connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
        headers = headers | {"Authorization": f"Bearer {self._daemon.token}"}
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _break_off(self, path, body, headers):
        """Sends the beginning of a request, and is gone: nothing of it may stay."""
        self._hang_up()
        connection = http.client.HTTPConnection(*self._daemon.address, timeout=TIMEOUT_SECONDS)
        try:
            connection.putrequest("POST", path)
            headers = headers | {"Authorization": f"Bearer {self._daemon.token}"}
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                connection.putheader(name, value)
            connection.endheaders(body[: self._random.randrange(len(body))])
        except OSError:
            pass
        finally:
            connection.close()

    def _hang_up(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _has_chance(self, one_in):
        return self._random.randrange(one_in) == 0

    def _check(self, is_right, what):
        if not is_right:
            raise Failure(what)


class Keyed(Client):
    """Lines under an Idempotency-Key, for streams that can't tell an event that comes twice."""

    path = ""
    lines_max = 0

    def line(self, number):
        raise NotImplementedError

    def rejected(self, numbers):
        """How many of the events are bad."""
        return 0

    def _one_request(self):
        count = self._random.randint(1, self.lines_max)
        numbers = range(self.acknowledged, self.acknowledged + count)
        body = "".join(self.line(number) + "\n" for number in numbers).encode()
        headers = {"Idempotency-Key": f'"{self.lane}-{numbers.start}"'}
        if self._has_chance(20):
            self._break_off(self.path, body, headers)
        _, answer = self._deliver(self.path, body, headers)
        bad = self.rejected(numbers)
        counts = (answer["accepted"], answer["rejected"])
        self._check(counts == (count - bad, bad), f"{count} lines, {bad} of them bad: {answer}")
        self.acknowledged = numbers.stop
        if self._has_chance(10):
            replayed, again = self._deliver(self.path, body, headers)
            same = replayed["Idempotency-Replayed"] == "true" and again == answer
            self._check(same, f"{answer}, and then, under the same key, {again}")


class UserEvents(Keyed):
    """NDJSON into windows."""

    path = "/user/event"
    lines_max = 200

    def line(self, number):
        return events.user_event_line(self.lane, number)


class Orders(Keyed):
    """NDJSON with bad lines into windows and quarantine."""

    path = "/v1/streams/orders"
    lines_max = 100
    pause_seconds = 0.2

    def line(self, number):
        return events.order_line(self.lane, number)

    def rejected(self, numbers):
        return sum(map(events.order_is_bad, numbers))


class TableEvents(Client):
    """Single events and batches into the table; one that is known already counts once."""

    pause_seconds = 0.04

    def _one_request(self):
        first = self.acknowledged
        headers = {"Content-Type": "application/json"}
        if self._has_chance(3):
            event = events.table_event(self.lane, first)[0]
            self._deliver("/events", json.dumps(event).encode(), headers)
            self.acknowledged = first + 1
            return
        count = self._random.randint(1, 90)
        numbers = [*range(first, first + count)]
        if self._has_chance(4):
            numbers += [self._random.randrange(first + count) for _ in range(10)]
        batch = {"events": [events.table_event(self.lane, number)[0] for number in numbers]}
        body = json.dumps(batch).encode()
        if self._has_chance(20):
            self._break_off("/events/batch", body, headers)
        _, answer = self._deliver("/events/batch", body, headers)
        self._check(len(answer["ids"]) == len(numbers), f"{len(numbers)} events, but {answer}")
        self.acknowledged = first + count


class Usage(Client):
    """Transactions as JSON, NDJSON and CSV. Those that come again change nothing, whatever they say."""

    pause_seconds = 0.06

    def _one_request(self):
        first = self.acknowledged
        if first and self._has_chance(4):
            known = [self._random.randrange(first) for _ in range(50)]
            self._deliver_numbers(known, lies=self._has_chance(2))
        count = self._random.randint(1, 150)
        self._deliver_numbers(range(first, first + count))
        self.acknowledged = first + count

    def _deliver_numbers(self, numbers, lies=False):
        sent = [events.usage_event(self.lane, number, lies) for number in numbers]
        media, text = self._random.choice((_json_array, _ndjson, _csv))(sent)
        body, headers = text.encode(), {"Content-Type": media}
        if self._has_chance(20) and not lies:
            self._break_off("/v1/ingest", body, headers)
        _, answer = self._deliver("/v1/ingest", body, headers)
        self._check(answer["accepted"] == len(numbers), f"{len(numbers)} events, but {answer}")


def _json_array(sent):
    return "application/json", json.dumps(sent)


def _ndjson(sent):
    return "application/x-ndjson", "".join(json.dumps(event) + "\n" for event in sent)


def _csv(sent):
    rows = [sent[0].keys(), *(event.values() for event in sent)]
    return "text/csv", "".join(",".join(row) + "\n" for row in rows)


KINDS = (UserEvents, Orders, TableEvents, Usage)
LANES_OF_EACH_KIND = 2


class Load:
    """All clients."""

    def __init__(self, daemon, seed):
        self._over = threading.Event()
        kinds = [kind for kind in KINDS for _ in range(LANES_OF_EACH_KIND)]
        self.clients = [kind(lane, daemon, self._over, seed) for lane, kind in enumerate(kinds)]

    def start(self):
        for client in self.clients:
            client.start()

    def check(self):
        """Fails if one of them has seen what must not be."""
        for client in self.clients:
            if client.failure is not None:
                raise Failure(client.failure)

    def stop(self):
        """Lets each finish the request that it is at, for which there must be a daemon."""
        self._over.set()
        for client in self.clients:
            client.join()
        self.check()

    def acknowledged(self, kind):
        """Lanes of a kind, and how many events of each were acknowledged."""
        return {it.lane: it.acknowledged for it in self.clients if isinstance(it, kind)}

    def __str__(self):
        total = sum(client.acknowledged for client in self.clients)
        requests = sum(client.requests for client in self.clients)
        repeated = sum(client.repeated for client in self.clients)
        return f"{total} events acknowledged in {requests} requests, {repeated} attempts repeated"
