"""Which users' tokens are believed, and what they say their bearer owns."""

import hmac
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from backend_api.service.errors import Unauthorized
from backend_api.service.settings import AuthSettings
from backend_api.service.tokens import MAX_TOKEN_LENGTH, Claims, decode, key_id_of

NOW = 1_795_257_000.0
SECRET = "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"
KEY = OctKey.import_key(SECRET)
RSA, OTHER_RSA = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("rsa-1", "rsa-2"))
EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
SETTINGS = AuthSettings(secret=SECRET)
STRICT = AuthSettings(secret=SECRET, issuer="https://host.example", audience="presence")
REMOTE = AuthSettings(jwks_url="https://host.example/keys")


def base64(content):
    content = content.encode() if isinstance(content, str) else content
    return urlsafe_b64encode(content).decode().rstrip("=")


def mint(key=KEY, header=None, **claims):
    given = {"sub": "u1", "exp": NOW + 60} | claims
    given = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(header or {"alg": "HS256"}, given, key)


def sign_payload(payload, header=None):
    return jws.serialize_compact(header or {"alg": "HS256"}, payload, KEY)


def refused(token, keys=KEY, settings=SETTINGS, now=NOW):
    with pytest.raises(Unauthorized):
        decode(token, keys, settings, now)
    return True


def test_a_valid_token_gives_its_claims():
    """Names of the contract in, our words out; what else is in it is ignored."""
    token = mint(roles=["teacher", "user"], channels=["c1"], artistId="a1", teacherId="t1", favouriteColour="red")

    claims = decode(token, KEY, SETTINGS, NOW)

    assert (claims.sub, claims.exp_at, claims.roles) == ("u1", NOW + 60, {"teacher", "user"})
    assert (claims.channels, claims.artist_id, claims.teacher_id) == ({"c1"}, "a1", "t1")
    assert not claims.is_admin
    assert decode(mint(roles=["admin"]), KEY, SETTINGS, NOW).is_admin


@pytest.mark.parametrize(
    ("room", "owned"),
    [
        ("auction:a1", True), ("auction:c1", False), ("channel:c1", True), ("stream:c1", True), ("channel:a1", False),
        ("track:art", True), ("track:a1", False), ("tutoring:tea", True), ("tutoring:a1", False),
        ("call:u1", False), ("lobby:a1", False),
    ],
)  # fmt: skip
def test_a_room_is_owned_by_the_claim_of_its_kind(room, owned):
    """Never by a claim of another kind, and a call by no claim at all."""
    claims = Claims(
        sub="u1", exp=NOW, auctions=frozenset({"a1"}), channels=frozenset({"c1"}), artistId="art", teacherId="tea"
    )
    assert claims.owns(room) is owned


def test_a_token_ends_at_the_second_of_its_exp():
    """At exp it is no longer valid (RFC 7519 4.1.4)."""
    token = mint(exp=NOW + 60)
    assert decode(token, KEY, SETTINGS, NOW + 59.9)
    assert refused(token, now=NOW + 60)


def test_a_token_does_not_begin_before_its_nbf():
    """From then on it is valid."""
    token = mint(nbf=NOW + 10)
    assert refused(token)
    assert decode(token, KEY, SETTINGS, NOW + 10)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None}, {"exp": "tomorrow"}, {"exp": True}, {"exp": 10**400}, {"sub": None}, {"sub": ""}, {"sub": 7},
        {"sub": "x" * 300}, {"nbf": "now"}, {"roles": "admin"}, {"roles": ["admin", 1]}, {"roles": {"admin": True}},
        {"channels": "c1"}, {"auctions": [["a1"]]}, {"artistId": 5}, {"aud": 5},
    ],
)  # fmt: skip
def test_missing_and_malformed_claims_are_refused(claims):
    """Nothing is guessed: `"roles": "admin"` makes nobody an admin."""
    assert refused(mint(**claims))


def test_issuer_and_audience_are_checked_where_they_are_configured():
    """Missing counts as wrong; the audience may be one of several."""
    right = {"iss": "https://host.example", "aud": "presence"}
    assert decode(mint(**right), KEY, STRICT, NOW)
    assert decode(mint(**right | {"aud": ["shop", "presence"]}), KEY, STRICT, NOW)
    for wrong in ({"iss": None}, {"iss": "https://evil.example"}, {"aud": None}, {"aud": "shop"}, {"aud": []}):
        assert refused(mint(**right | wrong), settings=STRICT)
    assert decode(mint(iss="anybody", aud="anything"), KEY, SETTINGS, NOW)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "HS512", "RS256"])
