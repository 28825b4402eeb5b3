"""The rules of a route: who is admitted, who is refused, and how."""

import pytest

from backend_api.service import access
from backend_api.service.access import Internal, Nobody, User, admin, anyone, authorize, internal, owner_of_room, role
from backend_api.service.errors import Forbidden, Unauthorized
from backend_api.service.tokens import Claims


def user(**claims):
    return User(Claims.model_validate({"sub": "u1", "exp": 1.0} | claims))


READER = Internal("k1", frozenset({"read"}))
OWNER = user(auctions=frozenset({"a1"}))
ADMIN = user(roles=frozenset({"admin"}))
TEACHER = user(roles=frozenset({"teacher"}))
SOMEBODY = user()


def admitted(rule, room=None):
    callers = {"nobody": Nobody(), "somebody": SOMEBODY, "owner": OWNER, "admin": ADMIN, "teacher": TEACHER}
    callers |= {"reader": READER}
    return {name for name, caller in callers.items() if rule.admits(caller, room)}


EVERYBODY = {"nobody", "somebody", "owner", "admin", "teacher", "reader"}


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (anyone, EVERYBODY),
        (access.user, EVERYBODY - {"nobody", "reader"}),
        (admin, {"admin"}),
        (role("teacher"), {"teacher"}),
        (owner_of_room, {"owner"}),
        (internal(), {"reader"}),
        (internal("read"), {"reader"}),
        (internal("snapshots"), set()),
    ],
)
def test_a_rule_admits_exactly_its_own(rule, names):
    """An admin is no owner and no service; a service is no user; a key without the scope is nobody's."""
    assert admitted(rule, "auction:a1") == names


def test_nobody_owns_a_room_that_is_not_named():
    """A route without a room cannot be opened by ownership."""
    assert admitted(owner_of_room) == set()
    assert admitted(owner_of_room, "auction:a2") == set()


def test_one_rule_that_admits_is_enough():
    """Rules are alternatives."""
    authorize(OWNER, "auction:a1", (admin, owner_of_room))
    authorize(READER, "auction:a1", (admin, internal("read")))


def test_nobody_is_asked_for_a_credential_and_somebody_is_forbidden():
    """401 invites to sign in; 403 says that it would not help."""
    with pytest.raises(Unauthorized):
        authorize(Nobody(), None, (admin,))
    with pytest.raises(Forbidden):
        authorize(SOMEBODY, None, (admin,))


def test_a_scope_that_does_not_exist_is_found_at_the_declaration():
    """Not when the first service is refused."""
    with pytest.raises(ValueError, match="snapshot"):
        internal("snapshot")


def test_only_routes_without_other_ways_in_are_internal():
    """These can be given an address of their own."""
    assert access.is_internal_only((internal("read"), internal("admin")))
    assert not access.is_internal_only((internal("read"), admin))
    assert not access.is_internal_only((anyone,))
