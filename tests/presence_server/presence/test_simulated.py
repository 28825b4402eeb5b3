"""Whatever happens to nodes, network and Redis: once it is quiet, every node has the truth. In virtual time."""

import asyncio
import logging

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.presence_server.presence.simulation import World, in_virtual_time

NODES = ("n0", "n1", "n2")
ROOMS = ("auction:a", "auction:b")
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
)
losses = st.one_of(st.tuples(st.just("lose"), node, share), st.tuples(st.just("reorder"), node, share))

WARM_UP, QUIET, RECOVERY, LEASE, REFRESH = 2.0, 2.0, 5.0, 15.0, 64.0
"""Seconds: until all nodes are there; until all is said; after a fault; until the dead are gone; until all is read."""

THOUSANDS = pytest.mark.parametrize(
    "examples", [100, pytest.param(3_000, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])]
)

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


@THOUSANDS
def test_soon_after_the_last_fault_every_node_has_the_truth(examples):
    """Five seconds after nodes were cut off and Redis was gone, flushed or empty; fifteen where one died."""
    _tell(
        _stories(faults),
        lambda story: LEASE if any(what in ("kill", "stop") for what, *_ in story) else RECOVERY,
        examples,
    )


@THOUSANDS
def test_what_was_lost_without_a_trace_comes_with_the_next_reading(examples):
    """Messages lost, late and in any order, beside all the other faults."""
    _tell(_stories(faults, losses), lambda _: LEASE + REFRESH, examples)


@THOUSANDS
def test_without_faults_two_quiet_seconds_are_enough(examples):
    """However people come and go."""
    _tell(_stories(), lambda _: QUIET, examples)
