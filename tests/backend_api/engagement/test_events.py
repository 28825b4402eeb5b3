"""The checks of a batch, one by one, and what an event is stamped with."""

import pytest

from backend_api.contract.events import Rejected
from backend_api.engagement.events import Conditions, Sender, admit, completion_of, read, true_time

NOW = 1_795_257_000.0
CONDITIONS = Conditions(NOW, None, NOW - 86_400, {"t1": 0.0}, False)
ANN = Sender("ann", is_trusted=False, has_consent=True, is_bot=False)
GUEST = Sender(None, is_trusted=False, has_consent=True, is_bot=False)


def play(ago=0.0, **fields):
    return {"type": "play", "trackId": "t1", "sessionId": "s1", "timestamp": round((NOW - ago) * 1_000), **fields} | {
        "source": fields.get("source", "search")
    }


def stamped(item, sender=ANN, conditions=CONDITIONS):
    return admit({0: read(item)}, sender, conditions).events[0]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (play(trackId="t2"), "unknown_track"),
        (play(ago=86_401), "too_old"),
        (play(ago=-301), "in_future"),
        (play(trackId="t2", ago=86_401), "unknown_track"),
        (play(type="playback"), "unknown_type"),
        ({"trackId": "t1"}, "bad_field"),
        (None, "bad_field"),
    ],
)
def test_an_event_is_rejected_for_the_first_check_it_fails(item, reason):
    """With its index."""
    assert admit({7: read(item)}, ANN, CONDITIONS).rejected == [Rejected(index=7, reason=reason)]


@pytest.mark.parametrize("ago", [86_400, -300])
def test_the_limits_themselves_are_still_inside(ago):
    """A day old, five minutes ahead."""
    assert stamped(play(ago=ago)).at == NOW - ago


@pytest.mark.parametrize("wrong_by", [-7_200, 0, 30 * 86_400])
def test_however_wrong_the_devices_clock_is_the_time_is_right(wrong_by):
    """What counts is how long before sending it happened."""
    sent = read(play(ago=10 - wrong_by))
    assert true_time(sent, CONDITIONS._replace(sent_at=NOW + wrong_by)) == NOW - 10


def test_a_batch_that_was_long_on_its_way_does_not_change_the_order_of_what_happened():
    """The clock seems a little slow then: the device is believed."""
    first = true_time(read(play(ago=3)), CONDITIONS._replace(sent_at=NOW - 3))
    second = true_time(read(play(ago=2)), CONDITIONS._replace(sent_at=NOW - 0.1))
    assert (first, second) == (NOW - 3, NOW - 2)


@pytest.mark.parametrize("wrong_by", [-7_200, -30, 0, 30, 7_200])
def test_what_seems_to_be_made_after_it_was_sent_was_made_by_then(wrong_by):
    """The device's clock was set back while it waited: it is neither in the future nor refused as that."""
    conditions = CONDITIONS._replace(sent_at=NOW + wrong_by)
    assert stamped(play(ago=-86_400), ANN, conditions).at == NOW + (wrong_by if abs(wrong_by) < 60 else 0)


def test_a_person_is_the_user_else_the_device_else_the_visit():
    """Without consent the device is not looked at."""
    item = play(anonymousId="d1")
    assert stamped(item).person == "u:ann"
    assert stamped(item, GUEST).person == "a:d1"
    assert stamped(item, GUEST._replace(has_consent=False)).person == "s:s1"
    assert stamped(play(), GUEST).person == "s:s1"


def test_without_an_id_one_is_made_of_what_makes_the_event():
    """Another platform is another share; another duration is the same play."""
    share = play(type="share", platform="embed")
    assert stamped(share).id == stamped(share).id != stamped(share | {"platform": "twitter"}).id
    assert stamped(play()).id == stamped(play(duration=3.0)).id
    assert stamped(play()).digest != stamped(play(duration=3.0)).digest


def test_both_ways_of_writing_a_time_are_the_same_event():
    """Epoch milliseconds and RFC 3339 in any offset."""
    texts = ["2026-11-21T10:30:00Z", "2026-11-21T11:30:00.000+01:00", round(NOW * 1_000)]
    assert (
        len(
            {(stamped(play() | {"timestamp": text}).id, stamped(play() | {"timestamp": text}).digest) for text in texts}
        )
        == 1
    )


def test_of_the_device_nothing_is_in_what_tells_events_apart():
    """Nobody who knows a device can find what it did without consent; with and without it is the same event."""
    assert stamped(play(anonymousId="d1")).digest == stamped(play(anonymousId="d2")).digest == stamped(play()).digest


@pytest.mark.parametrize(("catalogue", "told", "seconds"), [(200, 100.0, 200), (0, 100.0, 100), (0, 0.0, 0)])
def test_how_long_a_track_is_the_catalogue_says_else_the_page(catalogue, told, seconds):
    """Of a length that nobody knows, 0."""
    conditions = CONDITIONS._replace(known_tracks={"t1": catalogue})
    end = play(type="playEnd", playId="p", duration=50.0, trackDuration=told)
    assert stamped(end, ANN, conditions).track_seconds == seconds
    assert stamped(play(), ANN, conditions).track_seconds == catalogue


def test_completion_is_at_most_a_hundred_per_cent():
    """And unknown without the track's length."""
    assert [completion_of(30, 120), completion_of(300, 120), completion_of(30, None), completion_of(30, 0)] == [
        25.0, 100.0, None, None,
    ]  # fmt: skip


def test_a_crawlers_events_and_a_guests_likes_are_not_counted():
    """Unless likes of guests are wanted."""
    like = play(type="like", action="like")
    assert stamped(play(), GUEST._replace(is_bot=True)).uncounted == "bot"
    assert stamped(like, GUEST).uncounted == "guest"
    assert stamped(like, GUEST, CONDITIONS._replace(guest_likes_count=True)).uncounted is None
    assert stamped(like).uncounted is None
