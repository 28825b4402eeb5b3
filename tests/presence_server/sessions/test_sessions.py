"""Sockets that carry sessions, over real sockets: who is let in, what they hear, what is reported of them."""

import asyncio

import aiohttp
import orjson
import pytest
import socketio

from presence_server.app import running
from presence_server.config import BackendPeer
from tests.clients import Client
from tests.presence_server.engine.support import Raw
from tests.presence_server.helpers import settings, token, until

LISTENING = "/listening"


class Player:
    """One page that plays a channel."""

    def __init__(self) -> None:
        self.client = Client(reconnection=False)
        self.sessions: asyncio.Queue[dict] = asyncio.Queue()
        self.client.on("session", self.sessions.put, namespace=LISTENING)

    async def play(self, url, **auth):
        asked = {"channelId": "c1", "listenerId": "l1", **auth}
        await self.client.connect(url, transports=["websocket"], auth=asked, namespaces=[LISTENING])
        return await asyncio.wait_for(self.sessions.get(), 30)

    async def call(self, event, *data):
        return await self.client.call(event, *data, namespace=LISTENING, timeout=30)


def intervals(backend):
    """Every reported interval, the newest version of each."""
    reports = [i for body in backend.bodies for i in orjson.loads(body).get("intervals", ())]
    return {r["intervalId"]: r for r in sorted(reports, key=lambda report: report["version"])}


@pytest.fixture
async def presence(tmp_path, backend):
    async with running(settings(tmp_path, backend.url, limits={"guest_sessions_per_address": 3})) as presence:
        yield presence


async def test_a_listener_is_a_viewer_and_an_interval(presence, backend):
    """Counted in the channel's room; reported with what was said and the address it came from."""
    player = Player()
    session = await player.play(presence.url, streamId="main", showId="news")
    assert presence.counter.counts("channel:c1").viewer_count == 1
    await until(lambda: intervals(backend))
    (report,) = intervals(backend).values()
    said = {name: report[name] for name in ("kind", "sessionId", "channelId", "streamId", "showId", "listenerId")}
    assert said == {
        "kind": "listening", "sessionId": session["sessionId"], "channelId": "c1", "streamId": "main",
        "showId": "news", "listenerId": "l1",
    }  # fmt: skip
    assert report["address"] == "127.0.0.1"
    await player.client.disconnect()
    await until(lambda: [r for r in intervals(backend).values() if r.get("reason") in ("disconnect", "lost")])
    assert presence.counter.counts("channel:c1").viewer_count == 0


@pytest.mark.parametrize(("proxies", "place"), [(["127.0.0.0/8"], ["PT", "PT-11"]), (["10.0.0.0/8"], [None, None])])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_trusted_proxys_word_on_the_place_is_reported(tmp_path, backend, proxies, place, transport):
    """As codes; what anybody else sends in the same headers is not."""
    root = settings(tmp_path, backend.url, trusted_proxies=proxies)
    headers = {"country_header": "X-Country", "region_header": "X-Region"}
    root = root.model_copy(update={"backend": BackendPeer.model_validate({"places": headers | {"file": "a.mmdb"}})})
    player = Player()
    async with running(root) as presence:
        said = {"X-Country": "pt", "X-Region": "11"}
        asked = {"auth": {"channelId": "c1"}, "namespaces": [LISTENING], "transports": [transport]}
        await player.client.connect(presence.url, headers=said, **asked)
        await until(lambda: intervals(backend))
        (report,) = intervals(backend).values()
        assert [report.get("country"), report.get("region")] == place
        await player.client.disconnect()


async def test_stop_is_acknowledged_and_leaves_the_room(presence, backend):
    """A second stop has nothing to end; what was added of the quality is in the report."""
    player = Player()
    await player.play(presence.url)
    assert (await player.call("quality", {"buffering": 2, "bitrate": 96_000}))["ok"] is True
    assert (await player.call("quality", {"buffering": -1}))["error"]["code"] == "bad_request"
    assert (await player.call("stop"))["ok"] is True
    assert presence.counter.counts("channel:c1").viewer_count == 0
    assert (await player.call("stop"))["error"]["code"] == "bad_request"
    await until(lambda: [r for r in intervals(backend).values() if r.get("reason") == "stop"])
    (report,) = intervals(backend).values()
    assert report["quality"] == {"buffering": 2, "reconnects": 0, "bitrate": 96_000}
    await player.client.disconnect()


async def test_a_stop_in_one_tab_leaves_the_other_playing(presence, backend):
    """A duplicated tab carries the same session; when one is stopped, the other goes on with a session of its own."""
    one, two = Player(), Player()
    first = await one.play(presence.url)
    assert (await two.play(presence.url, sessionToken=first["sessionToken"]))["sessionId"] == first["sessionId"]
    await one.call("stop")
    fresh = await asyncio.wait_for(two.sessions.get(), 30)
    assert (fresh["sessionId"] == first["sessionId"], fresh["resumed"]) == (False, False)
    assert presence.counter.counts("channel:c1").viewer_count == 1
    await until(lambda: any(r["sessionId"] == fresh["sessionId"] for r in intervals(backend).values()))
    (report,) = [r for r in intervals(backend).values() if r["sessionId"] == fresh["sessionId"]]
    assert (report["channelId"], "closedAt" in report) == ("c1", False)
    assert (await two.call("stop"))["sessionId"] == fresh["sessionId"]
    for player in (one, two):
        await player.client.disconnect()


