"""How many different people, over any number of days: sorted hashes, exact up to a limit, then an estimate. Pure.

Beyond the limit the smallest hashes are kept (K minimum values, Bar-Yossef et al. 2002): with k kept of 64 bits, the
estimate is (k - 1) / (largest kept / 2^64), standard error about 1 / sqrt(k - 2).
"""

from array import array
from collections.abc import Iterable
from hashlib import blake2b
from struct import pack, unpack

KEPT = 4_096
_SPACE = 2**64


class People:
    """A set of people. Merging is commutative and idempotent."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._hashes = array("Q", sorted(set(hashes))[:KEPT])

    @classmethod
    def of(cls, names: Iterable[str]) -> "People":
        return cls(int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) for name in names)

    @classmethod
    def unpacked(cls, packed: bytes) -> "People":
        return cls(unpack(f">{len(packed) // 8}Q", packed))

    def packed(self) -> bytes:
        return pack(f">{len(self._hashes)}Q", *self._hashes)

    def union(self, others: Iterable["People"]) -> "People":
        return People(one for people in (self, *others) for one in people._hashes)

    @property
    def is_exact(self) -> bool:
        return len(self._hashes) < KEPT

    def __len__(self) -> int:
        if self.is_exact:
            return len(self._hashes)
        return round((KEPT - 1) * _SPACE / self._hashes[-1])
