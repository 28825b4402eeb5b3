"""The default namespace over real sockets: counting, watching, refusing."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest
import socketio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from presence_server.auth import Person
from presence_server.clock import Clock
from presence_server.config import LimitSettings
from presence_server.door import FrontDoor
from presence_server.engine.requests import Facts
from presence_server.presence.memory import MemoryPresence
from presence_server.rooms import RoomCounter
from presence_server.viewers import Rules, Viewers
from tests.presence_server.helpers import serving, token, until

ROOM = "auction:demo"
QUICK = {"ping_interval_seconds": 1, "ping_timeout_seconds": 1}
"""A client that polls closes only when its open request is answered: by the next ping."""


async def _page_process(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.presence_server.viewer_process", url, ROOM,
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip


async def test_three_come_one_leaves_and_one_is_killed(presence, page):
    """1, 2, 3; 2 after the leave, 1 after the SIGKILL; the joiner hears its count at once, the room as well."""
    stays, leaves = await page().open(presence.url), await page().open(presence.url)
    assert (await stays.call("join", {"auctionId": "demo"}))["viewerCount"] == 1
    assert (await leaves.join())["viewerCount"] == 2
    killed = await _page_process(presence.url)
    assert await killed.stdout.readline() == b"3\n"
    await stays.sees(3)
    assert (await leaves.call("leave", {"room": ROOM}))["viewerCount"] == 2
    await stays.sees(2)
    killed.kill()
    await killed.wait()
    await stays.sees(1)


async def test_a_page_whose_machine_froze_is_gone(start, page):
    """By the heartbeat, for no socket is closed by a SIGSTOP; how soon is shown with moved time."""
    presence = await start(socket=QUICK)
    stays = await page().open(presence.url)
    await stays.join()
    frozen = await _page_process(presence.url)
    assert await frozen.stdout.readline() == b"2\n"
    frozen.send_signal(signal.SIGSTOP)
    try:
        await stays.sees(2)
        await stays.sees(1)
    finally:
        frozen.kill()
        await frozen.wait()


async def test_an_update_has_two_arguments_and_what_the_contract_says(presence, page):
    """The count, then the details; epoch and seq are those of the acks."""
    first, second = await page().open(presence.url), await page().open(presence.url)
    ack = await first.join()
    await second.join()
    await first.sees(2)
    count, details = first.updates[-1]
    assert ack == {
        "ok": True, "room": ROOM, "viewerCount": 1, "uniqueViewers": 1, "activeViewers": 1,
        "epoch": details["epoch"], "seq": ack["seq"],
    }  # fmt: skip
    assert details.keys() == {*ack.keys(), "ts"} - {"ok"}
    assert (count, details["viewerCount"], details["uniqueViewers"], details["activeViewers"]) == (2, 2, 2, 2)
    assert details["seq"] > ack["seq"]
    assert details["ts"].endswith("Z")


async def test_tabs_of_one_person_are_viewers_and_one_unique_viewer(presence, page):
    """Active as long as one of them is visible."""
    auth = {"viewerId": "v1"}
    tabs = [await page().open(presence.url, auth=auth) for _ in range(2)]
    watcher = await page().open(presence.url)
    await watcher.call("watch", {"room": ROOM})
    for tab in tabs:
        answer = await tab.join()
    assert (answer["viewerCount"], answer["uniqueViewers"], answer["activeViewers"]) == (2, 1, 1)
    for tab in tabs:
        await tab.client.emit("active", {"active": False})
    await until(lambda: watcher.updates[-1][1]["activeViewers"] == 0)
    await tabs[0].client.emit("active", {"active": True})
    await until(lambda: watcher.updates[-1][1]["activeViewers"] == 1)
    assert watcher.updates[-1][0] == 2


async def test_a_page_that_reconnects_is_counted_once(presence, page):
    """The old socket's end and the new one's join add up to one."""
    watcher = await page().open(presence.url)
    await watcher.call("watch", {"room": ROOM})
    for _ in range(3):
        visitor = await page().open(presence.url, auth={"viewerId": "v1"})
        assert (await visitor.join())["viewerCount"] == 1
        await visitor.client.disconnect()
        await watcher.sees(0)


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
async def test_a_page_without_websockets_is_counted_as_well(start, page, transports):
    """By polling, and by the way from polling to a websocket."""
    presence = await start(socket=QUICK)
    visitor = await page().open(presence.url, transports=transports)
    assert (await visitor.join())["viewerCount"] == 1
    await visitor.sees(1)
    await visitor.client.disconnect()
    await until(lambda: presence.counter.connections == 0)


async def test_joining_and_leaving_twice_changes_nothing(presence, page):
    """The answer is the same each time."""
    visitor = await page().open(presence.url)
    assert await visitor.join() == await visitor.join()
    left = await visitor.call("leave", {"room": ROOM})
    assert left == await visitor.call("leave", {"room": ROOM})
    assert left["viewerCount"] == 0


async def test_a_watcher_hears_and_is_not_counted(presence, page):
    """Until it does not watch any more."""
    watcher, visitor = await page().open(presence.url), await page().open(presence.url)
    assert (await watcher.call("watch", {"room": ROOM}))["viewerCount"] == 0
    assert (await visitor.join())["viewerCount"] == 1
    await watcher.sees(1)
    assert (await watcher.call("unwatch", {"room": ROOM}))["ok"] is True
    heard = len(watcher.updates)
    await visitor.call("leave", {"room": ROOM})
    await visitor.join()
    await visitor.sees(1)
    assert len(watcher.updates) == heard


async def test_private_rooms_are_for_their_owner_and_admins(presence, page):
    """A guest and a stranger are refused, for joining and for watching."""
    guest, owner, admin = [
        await page().open(presence.url, auth=auth)
        for auth in (None, {"token": token(teacherId="t1")}, {"token": token(roles=["admin"])})
    ]
    for event in ("join", "watch"):
        assert (await guest.call(event, {"room": "tutoring:t1"}))["error"]["code"] == "forbidden"
        assert (await owner.call(event, {"room": "tutoring:t2"}))["error"]["code"] == "forbidden"
        assert (await owner.call(event, {"room": "tutoring:t1"}))["ok"] is True
        assert (await admin.call(event, {"room": "call:c1"}))["ok"] is True
    assert presence.counter.counts("tutoring:t1").viewer_count == 1


async def test_public_kinds_are_configurable(start, page):
    """What is not listed needs a token."""
    presence = await start(public_kinds=["lobby"])
    visitor = await page().open(presence.url)
    assert (await visitor.join("lobby:1"))["ok"] is True
    assert (await visitor.join("auction:1"))["error"]["code"] == "forbidden"


async def test_a_socket_may_be_in_so_many_rooms(start, page):
    """Joined and watched ones together; one that it is in already is no new one."""
    presence = await start(limits={"rooms_per_socket": 2})
    visitor = await page().open(presence.url)
    await visitor.join("auction:1")
    await visitor.call("watch", {"room": "auction:2"})
    assert (await visitor.join("auction:3"))["error"]["code"] == "too_many_rooms"
    assert (await visitor.join("auction:2"))["ok"] is True
    await visitor.call("leave", {"room": "auction:1"})
    assert (await visitor.join("auction:3"))["ok"] is True


ISSUER_KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
PUBLIC_KEYS = {"keys": [ISSUER_KEY.as_dict(private=False)]}
SIGNED = jwt.encode({"alg": "ES256", "kid": "k1"}, {"sub": "ada", "exp": time.time() + 86_400}, ISSUER_KEY)

KEYS = st.sampled_from(["room", "auctionId", "x"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


async def test_whatever_a_page_sends_is_answered(start, page):
    """Any JSON as any arguments: an ack with an error or a room, never an exception, and nobody is disturbed."""
    presence = await start(limits={"events_per_second": 1e6, "events_at_once": 1_000_000})
    strange, healthy = await page().open(presence.url), await page().open(presence.url)
    calls = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(["join", "leave", "watch", "unwatch"]), st.lists(JSON, max_size=3))
    def collect(event, arguments):
        calls.append((event, arguments))

    collect()
    for event, arguments in [*calls, ("join", [{"room": b"\x00"}]), ("join", [b"auction:1"])]:
        answer = await strange.call(event, *arguments)
        assert answer["ok"] or answer["error"]["code"] in {"bad_request", "bad_room", "forbidden", "too_many_rooms"}
    for arguments in ((), (None,), (5,), ({"active": 1},), ({"active": "false"},), ([],)):
        await strange.client.emit("active", arguments)
    assert (await healthy.join())["ok"] is True


BAD_ROOMS = ["", "demo", "auction:", ":x", "Auction:x", "auction:x y", "auction:" + "x" * 129, "a" * 33 + ":x"]
BAD_ROOMS += ["auction:x\n", "auction:ä", "auction:x/../y", "auction:$ne", "auction:a:b", "auction:x\x00"]


@pytest.mark.parametrize("room", BAD_ROOMS)
async def test_a_name_that_is_no_room_is_a_bad_room(presence, page, room):
    """Nothing of it is kept."""
    visitor = await page().open(presence.url)
    assert (await visitor.join(room))["error"]["code"] == "bad_room"
    assert len(presence.counter) == 0


async def test_a_flood_of_joins_is_slowed_and_then_closed_while_others_are_served(start, page):
    """The first ones pass, then slow_down, then the socket is closed for good."""
    presence = await start(limits={"rooms_per_socket": 10, "events_at_once": 10, "events_per_second": 1})
    flood, healthy = await page().open(presence.url), await page().open(presence.url)
    answers = []
    for _ in range(100):
        await flood.client.emit("join", {"room": ROOM}, callback=answers.append)
    await until(lambda: flood.reason is not None)
    codes = [answer.get("error", {}).get("code") for answer in answers]
    assert codes[:10] == [None] * 10
    assert set(codes[10:]) == {"slow_down"}
    assert flood.reason == "server disconnect"
    assert (await healthy.join())["viewerCount"] == 1


async def test_an_address_may_have_so_many_sockets(start, page):
    """The next one is refused with a code, and let in when another has gone."""
    presence = await start(limits={"sockets_per_address": 2})
    first, _ = [await page().open(presence.url) for _ in range(2)]
    refused = page()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await refused.open(presence.url)
    assert refused.refusal["data"]["code"] == "too_many_sockets"
    await first.client.disconnect()
    await until(lambda: presence.counter.connections == 1)
    await page().open(presence.url)


async def test_behind_a_trusted_proxy_the_forwarded_address_counts(start, page):
    """Two clients of one proxy are two addresses; without the trust they would be one."""
    presence = await start(limits={"sockets_per_address": 1}, trusted_proxies=["127.0.0.1/32"])
    await page().open(presence.url, **{"X-Forwarded-For": "203.0.113.1"})
    await page().open(presence.url, **{"X-Forwarded-For": "203.0.113.2"})
    with pytest.raises(socketio.exceptions.ConnectionError):
        await page().open(presence.url, **{"X-Forwarded-For": "203.0.113.2"})


async def test_many_changes_reach_a_page_coalesced_and_the_last_one_is_true(presence, page):
    """Thirty joins in a moment are a few updates, the newest of them right, in the order of their seq."""
    watcher = await page().open(presence.url)
    await watcher.call("watch", {"room": ROOM})
    visitors = await asyncio.gather(*(page().open(presence.url) for _ in range(30)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(visitor.join() for visitor in visitors))
    await watcher.sees(30)
    assert len(watcher.updates) <= 2 + (loop.time() - began) * 10
    seqs = [details["seq"] for _, details in watcher.updates]
    assert seqs == sorted(seqs)


async def test_a_token_that_expires_ends_its_socket(presence, page):
    """With a DISCONNECT: the page has to come back with another token."""
    user = await page().open(presence.url, auth={"token": token(seconds=4)})
    assert (await user.join())["uniqueViewers"] == 1
    await until(lambda: user.reason is not None)
    assert user.reason == "server disconnect"
    assert presence.counter.connections == 0


async def test_a_page_that_goes_while_its_token_waits_for_a_key_leaves_no_ghost(start, page):
    """The key comes when the page has gone already; it is counted in by nobody."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def jwks(_request: web.Request) -> web.Response:
        asked.set()
        await answer.wait()
        return web.json_response(PUBLIC_KEYS)

    async with serving({"/jwks": jwks}) as issuer, aiohttp.ClientSession() as http:
        presence = await start(jwks_url=f"{issuer}/jwks")
        url = f"{presence.url}/socket.io/?EIO=4&transport=websocket"
        async with http.ws_connect(url, timeout=aiohttp.ClientWSTimeout(ws_close=0.1)) as socket:
            await socket.receive()
            await socket.send_str("40" + json.dumps({"token": SIGNED}))
            await asked.wait()
        answer.set()
        user = await page().open(presence.url, auth={"token": SIGNED})
        assert (await user.join())["viewerCount"] == 1
        await until(lambda: presence.counter.connections == 1)


