"""Small pure parts: addresses, limits, retention."""

from datetime import UTC, date

import pytest

from backend_api.engagement.periods import Calendar
from backend_api.engagement.privacy import is_bot, keyed_hash, network_of, truncated
from backend_api.engagement.retention import Retention
from backend_api.engagement.settings import EngagementSettings
from backend_api.service.limits import AddressLimits

NOW = 1_795_257_000.0


@pytest.mark.parametrize(
    ("address", "kept"), [("203.0.113.77", "203.0.113.0"), ("2001:db8:1:2:3::4", "2001:db8:1::"), ("nonsense", None)]
)
def test_of_an_address_its_network_is_kept(address, kept):
    """A /24, or a /48."""
    assert truncated(address) == kept


def test_a_hashed_address_tells_nothing_without_the_key():
    """And the same with it."""
    assert keyed_hash("203.0.113.77", b"a") == keyed_hash("203.0.113.77", b"a") != keyed_hash("203.0.113.77", b"b")


@pytest.mark.parametrize(
    ("agent", "bot"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", True), ("node-fetch/1.0", True),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/130.0 Safari/537.36", False),
        ("curl/8.5.0", True), ("python-requests/2.31", True), ("", True), ("WhatsApp/2.23", True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1", False),
        ("Mozilla/5.0 (Linux; Android 14; CUBOT NOTE 50) Chrome/130.0 Mobile Safari/537.36", False),
        ("Mozilla/5.0 (Linux; Android 13; Preview) Chrome/112.0 Mobile Safari/537.36", False),
    ],
)  # fmt: skip
def test_programs_that_say_so_are_bots(agent, bot):
    """Browsers are not, whatever their phone is called."""
    assert is_bot(agent) is bot


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1:2", "2001:db8::"),
        ("2001:db8:0:1::9", "2001:db8:0:1::"),
        ("?", "?"),
    ],
)
def test_limits_hold_for_a_whole_network_of_ipv6(address, network):
    """Whoever has one address of a /64 has all of them."""
    assert network_of(address) == network


def test_an_address_may_send_its_cap_at_once_and_then_its_rate():
    """Refused events take nothing; other addresses are unaffected; a clock set back gives nothing."""
    limits = AddressLimits(per_second=10, cap=100)
    assert limits.take("a", 100, NOW) == 0
    assert limits.take("a", 50, NOW) == 5
    assert limits.take("b", 50, NOW) == 0
    assert limits.take("a", 50, NOW + 5) == 0
    assert limits.take("a", 1, NOW - 1_000) == 1


def test_a_day_is_left_to_recount_what_came_last():
    """Everything that is taken lies in days of which nothing has been removed yet, for a day to come."""
    retention = Retention(Calendar(UTC), 90, 7)
    first = retention.first_open_day(NOW)
    assert first == date(2026, 8, 25)
    assert retention.oldest_at(NOW, is_guest=False) == retention.calendar.start_of(first)
    assert retention.oldest_at(NOW, is_guest=True) == NOW - 7 * 86_400
    assert retention.is_recountable(first, NOW + 86_400)
    assert not retention.is_recountable(date(2026, 8, 23), NOW)


@pytest.mark.parametrize(
    "values",
    [{"guest_retention_days": 89}, {"addresses": "hashed"}, {"address_key": "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"}],
)
def test_settings_that_do_not_fit_together_are_refused(values):
    """A guest's window within everybody's; a key exactly where addresses are hashed."""
    with pytest.raises(ValueError, match=r"guest_retention_days|address_key"):
        EngagementSettings(**values)
