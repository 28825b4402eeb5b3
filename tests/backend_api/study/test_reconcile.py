"""Calls whose end was never heard of."""

import asyncio
import json
from typing import NamedTuple

import pytest

from backend_api.config import Root
from backend_api.contract.wire import at
from backend_api.nodes.store import NodeStore
from backend_api.sessions.lifecycle import Fact, Interval, Session
from backend_api.sessions.store import SessionStore
from backend_api.study import wiring
from backend_api.study.asking import Asking
from backend_api.study.calls import Expected, Facts, Joined, Left
from backend_api.study.inbox import Inbox, Webhook
from backend_api.study.intake import WebhookIntake


@pytest.fixture
def mongo(open_mongo):
    return open_mongo()


@pytest.fixture
def sessions(mongo, clock):
    return SessionStore(mongo, NodeStore(mongo, clock).leases, clock)


class Parts(NamedTuple):
    """What these tests use of the feature; the last is the job."""

    tracking: object
    reading: object
    asking: Asking
    reconcile: object

    async def joined(self, call, user, at):
        """A webhook told of a join."""
        await self.tracking.heard(call, "sess", Facts(joined=frozenset({Joined(f"{user}-{at}", user, at)})))

    async def due(self, now):
        return [call async for call in self.asking.due(now, 10)]


@pytest.fixture
def study(mongo, sessions, clock, stream):
    """The feature's parts, wired as the program wires them."""
    settings = Root(
        backend={
            "stream": {
                "api_key": "stream-key",
                "api_secret": "the secret that Stream and we share",
                "base_url": stream.url,
            }
        },
        internal={"api_key": "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"},
        auth={"secret": "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"},
    )
    built = wiring.build(settings, mongo, sessions, clock)
    return Parts(built.tracking, built.services[1], Asking(mongo), built.jobs[1].run)


async def test_a_lost_webhook_is_made_good(study, stream, clock):
    """Only the join was heard; five minutes later the provider tells the rest, and is left alone after that."""
    base = clock()
    await study.joined("c9", "ann", base)
    stream.knows("c9", started=base, ended=base + 900, stays=[("ann", base, base + 880)])
    clock.at += 1_000
    await study.reconcile()
    (row,) = await study.reading.of_user("ann", base - 10, clock())
    assert (row.seconds, row.source, row.left_at) == (880, "provider", base + 880)
    asked = len(stream.asked)
    clock.at += 1_000
    await study.reconcile()
    assert len(stream.asked) == asked


async def test_a_call_that_goes_on_is_asked_for_again(study, stream, clock):
    """Every five minutes, until it is over."""
    base = clock()
    await study.joined("c9", "ann", base)
    stream.knows("c9", started=base, stays=[("ann", base, None)])
    for asked in (2, 4):
        clock.at += 301
        await study.reconcile()
        await study.reconcile()
        assert len(stream.asked) == asked


async def test_a_provider_that_is_away_is_asked_later(study, stream, clock):
    """Nothing is lost by the failure."""
    base = clock()
    await study.joined("c9", "ann", base)
    clock.at += 301
    stream.fails = 503
    await study.reconcile()
    stream.fails = None
    stream.knows("c9", started=base, ended=base + 60, stays=[("ann", base, base + 60)])
    clock.at += 301
    await study.reconcile()
    assert await study.due(clock() + 1) == []


async def test_a_call_without_an_end_is_given_up(study, stream, clock):
    """After two days the provider is not bothered any more."""
    base = clock()
    await study.joined("c9", "ann", base)
    stream.knows("c9", started=base)
    clock.at += 2 * 86_400 + 1
    await study.reconcile()
    assert await study.due(clock() + 1) == []


def waiting(event, user, number, call="c9"):
    """A webhook that was kept, and the process was gone."""
    body = json.dumps(event("call.session_participant_left", -10, user=user, seconds=50)).encode()
    return Webhook(f"hash{number}", f"w{number}", f"default:{call}", body)


async def test_what_a_crash_left_unapplied_is_applied(study, mongo, clock, event):
    """The webhook was kept and answered, then the process was gone."""
    inbox = Inbox(mongo)
    assert await inbox.keep(waiting(event, "ann", 1), clock())
    clock.at += 9 * 86_400
    await WebhookIntake(inbox, study.tracking, None, clock).apply_waiting()
    assert (await study.reading.told({"c9": 0.0}))["c9"].users == {"ann"}
    assert [webhook async for webhook in inbox.waiting()] == []


