"""People over several nodes: exactly as long as that goes, estimated above, and exactly again."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from presence_server.clock import Clock
from presence_server.presence.address import parse
from presence_server.presence.redis import RedisPresence
from presence_server.presence.store import Store
from presence_server.rooms import RoomCounter
from tests.presence_server.helpers import until
from tests.presence_server.presence.servers import one_server

ROOM = "auction:big"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with one_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


class Node:
    """What a presence server has without its sockets; people are counted in and out directly."""

    def __init__(self, name: str, url: str) -> None:
        self.counter = RoomCounter()
        address = parse(url)
        self.presence = RedisPresence(lambda *callbacks: Store(address, name, *callbacks), name, Clock(), self.counter)

    def come(self, people: range) -> None:
        for number in people:
            self.counter.connect(f"c{number}", f"g:{number}")
            self.presence.changed(self.counter.join(f"c{number}", ROOM))

    def go(self, people: range) -> None:
        for number in people:
            for change in self.counter.disconnect(f"c{number}"):
                self.presence.changed(change)

    @property
    def figures(self) -> tuple[int, int]:
        total = self.presence.total(self.counter.counts(ROOM))
        return total.viewer_count, total.unique_viewers

    @property
    def is_estimate(self) -> bool:
        return self.presence.marks(ROOM) == {"uniqueMode": "estimate"}


@asynccontextmanager
async def _nodes(url, count):
    nodes = [Node(f"n{number}", url) for number in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for node in nodes for work in node.presence.background(lambda _room: None)]
        while any([await node.presence.trouble() for node in nodes]):
            await asyncio.sleep(0.01)
        yield nodes
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for node in nodes:
            node.go(range(20_000))
            await node.presence.leave()


async def test_more_people_than_a_script_counts_are_counted_exactly_all_the_same(url):
    """By one node for all, soon after the last change; whoever is on two nodes is one person."""
    async with _nodes(url, 3) as (a, b, c):
        a.come(range(0, 2_000))
        b.come(range(1_000, 3_000))
        c.come(range(2_999, 3_500))
        for node in (a, b, c):
            await until(lambda node=node: node.figures == (4_501, 3_500))
        b.go(range(1_500, 3_000))
        for node in (a, b, c):
            await until(lambda node=node: node.figures == (3_001, 2_501))
        assert not any(node.is_estimate for node in (a, b, c))


async def test_beyond_ten_thousand_they_are_estimated_until_there_are_less_again(url, monkeypatch):
    """Within a few percent, falling as well as growing; exact again below eight thousand."""
    monkeypatch.setattr("presence_server.presence.uniques.SKETCH_SECONDS", 1.0)
    async with _nodes(url, 2) as (a, b):
        a.come(range(0, 8_000))
        b.come(range(4_000, 12_000))
        for node in (a, b):
            await until(lambda node=node: node.is_estimate and abs(node.figures[1] - 12_000) < 600)
        a.go(range(0, 3_000))
        for node in (a, b):
            await until(lambda node=node: node.is_estimate and abs(node.figures[1] - 9_000) < 450)
        b.go(range(8_000, 12_000))
        for node in (a, b):
            await until(lambda node=node: not node.is_estimate and node.figures == (9_000, 5_000))