@pytest.mark.parametrize("is_open", [True, False])
async def test_who_was_waited_for_gets_in_only_if_it_is_still_there(is_open):
    """Its disconnect may have come and gone meanwhile; nobody would count it out again."""

    class Gate:
        async def _admit(self):
            return Person("u:ada", None)

        def admit(self, _auth, _connection):
            return self._admit()

    class Sockets:
        def connection_of(self, _sid):
            return "c1"

        def is_open(self, _connection):
            return is_open

    counter, rules = RoomCounter(), Rules(LimitSettings(), frozenset(["auction"]))
    door = FrontDoor(rules.limits, (), time.monotonic)
    door.enter("c1", Facts("", "http", "127.0.0.1", "", "", "", ""))
    viewers = Viewers(
        counter, MemoryPresence(), Sockets(), door, Gate(), rules, Clock(), lambda: "e", lambda _change: None
    )
    await viewers.connect("s1", None)
    assert counter.connections == len(viewers) == is_open


async def test_an_invalid_token_does_not_get_in(presence, page):
    """Not even as a guest."""
    visitor = page()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await visitor.open(presence.url, auth={"token": token(seconds=-1), "viewerId": "v1"})
    assert visitor.refusal["data"]["code"] == "unauthorized"
    assert presence.counter.connections == 0


@pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
async def test_only_pages_of_known_origins_get_in(start, page, transports):
    """The backend's pages and those that are listed; a foreign one is refused before it is a socket."""
    presence = await start(allowed_origins=["https://shop.example"], socket=QUICK)
    for origin in ("http://127.0.0.1:8080", "http://localhost:8080", "https://shop.example"):
        visitor = await page().open(presence.url, transports=transports, Origin=origin)
        assert (await visitor.join())["ok"] is True
    with pytest.raises(socketio.exceptions.ConnectionError):
        await page().open(presence.url, transports=transports, Origin="https://evil.example")
    assert presence.counter.connections == 3
