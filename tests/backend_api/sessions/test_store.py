"""What is kept of sessions: nothing twice, nothing lost, whoever writes and whatever crashes."""

import asyncio
import random

import pytest

from backend_api.sessions.documents import HISTORY, LIVE, history_document
from backend_api.sessions.lifecycle import HTTP_NODE
from tests.backend_api.sessions.conftest import interval, session


async def kept(sessions):
    """Ids in the live collection and in the history."""
    return [
        sorted([document["_id"] async for document in sessions.mongo[name].find({}, {"_id": 1})])
        for name in (LIVE, HISTORY)
    ]


async def test_a_session_is_live_until_it_ends_and_then_history(sessions, clock):
    """Reported open, closed, swept after the grace: one record, at the disconnect."""
    start = clock()
    await sessions.lease()
    await sessions.store.merge([session(interval(start), channel="c1")])
    assert await kept(sessions) == [["s1"], []]
    clock.at += 100
    await sessions.store.merge([session(interval(start, start + 100, version=2), channel="c1")])
    clock.at += 20
    await sessions.lease()
    await sessions.sweep.run()
    assert await kept(sessions) == [[], ["s1"]]
    (document,) = await sessions.store.ended("listening", "channel", "c1", start, start + 1)
    assert (document["status"], document["end"], document["pieces"]) == (
        "completed", start + 100, [[start, start + 100]],
    )  # fmt: skip
    assert [record.verdict.seconds for record in sessions.told] == [100]


async def test_a_late_report_corrects_the_history(sessions, clock):
    """A session that timed out at the last lease gets the end that its node knew."""
    start = clock()
    await sessions.lease()
    await sessions.store.merge([session(interval(start))])
    clock.at += 400
    await sessions.sweep.run()
    (record,) = await sessions.store.merge([session(interval(start, start + 3, "killed", version=2))])
    assert (record.verdict.status, record.verdict.seconds) == ("timeout", 3)
    assert (await sessions.store.find("s1")).verdict.seconds == 3
    assert await kept(sessions) == [[], ["s1"]]


async def test_a_session_that_was_ended_wrongly_comes_back(sessions, clock):
    """Its node was only unreachable: with the lease and a report it is active again, without a second record."""
    start = clock()
    await sessions.lease()
    await sessions.store.merge([session(interval(start))])
    clock.at += 400
    await sessions.sweep.run()
    assert await sessions.lease() is True
    (record,) = await sessions.store.merge([session(interval(start, version=2, seen=start + 400))])
    assert (record.verdict.status, record.verdict.seconds) == ("active", 400)
    assert await kept(sessions) == [["s1"], []]


async def test_an_end_outlasts_the_lease_it_was_read_from(sessions, clock):
    """A node died, its leases are forgotten a week later: a late word about its sessions changes no duration."""
    start = clock()
    reports = [session(interval(start), channel="c1"), session(interval(start), name="s2", channel="c1")]
    await sessions.store.merge(reports)
    clock.at += 600
    await sessions.lease()
    await sessions.store.merge([session(interval(start + 300, start + 400, "stop", name="i2"), name="s2")])
    clock.at += 400
    await sessions.sweep.run()
    clock.at += 8 * 86_400
    await sessions.sweep.run()
    assert [record.verdict.seconds for record in await sessions.store.merge(reports)] == [600, 400]
    assert [(await sessions.store.find(name)).verdict.seconds for name in ("s1", "s2")] == [600, 400]


async def test_an_hour_of_the_backend_being_away_ends_nobody(sessions, clock):
    """The backend starts an hour later: leases are silent only from then, and what was reported is as if on time."""
    start = clock()
    await sessions.lease()
    await sessions.store.merge([session(interval(start)), session(interval(start), name="s2")])
    clock.at += 3600
    sessions = sessions.restarted()
    await sessions.sweep.run()
    await sessions.lease()
    await sessions.store.merge([session(interval(start, start + 1800, version=2), name="s2")])
    clock.at += 5
    await sessions.lease()
    await sessions.sweep.run()
    assert await kept(sessions) == [["s1"], ["s2"]]
    assert (await sessions.store.find("s1")).verdict.seconds == 3605
    assert (await sessions.store.find("s2")).verdict.seconds == 1800


