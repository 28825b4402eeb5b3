"""Keys that are fetched from the host application: when, how often, and what becomes of a bad document."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from backend_api.service import jwks
from backend_api.service.errors import ConfigError, Unauthorized, Unavailable
from backend_api.service.jwks import FRESH_SECONDS, RETRY_SECONDS, KeySource
from backend_api.service.settings import AuthSettings
from backend_api.service.tokens import decode

NOW = 1_795_257_000.0
KEYS = {kid: ECKey.generate_key("P-256", {"kid": kid}) for kid in ("one", "two")}


def mint(kid):
    return jwt.encode({"alg": "ES256", "kid": kid}, {"sub": "u1", "exp": NOW + 60}, KEYS[kid])


class Issuer:
    """A host application's JWKS endpoint; it counts its calls."""

    def __init__(self):
        self.calls = 0
        self.answer = self.publish("one")

    def publish(self, *kids, extra=()):
        self.answer = {"keys": [KEYS[kid].as_dict(private=False) for kid in kids] + list(extra)}
        return self.answer

    async def serve(self, _request):
        self.calls += 1
        await asyncio.sleep(0)
        answer = self.answer
        return web.json_response(answer) if isinstance(answer, dict) else answer()


@pytest.fixture
async def issuer():
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/keys", issuer.serve)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/keys"))
        yield issuer


@pytest.fixture
async def source(issuer, clock):
    async with KeySource(AuthSettings(jwks_url=issuer.url), monotonic=clock) as source:
        yield source


async def accepts(source, kid):
    keys = await source.keys_for(mint(kid))
    try:
        return bool(decode(mint(kid), keys, AuthSettings(jwks_url="https://a.example"), NOW))
    except Unauthorized:
        return False


async def test_keys_are_fetched_once_and_then_known_at_once(source, issuer):
    """The second token needs no request, and a socket handler can decide without waiting."""
    assert source.cached(mint("one")) is None
    assert await accepts(source, "one")
    assert await accepts(source, "one")
    assert source.cached(mint("one")) is not None
    assert issuer.calls == 1


async def test_many_at_once_cause_one_request(source, issuer):
    """A restart with thousands of reconnecting sockets asks the issuer once."""
    assert all(await asyncio.gather(*(accepts(source, "one") for _ in range(50))))
    assert issuer.calls == 1


async def test_a_new_key_is_found_when_a_token_names_it(source, issuer, clock):
    """Rotation needs no restart."""
    assert await accepts(source, "one")
    issuer.publish("one", "two")
    clock.at += RETRY_SECONDS
    assert await accepts(source, "two")
    assert issuer.calls == 2


async def test_invented_key_ids_do_not_become_a_flood(source, issuer, clock):
    """At most one request in RETRY_SECONDS; in between such tokens are refused at once."""
    assert await accepts(source, "one")
    for _ in range(20):
        assert not await accepts(source, "two")
    assert issuer.calls == 1
    assert source.cached(mint("two")) is not None
    clock.at += RETRY_SECONDS
    for _ in range(20):
        assert not await accepts(source, "two")
    assert issuer.calls == 2


async def test_a_withdrawn_key_is_refused_once_the_keys_are_no_longer_fresh(source, issuer, clock):
    """Keys are asked for again after FRESH_SECONDS."""
    assert await accepts(source, "one")
    issuer.publish("two")
    clock.at += FRESH_SECONDS
    assert await accepts(source, "one")
    clock.at += 1
    assert source.cached(mint("one")) is None
    assert not await accepts(source, "one")


BAD_ANSWERS = {
    "an error": lambda: web.Response(status=500),
    "a redirect": lambda: web.Response(status=302, headers={"Location": "/keys"}),
    "no JSON": lambda: web.Response(text="<html>"),
    "another shape": lambda: web.json_response({"keys": {}}),
    "no keys": lambda: web.json_response({"keys": []}),
    "too much": lambda: web.Response(text='{"keys": [' + " " * jwks.MAX_DOCUMENT_BYTES + "]}"),
    "deep": lambda: web.Response(text="[" * 100_000),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_an_issuer_that_answers_badly_leaves_known_keys_in_use(source, issuer, clock, answer):
    """Users stay signed in while it is out of order; where no key is known yet, a retry is asked for."""
    good, issuer.answer = issuer.answer, answer
    with pytest.raises(Unavailable):
        await source.keys_for(mint("one"))
    issuer.answer = good
    clock.at += RETRY_SECONDS
    assert await accepts(source, "one")
    issuer.answer = answer
    clock.at += FRESH_SECONDS + 1
    assert await accepts(source, "one")


async def test_an_issuer_that_is_away_is_asked_again_later(clock):
    """No connection is no verdict on a token."""
    async with KeySource(AuthSettings(jwks_url="http://127.0.0.1:9/keys"), monotonic=clock) as source:
        with pytest.raises(Unavailable):
            await source.keys_for(mint("one"))
        with pytest.raises(Unavailable):
            await source.keys_for(mint("one"))


async def test_only_public_keys_for_signatures_are_taken(source, issuer):
    """A symmetric key, one for encryption and one that cannot be read do not take the others away."""
    strangers = [
        {**OctKey.generate_key(256).as_dict(), "kid": "oct"},
        {**RSAKey.generate_key(2048).as_dict(private=False), "kid": "enc", "use": "enc"},
        {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "!", "y": "!"},
        {"kty": "EC"},
        {"kid": "nameless"},
    ]
    issuer.publish("one", extra=strangers)
    keys = await source.keys_for(mint("one"))
    assert [key.kid for key in keys] == ["one"]


def test_a_public_key_is_no_shared_secret():
    """Whoever configures it so would let everybody sign."""
    pem = KEYS["one"].as_pem(private=False).decode()
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        KeySource(AuthSettings(secret=pem))


async def test_a_shared_secret_is_known_from_the_start():
    """No request, no waiting."""
    async with KeySource(AuthSettings(secret="t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G")) as source:
        assert source.cached("any") is await source.keys_for("any")
