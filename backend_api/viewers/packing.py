"""Slots and stretches as a few bytes, for storage. Knows neither documents nor what the figures mean for a chart.

Rows of integers are written column by column, each value as its difference from the one above it, zigzag and as a
varint (LEB128): counts that hardly move take a byte each.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from backend_api.viewers.history import SlotFigures, Stretch

_SLOT_COLUMNS = 1 + len(SlotFigures._fields)
_STRETCH_COLUMNS = len(Stretch._fields)


def pack_slots(slots: Mapping[int, SlotFigures]) -> bytes:
    return _pack([(number, *slots[number]) for number in sorted(slots)])


def unpack_slots(data: bytes) -> dict[int, SlotFigures]:
    return {row[0]: SlotFigures(*row[1:]) for row in _unpack(data, _SLOT_COLUMNS)}


def pack_stretches(stretches: Iterable[Stretch], start_at: int, unit_seconds: int) -> bytes:
    """Stretches whose `at` are whole units after `start_at`."""
    return _pack([_to_row(stretch, start_at, unit_seconds) for stretch in stretches])


def unpack_stretches(data: bytes, start_at: int, unit_seconds: int) -> list[Stretch]:
    """What `pack_stretches` was given, with the same start and unit."""
    return [_from_row(row, start_at, unit_seconds) for row in _unpack(data, _STRETCH_COLUMNS)]


def _to_row(stretch: Stretch, start_at: int, unit_seconds: int) -> tuple[int, ...]:
    """The last three figures mostly equal others: their differences are written."""
    return (
        (stretch.at - start_at) // unit_seconds,
        *stretch[1:8],
        stretch.low - stretch.low_bound,
        stretch.peak_bound - stretch.peak,
        stretch.received_ms - stretch.viewer_ms,
    )


def _from_row(row: Sequence[int], start_at: int, unit_seconds: int) -> Stretch:
    at, minutes, viewer_count, low, peak, samples, viewer_ms, held_ms, below, above, beside = row
    return Stretch(
        start_at + at * unit_seconds,
        minutes,
        viewer_count,
        low,
        peak,
        samples,
        viewer_ms,
        held_ms,
        low - below,
        peak + above,
        viewer_ms + beside,
    )


def _pack(rows: Iterable[Sequence[int]]) -> bytes:
    out = bytearray()
    for column in zip(*rows, strict=True):
        above = 0
        for value in column:
            difference, above = value - above, value
            rest = difference * 2 if difference >= 0 else -difference * 2 - 1
            while rest > 0x7F:
                out.append(rest & 0x7F | 0x80)
                rest >>= 7
            out.append(rest)
    return bytes(out)


def _unpack(data: bytes, columns: int) -> Iterator[tuple[int, ...]]:
    differences = _varints(data)
    rows = len(differences) // columns
    cut = (differences[start : start + rows] for start in range(0, rows * columns, rows or 1))
    return zip(*map(accumulate, cut), strict=True)


def _varints(data: bytes) -> list[int]:
    found = []
    value = shift = 0
    for byte in data:
        if byte > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
        else:
            value |= byte << shift
            found.append(-(value + 1 >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return found
