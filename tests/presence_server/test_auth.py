"""Who a handshake makes of a client, with real tokens."""

import inspect

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from backend_api.service.jwks import KeySource
from backend_api.service.settings import AuthSettings
from presence_server.auth import Gate, Person, connecting_origins
from presence_server.errors import ConnectionRefused
from tests.presence_server.helpers import TOKEN_SECRET

NOW = 1_800_000_000.0
KEY = OctKey.import_key(TOKEN_SECRET)


def token(**claims: object) -> str:
    return jwt.encode({"alg": "HS256"}, {"sub": "ada", "exp": NOW + 60, **claims}, KEY)


@pytest.fixture
def gate():
    settings = AuthSettings(secret=SecretStr(TOKEN_SECRET))
    return Gate(KeySource(settings), settings, lambda: NOW)


def test_a_valid_token_makes_a_user_and_its_subject_is_the_viewer(gate):
    """A viewer id that is sent beside it is ignored."""
    person = gate.admit({"token": token(roles=["admin"]), "viewerId": "somebody else"}, "c1")
    assert person.viewer_id == "u:ada"
    assert person.claims.is_admin


@pytest.mark.parametrize("auth", [{"viewerId": "v1"}, {"viewerId": "v1", "token": None}, {"viewerId": "v1", "more": 1}])
def test_a_guest_is_the_id_it_sent(gate, auth):
    """Which can never be mistaken for a user's."""
    assert gate.admit(auth, "c1") == Person("g:v1", None)


@pytest.mark.parametrize("auth", [None, {}, *[{"viewerId": bad} for bad in ("", "x" * 65, 7, None, ["v1"], {"v": 1})]])
def test_without_a_usable_id_a_guest_is_its_socket(gate, auth):
    """Each such socket is a person of its own."""
    assert gate.admit(auth, "c1") == Person("s:c1", None)


BAD_TOKENS = [
    "", "x", "a.b.c", 7, True, [], {}, "a.b.c.d", "\ud800", "é" * 10,
    token(exp=NOW - 1), token(sub=None), token()[:-2] + "xx",
    jwt.encode({"alg": "HS256"}, {"sub": "ada", "exp": NOW + 60}, OctKey.generate_key(256)),
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJleHAiOjE4MDAwMDAwNjB9.",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_a_token_that_is_not_valid_is_refused_and_never_a_guest(gate, bad):
    """Whatever is wrong with it."""
    with pytest.raises(ConnectionRefused) as refused:
        gate.admit({"token": bad, "viewerId": "v1"}, "c1")
    assert refused.value.code == "unauthorized"


@pytest.mark.parametrize("auth", [[], "token", 7, True, [["token", "x"]]])
def test_an_auth_that_is_no_object_is_refused(gate, auth):
    """As malformed."""
    with pytest.raises(ConnectionRefused) as refused:
        gate.admit(auth, "c1")
    assert refused.value.code == "bad_request"


async def test_where_the_issuer_does_not_answer_a_user_may_try_later():
    """A key that is not known yet has to be fetched, and the handshake waits for that."""
    settings = AuthSettings(jwks_url="http://127.0.0.1:9/jwks")
    async with KeySource(settings) as keys:
        waiting = Gate(keys, settings, lambda: NOW).admit({"token": token()}, "c1")
        assert inspect.iscoroutine(waiting)
        with pytest.raises(ConnectionRefused) as refused:
            await waiting
    assert refused.value.code == "unavailable"


def test_pages_of_both_programs_may_connect_by_either_name_of_this_machine():
    """And those that are listed; a foreign one may not."""
    origins = connecting_origins(["https://Shop.example"], "http://127.0.0.1:8090", "http://localhost:8080/base")
    assert origins == {
        "https://shop.example",
        "http://127.0.0.1:8090",
        "http://localhost:8090",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
    }
    assert connecting_origins([], "https://live.example/x") == {"https://live.example"}
