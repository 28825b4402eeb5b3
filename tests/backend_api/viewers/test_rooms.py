"""Rooms that have history, by name."""

import pytest

from backend_api.service.errors import Unprocessable

NAMES = ["auction:1", "auction:10", "auction:a.b", "auction:a_b", "auction:axb", "channel:1", "track:a.b"]


@pytest.fixture
async def directory(viewers, make_part):
    for name in NAMES:
        await viewers.take(make_part(viewers.clock()), room=name)
    return viewers.directory


async def names(directory, prefix="", q="", limit=100, cursor=None):
    page = await directory.page(prefix, q, limit=limit, cursor=cursor)
    return [room.room for room in page.rooms], page.next_cursor


@pytest.mark.parametrize(
    ("prefix", "q", "found"),
    [("", "", NAMES), ("auction:", "", NAMES[:5]), ("auction:1", "", NAMES[:2]), ("", "a.b", [NAMES[2], NAMES[6]]),
     ("auction:", ".*", []), ("", "nnel:", ["channel:1"]), ("zzz", "", []), ("", "(", []), ("", "$ne", [])],
)  # fmt: skip
async def test_prefix_and_text_are_taken_literally(directory, prefix, q, found):
    """No pattern, no operator: characters."""
    assert await names(directory, prefix, q) == (found, None)


async def test_pages_follow_each_other_without_gap_or_overlap(directory):
    """Two at a time, with and without a prefix, until there is no cursor."""
    for prefix, wanted in (("", NAMES), ("auction:", NAMES[:5])):
        found, cursor = await names(directory, prefix, limit=2)
        while cursor:
            more, cursor = await names(directory, prefix, limit=2, cursor=cursor)
            found += more
        assert found == wanted


@pytest.mark.parametrize("cursor", ["x", "é", "____", "YQ=", "8J-Y"])
async def test_a_cursor_that_is_not_ours_is_refused_or_means_a_name(directory, cursor):
    """Never a failure: an error that names the field, or simply a place in the order of names."""
    try:
        await names(directory, cursor=cursor)
    except Unprocessable as error:
        assert error.errors[0].pointer == "#/cursor"


async def test_a_room_knows_its_first_and_latest_minute(viewers, make_part):
    """An earlier minute that comes later moves the first one back; packing moves the latest one on."""
    now = viewers.clock()
    await viewers.take(make_part(now - 600))
    await viewers.take(make_part(now - 1_200))
    await viewers.take(make_part(now))
    assert await viewers.reader.first_at("auction:demo") == now - 1_200
    viewers.clock.at += 7_200
    await viewers.packer.run()
    (room,) = (await viewers.directory.page("", "", limit=1, cursor=None)).rooms
    assert (room.first_at.timestamp(), room.last_at.timestamp()) == (now - 1_200, now)
