"""Webhooks, our own start and end, and the provider's answers in every order, with some of them lost."""

import random
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from backend_api.sessions.statistics import whole
from backend_api.study.calls import Facts, Joined, Left, Seen, stays_in
from backend_api.study.matching import Measured
from backend_api.study.rows import rows
from tests.backend_api.study.test_reconcile import mongo, sessions, study

__all__ = ["mongo", "sessions", "study"]

NOW = 100_000.0
TOLD = {
    "opened": lambda base: Facts(opened=frozenset({base})),
    "joined": lambda base: Facts(joined=frozenset({Joined(f"ann-{base + 2}", "ann", base + 2)})),
    "left": lambda base: Facts(left=frozenset({Left(f"ann-{base + 2}", "ann", base + 598, 596)})),
    "closed": lambda base: Facts(closed=frozenset({base + 700})),
}


async def play(study, stream, clock, call, base, order):
    """Our start and end at their moments; everything else comes in between, before or after."""
    for what in order:
        if what == "start":
            clock.at = base
            await study.tracking.start("ann", call)
        elif what == "end":
            clock.at = base + 600
            await study.tracking.end("ann", call, "stop")
        elif what == "answer":
            await study.tracking.learn(call)
        else:
            await study.tracking.heard(call, "sess", TOLD[what](base))


def expected(heard):
    """Seconds, source and whether it is over: the provider's measure where it has one, else our own."""
    if "left" in heard:
        return 596, "provider"
    return (698, "provider") if {"joined", "closed"} <= set(heard) else (600, "server")


async def test_what_was_heard_decides_and_not_its_order(study, stream, clock):
    """Whatever is lost: every order of the rest, with repetitions, gives the one result."""
    dice, base, wanted = random.Random(7), clock(), {}
    for size in range(5):
        for heard in combinations(TOLD, size):
            for number in range(3):
                call = f"{'-'.join(heard)}.{number}"
                order = ["start", "end", "answer", *heard, *dice.choices(heard, k=1 if heard else 0)]
                dice.shuffle(order)
                first, second = sorted((order.index("start"), order.index("end")))
                order[first], order[second] = "start", "end"
                await play(study, stream, clock, call, base, order)
                wanted[call] = (*expected(heard), False)
    clock.at = base + 7_200
    found = await study.reading.of_user("ann", base - 10, clock())
    assert {row.call_id: (row.seconds, row.source, row.left_at is None) for row in found} == wanted


async def test_an_answer_that_comes_late_replaces_the_fallback(study, stream, clock):
    """However much of the webhooks was lost."""
    base = clock()
    for number, order in enumerate(
        (["start", "end"], ["start", "joined", "end"], ["joined", "start", "end", "answer"])
    ):
        call = f"c{number}"
        await play(study, stream, clock, call, base, order)
        stream.knows(call, started=base, ended=base + 700, stays=[("ann", base + 2, base + 598)])
        clock.at = base + 1_000
        await study.reconcile()
        (row,) = [row for row in await study.reading.of_user("ann", base, clock()) if row.call_id == call]
        assert (row.seconds, row.source, row.server_seconds) == (596, "provider", 600)


async def test_a_call_of_which_all_ends_were_lost_leaves_the_next_alone(study, stream, clock):
    """The same id a day later: either day has its own time, and the lost end none but our own."""
    base = clock()
    await play(study, stream, clock, "math-7", base, ["opened", "start", "joined", "end"])
    next_day = base + 86_400
    clock.at = next_day
    await study.tracking.start("ann", "math-7")
    await study.tracking.heard("math-7", "next", Facts(joined=frozenset({Joined("k2", "ann", next_day + 2)})))
    clock.at = next_day + 900
    await study.tracking.end("ann", "math-7", "stop")
    left = Facts(left=frozenset({Left("k2", "ann", next_day + 898, 896)}), closed=frozenset({next_day + 900}))
    await study.tracking.heard("math-7", "next", left)
    found = await study.reading.of_user("ann", base - 10, clock())
    assert [(row.joined_at - base, row.seconds, row.source) for row in found] == [
        (86_400.0, 896, "provider"),
        (0.0, 600, "server"),
    ]


LENGTHS = st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 4_000)), max_size=5)
"""Pauses and stretches, one after the other."""


def laid(lengths, begin=0):
    found = []
    for pause, stretch in lengths:
        found.append((begin + pause, begin + pause + stretch))
        begin += pause + stretch
    return found


@st.composite
def told(draw):
    """One connection after the other; of some the end is lost, of some the provider speaks for a while."""
    sessions = []
    for number, (start, end) in enumerate(laid(draw(LENGTHS))):
        key = f"k{number}"
        joined = frozenset({Joined(key, "ann", float(start))})
        if draw(st.booleans()):
            left = frozenset({Left(key, "ann", float(end), end - start)})
            sessions.append(Facts(joined, left))
        else:
            seen = frozenset({Seen(key, "ann", float(end))}) if draw(st.booleans()) else frozenset()
            sessions.append(Facts(joined, seen=seen))
    return sessions


@given(LENGTHS, st.lists(st.booleans(), min_size=5, max_size=5), told())
def test_no_second_is_in_two_rows(mine, silent, heard):
    """Sessions of ours that follow each other have rows that do, whatever the provider tells and does not tell."""
    measured = [
        Measured(f"s{n}", "ann", "c", float(start), float(end), tuple(whole([(start, end)])), fell_silent=silent[n])
        for n, (start, end) in enumerate(laid(mine))
    ]
    found = rows(measured, {"c": stays_in(heard)}, {}, NOW)
    known = [one for one in stays_in(heard) if one.end is not None]
    assert len({row.id for row in found}) == len(found) >= len(measured)
    assert all(row.left_at is not None and row.left_at <= NOW for row in found)
    assert all(row.seconds == sum(end - start for start, end in row.pieces) for row in found)
    if len(known) == len(heard):
        ended = whole((stay.start, stay.end) for stay in known)
        assert sum(row.provider_seconds or 0 for row in found) == sum(end - start for start, end in ended)
    pieces = sorted(piece for row in found for piece in row.pieces)
    assert all(before[1] <= after[0] for before, after in pairwise(pieces))
