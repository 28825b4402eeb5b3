"""How many different people: a set of hashes that stays small and can be merged over any periods. Pure.

Up to LIMIT hashes the set is complete and its size exact. Beyond, it keeps the LIMIT smallest together with the bound
below which none is missing (k minimum values, Bar-Yossef et al. 2002): n ~ kept / (bound / hash space), with a standard
error of 1 / sqrt(LIMIT) = 1.6 %. Merging is commutative, associative and idempotent.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple, Self

LIMIT = 4_096
HASH_SPACE = 2**63
"""63 bits: a hash is also a signed 64-bit integer, which is what BSON has."""


class People(NamedTuple):
    """`hashes` ascend and lie below `bound`; every hash below `bound` that was ever added is there."""

    hashes: tuple[int, ...] = ()
    bound: int = HASH_SPACE

    @classmethod
    def of(cls, names: Iterable[str], limit: int = LIMIT) -> Self:
        return cls._cut({hash_of(name) for name in names}, HASH_SPACE, limit)

    @classmethod
    def merged(cls, several: Iterable["People"], limit: int = LIMIT) -> Self:
        """Everybody who is in any of them, once; exact up to `limit` where each of them is."""
        together = list(several)
        bound = min((people.bound for people in together), default=HASH_SPACE)
        everybody: set[int] = set().union(*(people.hashes[: bisect_left(people.hashes, bound)] for people in together))
        return cls._cut(everybody, bound, limit)

    @classmethod
    def unpack(cls, packed: bytes, bound: int) -> Self:
        return cls(tuple(numbers_in(packed)), bound)

    def pack(self) -> bytes:
        return packed(self.hashes)

    @property
    def is_exact(self) -> bool:
        return self.bound == HASH_SPACE

    @property
    def number(self) -> int:
        """Exact while `is_exact`, else an estimate."""
        return len(self.hashes) if self.is_exact else round(len(self.hashes) * (HASH_SPACE / self.bound))

    @classmethod
    def _cut(cls, values: set[int], bound: int, limit: int) -> Self:
        ordered = sorted(values)
        if len(ordered) > limit:
            bound = ordered[limit]
        return cls(tuple(ordered[:limit]), bound)


def hash_of(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1


def packed(numbers: Iterable[int]) -> bytes:
    """Eight bytes a number, little-endian."""
    column = array("Q", numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def numbers_in(column: bytes) -> "array[int]":
    """The numbers of `packed`."""
    numbers = array("Q", column)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
