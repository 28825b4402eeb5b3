"""Whatever happens to nodes, network and Redis: once it is quiet, every node has the truth. In virtual time."""

import asyncio
import logging

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.presence_server.presence.simulation import World
from tests.presence_server.presence.virtual_time import in_virtual_time

NODES = ("n0", "n1", "n2")
ROOMS = ("auction:a", "auction:b")
BAD, GOOD = ROOMS
PEOPLE = [f"g:{number}" for number in range(9)]

node, room, person = st.sampled_from(NODES), st.sampled_from(ROOMS), st.sampled_from(PEOPLE)
share = st.sampled_from([0.0, 0.3, 1.0])
pause = st.tuples(st.just("pass"), st.sampled_from([0.05, 0.3, 1.0, 3.0, 7.0, 14.0, 30.0]))
visits = st.one_of(st.tuples(st.just("join"), node, room, person), st.tuples(st.just("leave"), node, room))
faults = st.one_of(
    st.tuples(st.just("kill"), node),
    st.tuples(st.just("stop"), node),
    st.tuples(st.just("start"), node),
    st.tuples(st.just("block"), node),
    st.tuples(st.just("unblock"), node),
    st.tuples(st.just("cut"), node),
    st.tuples(st.just("deafen"), node),
    st.tuples(st.just("refuse"), node, share),
    st.tuples(st.just("flush")),
    st.tuples(st.just("down")),
    st.tuples(st.just("up"), st.booleans()),
    st.tuples(st.just("shard goes"), room),
    st.tuples(st.just("shard comes"), st.booleans()),
    st.tuples(st.just("forbid"), room),
    st.tuples(st.just("allow")),
)
losses = st.one_of(st.tuples(st.just("lose"), node, share), st.tuples(st.just("reorder"), node, share))

WARM_UP, QUIET, RECOVERY, LEASE, REFRESH = 2.0, 2.0, 5.0, 15.0, 64.0
"""Seconds: until all nodes are there; until all is said; after a fault; until the dead are gone; until all is read."""


def _many(slowly: int) -> pytest.MarkDecorator:
    """A hundred stories, and so many where there is time."""
    slow = pytest.param(slowly, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])
    return pytest.mark.parametrize("examples", [100, slow])


structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


async def _act(world: World, story) -> None:
    for what, *details in story:
        match what, details:
            case "pass", [seconds]:
                await asyncio.sleep(seconds)
            case "start" | "kill", [name]:
                getattr(world, what)(name)
            case "stop", [name] if name in world.nodes:
                stopped = world.nodes.pop(name)
                await stopped.stop()
            case "flush", []:
                world.redis.flush()
            case "down", []:
                world.down()
            case "up", [empty]:
                world.up(empty=empty)
            case "shard goes", [room]:
                world.redis.shard_goes(room)
            case "shard comes", [empty]:
                world.redis.shard_comes(empty=empty)
            case "forbid", [room]:
                world.redis.refused.add(room)
            case "allow", []:
                world.redis.refused.clear()
            case _, [name, *more] if name in world.nodes:
                _act_on(world.nodes[name], what, more)


def _act_on(one, what: str, more) -> None:
    match what, more:
        case "join", [room, person]:
            one.join(room, person)
        case "leave", [room]:
            one.leave(room)
        case "lose", [share]:
            one.link.loses = share
        case "reorder", [share]:
            one.link.reorders = share
        case "refuse", [share]:
            one.link.refuses = share
        case "block" | "unblock" | "cut" | "deafen", []:
            getattr(one.link, what)()


async def _told(story, seed: int, quiet_seconds: float) -> None:
    world = World(len(NODES), seed)
    await asyncio.sleep(WARM_UP)
    await _act(world, story)
    world.heal()
    await asyncio.sleep(quiet_seconds)
    world.check(ROOMS)
    world.end()


def _stories(*wrongs):
    """A crowd comes; then again and again something goes wrong, some come and go, and time passes."""
    wrong = st.one_of(*wrongs) if wrongs else st.just(("pass", 0.1))
    episode = st.tuples(wrong, st.lists(visits, max_size=3), pause)
    crowd = st.lists(st.tuples(st.just("join"), node, room, person), min_size=4, max_size=10)
    return st.tuples(crowd, pause, st.lists(episode, min_size=1, max_size=8)).map(_in_order)


def _in_order(story):
    crowd, first, episodes = story
    return [*crowd, first, *(step for wrong, some, then in episodes for step in (wrong, *some, then))]


