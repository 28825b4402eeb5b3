"""The grammar of room names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract import rooms


@pytest.mark.parametrize("name", ["auction:demo", "a:1", "tutoring:A.b_c~d-9", "x" * 32 + ":" + "y" * 128])
def test_a_kind_and_an_id_make_a_room(name):
    """Lower-case kind of up to 32 characters, colon, id of up to 128 unreserved characters."""
    assert rooms.is_room(name)


@pytest.mark.parametrize(
    "name",
    ["", "demo", ":demo", "auction:", "Auction:x", "1a:x", "a:b:c", "a:b c", "a:b/c", "a:b\n", "a:é", "a:$ne",
     "x" * 33 + ":y", "x:" + "y" * 129, None, 7, True, ["auction:demo"], {"$ne": ""}],
)  # fmt: skip
def test_everything_else_is_not(name):
    """No other type, no other character, no trailing newline, no longer part."""
    assert not rooms.is_room(name)


@given(st.from_regex(rooms.ROOM_PATTERN.replace("$", r"\Z"), fullmatch=True))
def test_a_room_splits_into_its_kind_and_id(name):
    """A kind, a colon and an id make the room again; the id holds no colon."""
    assert rooms.is_room(name)
    assert f"{rooms.kind_of(name)}:{rooms.id_of(name)}" == name
    assert ":" not in rooms.id_of(name)


def test_guests_may_enter_public_kinds_only():
    """Which kinds are public is the caller's to say; the contract's defaults are four."""
    assert rooms.is_public("auction:x", rooms.PUBLIC_KINDS)
    assert not rooms.is_public("tutoring:x", rooms.PUBLIC_KINDS)
    assert rooms.is_public("tutoring:x", ["tutoring"])
