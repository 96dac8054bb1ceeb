"""The soak: see ops/soak.

It goes in rounds of ten minutes. The first half of a round is a storm: short lives of the daemon, each ended by
SIGTERM or, more often, SIGKILL, now and then in the middle of a backup. The second half is one steady life, in
which what the daemon holds must be flat (see flat.py). In all of them clients send (see load.py), and SIGHUPs
and backups come in between. In the end everything that was acknowledged is counted (see count.py).
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
from daemon import Daemon, Failure, Sample
from load import Load

ROUND_SECONDS_MAX = 600
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
        self._steady_lives = []
        self._log_bytes_max = 0
        self._starts = []
        self._kills = self._stops = self._hang_ups = self._backups = 0
        self.complaints = []

    def run(self, seconds):
        """All rounds. A Ctrl-C ends the last of them early. Leaves the daemon running."""
        end = time.monotonic() + seconds
        self._start()
        self._load.start()
        try:
            while (left := end - time.monotonic()) > 1:
                # The last round takes what would be too short for one of its own.
                length = left if left < 1.5 * ROUND_SECONDS_MAX else ROUND_SECONDS_MAX
                self._storm(length / 2)
                self._steady_life(length / 2)
        except KeyboardInterrupt:
            say("interrupted: what was acknowledged until now is counted; once more ends that, too")
        self.complaints += flat.complaints_across(self._steady_lives)

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
        """What can be said of the steady lives, if there was nothing to complain of."""
        judged = sum(len(samples) >= flat.SECONDS_MIN for samples in self._steady_lives)
        if not judged:
            return f"no steady life was {flat.SECONDS_MIN} s long, so that nobody knows what grows"
        return f"nothing grows, in {judged} steady lives"

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
        self._steady_lives.append(samples)
        found = flat.complaints(samples)
        self.complaints += found
        third = len(samples) // 3
        if third:
            ends = [flat.resident_kib(part) for part in (samples[third : 2 * third], samples[2 * third :])]
            resident = " and then ".join(f"{end / 1024:.1f}" for end in ends)
            say(
                f"a steady life of {len(samples)} s: {resident} MiB resident, "
                f"{samples[-1].descriptors} descriptors, {samples[-1].threads} threads; "
                + ("; ".join(found) or "flat")
            )

    def _live(self, seconds):
        """Lets the daemon work for a while. What it held, second by second."""
        samples = []
        began = time.monotonic()
        hang_up, backup = began + HANG_UP_EVERY_SECONDS, began + BACKUP_EVERY_SECONDS
        while (now := time.monotonic()) < began + seconds:
            self._daemon.check_alive()
            self._load.check()
            samples.append(self._sample())
            if now > hang_up:
                self._daemon.hang_up()
                self._hang_ups += 1
                hang_up = now + HANG_UP_EVERY_SECONDS
            if now > backup:
                self._backup()
                backup = now + BACKUP_EVERY_SECONDS
            time.sleep(max(0, min(now + 1, began + seconds) - time.monotonic()))
        return samples

    def _sample(self):
        sample = self._daemon.sample()
        self._samples.writerow([round(time.monotonic() - self._began), *astuple(sample)])
        self._log_bytes_max = max(self._log_bytes_max, sample.log_bytes)
        most = flat.LOG_SEGMENTS_MAX * Daemon.SEGMENT_MIB << 20
        if sample.log_bytes > most:
            raise Failure(f"the log takes {sample.log_bytes} bytes, more than {most}")
        return sample

    def _end_life(self):
        if self._chance.randrange(3) == 0:
            self._daemon.stop()
            self._stops += 1
            return
        copy = self._daemon.data + ".copy"
        backup = self._daemon.begin_backup(copy) if self._chance.randrange(4) == 0 else None
        if backup is not None:
            time.sleep(self._chance.uniform(0, 0.1))
        self._daemon.kill()
        self._kills += 1
        if backup is not None:
            # Whatever came of it, it may not wait for the dead for ever.
            backup.communicate(timeout=60)
            remove_copies(copy)

    def _backup(self):
        copy = self._daemon.data + ".copy"
        backup = self._daemon.begin_backup(copy)
        told, _ = backup.communicate()
        if backup.returncode != 0:
            raise Failure(f"windrow backup: {backup.returncode}: {told}")
        self._daemon.verify(copy)
        remove_copies(copy)
        self._backups += 1


def remove_copies(copy):
    """A copy, and what is left of one that didn't come to its end."""
    directory, name = os.path.split(copy)
    for found in os.listdir(directory):
        if found.startswith((name, "." + name)):
            shutil.rmtree(os.path.join(directory, found))


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
