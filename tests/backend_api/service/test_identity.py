"""Who a request comes from, over real sockets: plain key, signature, token, nobody; and every way to get it wrong."""

import pytest
from multidict import CIMultiDict
from yarl import URL

from backend_api.contract.signing import (
    ID_HEADER,
    KEY_ID_HEADER,
    PLAIN_KEY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    WINDOW_SECONDS,
)
from backend_api.contract.wire import Wire
from backend_api.service.access import Caller, Internal, User, anyone
from backend_api.service.identity import Identify
from backend_api.service.jwks import KeySource
from backend_api.service.routes import RouteTable
from backend_api.service.settings import InternalSettings

TARGET = "/who/am%20I?b=2&a=%31"
BODY = b'{"size": 1}'


class Size(Wire):
    size: int


class Two(Wire):
    a: int
    b: int


@pytest.fixture
def table():
    table = RouteTable("who")

    @table.get("/who", allow=(anyone,), summary="Who asks")
    async def who(*, caller: Caller) -> str:
        match caller:
            case Internal(key_id, scopes):
                return f"{key_id}: {' '.join(sorted(scopes))}"
            case User(claims):
                return f"user {claims.sub}"
        return "nobody"

    table.received = []

    @table.post("/who/{name}", allow=(anyone,), summary="Who sends")
    async def send(*, caller: Caller, body: Size, query: Two) -> str:
        table.received.append(body.size + query.a)
        return caller.key_id if isinstance(caller, Internal) else "somebody"

    return table


@pytest.fixture
async def client(serve, table):
    return await serve(table)


@pytest.fixture
async def who(client):
    """What the program takes a GET for: its name, or the status."""

    async def ask(headers=None):
        async with client.get("/who", headers=headers) as answer:
            document = await answer.json()
            return document["data"] if answer.status == 200 else answer.status

    return ask


@pytest.fixture
async def send(client):
    """The status of a POST to TARGET and who it was taken for."""

    async def ask(headers, *, target=TARGET, body=BODY, method="POST"):
        url = URL(str(client.make_url("/"))[:-1] + target, encoded=True)
        headers = headers | {"Content-Type": "application/json"}
        async with client.session.request(method, url, data=body, headers=headers) as answer:
            return answer.status

    return ask


async def test_without_a_credential_it_is_nobody(who):
    """Guests are let in where anyone is."""
    assert await who() == "nobody"


