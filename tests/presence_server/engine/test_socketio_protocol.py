"""The socket.io-protocol (version 5), rule by rule: namespaces, events, acks, binary, invalid input."""

import asyncio

import orjson
import pytest

from tests.presence_server.engine.support import Raw, ours


async def opened(run):
    raw = await Raw.connect(run.port)
    await raw.opened()
    return raw


async def test_connect_gives_a_sid_of_its_own(run):
    """The Socket.IO sid is not the secret of the connection."""
    raw = await Raw.connect(run.port)
    values = await raw.opened()
    sid = await raw.join()
    assert sid != values["sid"] and run.log == [("connect", sid, None)]


async def test_authentication_reaches_the_handler(run):
    """The object of the CONNECT packet, as it was sent."""
    raw = await opened(run)
    raw.send('40{"token":"123"}')
    await raw.receive()
    assert run.log[0][2] == {"token": "123"}


async def test_namespaces_of_one_connection_are_apart(run):
    """Each has its sid, its events and its end."""
    raw = await opened(run)
    root, admin = await raw.join(), await raw.join("/admin")
    assert root != admin
    raw.send('42/admin,1["echo","x"]')
    assert await raw.receive() == '43/admin,1["x"]'
    raw.send("41/admin,")
    await run.log.seen("disconnect", admin, "client disconnect")
    raw.send('421["echo"]')
    assert await raw.receive() == "431[]"
    raw.reset()
    await run.log.seen("disconnect", root)
    assert len(run.log.of("disconnect")) == 2


async def test_a_namespace_can_be_joined_again_after_leaving(run):
    """With a new sid."""
    raw = await opened(run)
    first = await raw.join("/admin")
    raw.send("41/admin,")
    assert await raw.join("/admin") != first


async def test_an_unknown_namespace_is_refused_and_the_connection_stays(run):
    """The answer is the reference server's."""
    raw = await opened(run)
    raw.send("40/unknown,")
    assert await raw.receive() == '44/unknown,{"message":"Invalid namespace"}'
    await raw.join()


async def test_a_refusing_handler_gives_the_client_its_reason(run):
    """By exception, with data, or by False; nobody is connected and no disconnect follows."""
    raw = await opened(run)
    raw.send('40{"refuse":true}')
    assert await raw.receive() == '44{"message":"no","data":{"why":"because"}}'
    raw.send('40{"refuse":false}')
    assert orjson.loads((await raw.receive())[2:])["message"]
    raw.reset()
    await asyncio.sleep(0.05)
    assert not run.log.of("disconnect") and run.engine.server.manager.get_namespaces() == []


async def test_arguments_and_acks_pass_unchanged(run):
    """Any JSON, several arguments, acks only where asked for."""
    raw = await opened(run)
    sid = await raw.join()
    raw.send('42["echo",1]')
    raw.send('4212["echo",1,"2",{"3":[true,null,1.5]}]')
    assert await raw.receive() == '4312[1,"2",{"3":[true,null,1.5]}]'
    assert run.log[1:] == [("echo", sid, 1), ("echo", sid, 1, "2", {"3": [True, None, 1.5]})]


async def test_binary_arguments_and_acks_pass_unchanged(run):
    """Attachments follow their packet, in order."""
    raw = await opened(run)
    await raw.join()
    raw.send('452-9["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]')
    raw.send(b"one")
    raw.send(b"two")
    assert await raw.receive() == '462-9[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert [await raw.receive(), await raw.receive()] == [b"two", b"one"]


async def test_the_server_can_ask_for_an_ack(run):
    """Also from within a handler of the same connection, which the ack does not queue behind."""
    raw = await opened(run)
    answers = []

    async def asks(sid):
        answers.append(await run.server.call("question", "?", to=sid, timeout=30))
        return "asked"

    run.server.on("asks", asks)
    await raw.join()
    raw.send('425["asks"]')
    assert await raw.receive() == '421["question","?"]'
    raw.send('431["answer"]')
    assert await raw.receive() == '435["asked"]'
    assert answers == ["answer"]


async def test_an_unknown_event_is_answered_where_an_answer_is_asked_for(run):
    """Also an event with the wrong number of arguments: no traceback, no silence."""
    raw = await opened(run)
    await raw.join()
    run.server.on("two", lambda sid, one: one)
    raw.send('421["unknown"]')
    raw.send('422["two"]')
    raw.send('423["two",1,2]')
    raw.send('42["unknown"]')
    raw.send('424["two",1]')
    answers = [await raw.receive() for _ in range(4)]
    assert [a.startswith(f'43{i}[{{"ok":false') for i, a in enumerate(answers[:3], 1)] == [True] * 3
    assert answers[3] == "434[1]"


