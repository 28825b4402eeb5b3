"""JSON as the sockets speak it."""

import pytest

from presence_server.namespaces import Json


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"room": -Infinity}', "[" * 100_000])
def test_what_no_browser_could_read_is_not_taken_in(text):
    """Nor what only exhausts the parser."""
    with pytest.raises(ValueError, match=r"."):
        Json.loads(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"count": float("-inf")}])
def test_what_no_browser_could_read_is_never_sent(value):
    """One such value would knock out every page in the room."""
    assert Json.dumps(value) in {"null", '{"count":null}'}


def test_it_speaks_text():
    """python-socketio puts its packets together from strings, and says how it wants them separated."""
    assert Json.dumps({"a": ["ä", 1]}, separators=(",", ":")) == '{"a":["ä",1]}'