async def test_a_crash_between_history_and_live_leaves_one_record(sessions, clock):
    """Both collections have it: the next sweep makes it one, with what each knew."""
    start = clock()
    await sessions.store.merge([session(interval(start, seen=start, node=HTTP_NODE), channel="c1")])
    clock.at += 400
    old = await sessions.store.find("s1")
    await sessions.mongo[HISTORY].insert_one(history_document(old, 0))
    await sessions.store.merge([session(interval(start, start + 50, "stop", name="i2"))])
    await sessions.sweep.run()
    assert await kept(sessions) == [[], ["s1"]]
    assert (await sessions.store.find("s1")).verdict.seconds == 50


@pytest.mark.parametrize("seed", range(4))
async def test_reports_in_any_order_from_several_processes_give_one_record(sessions, clock, seed):
    """Shuffled, repeated, at once, with sweeps between: as if they had come once and in order."""
    dice, start = random.Random(seed), clock()
    reports = [session(interval(start, name="i1", version=1), channel="c1")]
    for number, (begin, end) in enumerate([(0, 100), (110, 200), (150, 260), (330, 400)], 1):
        for version in (1, 2, 3):
            done = version == 3
            piece = interval(
                start + begin, start + end if done else None, name=f"i{number}", version=version, seen=start + begin
            )
            reports.append(session(piece, channel="c1"))
    shuffled = reports * 2
    dice.shuffle(shuffled)
    clock.at += 1000
    others = sessions.restarted()
    work = [dice.choice([sessions, others]).store.merge([report]) for report in shuffled]
    await asyncio.gather(*work, sessions.sweep.run(), others.sweep.run())
    await sessions.sweep.run()
    assert await kept(sessions) == [[], ["s1"]]
    (document,) = await sessions.store.ended("listening", "channel", "c1", start, start + 1)
    assert document["pieces"] == [[start, start + 260], [start + 330, start + 400]]


async def test_a_socket_that_shows_the_token_of_an_ended_session_is_counted(sessions, clock):
    """Its node knows nothing of the end; the time goes to a session that continues the one that is over."""
    start = clock()
    await sessions.lease()
    await sessions.store.merge([session(interval(start, start + 3, "stop", node=HTTP_NODE, name="h"), channel="c1")])
    for seen in (60, 600):
        clock.at = start + seen
        await sessions.lease()
        await sessions.store.merge([session(interval(start + 10, seen=start + seen, version=seen), channel="c1")])
    (record,) = await sessions.store.active("listening", channel="c1")
    assert (record.session.id, record.verdict.seconds) == ("s1~", 590)
    await sessions.store.merge([session(interval(start + 10, start + 610, "stop", version=999), channel="c1")])
    assert await kept(sessions) == [[], ["s1", "s1~"]]
    assert (await sessions.store.find("s1")).verdict.seconds == 3


async def test_a_node_is_asked_for_its_open_intervals_after_a_silence(sessions, clock):
    """And when it was never heard of; not as long as its leases come."""
    assert await sessions.lease() is True
    clock.at += 60
    assert await sessions.lease() is False
    clock.at += 61
    assert await sessions.lease() is True


async def test_a_lease_is_forgotten_a_week_after_its_node_was_last_heard(sessions, clock):
    """Also one that was kept before clocks were compared; not one whose clock was wrong: its reports are read by it."""
    nodes, now = sessions.mongo["nodes"], clock()
    await sessions.lease("right")
    old = {"at": now, "complete_through": now, "received_at": now, "node": "old", "boot": 1}
    await nodes.insert_one({"_id": "old|1", **old})
    await nodes.insert_one({"_id": "wrong|1", **old, "node": "wrong", "skew_seconds": 3_600.0})
    clock.at += 7 * 86_400
    await sessions.nodes.forget()
    assert await nodes.count_documents({}) == 3
    clock.at += 1
    await sessions.nodes.forget()
    assert [document["node"] async for document in nodes.find({})] == ["wrong"]
