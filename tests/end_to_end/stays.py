"""How long something lasted, as far as a test can know it: what begins it and what ends it take a while themselves."""

import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

ROUNDING_SECONDS = 1.0


class Stay:
    """From some moment of its beginning to some moment of its end; what is measured has to lie between the bounds."""

    def __init__(self) -> None:
        self._began = self._ended = (0.0, 0.0)

    async def begin(self, doing: Awaitable[T]) -> T:
        self._began, result = await _timed(doing)
        return result

    async def end(self, doing: Awaitable[T]) -> T:
        self._ended, result = await _timed(doing)
        return result

    @property
    def least_seconds(self) -> float:
        return self._ended[0] - self._began[1] - ROUNDING_SECONDS

    @property
    def most_seconds(self) -> float:
        return self._ended[1] - self._began[0] + ROUNDING_SECONDS

    def is_as_long_as(self, seconds: float) -> bool:
        return self.least_seconds <= seconds <= self.most_seconds


async def _timed(doing: Awaitable[T]) -> tuple[tuple[float, float], T]:
    started = time.monotonic()
    result = await doing
    return (started, time.monotonic()), result