async def test_a_webhook_that_cannot_be_applied_holds_up_no_other(study, mongo, clock, event):
    """It waits, alone."""
    inbox = Inbox(mongo)
    assert await inbox.keep(Webhook("broken", "w0", "default:odd", b"[]"), clock())
    assert await inbox.keep(waiting(event, "ann", 1), clock() + 1)
    await WebhookIntake(inbox, study.tracking, None, clock).apply_waiting()
    assert (await study.reading.told({"c9": 0.0}))["c9"].users == {"ann"}
    assert [webhook.content_hash async for webhook in inbox.waiting()] == ["broken"]


@pytest.mark.parametrize("answer", [400, 403, 503, "nonsense"])
async def test_a_call_that_the_provider_chokes_on_holds_up_no_other(study, stream, clock, answer):
    """Anybody may name a call of which the provider has only an error to tell."""
    stream.odd = {f"evil~{number}": answer for number in range(5)}
    for call in stream.odd:
        await study.tracking.start("mallory", call)
    clock.at += 10
    base = clock()
    await study.joined("good", "ann", base)
    stream.knows("good", started=base, ended=base + 60, stays=[("ann", base, base + 60)])
    for _ in range(4):
        clock.at += 301
        await study.reconcile()
    (row,) = await study.reading.of_user("ann", base - 10, clock())
    assert (row.seconds, row.source) == (60, "provider")
    asked = len(stream.asked)
    for _ in range(100):
        clock.at += 3_600
        await study.reconcile()
    assert await study.due(clock() + 90_000) == []
    assert len(stream.asked) - asked < 5 * 60


async def over(tracking, sessions, user, call, start, end):
    """A socket's session in a call that is over, as the sweep tells of it."""
    facts = {"user": Fact(start, user), "call": Fact(start, call)}
    interval = Interval(f"i-{start}", "n1", 1, 2, start, end, end, "lost")
    (record,) = await sessions.merge([Session(f"s-{start}", "study", (interval,), facts)])
    await tracking.sockets_told(record)


async def test_a_call_that_is_held_again_is_asked_about_again(study, sessions, stream, clock):
    """What the provider told of yesterday's is nothing about today's."""
    told = []
    for _ in range(3):
        base = clock()
        clock.at = base + 3_600
        told.append(("ann", base, base + 3_500))
        stream.knows("math-7", started=base, ended=base + 3_550, stays=told)
        await over(study.tracking, sessions, "ann", "math-7", base, base + 3_600)
        await study.reconcile()
        (row,) = await study.reading.of_user("ann", base, clock())
        assert (row.seconds, row.source) == (3_500, "provider")
        asked = len(stream.asked)
        clock.at += 82_800
        await study.reconcile()
        assert len(stream.asked) == asked


async def test_a_provider_that_learns_of_a_call_late_is_asked_again(study, sessions, stream, clock):
    """At first it knows none of that name."""
    base = clock()
    clock.at += 3_600
    await over(study.tracking, sessions, "ann", "late", base, base + 3_600)
    await study.reconcile()
    stream.knows("late", started=base, ended=base + 3_550, stays=[("ann", base, base + 3_490)])
    clock.at += 301
    await study.reconcile()
    (row,) = await study.reading.of_user("ann", base, clock())
    assert (row.seconds, row.source) == (3_490, "provider")


async def test_everybody_in_a_call_is_asked_for(study, stream, clock):
    """The provider tells of participants page by page."""
    base = clock()
    stays = [(f"u{number}", base + number, base + 600) for number in range(60)]
    stream.knows("big", started=base, ended=base + 700, stays=stays)
    clock.at += 1_000
    await study.tracking.learn("big")
    assert (await study.reading.told({"big": 0.0}))["big"].users == {user for user, _, _ in stays}
    (row,) = await study.reading.of_user("u59", base, clock())
    assert (row.seconds, row.source) == (541, "provider")


async def test_a_class_that_leaves_at_once_is_expected_whole(study, mongo, clock):
    """Sixty sessions of one call are over in the same moment."""
    now = clock()
    everybody = [Expected(f"s{number}", f"u{number}", now - 60, now) for number in range(60)]
    await asyncio.gather(*(study.asking.expect("big", one, [], now) for one in everybody))
    kept = await mongo["study_asking"].find_one({"_id": "big"})
    assert sorted(Expected(*one) for one in kept["expected"]) == sorted(everybody)


