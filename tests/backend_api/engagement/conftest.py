"""Engagement on a database of its own, with a clock that the test sets."""

import pytest

from tests.backend_api.engagement.house import House


@pytest.fixture
async def house(open_mongo, clock):
    return await House(open_mongo(), clock).start(a=["t1", "t2"], b=["t3"])


@pytest.fixture
def make_house(open_mongo, clock):
    """Builds another one on the same database."""
    return lambda **options: House(open_mongo(), clock, **options)


@pytest.fixture
def event(clock):
    """An event of now, with whatever is said otherwise."""

    def build(type_, track="t1", ago=0, **fields):
        own = {
            "play": {"source": "search"},
            "playEnd": {"playId": "p1", "duration": 90.0, "trackDuration": 180.0},
            "like": {"action": "like", "source": "player"},
            "save": {"action": "save", "playlistId": "pl"},
            "share": {"platform": "embed", "source": "player"},
            "download": {"source": "player"},
        }[type_]
        at = round((clock() - ago) * 1_000)
        return {"type": type_, "trackId": track, "sessionId": "s1", "timestamp": at, **own, **fields}

    return build
