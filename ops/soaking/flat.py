"""When a daemon that works steadily counts as flat.

What it holds is sampled every second. A steady life is cut into thirds. The first is for warming up:
caches fill, allocators keep what they once had. Then

* the median of resident memory in the last third is at most that of the second third and a tenth, or 8 MiB
  where that is more;
* the most descriptors and the most threads in the last third are at most those of the second third and a
  tenth, or 8 where that is more;

and, because outputs grow while lives are short,

* the median of the last third of any steady life is at most that of the first steady life and a quarter, or
  32 MiB where that is more.

In every life, steady or not, the log takes at most 12 segments: what isn't trimmed because something
isn't applied yet, and those that are made ahead.
"""

from statistics import median

LOG_SEGMENTS_MAX = 12
# Below this the thirds are too short for a median to mean something.
SECONDS_MIN = 60


def complaints(samples):
    """What isn't flat in one steady life."""
    third = len(samples) // 3
    if len(samples) < SECONDS_MIN:
        return []
    before, after = samples[third : 2 * third], samples[2 * third :]
    found = []
    early, late = resident_kib(before), resident_kib(after)
    if late > early + max(early / 10, 8 * 1024):
        found.append(f"resident memory went from {early:.0f} to {late:.0f} KiB")
    for what in ("descriptors", "threads"):
        early, late = (max(getattr(it, what) for it in part) for part in (before, after))
        if late > early + max(early / 10, 8):
            found.append(f"{what} went from {early} to {late}")
    return found


def complaints_across(lives):
    """What isn't flat from one steady life to the next."""
    lives = [samples for samples in lives if len(samples) >= SECONDS_MIN]
    ends = [resident_kib(samples[2 * (len(samples) // 3) :]) for samples in lives]
    if not ends or max(ends) <= ends[0] + max(ends[0] / 4, 32 * 1024):
        return []
    told = ", ".join(f"{end:.0f}" for end in ends)
    return [f"resident memory at the ends of steady lives, in KiB: {told}"]


def resident_kib(samples):
    return median(sample.resident_kib for sample in samples)
