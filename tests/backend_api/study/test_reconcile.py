"""Calls whose end was never heard of."""

import pytest

from backend_api.config import Root
from backend_api.nodes.store import NodeStore
from backend_api.sessions.lifecycle import Fact, Interval, Session
from backend_api.sessions.store import SessionStore
from backend_api.study import wiring
from backend_api.study.calls import Facts, Joined
from backend_api.study.reconcile import Reconcile
from backend_api.study.store import StudyStore


@pytest.fixture
def mongo(open_mongo):
    return open_mongo()


@pytest.fixture
def sessions(mongo, clock):
    return SessionStore(mongo, NodeStore(mongo, clock).leases, clock)


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
    tracking = wiring.tracking_on(settings, mongo, sessions, clock)
    store = StudyStore(mongo)
    return store, tracking, Reconcile(store, tracking, clock)


async def test_a_lost_webhook_is_made_good(study, stream, clock):
    """Only the join was heard; five minutes later the provider tells the rest, and is left alone after that."""
    store, tracking, reconcile = study
    base = clock()
    await store.add("c9", Facts(joined=frozenset({Joined(f"ann-{base}", "ann", base)})), base)
    stream.knows("c9", started=base, ended=base + 900, stays=[("ann", base, base + 880)])
    clock.at += 1_000
    await reconcile.run()
    (row,) = await tracking.of_user("ann", base - 10, clock())
    assert (row.seconds, row.source, row.left_at) == (880, "provider", base + 880)
    asked = len(stream.asked)
    clock.at += 1_000
    await reconcile.run()
    assert len(stream.asked) == asked


async def test_a_call_that_goes_on_is_asked_for_again(study, stream, clock):
    """Every five minutes, until it is over."""
    store, _, reconcile = study
    base = clock()
    await store.add("c9", Facts(joined=frozenset({Joined(f"ann-{base}", "ann", base)})), base)
    stream.knows("c9", started=base, stays=[("ann", base, None)])
    for asked in (2, 4):
        clock.at += 301
        await reconcile.run()
        await reconcile.run()
        assert len(stream.asked) == asked


async def test_a_provider_that_is_away_is_asked_later(study, stream, clock):
    """Nothing is lost by the failure."""
    store, _, reconcile = study
    base = clock()
    await store.add("c9", Facts(joined=frozenset({Joined(f"ann-{base}", "ann", base)})), base)
    clock.at += 301
    stream.fails = 503
    await reconcile.run()
    stream.fails = None
    stream.knows("c9", started=base, ended=base + 60, stays=[("ann", base, base + 60)])
    clock.at += 301
    await reconcile.run()
    assert [call async for call in store.to_ask(clock() + 1, 10)] == []


async def test_a_call_without_an_end_is_given_up(study, stream, clock):
    """After two days the provider is not bothered any more."""
    store, _, reconcile = study
    base = clock()
    await store.add("c9", Facts(joined=frozenset({Joined(f"ann-{base}", "ann", base)})), base)
    stream.knows("c9", started=base)
    clock.at += 2 * 86_400 + 1
    await reconcile.run()
    assert [call async for call in store.to_ask(clock() + 1, 10)] == []


async def test_what_a_crash_left_unapplied_is_applied(study, clock, event):
    """The webhook was kept and answered, then the process was gone."""
    import json

    from backend_api.study.intake import WebhookIntake
    from backend_api.study.store import Webhook

    store, tracking, _ = study
    body = json.dumps(event("call.session_participant_left", -10, user="ann", seconds=50)).encode()
    assert await store.keep(Webhook("hash", "w1", "default:c9", body), clock())
    clock.at += 9 * 86_400
    await WebhookIntake(store, tracking, None, clock).apply_waiting()
    assert (await store.call("c9")).users == {"ann"}
    assert await store.waiting(10) == []


@pytest.mark.parametrize("answer", [400, 403, 503, "nonsense"])
async def test_a_call_that_the_provider_chokes_on_holds_up_no_other(study, stream, clock, answer):
    """Anybody may name a call of which the provider has only an error to tell."""
    store, tracking, reconcile = study
    stream.odd = {f"evil~{number}": answer for number in range(5)}
    for call in stream.odd:
        await tracking.start("mallory", call)
    clock.at += 10
    base = clock()
    await store.add("good", Facts(joined=frozenset({Joined(f"ann-{base}", "ann", base)})), base)
    stream.knows("good", started=base, ended=base + 60, stays=[("ann", base, base + 60)])
    for _ in range(4):
        clock.at += 301
        await reconcile.run()
    (row,) = await tracking.of_user("ann", base - 10, clock())
    assert (row.seconds, row.source) == (60, "provider")
    asked = len(stream.asked)
    for _ in range(100):
        clock.at += 3_600
        await reconcile.run()
    assert [call async for call in store.to_ask(clock() + 90_000, 10)] == []
    assert len(stream.asked) - asked < 5 * 60


async def over(tracking, sessions, user, call, start, end):
    """A socket's session in a call that is over, as the sweep tells of it."""
    facts = {"user": Fact(start, user), "call": Fact(start, call)}
    interval = Interval(f"i-{start}", "n1", 1, 2, start, end, end, "lost")
    (record,) = await sessions.merge([Session(f"s-{start}", "study", (interval,), facts)])
    await tracking.sockets_told(record)


async def test_a_call_that_is_held_again_is_asked_about_again(study, sessions, stream, clock):
    """What the provider told of yesterday's is nothing about today's."""
    _, tracking, reconcile = study
    told = []
    for _ in range(3):
        base = clock()
        clock.at = base + 3_600
        told.append(("ann", base, base + 3_500))
        stream.knows("math-7", started=base, ended=base + 3_550, stays=told)
        await over(tracking, sessions, "ann", "math-7", base, base + 3_600)
        await reconcile.run()
        (row,) = await tracking.of_user("ann", base, clock())
        assert (row.seconds, row.source) == (3_500, "provider")
        asked = len(stream.asked)
        clock.at += 82_800
        await reconcile.run()
        assert len(stream.asked) == asked


async def test_a_provider_that_learns_of_a_call_late_is_asked_again(study, sessions, stream, clock):
    """At first it knows none of that name."""
    _, tracking, reconcile = study
    base = clock()
    clock.at += 3_600
    await over(tracking, sessions, "ann", "late", base, base + 3_600)
    await reconcile.run()
    stream.knows("late", started=base, ended=base + 3_550, stays=[("ann", base, base + 3_490)])
    clock.at += 301
    await reconcile.run()
    (row,) = await tracking.of_user("ann", base, clock())
    assert (row.seconds, row.source) == (3_490, "provider")