async def test_events_of_one_connection_keep_their_order_behind_a_handler_that_waits(run):
    """What comes meanwhile waits its turn."""
    raw = await opened(run)
    await raw.join()
    raw.send('421["slow",0.05]')
    raw.send('422["echo",2]')
    assert [await raw.receive(), await raw.receive()] == ['431["done"]', "432[2]"]


@pytest.mark.parametrize(
    "packet",
    [
        "4abc", "4", "47", "42", "42{}", "42[]", '42["connect"]', '42["disconnect"]', '42["a",NaN]', "40", "43[]",
        '44{"message":"x"}', '4511-["a"]', '42/admin,["echo"]', '42["a",' + "[" * 100 + "]" * 100 + "]", "41/admin,",
    ],
)  # fmt: skip
async def test_invalid_input_closes_the_connection_at_once(run, packet, caplog):
    """Malformed, reserved, out of turn: closed, every namespace left, nothing above debug in the log."""
    raw = await opened(run)
    sid = await raw.join()
    raw.send(packet)
    assert await raw.until_closed(1) == [("close", 1008)]
    await run.log.seen("disconnect", sid, "transport error")
    assert [r for r in caplog.records if r.levelname != "DEBUG" and r.name.startswith("presence")] == []


async def test_an_event_before_connect_closes_the_connection(run):
    """Nobody has been let in yet."""
    raw = await opened(run)
    raw.send('42["echo"]')
    assert await raw.until_closed(1) == [("close", 1008)]
    assert run.log == []


@pytest.mark.parametrize("after", ['42["echo"]', b"x" * 70])
async def test_only_the_announced_attachments_may_follow(run, after):
    """Text in between, or bytes that nobody announced, close the connection."""
    raw = await opened(run)
    await raw.join()
    if isinstance(after, str):
        raw.send('451-["echo",{"_placeholder":true,"num":0}]')
    raw.send(after)
    assert await raw.until_closed(1) == [("close", 1008)]


async def test_attachments_over_the_limit_close_the_connection():
    """Many small ones count as much as a big one."""
    async with ours(max_payload_bytes=1000) as run:
        raw = await opened(run)
        await raw.join()
        raw.send('453-["echo",{"_placeholder":true,"num":0}]')
        raw.send(b"x" * 600)
        raw.send(b"x" * 600)
        assert await raw.until_closed(1) == [("close", 1008)]


async def test_a_packet_in_flight_to_a_namespace_we_closed_harms_nobody(run):
    """The server made the client leave while it was sending: the other namespaces stay."""
    raw = await opened(run)
    await raw.join()
    admin = await raw.join("/admin")
    run.engine.disconnect(admin, "/admin")
    assert await raw.receive() == "41/admin,"
    raw.send('42/admin,["echo"]')
    raw.send('421["echo"]')
    assert await raw.receive() == "431[]"
    assert run.log.of("disconnect") == [("disconnect", admin, "server disconnect")]
    await raw.join("/admin")


async def test_the_librarys_own_calls_work_on_the_engine(run):
    """Emit to all, to a sid, to a room, skipping one; rooms; sessions; environ; class-based namespaces."""
    server, raw, other = run.server, await opened(run), await opened(run)
    one, two = await raw.join(), await other.join()
    await server.enter_room(one, "r")
    assert server.rooms(one) == [one, "r"] and server.transport(one) == "websocket"
    await server.emit("a", ("x", 1), room="r")
    await server.emit("b", to=two)
    await server.emit("c", {"k": b"bin"}, skip_sid=two)
    assert [await raw.receive() for _ in range(3)] == [
        '42["a","x",1]',
        '451-["c",{"k":{"_placeholder":true,"num":0}}]',
        b"bin",
    ]
    assert await other.receive() == '42["b"]'
    async with server.session(one) as session:
        session["who"] = "me"
    assert (await server.get_session(one))["who"] == "me"
    assert server.get_environ(one)["REMOTE_ADDR"] == "127.0.0.1"
    await server.leave_room(one, "r")
    assert server.rooms(one) == [one]
    await server.disconnect(one)
    assert await raw.receive() == "41"
    await run.log.seen("disconnect", one, "server disconnect")
