"""What is held against a connection, over real sockets: neither leaving nor joining again makes anybody forget it."""

import json
import time

from presence_server.config import LimitSettings
from presence_server.door import FrontDoor
from presence_server.engine.requests import Facts
from presence_server.limits import Pace
from tests.presence_server.engine.support import Raw
from tests.presence_server.helpers import token, until

LEAVE = '421["leave",{"room":"auction:q"}]'


def _port(presence) -> int:
    return int(presence.url.rpartition(":")[2])


async def _opened(presence) -> Raw:
    raw = await Raw.connect(_port(presence))
    await raw.opened()
    return raw


async def test_a_pages_pace_is_that_of_its_connection(start):
    """Leaving the namespace and joining it again fills no bucket."""
    presence = await start(limits={"rooms_per_socket": 5, "events_at_once": 5, "events_per_second": 0.001})
    raw = await _opened(presence)
    answers = []
    for _ in range(3):
        await raw.join()
        for _ in range(4):
            raw.send(LEAVE)
            answers.append(await raw.receive())
        raw.send("41")
    assert [answer.startswith('431[{"ok":true') for answer in answers] == [True] * 5 + [False] * 7
    raw.reset()


async def test_a_flood_closes_its_connection(start):
    """Nobody goes on over it, in whatever namespace."""
    presence = await start(limits={"rooms_per_socket": 1, "events_at_once": 1, "events_per_second": 0.001})
    raw = await _opened(presence)
    await raw.join()
    for _ in range(10):
        raw.send(LEAVE)
    raw.send("40")
    heard = [await raw.receive() for _ in range(9)]
    assert heard.count("41") == 1
    assert ("close", 1008) in heard
    assert not any(str(packet).startswith("40") for packet in heard)
    raw.reset()


async def test_a_connection_counts_for_its_address_whether_it_has_joined_or_not(start):
    """Those that left the namespace hold their place; beyond the share one is told, far beyond it nobody gets in."""
    presence = await start(limits={"sockets_per_address": 2})
    raws = [await _opened(presence) for _ in range(4)]
    for raw in raws[:2]:
        await raw.join()
        raw.send("41")
    raws[2].send("40")
    assert '"too_many_sockets"' in await raws[2].receive()
    refused = await Raw.connect(_port(presence))
    assert b" 429 " in refused.head
    for raw in raws:
        raw.reset()


async def test_an_expired_token_ends_the_connection(start):
    """Not only the namespace."""
    presence = await start()
    raw = await _opened(presence)
    raw.send("40" + json.dumps({"token": token(seconds=4)}))
    await raw.receive()
    assert [await raw.receive(), await raw.receive()] == ["41", ("close", 1008)]
    await until(lambda: presence.counter.connections == 0)
    raw.reset()


def test_nothing_is_kept_of_connections_that_ended():
    """The share is free again, and one connection's debt is not another's."""
    door = FrontDoor(LimitSettings(sockets_per_address=1, rooms_per_socket=1, events_at_once=1), (), time.monotonic)
    facts = Facts("", "http", "10.0.0.1", "", "", "", "")
    for number in range(3):
        assert door.enter(str(number), facts)
        assert not door.is_beyond(str(number))
        assert door.pace(str(number)) is Pace.OK
        door.leave(str(number))
        assert door.pace(str(number)) is Pace.OK
    assert len(door) == 0
