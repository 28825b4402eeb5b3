"""How to read the newest of a long range: in windows that grow from its end, so that the cost follows the answer. Pure.

A sort with a limit reads the whole range on some databases; a short range is read by its index on all of them.
"""

from collections.abc import Iterator

FIRST_SECONDS = 6 * 3_600.0
GROWTH = 4


def backwards(start_at: float, end_at: float) -> Iterator[tuple[float, float]]:
    """Adjoining stretches of `start_at..end_at`, the last one first, each longer than the one before."""
    high, width = end_at, FIRST_SECONDS
    while high > start_at:
        low = max(start_at, high - width)
        yield low, high
        high, width = low, width * GROWTH
