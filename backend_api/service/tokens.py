"""The users' tokens: JWTs that the host application issues. Pure: keys and the time are arguments.

The algorithm is fixed by how the keys came, never by the token: HS256 for a shared secret, RS256 or ES256 for a JWKS.
"""

from base64 import urlsafe_b64decode
from typing import Annotated

from joserfc import jws
from joserfc.jwk import KeySet, OctKey
from pydantic import ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from backend_api.contract.rooms import id_of, kind_of
from backend_api.contract.wire import Lenient
from backend_api.service.errors import Unauthorized
from backend_api.service.settings import AuthSettings

MAX_TOKEN_LENGTH = 8_192

Keys = OctKey | KeySet
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Claims(Lenient):
    """Who a token speaks for and what they own. `exp_at` is the Unix time from which it is no longer valid."""

    model_config = ConfigDict(strict=True)

    sub: Name
    exp_at: Annotated[float, Field(alias="exp", allow_inf_nan=False)]
    nbf_at: Annotated[float | None, Field(alias="nbf", allow_inf_nan=False)] = None
    iss: str | None = None
    aud: str | tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    auctions: frozenset[str] = frozenset()
    artist_id: Name | None = None
    teacher_id: Name | None = None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    def owns(self, room: str) -> bool:
        """Whether the room is one of theirs, by kind and id; a call's participants are not in a token."""
        name = id_of(room)
        match kind_of(room):
            case "auction":
                return name in self.auctions
            case "channel" | "stream":
                return name in self.channels
            case "track":
                return name == self.artist_id
            case "tutoring":
                return name == self.teacher_id
        return False


def key_id_of(token: str) -> str | None:
    """The `kid` that a token asks for; None where it names none or cannot be read."""
    try:
        header = from_json(urlsafe_b64decode(token[:MAX_TOKEN_LENGTH].partition(".")[0] + "=="))
    except ValueError:
        return None
    kid = header.get("kid") if isinstance(header, dict) else None
    return kid if isinstance(kid, str) else None


def decode(token: str, keys: Keys, settings: AuthSettings, now: float) -> Claims:
    """The claims of a valid token; Unauthorized for any other, whatever is wrong with it."""
    if len(token) > MAX_TOKEN_LENGTH or token.count(".") != 2:
        raise Unauthorized("The token is not valid.")
    algorithms = ["HS256"] if isinstance(keys, OctKey) else ["RS256", "ES256"]
    try:
        key = keys if isinstance(keys, OctKey) else keys.get_by_kid(key_id_of(token))
        payload = jws.deserialize_compact(token.encode(), key, algorithms=algorithms).payload
        claims = Claims.model_validate_json(payload)
    except ValidationError:
        raise Unauthorized("The token's claims are not valid.") from None
    except Exception:  # whatever a forged token does to a parser, it is one thing: refused
        raise Unauthorized("The token is not valid.") from None
    _check(claims, settings, now)
    return claims


def _check(claims: Claims, settings: AuthSettings, now: float) -> None:
    if claims.exp_at <= now:
        raise Unauthorized("The token has expired.")
    if claims.nbf_at is not None and claims.nbf_at > now:
        raise Unauthorized("The token is not valid yet.")
    if settings.issuer is not None and claims.iss != settings.issuer:
        raise Unauthorized("The token comes from another issuer.")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if settings.audience is not None and settings.audience not in audiences:
        raise Unauthorized("The token is meant for another audience.")
