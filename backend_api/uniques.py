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
    def of(cls, names: Iterable[str]) -> Self:
        return cls._cut({hash_of(name) for name in names}, HASH_SPACE)

    @classmethod
    def merged(cls, several: Iterable["People"]) -> Self:
        """Everybody who is in any of them, once."""
        together = list(several)
        bound = min((people.bound for people in together), default=HASH_SPACE)
        return cls._cut(
            set().union(*(people.hashes[: bisect_left(people.hashes, bound)] for people in together)), bound
        )

    @classmethod
    def unpack(cls, packed: bytes, bound: int) -> Self:
        hashes = array("Q", packed)
        if sys.byteorder == "big":
            hashes.byteswap()
        return cls(tuple(hashes), bound)

    def pack(self) -> bytes:
        """Eight bytes a hash, little-endian."""
        hashes = array("Q", self.hashes)
        if sys.byteorder == "big":
            hashes.byteswap()
        return hashes.tobytes()

    @property
    def is_exact(self) -> bool:
        return self.bound == HASH_SPACE

    @property
    def number(self) -> int:
        """Exact while `is_exact`, else an estimate."""
        return len(self.hashes) if self.is_exact else round(len(self.hashes) * (HASH_SPACE / self.bound))

    @classmethod
    def _cut(cls, values: set[int], bound: int) -> Self:
        ordered = sorted(values)
        if len(ordered) > LIMIT:
            bound = ordered[LIMIT]
        return cls(tuple(ordered[:LIMIT]), bound)


def hash_of(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1