async def test_what_was_lost_of_a_call_is_asked_for_after_it_began_again(study, stream, clock):
    """The provider tells of the latest session by itself, of an earlier one when it is asked for it by its name."""
    base = clock()
    await study.joined("c9", "ann", base)
    stream.knows("c9", started=base, ended=base + 900, stays=[("ann", base, base + 880)])
    stream.knows("c9", started=base + 5_000, stays=[("bob", base + 5_000, None)], session="next")
    clock.at += 5_100
    await study.reconcile()
    (row,) = await study.reading.of_user("ann", base - 10, clock())
    assert (row.seconds, row.source, row.left_at) == (880, "provider", base + 880)


async def test_a_stay_goes_on_while_the_provider_says_so(study, stream, clock):
    """Asked every five minutes; an hour after its last word the stay ended with that."""
    base = clock()
    await study.joined("c9", "ann", base)
    stream.knows("c9", started=base, stays=[("ann", base, None)])
    for _ in range(20):
        clock.at += 301
        await study.reconcile()
    (row,) = await study.reading.of_user("ann", base, clock())
    assert (row.seconds, row.source, row.left_at) == (20 * 301, "provider", None)
    stream.fails = 503
    for _ in range(20):
        clock.at += 301
        await study.reconcile()
    (row,) = await study.reading.of_user("ann", base, clock())
    assert (row.seconds, row.source, row.left_at) == (20 * 301, "provider", base + 20 * 301)


async def test_a_stay_whose_end_is_lost_counts_on_no_later_day(study, clock):
    """Neither `left` nor the call's end was heard, and the provider knows the call no more."""
    base = clock()
    await study.joined("c9", "ann", base)
    for _ in range(5):
        clock.at += 86_400
        await study.reconcile()
        (row,) = await study.reading.of_user("ann", base, clock())
        assert (row.seconds, row.left_at) == (0, base)
    assert await study.due(clock() + 86_400) == []


async def test_a_call_held_every_day_costs_what_a_day_costs(study, mongo, clock):
    """What is read and written for a message is its session's alone."""
    for day in range(40):
        began = clock() + day * 86_400
        joined = frozenset(Joined(f"k{day}-{user}", f"u{user}", began + user) for user in range(5))
        left = frozenset(Left(f"k{day}-{user}", f"u{user}", began + 600 + user, 600) for user in range(5))
        await study.tracking.heard(
            "math-7", f"s{day}", Facts(joined, left, frozenset({began}), frozenset({began + 700}))
        )
    clock.at += 40 * 86_400
    sizes = [len(document["joined"]) async for document in mongo["study_calls"].find({"call": "math-7"})]
    assert sizes == [5] * 40
    assert (await study.asking.unfinished("math-7"), await study.due(clock())) == ([], [])
    rows = await study.reading.of_user("u1", clock() - 41 * 86_400, clock())
    assert [row.seconds for row in rows] == [600] * 40


async def test_what_was_kept_before_sessions_were_told_apart_is_read(study, mongo, clock):
    """A call's one document of all times stays beside those of its sessions."""
    base = clock()
    facts = {"joined": [["k", "ann", base]], "left": [["k", "ann", base + 60, 60]], "opened": [], "closed": []}
    asked = {"expected": [], "open": False, "askAt": at(base), "since": at(base)}
    document = {"_id": "c9", "users": ["ann"], "stays": ["p-old"], "lastAt": at(base), "rev": 3}
    await mongo["study_calls"].insert_one(document | facts | asked)
    await study.joined("c9", "ann", base + 200)
    rows = await study.reading.of_user("ann", base, base + 1_000)
    assert [(row.call_id, row.joined_at, row.seconds) for row in rows] == [("c9", base + 200, 0), ("c9", base, 60)]
    assert (await study.reading.told({"c9": 0.0}))["c9"].users == {"ann"}


async def test_the_webhooks_of_a_lessons_beginning_are_all_applied(api, hook, event):
    """Thirty at the same moment about one session."""
    sent = [hook(event("call.session_participant_joined", -30, user=f"u{number}")) for number in range(30)]
    assert {status for status, _ in await asyncio.gather(*sent)} == {200}
    async with asyncio.timeout(30):
        while len((await api.data("GET", "/api/study-sessions?callId=c9"))["sessions"]) < 30:
            await asyncio.sleep(0.05)


async def test_many_calls_are_read_together_each_since_its_own_time(study, clock):
    """As a list of sessions needs them: a hundred at once, and of each only what was heard since its time."""
    base = clock()
    for number in range(105):
        await study.joined(f"c{number}", f"u{number}", base)
    told = await study.reading.told({f"c{number}": base + 1.0 if number == 7 else base for number in range(105)})
    assert {call_id: set(call.users) for call_id, call in told.items()} == {
        f"c{number}": set() if number == 7 else {f"u{number}"} for number in range(105)
    }
