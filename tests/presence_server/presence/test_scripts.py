"""The scripts on real servers do what the model of the simulation does, command for command."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from presence_server.presence.address import parse
from presence_server.presence.book import Publication
from presence_server.presence.store import Store
from presence_server.presence.wire import hashed
from tests.presence_server.presence import simulation
from tests.presence_server.presence.servers import one_server

MEMBERS = ["a.1", "a.2", "b.1", "c.d.7"]
PEOPLE = [hashed(f"g:{number}") for number in range(6)]
CROWD = [hashed(f"c:{number}") for number in range(350)]
"""Some of these make a room one whose people a script does not count."""

members = st.sampled_from(MEMBERS)
crowds = st.sampled_from([CROWD[:0], CROWD[:0], CROWD[:150], CROWD[100:]])
people = st.builds(lambda some, crowd: some.union(crowd), st.sets(st.sampled_from(PEOPLE)), crowds)
publications = st.tuples(st.just("publish"), members, people)
deeds = st.lists(
    st.one_of(
        publications,
        publications,
        st.tuples(st.just("purge"), st.sets(members, min_size=1)),
        st.tuples(st.just("unite")),
    ),
    max_size=12,
)


@pytest.fixture(scope="module", params=[7, 8])
def url(request, tmp_path_factory):
    with one_server(tmp_path_factory.mktemp("redis"), version=request.param) as server:
        yield server.url


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(simulation, "SMALL", 200)
    return simulation.Redis


def _publication(room, version, member, people):
    ids = tuple(sorted(people))
    return Publication(room, member, version, len(ids), len(ids), len(ids), ids, (), True)


async def _same(url, model, story):
    room = f"auction:{uuid4().hex}"
    store = Store(parse(url), "a", lambda *_: None, lambda _: None, lambda _: None)
    try:
        for version, (what, *details) in enumerate(story):
            if what == "publish":
                publication = _publication(room, version, *details)
                [published] = await store.publish([publication])
                assert published.unique == model.publish(publication).unique
            elif what == "purge":
                await store.purge({room: details[0]})
                model.purge({room: details[0]})
            else:
                await store.unite(room)
                model.unite(room)
            [found], [expected] = await store.read([room]), model.read([room])
            assert found[1:] == expected[1:]
            assert (found.stamp > 0) == (expected.stamp > 0)
    finally:
        await store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds)
def test_a_room_in_redis_is_what_the_model_says(url, model, story):
    """Members' figures, the people on all of them, and nothing left of a room without any."""
    asyncio.run(_same(url, model(), story))


async def _enrolled(url):
    store = Store(parse(url), "n", lambda *_: None, lambda _: None, lambda _: None)
    return store, await store.enrol("n", 5, alone=True)


async def test_a_member_beats_as_long_as_it_is_one(url):
    """One that was removed does not come back by beating; its successor has a higher number."""
    store, member = await _enrolled(url)
    assert (await store.beat(member, ()))[member] == 2
    await store.accuse(member, 1)
    assert (await store.beat(member, ()))[member] == 3
    await store.accuse(member, 3)
    assert await store.beat(member, ()) is None
    first = await store.enrol("n", 9, alone=False)
    second = await store.enrol("n", 3, alone=False)
    assert (first, second) == ("n.9", "n.10")
    assert {"n.9", "n.10"} <= (await store.beat(second, ())).keys()
    third = await store.enrol("n", 3, alone=True)
    assert (await store.beat(third, ())).keys() == {"n.11"}
    await store.resign([third])
    assert await store.beat(third, ()) is None
    await store.close()


async def test_a_rooms_keys_are_gone_after_the_last_one_left(url):
    """Nothing accumulates; and what is left by a crash expires."""
    store, room = Store(parse(url), "a", lambda *_: None, lambda _: None, lambda _: None), f"auction:{uuid4().hex}"
    await store.publish([_publication(room, 1, "a.1", PEOPLE[:2])])
    redis = Redis.from_url(url)
    assert sorted(await redis.keys(f"p:{{{room}}}*")) == [f"p:{{{room}}}:c".encode(), f"p:{{{room}}}:u:a.1".encode()]
    assert all([170 < await redis.ttl(key) <= 180 for key in await redis.keys(f"p:{{{room}}}*")])
    await store.publish([_publication(room, 2, "a.1", [])])
    assert await redis.keys(f"p:{{{room}}}*") == []
    await redis.aclose()
    await store.close()
