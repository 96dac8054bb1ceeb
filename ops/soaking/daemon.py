"""The daemon under test: started, asked, stopped, killed, and looked at from outside."""

import http.client
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

PATIENCE_SECONDS = 60

CONFIG = """\
wal.segment = "{segment_mib}MiB"
wal.reserve = "16MiB"
idempotency.keep = "5m"
tokens = "{tokens}"
log_format = "json"

[streams.orders]
time = "created_at"
columns = {{ created_at = "timestamp", order = "i64", total = "decimal", note = "string?" }}
sinks = ["windows"]
on_invalid = "quarantine"
"""


class Failure(Exception):
    """Something that must never happen did: one sentence."""


@dataclass(frozen=True)
class Sample:
    """What the process held at one moment."""

    resident_kib: int
    anonymous_kib: int
    descriptors: int
    threads: int
    log_bytes: int


class Daemon:
    """One data directory and, most of the time, a process on it."""

    SEGMENT_MIB = 8

    def __init__(self, binary, directory):
        self.binary = binary
        self.data = os.path.join(directory, "data")
        self.log_path = os.path.join(directory, "windrow.log")
        self._config = os.path.join(directory, "windrow.toml")
        self._process = None
        tokens = os.path.join(directory, "tokens")
        with open(self._config, "w", encoding="utf-8") as config:
            config.write(CONFIG.format(tokens=tokens, segment_mib=self.SEGMENT_MIB))
        new = ["token", "new", "--file", tokens, "--scopes", "ingest,read,admin"]
        self.token = self._run(new).stdout.strip()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        self.url = "http://{}:{}".format(*self.address)

    def start(self):
        """Starts it and waits until it takes requests. Seconds that this took."""
        began = time.monotonic()
        command = [self.binary, "serve", "--config", self._config, "--data-dir", self.data]
        command += ["--listen", "{}:{}".format(*self.address)]
        with open(self.log_path, "ab") as log:
            # In a session of its own: a Ctrl-C is for this program, which ends the daemon itself.
            self._process = subprocess.Popen(
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        while time.monotonic() < began + PATIENCE_SECONDS:
            self.check_alive()
            if self._is_ready():
                return time.monotonic() - began
            time.sleep(0.01)
        raise Failure(f"not ready after {PATIENCE_SECONDS} s; its log is {self.log_path}")

    def check_alive(self):
        status = self._process.poll()
        if status is not None:
            raise Failure(f"the daemon ended by itself with {status}; its log is {self.log_path}")

    def stop(self):
        """SIGTERM. Seconds until it had ended, which must be in order."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"still running {PATIENCE_SECONDS} s after SIGTERM") from None
        if status != 0:
            raise Failure(f"it ended with {status} after SIGTERM; its log is {self.log_path}")
        return time.monotonic() - began

    def kill(self):
        """SIGKILL. Does nothing if it doesn't run."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def hang_up(self):
        """SIGHUP: it reads its tokens again."""
        self._process.send_signal(signal.SIGHUP)

    def sample(self):
        proc = f"/proc/{self._process.pid}"
        with open(f"{proc}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        return Sample(
            resident_kib=int(fields["VmRSS"].split()[0]),
            anonymous_kib=int(fields["RssAnon"].split()[0]),
            descriptors=len(os.listdir(f"{proc}/fd")),
            threads=int(fields["Threads"]),
            log_bytes=bytes_in(os.path.join(self.data, "wal")),
        )

    def begin(self, arguments):
        """Starts a command of windrow that knows the token."""
        return subprocess.Popen(
            [self.binary, *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def verify(self, directory):
        """Fails unless everything in a data directory is as it was written."""
        self._run(["verify", "--strict", "--data-dir", directory])

    def get(self, path):
        """Status and body of a GET."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _is_ready(self):
        try:
            return self.get("/health/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _environment(self):
        """Nothing that is set for another windrow gets in."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("WINDROW_")}
        return own | ({"WINDROW_TOKEN": self.token} if hasattr(self, "token") else {})

    def _run(self, arguments):
        command = [self.binary, *arguments]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done


def bytes_in(directory):
    """Bytes of a directory's files, those that go meanwhile left out."""
    total = 0
    for entry in os.scandir(directory):
        try:
            total += entry.stat().st_size
        except FileNotFoundError:
            pass
    return total
