"""What listeners use and where they are: coarse, off by default, and nothing that identifies anybody."""

import pytest

from backend_api.contract.sessions import IntervalReport
from backend_api.listening.describing import Describe
from backend_api.listening.devices import device_of
from backend_api.places import Places
from backend_api.service.places import Place
from tests.backend_api.listening.conftest import reported

T = 1_800_000_000


class Lisbon(Places):
    """Has every address in one place."""

    def of_address(self, address):
        return Place("PT", "PT-11")


def describe(places, **said):
    return Describe(places)(IntervalReport.model_validate(reported("s1", T, **said)))


def test_without_a_file_or_a_header_nobodys_place_is_known():
    """The default; neither user agent nor address are kept."""
    assert describe(Places(None), userAgent="curl/8", address="192.0.2.7") == {"device": "other"}
    assert describe(Places(None)) == {}


def test_what_a_trusted_proxy_told_presence_goes_before_the_file():
    """Presence reports a header's word; without one the address is looked up."""
    where = {"country": "DE", "region": "DE-NW"}
    assert describe(Lisbon(None), address="192.0.2.7", **where) == where
    assert describe(Lisbon(None), address="192.0.2.7") == {"country": "PT", "region": "PT-11"}


@pytest.mark.parametrize(
    ("agent", "device"),
    [("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0)", "mobile"), ("Mozilla/5.0 (iPad; CPU OS 18_0)", "tablet"),
     ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile", "mobile"), ("Mozilla/5.0 (Linux; Android 15)", "tablet"),
     ("Mozilla/5.0 (Windows NT 10.0; Win64)", "desktop"), ("VLC/3.0.20 LibVLC", "player"), ("Sonos/79.1", "speaker"),
     ("Googlebot/2.1", "bot"), ("", "other")],
)  # fmt: skip
def test_a_device_is_one_of_eight_words(agent, device):
    """By the signs that user agents carry."""
    assert device_of(agent) == device