@pytest.mark.parametrize(
    ("auth", "code"),
    [({"channelId": "a b"}, "bad_request"), ({"channelId": 7}, "bad_request"),
     ({"listenerId": "x" * 65}, "bad_request"), ({"token": "x.y.z"}, "unauthorized"), ({"token": 7}, "unauthorized")],
)  # fmt: skip
async def test_who_asks_wrongly_is_refused(presence, auth, code):
    """With a code; nobody is counted and nothing is kept."""
    player, refusals = Player(), []
    player.client.on("connect_error", refusals.append, namespace=LISTENING)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await player.play(presence.url, **auth)
    assert refusals[0]["data"]["code"] == code
    assert presence.counter.connections == 0


async def test_a_token_resumes_only_its_own_session(presence):
    """Another channel's, another user's, an altered token: a new session; a guest with the user's token goes on."""
    first = await (one := Player()).play(presence.url, token=token(sub="ada"))
    asked = [
        ({"sessionToken": first["sessionToken"]}, True),
        ({"sessionToken": first["sessionToken"], "token": token(sub="bob")}, False),
        ({"sessionToken": first["sessionToken"], "channelId": "c2"}, False),
        ({"sessionToken": first["sessionToken"][:-2]}, False),
    ]
    for auth, resumes in asked:
        session = await (other := Player()).play(presence.url, **auth)
        assert (session["sessionId"] == first["sessionId"], session["resumed"]) == (resumes, resumes)
        await other.client.disconnect()
    await one.client.disconnect()


async def test_guests_of_one_address_are_limited(presence):
    """The fourth is refused, a user is not; who leaves makes room."""
    players = [Player() for _ in range(3)]
    for player in players:
        await player.play(presence.url)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await Player().play(presence.url)
    user = Player()
    await user.play(presence.url, token=token())
    await players[0].client.disconnect()
    await until(lambda: presence.counter.connections == 3)
    again = Player()
    await again.play(presence.url)
    for player in (*players[1:], user, again):
        await player.client.disconnect()


async def test_sessions_pay_at_the_door_as_rooms_do(tmp_path, backend):
    """One pace for a connection: leaving the namespace and coming back fills no bucket; a flood closes it."""
    limits = {"events_at_once": 6, "events_per_second": 0.001, "rooms_per_socket": 1}
    async with running(settings(tmp_path, backend.url, limits=limits)) as presence:
        raw = await Raw.connect(int(presence.url.rpartition(":")[2]))
        await raw.opened()
        answers = []
        for _ in range(8):
            raw.send('40/listening,{"channelId":"c1"}')
            answers.append(str(await raw.receive()))
            if answers[-1].startswith("40"):
                await raw.receive()
                raw.send("41/listening,")
        assert [answer[:2] for answer in answers] == ["40"] * 6 + ["44"] * 2
        assert "slow_down" in answers[-1]
        for _ in range(40):
            raw.send('40/listening,{"channelId":"c1"}')
        async with asyncio.timeout(30):
            while await raw.receive() != ("close", 1008):
                pass
        await until(lambda: presence.counter.connections == 0)


async def test_open_intervals_and_their_outbox_are_measured(presence, backend):
    """By kind; what waits, and what became of the attempts."""
    player = Player()
    await player.play(presence.url)
    done = 'presence_session_report_attempts_total{outcome="done"} 1.0'
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while done not in (text := await _metrics(http, presence)):
            await asyncio.sleep(0.02)
    assert 'presence_open_intervals{kind="listening"} 1.0' in text
    assert 'presence_open_intervals{kind="tutoring"} 0.0' in text
    assert "presence_session_outbox_reports 0.0" in text
    assert "presence_session_reports_unfiled 0.0" in text
    await player.client.disconnect()


async def _metrics(http, presence):
    async with http.get(f"{presence.url}/metrics") as answer:
        return await answer.text()


async def test_a_shutdown_closes_intervals_as_the_servers_doing(tmp_path, backend):
    """The clients will be back: their sessions are not ended by it, and every report is delivered."""
    player = Player()
    async with running(settings(tmp_path, backend.url)) as presence:
        await player.play(presence.url)
    (report,) = intervals(backend).values()
    assert report["reason"] == "shutdown"


async def test_a_socket_ends_with_its_token(presence, backend):
    """The session goes on only with a fresh one."""
    player, gone = Player(), asyncio.Event()
    player.client.on("disconnect", lambda *_: gone.set(), namespace=LISTENING)
    await player.play(presence.url, token=token(seconds=4))
    await asyncio.wait_for(gone.wait(), 30)
    await until(lambda: [r for r in intervals(backend).values() if "closedAt" in r])


async def test_two_namespaces_of_one_connection_count_once(presence):
    """A page that watches the count and plays is one viewer of the channel."""
    player = Player()
    await player.client.connect(
        presence.url, transports=["websocket"], auth={"channelId": "c1", "viewerId": "l1"}, namespaces=["/", LISTENING]
    )
    await asyncio.wait_for(player.sessions.get(), 30)
    joined = await player.client.call("join", {"room": "channel:c1"}, timeout=30)
    assert joined["viewerCount"] == 1
    await player.call("stop")
    assert presence.counter.counts("channel:c1").viewer_count == 1
    await player.client.disconnect()
