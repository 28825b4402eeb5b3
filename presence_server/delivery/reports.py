"""What goes to the backend, and what its answer means for a report. Pure: `courier` sends, `outbox` keeps."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from backend_api.contract.snapshots import MAX_PARTS, Part

SNAPSHOTS_PATH = "/internal/v1/snapshots"

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300.0

_parts = TypeAdapter(list[Part])


class Fate(Enum):
    """What becomes of a report after an answer."""

    DONE = "done"
    AGAIN = "again"
    SET_ASIDE = "set aside"


class SetAside(NamedTuple):
    """An item of a report that the backend called invalid, and why."""

    item: bytes
    reason: str


def snapshot_bodies(parts: Sequence[Part]) -> list[bytes]:
    """Frozen bodies of at most 1,000 parts each: a retry sends the same bytes."""
    slices = (parts[start : start + MAX_PARTS] for start in range(0, len(parts), MAX_PARTS))
    return [b'{"snapshots":%s}' % _parts.dump_json(list(some), by_alias=True, exclude_none=True) for some in slices]


def fate_of(status: int) -> Fate:
    """By the contract: 401, 403, 408, 425, 429 and 5xx are sent again, other refusals never will be taken."""
    if 200 <= status < 300:
        return Fate.DONE
    if 400 <= status < 500 and status not in {401, 403, 408, 425, 429}:
        return Fate.SET_ASIDE
    return Fate.AGAIN


def invalid_items(report: bytes, answer: bytes) -> list[SetAside]:
    """The items of a batch that the backend refused. ValueError when the answer is not one to this batch.

    A proxy's page with status 200 must not make us forget a report.
    """
    [items] = orjson.loads(report).values()
    results = _results(orjson.loads(answer))
    if len(results) != len(items):
        raise ValueError(f"{len(results)} results for {len(items)} items")
    return [
        SetAside(orjson.dumps(item), "; ".join(map(str, result.get("errors") or ["invalid"])))
        for item, result in zip(items, results, strict=True)
        if result["status"] == "invalid"
    ]


def wait_seconds(failures: int, retry_after_seconds: float, chance: float) -> float:
    """How long to wait after the n-th failure in a row: doubling, at most a minute, jittered by `chance` in [0, 1)."""
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 10))
    return max(longest * (0.5 + chance / 2), min(retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))


def retry_after_seconds(header: str | None, now: float) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110 10.2.3); 0 where there is none or it cannot be read."""
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return 0.0


def _results(answer: Any) -> list[Any]:
    try:
        results = answer["data"]["results"]
        if all(isinstance(result["status"], str) for result in results):
            return list(results)
    except (KeyError, TypeError):
        pass
    raise ValueError("not the answer to a batch")
