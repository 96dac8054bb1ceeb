"""The soak: see ops/soak.

The first third is a storm: short lives of the daemon, each ended by SIGTERM or, more often, SIGKILL, now and
then in the middle of a backup. The rest is one steady life, in which what the daemon holds must be flat (see
flat.py). All the time clients send (see load.py), and SIGHUPs and backups come in between. In the end everything
that was acknowledged is counted (see count.py).
"""

import argparse
import csv
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import astuple, fields

import count
import flat
from copying import Copying
from daemon import Daemon, Failure, Sample
from load import Load

STORM_LIFE_SECONDS_MAX = 30
HANG_UP_EVERY_SECONDS = 7
BACKUP_EVERY_SECONDS = 20


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Soak:
    """One run."""

    def __init__(self, daemon, load, seed, samples):
        self._daemon = daemon
        self._began = time.monotonic()
        # For a person who wants to see how something grew.
        self._samples = csv.writer(samples)
        self._samples.writerow(["seconds", *(field.name for field in fields(Sample))])
        self._load = load
        self._chance = random.Random(seed)
        self._steady_seconds = 0
        self._log_bytes_max = 0
        self._starts = []
        self._kills = self._stops = self._hang_ups = self._backups = 0
        self.complaints = []

    def run(self, seconds):
        """All of it, up to the count. A Ctrl-C ends it early. Leaves the daemon running."""
        self._start()
        self._load.start()
        try:
            self._storm(seconds / 3)
            self._steady_life(seconds * 2 / 3)
        except KeyboardInterrupt:
            say("interrupted: what was acknowledged until now is counted; once more ends that, too")

    def settle_and_count(self, seed):
        """Lets the clients come to an end, and compares."""
        self._daemon.kill()
        self._start()
        self._load.stop()
        count.wait_until_applied(self._daemon)
        say(f"{self._load}; counting")
        found = {"transactions": count.check_usage(self._daemon, self._load, seed)}
        self._daemon.stop()
        found |= count.check_files(self._daemon.data, self._load)
        self._daemon.verify(self._daemon.data)
        say("every one is there once: " + ", ".join(f"{n} {what}" for what, n in found.items()))

    def verdict(self):
        """What can be said of the steady life, if there was nothing to complain of."""
        if self._steady_seconds < flat.SECONDS_MIN:
            return f"what grows would show in a steady life of {flat.SECONDS_MIN} s"
        return f"nothing has grown in {self._steady_seconds} s"

    def summary(self):
        slowest = max(self._starts, default=0)
        return (
            f"{len(self._starts)} starts (the slowest ready after {slowest:.2f} s), {self._kills} kills, "
            f"{self._stops} stops, {self._hang_ups} SIGHUPs, {self._backups} backups; "
            f"the log took {self._log_bytes_max >> 20} MiB at most"
        )

    def _start(self):
        self._starts.append(self._daemon.start())

    def _storm(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            longest = min(STORM_LIFE_SECONDS_MAX, max(2, seconds / 6))
            self._live(min(left, self._chance.uniform(0.2, longest)))
            self._end_life()
            self._start()
        say(f"a storm is over: {self.summary()}")

    def _steady_life(self, seconds):
        samples = self._live(seconds)
        self._steady_seconds = len(samples)
        found = flat.complaints(samples)
        self.complaints += found
        thirds = flat.thirds(samples)
        resident = ", ".join(f"{flat.resident_kib(third) / 1024:.1f}" for third in thirds)
        descriptors = ", ".join(str(flat.most("descriptors", third)) for third in thirds)
        threads = ", ".join(str(flat.most("threads", third)) for third in thirds)
        say(
            f"a steady life of {len(samples)} s, in thirds: {resident} MiB resident, "
            f"{descriptors} descriptors, {threads} threads"
        )

    def _live(self, seconds):
        """Lets the daemon work for a while. What it held, second by second."""
        samples = []
        began = time.monotonic()
        hang_up = backup = 0
        with Copying(self._daemon) as copying:
            while (elapsed := time.monotonic() - began) < seconds:
                self._daemon.check_alive()
                self._load.check()
                self._backups += copying.check()
                samples.append(self._sample())
                if elapsed > hang_up + HANG_UP_EVERY_SECONDS:
                    self._daemon.hang_up()
                    self._hang_ups += 1
                    hang_up = elapsed
                if elapsed > backup + BACKUP_EVERY_SECONDS and not copying.is_under_way():
                    copying.begin()
                    backup = elapsed
                time.sleep(min(1, seconds - elapsed))
            self._backups += copying.finish()
        return samples

    def _sample(self):
        sample = self._daemon.sample()
        self._samples.writerow([round(time.monotonic() - self._began), *astuple(sample)])
        self._log_bytes_max = max(self._log_bytes_max, sample.log_bytes)
        most = flat.LOG_SEGMENTS_MAX * Daemon.SEGMENT_MIB << 20
        if sample.log_bytes > most:
            raise Failure(f"the log takes {sample.log_bytes} bytes, more than {most}")
        if sample.resident_kib > flat.RESIDENT_KIB_MAX:
            raise Failure(f"{sample.resident_kib} KiB are resident, more than {flat.RESIDENT_KIB_MAX}")
        return sample

    def _end_life(self):
        if self._chance.randrange(3) == 0:
            self._daemon.stop()
            self._stops += 1
            return
        with Copying(self._daemon) as copying:
            if self._chance.randrange(4) == 0:
                copying.begin()
                time.sleep(self._chance.uniform(0, 0.1))
            self._daemon.kill()
            self._kills += 1
            # Whatever comes of the copy, it may not wait for the dead for ever.
            copying.give_up()


def log_complaints(path):
    """Lines of the daemon's log that nothing of what was done here may cause."""
    with open(path, encoding="utf-8", errors="replace") as log:
        return [line.strip() for line in log if '"level":"ERROR"' in line or "panicked" in line]


def main():
    parser = argparse.ArgumentParser(prog="ops/soak", description="See the head of ops/soak.")
    parser.add_argument("seconds", metavar="SECONDS", nargs="?", type=int, default=3600)
    parser.add_argument("--binary", required=True, help="the windrow to soak")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--dir", help="where it works, about a GiB an hour; a temporary directory if not given")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="windrow-soak.", dir=options.dir)
    say(f"{options.seconds} s of {options.binary} in {directory}, seed {options.seed}")
    daemon = Daemon(options.binary, directory)
    load = Load(daemon, options.seed)
    with open(os.path.join(directory, "samples.csv"), "w", 1, encoding="utf-8", newline="") as samples:
        soak = Soak(daemon, load, options.seed, samples)
        try:
            soak.run(options.seconds)
            soak.settle_and_count(options.seed)
        except Failure as failure:
            soak.complaints.append(str(failure))
        except KeyboardInterrupt:
            soak.complaints.append("interrupted again: nothing was counted")
        finally:
            daemon.kill()
    complaints = soak.complaints + log_complaints(daemon.log_path)
    say(f"{load}; {soak.summary()}")
    for complaint in complaints[:20]:
        say(f"NOT AS IT SHOULD BE: {complaint}")
    if complaints:
        say(f"what the daemon left is in {directory}")
        return 1
    shutil.rmtree(directory)
    say("nothing is lost, nothing is there twice, and " + soak.verdict())
    return 0


if __name__ == "__main__":
    sys.exit(main())
