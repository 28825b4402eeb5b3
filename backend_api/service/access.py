"""Who is calling, and the rules by which a route lets them in. Pure: finding out who it is belongs to `identity`.

A route names its rules, `allow=(owner_of_room, admin, internal("read"))`; one that admits the caller is enough.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from backend_api.contract.signing import ALL_SCOPES
from backend_api.service.errors import Forbidden, Unauthorized
from backend_api.service.tokens import Claims


class Signed(NamedTuple):
    """What tells a signed request from all others but its own replays; `at` is when it was signed, in Unix seconds."""

    at: int
    signature: str


@dataclass(frozen=True, slots=True)
class Internal:
    """Another service of ours. `scopes` are those of the key it used; `signed` is None where that was the plain one."""

    key_id: str
    scopes: frozenset[str]
    signed: Signed | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class User:
    """A person with a valid token of the host application."""

    claims: Claims


@dataclass(frozen=True, slots=True)
class Nobody:
    """Somebody who sent no credential at all; a wrong credential never gets this far."""


Caller = Internal | User | Nobody


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in. `admits` is given the caller and the room that the path names, None where it names none."""

    name: str
    admits: Callable[[Caller, str | None], bool]
    schemes: tuple[str, ...] = ("bearer",)
    """OpenAPI security schemes that may satisfy it; none: no credential needed."""


def _is_admin(caller: Caller, _room: str | None) -> bool:
    return isinstance(caller, User) and caller.claims.is_admin


def _owns(caller: Caller, room: str | None) -> bool:
    return isinstance(caller, User) and room is not None and caller.claims.owns(room)


anyone = Rule("anyone", lambda _caller, _room: True, schemes=())
"""Guests too; a credential that is sent must still be right."""

unchecked = Rule("unchecked", lambda _caller, _room: True, schemes=())
"""Nobody looks at credentials or origins: pages, health, and what authenticates by its body."""

user = Rule("user", lambda caller, _room: isinstance(caller, User))
admin = Rule("admin", _is_admin)
owner_of_room = Rule("owner of the room", _owns)
"""The path model must have an attribute `room` (a field or a property)."""


def role(name: str) -> Rule:
    """Users whose token has the role `name`."""
    return Rule(name, lambda caller, _room: isinstance(caller, User) and name in caller.claims.roles)


def internal(scope: str | None = None) -> Rule:
    """Services whose key has `scope`; without one, any of them."""
    if scope is not None and scope not in ALL_SCOPES:
        raise ValueError(f"no such scope: {scope}")

    def admits(caller: Caller, _room: str | None) -> bool:
        return isinstance(caller, Internal) and (scope is None or scope in caller.scopes)

    return Rule(f"internal ({scope or 'any scope'})", admits, schemes=("plainKey", "bearer", "signed"))


def is_internal_only(rules: Sequence[Rule]) -> bool:
    """Whether only services of ours may call; such a route can be bound to an address of its own."""
    return all("signed" in rule.schemes for rule in rules)


def authorize(caller: Caller, room: str | None, rules: Sequence[Rule]) -> None:
    """Return where a rule admits the caller; else raise Unauthorized for nobody, Forbidden for somebody."""
    if any(rule.admits(caller, room) for rule in rules):
        return
    if isinstance(caller, Nobody):
        raise Unauthorized
    raise Forbidden("This credential does not allow that.")