def _tell(stories, quiet_seconds, examples: int) -> None:
    """Each of so many stories, and what is true at its end. `quiet_seconds` of a story are waited for before."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(stories, st.integers(0, 2**32))
    def told(story, seed):
        in_virtual_time(_told(story, seed, quiet_seconds(story)))

    told()


@_many(3_000)
def test_soon_after_the_last_fault_every_node_has_the_truth(examples):
    """Five seconds after nodes were cut off and Redis was gone, flushed or empty; fifteen where one died."""
    _tell(
        _stories(faults),
        lambda story: LEASE if any(what in ("kill", "stop") for what, *_ in story) else RECOVERY,
        examples,
    )


@_many(1_000)
def test_what_was_lost_without_a_trace_comes_with_the_next_reading(examples):
    """Messages lost, late and in any order, beside all the other faults."""
    _tell(_stories(faults, losses), lambda _: LEASE + REFRESH, examples)


@_many(1_000)
def test_without_faults_two_quiet_seconds_are_enough(examples):
    """However people come and go."""
    _tell(_stories(), lambda _: QUIET, examples)


visits_to_both = st.lists(visits, min_size=4, max_size=12)
crowds = st.lists(st.tuples(st.just("join"), node, room, person), min_size=4, max_size=10)
cuts = st.lists(st.tuples(st.just("cut"), node), max_size=2)


def _meanwhile(begins, ends, examples, check=lambda world: None) -> None:
    """While something is wrong with one room people come and go in both; the other one is right, and unmarked."""

    async def story(crowd, visits, cuts, more, seed) -> None:
        world = World(len(NODES), seed)
        await asyncio.sleep(WARM_UP)
        await _act(world, crowd)
        await asyncio.sleep(QUIET)
        await _act(world, begins)
        await _act(world, [*visits, *cuts, ("pass", 0.5), *more])
        for _ in range(6):
            await asyncio.sleep(RECOVERY)
            world.check([GOOD])
            check(world)
        await _act(world, ends)
        await asyncio.sleep(RECOVERY)
        world.check(ROOMS)
        world.end()

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.tuples(crowds, visits_to_both, cuts, visits_to_both, st.integers(0, 2**32)))
    def told(parts) -> None:
        in_virtual_time(story(*parts))

    told()


@pytest.mark.parametrize("empty", [False, True])
def test_a_shard_that_is_away_degrades_its_own_rooms_only(empty):
    """Everywhere, for as long as it lasts; whatever connections break meanwhile. Right again when it is back."""

    def is_local(world) -> None:
        for node in world.nodes.values():
            if BAD in node.counter:
                assert dict(node.presence.marks(BAD)) == {"degraded": True}
                assert node.figures(BAD)[0] == len(node.truth[BAD])

    _meanwhile([("shard goes", BAD)], [("shard comes", empty)], 40, is_local)


def test_a_room_that_redis_refuses_is_in_no_others_way():
    """However often it fails, and under however many incarnations."""
    _meanwhile([("forbid", BAD)], [("allow",)], 40)


def test_who_cannot_say_a_room_says_that_it_counts_alone():
    """After the few seconds for which the others' last counts are believed; only in that room."""

    async def story() -> None:
        world = World(2, 1)
        await asyncio.sleep(WARM_UP)
        here, there = world.nodes.values()
        for one in (here, there):
            one.join(BAD, f"g:{one.name}")
            one.join(GOOD, f"g:{one.name}")
        await asyncio.sleep(QUIET)
        world.redis.refused.add(BAD)
        here.join(BAD, "g:3")
        await asyncio.sleep(RECOVERY)
        assert (here.figures(BAD), dict(here.presence.marks(BAD))) == ((2, 2), {"degraded": True})
        assert "1 of 2 rooms not shared" in await here.presence.trouble()
        assert here.presence.measures()["presence_redis_rooms_not_shared"] == 1
        world.check([GOOD])
        world.redis.refused.clear()
        await asyncio.sleep(RECOVERY)
        world.check(ROOMS)
        assert await here.presence.trouble() is None
        world.end()

    in_virtual_time(story())


def test_who_cannot_hear_a_room_says_that_it_counts_alone():
    """Although everything that it says arrives, and its place among the members is sound."""

    async def story() -> None:
        world = World(2, 1)
        await asyncio.sleep(WARM_UP)
        here, there = world.nodes.values()
        for one in (here, there):
            one.join(GOOD, f"g:{one.name}")
        await asyncio.sleep(QUIET)
        here.link.is_deaf = True
        here.link.deafen()
        there.join(GOOD, "g:3")
        await asyncio.sleep(RECOVERY)
        assert (here.figures(GOOD), dict(here.presence.marks(GOOD))) == ((1, 1), {"degraded": True})
        assert "1 of 1 rooms not shared" in await here.presence.trouble()
        here.link.is_deaf = False
        await asyncio.sleep(RECOVERY)
        world.check([GOOD])
        assert await here.presence.trouble() is None
        world.end()

    in_virtual_time(story())


MANY_ROOMS = [f"auction:{number}" for number in range(1_600)]


async def with_many_rooms():
    """A world of two nodes, both of them with somebody in each of many rooms; and the two."""
    world = World(2, 1)
    await asyncio.sleep(WARM_UP)
    first, second = world.nodes.values()
    for room in MANY_ROOMS:
        first.join(room, "g:1")
        second.join(room, "g:2")
    await asyncio.sleep(RECOVERY)
    return world, first, second


def test_everything_is_said_anew_as_fast_as_redis_takes_it():
    """Waiting for its answers is no work that one would have to rest from."""

    async def story() -> None:
        world, slow, _ = await with_many_rooms()
        slow.link.slowness_seconds = 0.4  # For each two hundred rooms.
        world.redis.flush()
        slow.link.cut()
        await asyncio.sleep(RECOVERY)
        world.check(MANY_ROOMS)
        world.end()

    in_virtual_time(story())


def test_a_node_that_says_everything_anew_for_long_is_believed_meanwhile():
    """What its earlier incarnation said counts until it was said again, however long that takes."""

    async def story() -> None:
        world, slow, other = await with_many_rooms()
        slow.link.slowness_seconds = 3.0  # For each two hundred rooms.
        slow.link.cut()
        for _ in range(28):
            await asyncio.sleep(1)
            assert {other.figures(room) for room in MANY_ROOMS} == {(2, 2)}
        slow.link.slowness_seconds = 0.0
        await asyncio.sleep(RECOVERY)
        world.check(MANY_ROOMS)
        assert len(world.redis.nodes) == 2
        world.end()

    in_virtual_time(story())
