"""An event loop in which hours pass in a moment, for what only waits."""

import asyncio
import selectors


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once when there is nothing to do."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self.now = 0.0

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        assert timeout is not None, "everybody waits for ever"
        self._loop.now += timeout
        return super().select(0)


def in_virtual_time(work) -> None:
    """Run a coroutine in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)
