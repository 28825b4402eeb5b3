"""However a connection ends, whatever is in flight: one connect, one disconnect, in order, and no ghost."""

import asyncio
import contextvars

import pytest

from tests.presence_server.engine.support import Raw, moments, ours

marked = contextvars.ContextVar("marked", default="")


async def joined(run, namespace="/"):
    raw = await Raw.connect(run.port)
    return raw, await raw.joined(namespace)


async def test_a_disconnect_runs_behind_the_handler_in_flight(run):
    """A join that waits while its peer goes away is undone after it is done, never before."""
    raw, sid = await joined(run)
    counted = set()

    async def join(sid):
        run.log.append(("joining", sid))
        await asyncio.sleep(0.1)
        assert not run.engine.alive(sid)
        counted.add(sid)

    run.server.on("join", join)
    run.server.on("disconnect", lambda sid, reason: (counted.discard(sid), run.log.append(("disconnect", sid))))
    raw.send('42["join"]')
    await run.log.seen("joining")
    assert run.engine.alive(sid)
    raw.reset()
    await run.log.seen("disconnect", sid)
    assert counted == set()


async def test_the_dead_enter_no_room(run):
    """The library's own rooms keep no ghost either."""
    raw, sid = await joined(run)
    errors = []

    async def enter(sid):
        run.log.append(("entering", sid))
        await asyncio.sleep(0.2)
        try:
            await run.server.enter_room(sid, "r")
        except ValueError as error:
            errors.append(error)

    run.server.on("enter", enter)
    raw.send('42["enter"]')
    await run.log.seen("entering")
    raw.reset()
    await run.log.seen("disconnect", sid)
    assert errors and run.server.manager.rooms == {} and run.server.manager.get_namespaces() == []


async def test_a_handler_that_takes_too_long_after_the_end_is_cancelled():
    """Then the disconnect runs; messages behind the handler are dropped."""
    async with ours(handler_seconds=0.1) as run:
        raw, sid = await joined(run)
        raw.send('42["slow",60]')
        raw.send('42["echo"]')
        await run.log.seen("slow")
        raw.reset()
        await run.log.seen("disconnect", sid)
        assert [entry[0] for entry in run.log] == ["connect", "slow", "slow cancelled", "disconnect"]


async def test_a_handler_that_ignores_its_cancellation_holds_up_nobody():
    """The disconnect runs all the same."""
    async with ours(handler_seconds=0.1) as run:
        release = asyncio.Event()

        async def deaf(sid):
            run.log.append(("deaf", sid))
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    run.log.append(("ignored", sid))

        run.server.on("deaf", deaf)
        raw, sid = await joined(run)
        raw.send('42["deaf"]')
        await run.log.seen("deaf")
        raw.reset()
        await run.log.seen("disconnect", sid)
        assert run.log.of("ignored")
        release.set()


async def test_what_arrived_before_the_end_is_still_worked_off_in_order(run):
    """A clean leave behind a slow handler is not lost with the connection."""
    raw, sid = await joined(run)
    raw.send('42["slow",0.05]')
    raw.send('42["echo","last words"]')
    raw.send("1")
    await run.log.seen("disconnect", sid)
    assert [e[0] for e in run.log] == ["connect", "slow", "slow done", "echo", "disconnect"]
    assert run.log[-1][2] == "client disconnect"


async def test_a_connection_lost_while_its_connect_handler_waits_hears_connect_and_disconnect(run):
    """Whoever was let in is let out, once."""
    started = asyncio.Event()

    async def connect(sid, environ, auth):
        started.set()
        await asyncio.sleep(0.1)
        run.log.append(("connect", sid))

    run.server.on("connect", connect)
    raw = await Raw.connect(run.port)
    await raw.opened()
    raw.send("40")
    await started.wait()
    raw.reset()
    await run.log.seen("disconnect")
    await moments(0.05)
    assert [e[0] for e in run.log] == ["connect", "disconnect"] and run.log[0][1] == run.log[1][1]
    assert run.server.manager.get_namespaces() == []