async def test_the_plain_key_is_taken_in_its_header_and_as_bearer(who, internal):
    """For a curl and for cron services; it has every scope."""
    key = internal.api_key.get_secret_value()
    for headers in ({PLAIN_KEY_HEADER: key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer  {key}"}):
        assert await who(headers) == "plain: admin read sessions snapshots"


@pytest.mark.parametrize("key", ["", "x", "é" * 32, "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpA"])
async def test_a_wrong_plain_key_is_refused(who, key):
    """Short, foreign, nearly right; never taken for nobody."""
    assert await who({PLAIN_KEY_HEADER: key}) == 401
    assert await who({"Authorization": f"Bearer {key}"}) == 401


async def test_the_plain_key_can_be_switched_off(internal, serve, table, clock, auth):
    """Then only signatures are taken."""
    key = internal.api_key.get_secret_value()
    strict = InternalSettings.model_validate(internal.model_dump() | {"accept_plain_key": False})
    async with KeySource(auth) as keys:
        client = await serve(table, identify=Identify(strict, auth, keys, now=clock))
        for headers in ({PLAIN_KEY_HEADER: key}, {"Authorization": f"Bearer {key}"}):
            async with client.get("/who", headers=headers) as answer:
                assert answer.status == 401


async def test_a_signature_names_its_key_and_its_scopes(who, signed):
    """Several keys at once, each with what it is for."""
    assert await who(signed("GET", "/who", key="reader")) == "reader: read"
    assert await who(signed("GET", "/who")) == "full: admin read sessions snapshots"


async def test_a_signature_covers_the_target_exactly_as_it_is_sent(send, signed, table):
    """Escapes, their spelling and the order of the query are part of it."""
    assert await send(signed("POST", TARGET, BODY)) == 200
    for other in ("/who/am%20I?a=%31&b=2", "/who/am%20I?b=2&a=1", "/who/am%20i?b=2&a=%31"):
        assert await send(signed("POST", TARGET, BODY), target=other) == 401
    assert table.received == [2]


async def test_a_signature_covers_method_and_body(send, signed, table):
    """To the byte."""
    assert await send(signed("PUT", TARGET, BODY)) == 401
    assert await send(signed("POST", TARGET, BODY), body=BODY + b" ") == 401
    assert await send(signed("POST", TARGET, b""), body=BODY) == 401
    assert table.received == []


async def test_a_signature_holds_in_its_window_only(who, signed, clock):
    """Expired and future ones are refused; at the edges it holds."""
    at = int(clock())
    for seconds, expected in ((-301, 401), (-300, "reader: read"), (300, "reader: read"), (301, 401)):
        assert await who(signed("GET", "/who", key="reader", at=at + seconds)) == expected
    assert WINDOW_SECONDS == 300


async def test_a_replay_is_taken_inside_the_window(send, signed, clock):
    """Writes are idempotent; outside the window it is refused."""
    headers = signed("POST", TARGET, BODY)
    assert [await send(headers), await send(headers)] == [200, 200]
    clock.at += WINDOW_SECONDS + 1
    assert await send(headers) == 401


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (KEY_ID_HEADER, "nobody"), (KEY_ID_HEADER, ""), (KEY_ID_HEADER, "réader"), (KEY_ID_HEADER, None),
        (ID_HEADER, ""), (ID_HEADER, "another"), (ID_HEADER, None), (ID_HEADER, "é"),
        (TIMESTAMP_HEADER, ""), (TIMESTAMP_HEADER, "now"), (TIMESTAMP_HEADER, "1e9"), (TIMESTAMP_HEADER, "-1"),
        (TIMESTAMP_HEADER, "9" * 400), (TIMESTAMP_HEADER, "١٧٩٥٢٥٧٠٠٠"), (TIMESTAMP_HEADER, None),
        (SIGNATURE_HEADER, ""), (SIGNATURE_HEADER, "v1="), (SIGNATURE_HEADER, "v2=" + "0" * 64),
        (SIGNATURE_HEADER, "v1=" + "0" * 64), (SIGNATURE_HEADER, "v1=" + "é" * 64), (SIGNATURE_HEADER, "v1=\U0001f600"),
    ],
)  # fmt: skip
async def test_every_altered_header_of_a_signature_is_refused(who, signed, header, value):
    """Missing, empty, altered, not ASCII, absurdly long: 401, nothing else."""
    headers = signed("GET", "/who") | {header: value}
    sent = {name: text for name, text in headers.items() if text is not None}
    assert await who(sent) == 401


async def test_a_signature_with_upper_case_digits_is_another(who, signed):
    """The text is compared, not the number."""
    headers = signed("GET", "/who")
    assert await who(headers | {SIGNATURE_HEADER: headers[SIGNATURE_HEADER].upper()}) == 401


async def test_a_user_is_known_by_the_token(who, bearer):
    """`sub` is who it is."""
    assert await who(bearer(sub="alice")) == "user alice"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dTpw", "x", "", "Bearer a.b.c", "Bearer é.é.é"])
async def test_what_is_no_token_is_refused(who, header):
    """Another scheme too: a credential that is sent is never ignored."""
    assert await who({"Authorization": header}) == 401


async def test_an_expired_token_is_refused_and_not_taken_for_a_guest(who, bearer, clock):
    """401 says that one has to sign in again."""
    headers = bearer()
    clock.at += 601
    assert await who(headers) == 401


async def test_several_credentials_are_refused(who, signed, bearer, internal):
    """It would not be clear who is asking; nor is it with the same header twice."""
    plain = {PLAIN_KEY_HEADER: internal.api_key.get_secret_value()}
    for several in (plain | bearer(), plain | signed("GET", "/who"), bearer() | signed("GET", "/who")):
        assert await who(several) == 401
    assert await who(CIMultiDict([*bearer().items(), *bearer(sub="u2").items()])) == 401


async def test_a_refusal_says_how_to_authenticate_and_nothing_about_keys(client, internal):
    """WWW-Authenticate, and neither the key nor which part was wrong."""
    async with client.get("/who", headers={PLAIN_KEY_HEADER: "wrong"}) as answer:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.content_type == "application/problem+json"
        assert internal.api_key.get_secret_value() not in await answer.text()
