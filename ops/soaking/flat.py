"""When a daemon that works steadily counts as flat.

What it holds is sampled every second. The steady life is cut into thirds. The first is for warming up: caches
fill, allocators keep what they once had. Then

* the median of resident memory in the last third is at most that of the second third and a tenth, or 8 MiB
  where that is more;
* the most descriptors and the most threads in the last third are at most those of the second third and a
  tenth, or 8 where that is more.

At any moment, in a storm too,

* resident memory is at most 256 MiB: the caches of the table and the stores, their rows that aren't in files
  yet, the log's tail, and what the allocator keeps besides;
* the log takes at most 12 segments: what isn't trimmed because something isn't applied yet or a backup is being
  made, and those that are made ahead.
"""

from statistics import median

RESIDENT_KIB_MAX = 256 * 1024
LOG_SEGMENTS_MAX = 12
# In a shorter life caches aren't full after a third of it.
SECONDS_MIN = 360


def complaints(samples):
    """What isn't flat in a steady life."""
    if len(samples) < SECONDS_MIN:
        return []
    _, before, after = thirds(samples)
    found = []
    early, late = resident_kib(before), resident_kib(after)
    if late > early + max(early / 10, 8 * 1024):
        found.append(f"resident memory went from {early:.0f} to {late:.0f} KiB")
    for what in ("descriptors", "threads"):
        early, late = most(what, before), most(what, after)
        if late > early + max(early / 10, 8):
            found.append(f"{what} went from {early} to {late}")
    return found


def thirds(samples):
    third = len(samples) // 3
    return samples[:third], samples[third : 2 * third], samples[2 * third :]


def resident_kib(samples):
    return median(sample.resident_kib for sample in samples) if samples else 0


def most(what, samples):
    return max((getattr(sample, what) for sample in samples), default=0)