def test_the_header_does_not_choose_the_algorithm(algorithm):
    """Least of all none; neither with the right signature nor without one."""
    head, body, signature = mint().split(".")
    head = base64(f'{{"alg":"{algorithm}"}}')
    assert refused(f"{head}.{body}.")
    assert refused(f"{head}.{body}.{signature}")


def test_a_public_key_is_no_shared_secret():
    """The classical confusion: HS256 keyed with the published RSA key."""
    keys = KeySet([RSA])
    signed = base64('{"alg":"HS256","kid":"rsa-1"}') + "." + mint().split(".")[1]
    signature = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    assert refused(f"{signed}.{base64(signature)}", keys, REMOTE)
    assert decode(mint(RSA, {"alg": "RS256", "kid": "rsa-1"}), keys, REMOTE, NOW)


def test_both_algorithms_of_a_key_set_are_taken_and_no_other():
    """RS256 and ES256, each with its own kind of key."""
    keys = KeySet([RSA, EC])
    assert decode(mint(RSA, {"alg": "RS256", "kid": "rsa-1"}), keys, REMOTE, NOW)
    assert decode(mint(EC, {"alg": "ES256", "kid": "ec-1"}), keys, REMOTE, NOW)
    assert refused(jwt.encode({"alg": "RS512", "kid": "rsa-1"}, {"sub": "u1", "exp": NOW + 60}, RSA, ["RS512"]), keys)


def test_a_token_must_say_which_of_several_keys_signed_it():
    """An unknown kid, another's kid and none at all are refused; with a single key none is needed."""
    keys = KeySet([RSA, OTHER_RSA])
    assert refused(mint(RSA, {"alg": "RS256"}), keys, REMOTE)
    assert refused(mint(RSA, {"alg": "RS256", "kid": "rsa-2"}), keys, REMOTE)
    assert refused(mint(RSA, {"alg": "RS256", "kid": "rsa-9"}), keys, REMOTE)
    assert decode(mint(RSA, {"alg": "RS256"}), KeySet([RSA]), REMOTE, NOW)


@pytest.mark.parametrize("position", range(3))
def test_every_altered_part_is_refused(position):
    """Header, claims and signature alike."""
    parts = mint().split(".")
    parts[position] = ("A" if parts[position][0] != "A" else "B") + parts[position][1:]
    assert refused(".".join(parts))


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", "é.é.é", "\udcff.\udcff.\udcff", "x" * 10_000,
        base64("[" * 6_000) + ".e30.x",
        base64('{"alg":' * 800 + "1" + "}" * 800) + ".e30.x",
        base64('{"alg":"HS256","crit":["b64"],"b64":false}') + ".{}.x",
        base64('{"alg":5}') + ".e30.x",
        base64('{"alg":"HS256","kid":["a"]}') + ".e30.x",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_whatever_it_does_to_a_parser(token):
    """Deep headers, wrong types, bytes that are no text."""
    assert refused(token)
    assert refused(token, KeySet([RSA, EC]), REMOTE)


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"\xff", b"[" * 3_000, b'{"sub":' * 900, b'{"sub":"a"} x'])
def test_a_rightly_signed_payload_that_is_no_object_of_claims_is_refused(payload):
    """The host application may be wrong too."""
    assert refused(sign_payload(payload))


def test_a_token_has_a_longest_length():
    """Beyond it nothing is parsed."""
    assert refused(mint(note="x" * MAX_TOKEN_LENGTH))


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=50))
def test_arbitrary_texts_are_refused_and_nothing_else_happens(head, body, signature):
    """One kind of error for everything."""
    assert refused(f"{head}.{body}.{signature}")
    key_id_of(f"{head}.{body}")


def test_the_key_id_is_read_before_anything_is_verified():
    """It only says which key to get."""
    assert key_id_of(mint(header={"alg": "HS256", "kid": "k1"})) == "k1"
    assert key_id_of(mint()) is None
    assert key_id_of(base64('"text"')) is None