async def test_a_plain_connect_handler_may_decide_to_wait(run):
    """It returns a coroutine, which is a task from its first step: timeouts work and context stays with it."""

    def connect(sid, environ, auth):
        async def look_up():
            async with asyncio.timeout(30):
                await asyncio.sleep(0.01)
            return auth != {"no": 1}

        return look_up()

    run.server.on("connect", connect)
    raw = await Raw.connect(run.port)
    await raw.opened()
    raw.send('40{"no":1}')
    assert (await raw.receive()).startswith("44{")
    await raw.join()


async def test_a_task_may_time_out_without_harming_anyone(run):
    """asyncio.timeout and TaskGroup belong to the handler's own task."""

    async def late(sid):
        try:
            async with asyncio.timeout(0.02), asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(60))
        except TimeoutError:
            return "timed out"

    run.server.on("late", late)
    raw, _ = await joined(run)
    raw.send('421["late"]')
    raw.send('422["echo"]')
    assert [await raw.receive(), await raw.receive()] == ['431["timed out"]', "432[]"]


async def test_context_variables_do_not_leak_between_handlers(run):
    """Neither from connection to connection nor from event to event."""

    def mark(sid, value):
        before = marked.get()
        marked.set(value)
        return before

    async def mark_later(sid, value):
        before = marked.get()
        marked.set(value)
        await asyncio.sleep(0)
        assert marked.get() == value
        return before

    run.server.on("mark", mark)
    run.server.on("mark_later", mark_later)
    one, _ = await joined(run)
    two, _ = await joined(run)
    for raw in (one, two, one):
        raw.send('421["mark","x"]')
        assert await raw.receive() == '431[""]'
        raw.send('421["mark_later","y"]')
        assert await raw.receive() == '431[""]'
    assert marked.get() == ""


async def test_a_failing_handler_is_logged_and_harms_nobody(run, caplog):
    """One error, with its traceback; the connection goes on."""

    def fail(sid):
        raise RuntimeError("ours to fix")

    async def fail_later(sid):
        raise RuntimeError("ours to fix")

    run.server.on("fail", fail)
    run.server.on("fail_later", fail_later)
    raw, sid = await joined(run)
    raw.send('42["fail"]')
    raw.send('42["fail_later"]')
    raw.send('421["echo"]')
    assert await raw.receive() == "431[]"
    assert len([r for r in caplog.records if r.exc_info and "ours to fix" in str(r.exc_info[1])]) == 2
    raw.reset()
    await run.log.seen("disconnect", sid)


async def test_a_server_side_disconnect_runs_once(run):
    """From within a handler of the same connection, and however often it is asked for."""

    def leave(sid):
        run.engine.disconnect(sid)
        run.engine.disconnect(sid)
        assert not run.engine.alive(sid)

    run.server.on("leave", leave)
    raw, sid = await joined(run)
    raw.send('42["leave"]')
    assert await raw.receive() == "41"
    await run.log.seen("disconnect", sid)
    raw.reset()
    await moments(0.05)
    assert run.log.of("disconnect") == [("disconnect", sid, "server disconnect")]


@pytest.mark.parametrize("seed", range(4))
async def test_any_mix_of_endings_leaves_nobody_behind(run, seed):
    """Random joins, slow handlers, closes, resets and errors: connects and disconnects pair up."""
    import random

    chance = random.Random(seed)

    async def life():
        raw = await Raw.connect(run.port)
        await raw.opened()
        if chance.random() < 0.9:
            raw.send("40")
        if chance.random() < 0.3:
            raw.send("40/admin,")
        for _ in range(chance.randrange(4)):
            raw.send(chance.choice(['42["echo"]', '42["slow",0.02]', "41", '42/admin,["echo"]']))
        await asyncio.sleep(chance.random() * 0.03)
        chance.choice([raw.reset, lambda: raw.send("1"), lambda: raw.send("garbage"), lambda: raw.frame(8, b"")])()
        await asyncio.sleep(chance.random() * 0.02)
        await raw.close()

    await asyncio.gather(*(life() for _ in range(40)))
    async with asyncio.timeout(30):
        while run.engine.connections() or len(run.log.of("connect")) != len(run.log.of("disconnect")):
            await asyncio.sleep(0.01)
    assert sorted(e[1] for e in run.log.of("connect")) == sorted(e[1] for e in run.log.of("disconnect"))
    assert run.server.manager.get_namespaces() == [] and not run.server.connections.websockets
