"""Backups of the daemon beside everything else, one at a time, each verified."""

import os
import shutil
import subprocess

from daemon import Failure

GIVING_UP_SECONDS_MAX = 60


class Copying:
    """The backup that is under way, if one is. Leaves no copy behind."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._copy = daemon.data + ".copy"
        self._steps = []
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._remove()

    def begin(self):
        self._steps = [
            ["verify", "--strict", "--data-dir", self._copy],
            ["backup", self._copy, "--url", self._daemon.url],
        ]
        self._next_step()

    def is_under_way(self):
        return self._process is not None

    def check(self):
        """Goes on with what has ended. How many backups have come to their end since the last call."""
        if self._process is None or self._process.poll() is None:
            return 0
        told, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise Failure(f"{' '.join(self._process.args)}: {self._process.returncode}: {told}")
        return self._next_step()

    def finish(self):
        """Waits for what is under way. How many backups have come to their end."""
        count = 0
        while self._process is not None:
            self._process.wait()
            count += self.check()
        return count

    def give_up(self):
        """Waits for a backup whose daemon is dead, and doesn't care what came of it."""
        if self._process is not None:
            try:
                self._process.communicate(timeout=GIVING_UP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                raise Failure("a backup still waits for a daemon that was killed") from None
            self._process = None

    def _next_step(self):
        if self._steps:
            self._process = self._daemon.begin(self._steps.pop())
            return 0
        self._process = None
        self._remove()
        return 1

    def _remove(self):
        """A copy, and what is left of one that didn't come to its end."""
        directory, name = os.path.split(self._copy)
        for found in os.listdir(directory):
            if found.startswith((name, "." + name)):
                shutil.rmtree(os.path.join(directory, found))
