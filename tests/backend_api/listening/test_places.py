"""Where listeners are and what they use: coarse, off by default, and nothing that identifies anybody."""

import pytest

from backend_api.contract.sessions import IntervalReport
from backend_api.listening.devices import device_of
from backend_api.listening.places import Places
from backend_api.service.errors import ConfigError
from tests.backend_api.listening.conftest import reported

KOELN = {"country": {"iso_code": "DE"}, "subdivisions": [{"iso_code": "NW"}]}


class Reader:
    """A database of one network, as MaxMind's reader answers."""

    def __init__(self, found):
        self.found = found

    def get(self, address):
        if address == "x":
            raise ValueError(address)
        return self.found if address == "192.0.2.7" else None


@pytest.mark.parametrize(
    ("found", "place"),
    [(KOELN, {"country": "DE", "region": "DE-NW"}), ({"country": {"iso_code": "FR"}}, {"country": "FR"}),
     ({"subdivisions": [{"iso_code": "NW"}]}, {}), ({"country": 7, "subdivisions": {}}, {}), ("text", {})],
)  # fmt: skip
def test_a_place_is_what_the_file_knows(found, place):
    """Codes only; whatever else is in the file, it breaks nothing."""
    places = Places(None)
    places._reader = Reader(found)
    assert places.of("192.0.2.7") == place
    assert places.of("192.0.2.8") == places.of("x") == {}


def test_without_a_file_nobodys_place_is_known():
    """The default; and a file that is none stops the start with one line."""
    report = IntervalReport.model_validate(reported("s1", 1_800_000_000, userAgent="curl/8", address="192.0.2.7"))
    assert Places(None).describe(report) == {"device": "other"}


def test_a_file_that_is_none_stops_the_start(tmp_path):
    """With the name of the setting."""
    (tmp_path / "places.mmdb").write_text("no database")
    for file in (tmp_path / "places.mmdb", tmp_path / "missing.mmdb"):
        with pytest.raises(ConfigError, match=r"backend\.listening\.places_file"):
            Places(file)


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
