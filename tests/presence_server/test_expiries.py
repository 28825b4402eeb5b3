"""Which sockets are due, with moved time."""

from presence_server.expiries import Expiries


def test_a_socket_is_due_once_when_its_token_has_expired():
    """Never before the second is over, and never twice."""
    expiries = Expiries()
    expiries.add("a", 100.2)
    expiries.add("b", 100.9)
    expiries.add("c", 200.0)
    assert expiries.take_due(100.95) == []
    assert sorted(expiries.take_due(101.0)) == ["a", "b"]
    assert expiries.take_due(150.0) == []
    assert expiries.take_due(200.0) == ["c"]


def test_a_socket_that_closed_is_not_due_and_leaves_nothing():
    """Removing twice, or what was never there, is harmless."""
    expiries = Expiries()
    expiries.add("a", 100.0)
    expiries.remove("a", 100.0)
    expiries.remove("a", 100.0)
    assert (expiries.take_due(1e9), len(expiries)) == ([], 0)
