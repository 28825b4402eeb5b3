"""A connection that no namespace holds any more goes, whoever made it leave; who may open one is asked first."""

import asyncio

import aiohttp
import orjson
import pytest

from presence_server.engine.connections import OpenDoor
from tests.presence_server.engine.support import Raw, ours
from tests.presence_server.engine.test_limits import joined, pass_time


async def test_who_is_made_to_leave_its_last_namespace_is_told_and_closed(run):
    """The packet first, then the close; nothing is left of the connection."""
    raw, sid = await joined(run)
    run.engine.disconnect(sid)
    assert await raw.receive() == "41"
    assert await raw.receive() == ("close", 1008)
    raw.send('421["echo"]')
    await raw.close()
    async with asyncio.timeout(30):
        while run.engine.connections():
            await asyncio.sleep(0.01)
    assert run.log.of("echo") == []


async def test_who_does_not_answer_the_close_is_cut_off(run):
    """After the time that a close may take, even if it goes on sending."""
    raw, sid = await joined(run)
    run.engine.disconnect(sid)
    pass_time(run, 0.4)
    assert await raw.until_closed() == ["41", ("close", 1008)]
    assert run.engine.connections() == []


async def test_another_namespace_holds_the_connection(run):
    """It goes with the last of them."""
    raw, sid = await joined(run)
    admin = await raw.join("/admin")
    run.engine.disconnect(sid)
    assert await raw.receive() == "41"
    raw.send('42/admin,1["echo"]')
    assert await raw.receive() == "43/admin,1[]"
    run.engine.disconnect(admin, "/admin")
    assert [await raw.receive(), await raw.receive()] == ["41/admin,", ("close", 1008)]
    raw.reset()


async def test_who_is_expelled_leaves_every_namespace(run):
    """Told in each, closed at once, and each disconnect handler runs."""
    raw, sid = await joined(run)
    admin = await raw.join("/admin")
    (connection,) = run.engine.connections()
    run.engine.expel(connection)
    run.engine.expel("nobody")
    assert [await raw.receive() for _ in range(3)] == ["41", "41/admin,", ("close", 1008)]
    assert {entry[1] for entry in run.log.of("disconnect")} == {sid, admin}
    raw.reset()


async def test_a_polling_client_hears_it_with_its_next_poll_and_cannot_come_back(run):
    """The packet is not lost between two polls; another CONNECT on the same session is an offence."""
    async with aiohttp.ClientSession() as http:
        async with http.get(run.polling()) as answer:
            sid = orjson.loads((await answer.text())[1:])["sid"]
        await http.post(run.polling(sid), data="40")
        async with http.get(run.polling(sid)) as answer:
            member = orjson.loads((await answer.text())[2:])["sid"]
        run.engine.disconnect(member)
        async with http.get(run.polling(sid)) as answer:
            assert await answer.text() == "41\x1e1"
        await http.post(run.polling(sid), data="40")
        assert run.engine.connections() == []
    assert len(run.log.of("connect")) == 1


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_client_that_leaves_its_last_namespace_joins_one_in_time_or_goes(run, comes_back):
    """The deadline of a new connection begins anew."""
    raw, sid = await joined(run)
    pass_time(run, 11)
    raw.send("41")
    await run.log.seen("disconnect", sid)
    pass_time(run, 9)
    assert len(run.engine.connections()) == 1
    if comes_back:
        await raw.join()
    pass_time(run, 11)
    assert len(run.engine.connections()) == comes_back
    raw.reset()


async def test_a_client_that_leaves_one_of_two_namespaces_may_stay(run):
    """As long as the other one lasts."""
    raw, sid = await joined(run)
    await raw.join("/admin")
    raw.send("41")
    await run.log.seen("disconnect", sid)
    pass_time(run, 11)
    assert len(run.engine.connections()) == 1
    raw.reset()


class FullDoor(OpenDoor):
    def __init__(self):
        self.inside = []

    def enter(self, connection, facts):
        if len(self.inside) < 2:
            self.inside.append((connection, facts.address))
            return True
        return False

    def leave(self, connection):
        self.inside.remove((connection, "127.0.0.1"))


async def test_whoever_the_door_refuses_has_no_session():
    """By websocket and by polling, with a status; whoever ends is let out, joined or not."""
    door = FullDoor()
    async with ours(door=door) as run, aiohttp.ClientSession() as http:
        raw, _ = await joined(run)
        await http.get(run.polling())
        assert len(door.inside) == 2
        assert b" 429 " in (await Raw.connect(run.port)).head
        async with http.get(run.polling()) as answer:
            assert answer.status == 429
        raw.reset()
        async with asyncio.timeout(30):
            while len(door.inside) > 1:
                await asyncio.sleep(0.01)
    assert door.inside == []
