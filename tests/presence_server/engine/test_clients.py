"""Real clients: the Python one and the JavaScript one in Node, on every transport, with every kind of end."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
import socketio

from tests.clients import Client
from tests.presence_server.engine.support import moments, ours

TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


class Node:
    """A client process: `words` it said, `tell` it something."""

    def __init__(self, process):
        self.process = process
        self.words = []

    @classmethod
    async def start(cls, modules, url, transports):
        script = Path(__file__).parent / "client.cjs"
        environment = {**os.environ, "NODE_PATH": str(modules)}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "node", script, url, ",".join(transports), stdin=pipe, stdout=pipe, env=environment
        )
        return cls(process)

    async def hears(self, name):
        async with asyncio.timeout(30):
            while True:
                for entry in self.words:
                    if entry[0] == name:
                        self.words.remove(entry)
                        return entry
                self.words.append(json.loads(await self.process.stdout.readline()))

    def tell(self, word):
        self.process.stdin.write(word.encode() + b"\n")

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
@pytest.mark.parametrize("end", ["leave", "drop", "exit", "kill", "silence"])
async def test_the_javascript_client_comes_speaks_and_goes(node_modules, transports, end):
    """Events, binary and acks both ways; then a clean leave, a new connection, an exit, a kill, or silence."""
    times = {"ping_interval_seconds": 0.5, "ping_timeout_seconds": 0.5} if end == "silence" else {}
    async with ours(**times) as run:
        client = await Node.start(node_modules, run.url, transports)
        try:
            await comes_and_speaks(run, client, transports)
            await goes(run, client, end)
        finally:
            await client.stop()
        async with asyncio.timeout(30):
            while run.engine.connections() or len(run.log.of("connect")) != len(run.log.of("disconnect")):
                await asyncio.sleep(0.01)


async def comes_and_speaks(run, client, transports):
    _, sid = await client.hears("connect")
    if len(transports) == 2:
        await client.hears("upgrade")
    client.tell("echo")
    assert await client.hears("ack") == ["ack", {"a": [1, "ü"]}, "0102"]
    run.tell([sid], "n", 1, {"room": "r"})
    assert await client.hears("n") == ["n", 1, {"room": "r"}]
    await run.server.emit("n", b"\x07", to=sid)
    assert await client.hears("n") == ["n", {"hex": "07"}]
    assert await run.server.call("question", to=sid, timeout=30) == ("answer", 42)


async def goes(run, client, end):
    if end == "drop":
        client.tell("drop")
        await client.hears("disconnect")
        await client.hears("connect")
        await run.log.seen("disconnect")
        assert len(run.log.of("disconnect")) == 1
        run.log[:] = [entry for entry in run.log if entry[0] != "disconnect" and entry[1] != run.log[0][1]]
        end = "leave"
    if end in ("leave", "exit"):
        client.tell(end)
        await run.log.seen("disconnect")
    elif end == "kill":
        client.process.kill()
        await run.log.seen("disconnect")
    else:
        os.kill(client.process.pid, signal.SIGSTOP)
        await run.log.seen("disconnect")
        assert run.log[-1][2] == "ping timeout"


async def test_the_javascript_client_comes_back_after_a_drain(node_modules):
    """It is let go without a DISCONNECT, so it looks for us again and finds the next engine on the port."""
    async with ours() as run:
        client = await Node.start(node_modules, run.url, ["websocket"])
        await client.hears("connect")
        await run.engine.drain()
        assert (await client.hears("disconnect"))[1] == "transport close"
        assert await client.hears("connect_error")
        await client.stop()


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
@pytest.mark.parametrize("namespace", ["/", "/admin"])
async def test_the_python_client_comes_speaks_and_goes(run, transports, namespace):
    """Events, binary and acks both ways, then a clean leave."""
    client, heard = Client(), []
    client.on("n", lambda *data: heard.append(data), namespace=namespace)
    client.on("question", lambda: ("answer", 42), namespace=namespace)
    await client.connect(run.url, auth={"token": "t"}, transports=transports, namespaces=[namespace])
    sid = client.get_sid(namespace)
    assert ("connect", sid, {"token": "t"}) in run.log
    assert await client.call("echo", ({"a": 1}, b"\x01\x02"), namespace=namespace) == ({"a": 1}, b"\x01\x02")
    run.tell([sid], "n", 1, namespace=namespace)
    await run.server.emit("n", b"\x07", to=sid, namespace=namespace)
    assert await run.server.call("question", to=sid, namespace=namespace, timeout=30) == ("answer", 42)
    assert heard == [(1,), (b"\x07",)]
    await client.disconnect()
    await run.log.seen("disconnect", sid)
    await moments(0.05)
    assert len(run.engine.connections()) == 0 and len(run.log.of("disconnect")) == 1


async def test_the_python_client_is_told_why_it_is_refused(run):
    """The reason of the handler reaches it."""
    client = Client(reconnection=False)
    errors = []
    client.on("connect_error", errors.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(run.url, auth={"refuse": True}, transports=["websocket"])
    assert errors == [{"message": "no", "data": {"why": "because"}}]
