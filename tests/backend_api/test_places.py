"""Where a client is: by a real MaxMind file, by a trusted proxy's headers, and by nothing that anybody else says."""

import asyncio
from ipaddress import ip_network

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from pydantic import ValidationError

from backend_api.config import BackendSettings
from backend_api.places import Places
from backend_api.service.errors import ConfigError
from backend_api.service.places import Place, place
from tests.backend_api.program import start_backend

__all__ = ["start_backend"]

KOELN = {"country": {"iso_code": "DE"}, "subdivisions": [{"iso_code": "NW"}]}
PROXIES = (ip_network("10.0.0.0/8"),)
TOLD = {"X-Country": "pt", "X-Region": "11"}


@pytest.fixture(scope="session")
def city_file(tmp_path_factory):
    """A database of four networks as MaxMind's own: a city's, a country's, one of nonsense, an IPv6 one."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-City")
    writer.insert_network(IPSet(["192.0.2.0/24"]), KOELN)
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"country": {"iso_code": "FR"}})
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": 7, "subdivisions": "Nowhere"})
    writer.insert_network(IPSet(["2001:db8::/32"]), {"country": {"iso_code": "JP"}})
    file = tmp_path_factory.mktemp("places") / "city.mmdb"
    writer.to_db_file(str(file))
    return file


@pytest.mark.parametrize(
    ("address", "found"),
    [("192.0.2.7", Place("DE", "DE-NW")), ("198.51.100.1", Place("FR")), ("203.0.113.9", Place()),
     ("2001:db8::1", Place("JP")), ("127.0.0.1", Place()), ("x", Place())],
)  # fmt: skip
def test_an_address_is_where_the_file_has_it(city_file, address, found):
    """Codes only; whatever else is in the file, it breaks nothing."""
    assert Places(city_file).of_address(address) == found
    assert Places(None).of_address(address) == Place()


def test_a_file_that_is_none_stops_the_start(tmp_path):
    """With the name of the setting."""
    (tmp_path / "places.mmdb").write_text("no database")
    for file in (tmp_path / "places.mmdb", tmp_path / "missing.mmdb"):
        with pytest.raises(ConfigError, match=r"backend\.places\.file"):
            Places(file)


@pytest.mark.parametrize(
    ("peer", "headers", "found"),
    [("10.1.2.3", TOLD, Place("PT", "PT-11")), ("192.0.2.7", TOLD, Place("DE", "DE-NW")),
     ("10.1.2.3", {"X-Region": "11"}, Place("DE", "DE-NW")), ("10.1.2.3", {"X-Country": "XX"}, Place("DE", "DE-NW")),
     ("", TOLD, Place("DE", "DE-NW"))],
)  # fmt: skip
def test_headers_are_believed_from_a_trusted_proxy_alone(city_file, peer, headers, found):
    """Anybody else's are their own invention; where the proxy knows no country, the file is asked."""
    places = Places(city_file, country_header="X-Country", region_header="X-Region", trusted=PROXIES)
    assert places.of_request(peer, headers, "192.0.2.7") == found


def test_a_header_that_is_not_configured_says_nothing():
    """The default: nobody's place is known."""
    assert Places(None, trusted=PROXIES).of_request("10.1.2.3", TOLD, "192.0.2.7") == Place()


@pytest.mark.parametrize(
    ("country", "region", "named"),
    [("DE", "NW", Place("DE", "DE-NW")), (" de ", "de-nw", Place("DE", "DE-NW")), ("DE", None, Place("DE")),
     ("DE", "<b>", Place("DE")), ("T1", "NW", Place()), ("ZZ", "NW", Place()), ("", "", Place()),
     ("Germany", "", Place()), (None, "NW", Place()), ({"$ne": 1}, [], Place())],
)  # fmt: skip
def test_a_place_is_two_codes_or_nothing(country, region, named):
    """Whatever a header or a file holds."""
    assert place(country, region) == named


async def test_listeners_and_plays_have_the_same_places(start_backend, city_file, clock):
    """One file and one header for both: a known address is looked up, a trusted proxy's word goes before it."""
    where = {"file": str(city_file), "country_header": "X-Country", "region_header": "X-Region"}
    api = await start_backend(trusted_proxies=["127.0.0.0/8"], places=where)
    await api.data("PUT", "/api/tracks/t1", {"artistId": "a", "title": "One", "durationSeconds": 180})
    for number, told in enumerate([{}, TOLD]):
        sent = {"X-Forwarded-For": "192.0.2.7", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", **told}
        start = {"channelId": "c1", "listenerId": f"l{number}"}
        await api.data("POST", "/listening-sessions", start, key=None, headers=sent)
        play = {"type": "play", "eventId": f"e{number}", "trackId": "t1", "sessionId": f"s{number}", "source": "search"}
        events = [play | {"timestamp": round(clock() * 1000)}]
        assert (await api.data("POST", "/api/stats/events", events, key=None, headers=sent))["accepted"] == 1
    clock.at += 60
    report = await api.data("GET", "/analytics/channels/c1/listeners")
    assert {share["name"] for share in report["countries"]} == {"DE", "PT"}
    assert {share["name"] for share in report["regions"]} == {"DE-NW", "PT-11"}
    async with asyncio.timeout(30):
        while (await api.data("GET", "/api/admin/rollups"))["openDays"]:
            await asyncio.sleep(0.05)
    plays = await api.data("GET", "/api/stats/analytics?trackId=t1&timeRange=24h", claims={"roles": ["admin"]})
    assert plays["countryBreakdown"] == {"DE": 1, "PT": 1}


async def test_events_that_a_service_passes_on_are_where_it_says_and_not_where_it_is(start_backend, city_file, clock):
    """Its own address is known to the file; only what the headers tell counts."""
    where = {"file": str(city_file), "country_header": "X-Country"}
    api = await start_backend(trusted_proxies=["127.0.0.0/8"], places=where)
    await api.data("PUT", "/api/tracks/t1", {"artistId": "a", "title": "One", "durationSeconds": 180})
    for number, told in enumerate([{}, TOLD, TOLD]):
        play = {"type": "play", "eventId": f"e{number}", "trackId": "t1", "sessionId": f"s{number}", "source": "search"}
        sent = {"X-Forwarded-For": "192.0.2.7", **told}
        await api.data("POST", "/api/stats/events", [play | {"timestamp": round(clock() * 1000)}], headers=sent)
    async with asyncio.timeout(30):
        while (await api.data("GET", "/api/admin/rollups"))["openDays"]:
            await asyncio.sleep(0.05)
    plays = await api.data("GET", "/api/stats/analytics?trackId=t1&timeRange=24h", claims={"roles": ["admin"]})
    assert plays["totalPlays"] == 3
    assert plays["countryBreakdown"] == {"PT": 2}


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [({"places": {"country_header": "X-Country"}}, "trusted_proxies"),
     ({"places": {"region_header": "X-Region"}}, "country_header"), ({"places": {"country_header": "a b"}}, "pattern")],
)  # fmt: skip
def test_settings_that_could_never_work_are_refused(settings, wrong):
    """A header that nobody would be believed, a region without its country, what is no header's name."""
    with pytest.raises(ValidationError, match=wrong):
        BackendSettings.model_validate(settings)
