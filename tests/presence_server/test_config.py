"""What is refused before anything starts, in one line that names the setting."""

import pytest

from backend_api.service.errors import ConfigError
from backend_api.service.settings import load
from presence_server.config import Root
from tests.presence_server.helpers import API_KEY, TOKEN_SECRET

SECRETS = {"INTERNAL__API_KEY": API_KEY, "AUTH__SECRET": TOKEN_SECRET}


def _load(tmp_path, toml: str = "", **environ: str) -> Root:
    file = tmp_path / "config.toml"
    file.write_text(toml)
    return load(Root, file, {}, environ={**SECRETS, **environ})


def test_the_defaults_are_those_of_the_contract(tmp_path):
    """Local only, the usual port and path."""
    own = _load(tmp_path).presence
    assert (own.host, own.port, own.socket.path) == ("127.0.0.1", 8090, "/socket.io/")
    assert (own.socket.ping_interval_seconds, own.socket.ping_timeout_seconds) == (25, 20)
    assert own.public_kinds == ("auction", "channel", "stream", "track")


def test_the_fixed_names_are_understood(tmp_path):
    """From the environment, lists as JSON, and the host application's old names."""
    environ = {
        "PRESENCE__SOCKET__PING_INTERVAL_SECONDS": "5",
        "PRESENCE__ALLOWED_ORIGINS": '["https://shop.example"]',
        "PRESENCE__LIMITS__ROOMS_PER_SOCKET": "3",
        "BACKEND_API_URL": "http://10.0.0.1:8080",
        "NEXT_PUBLIC_BASE_URL": "https://backend.example",
    }
    root = _load(tmp_path, **environ)
    assert root.presence.socket.ping_interval_seconds == 5
    assert root.presence.allowed_origins == ("https://shop.example",)
    assert root.presence.limits.rooms_per_socket == 3
    assert root.presence.backend.urls == ("http://10.0.0.1:8080",)
    assert root.backend.public_url == "https://backend.example"


def test_redis_is_named_by_file_or_environment_and_an_empty_name_is_none(tmp_path):
    """Without one, this process counts alone."""
    url = "redis+sentinel://10.0.0.1,10.0.0.2/mymaster"
    assert _load(tmp_path).presence.redis.url is None
    assert _load(tmp_path, '[presence.redis]\nurl = ""\n').presence.redis.url is None
    assert _load(tmp_path, PRESENCE__REDIS__URL=url).presence.redis.url == url


def test_the_backends_table_is_read_for_its_url_only(tmp_path):
    """One file serves both programs."""
    root = _load(tmp_path, '[backend]\nport = 1\nretired = true\npublic_url = "https://b.example"\n')
    assert root.backend.public_url == "https://b.example"


def test_a_path_without_its_last_slash_is_the_same_path(tmp_path):
    """`/auction` and `/auction/`."""
    assert _load(tmp_path, '[presence.socket]\npath = "/auction"\n').presence.socket.path == "/auction/"


BAD = [
    ("[presence]\nprot = 1", "presence.prot"),
    ("[presence.socket]\nping_intervall_seconds = 1", "presence.socket.ping_intervall_seconds"),
    ("[presence.socket]\nping_interval_seconds = 0", "ping_interval_seconds"),
    ("[presence.socket]\nping_timeout_seconds = -1", "ping_timeout_seconds"),
    ("[presence.socket]\nping_interval_seconds = 100\nping_timeout_seconds = 50", "together must be below 150"),
    ("[presence.socket]\nping_interval_seconds = nan", "ping_interval_seconds"),
    ("[presence.socket]\ntransports = []", "transports"),
    ('[presence.socket]\ntransports = ["carrier-pigeon"]', "transports"),
    ("[presence.socket]\npath = 'no slash'", "path"),
    ("[presence.limits]\nrooms_per_socket = 0", "rooms_per_socket"),
    ("[presence.limits]\nsockets_per_address = 0", "sockets_per_address"),
    ("[presence.limits]\nevents_at_once = 5", "events_at_once must not be below rooms_per_socket"),
    ("[presence.broadcast]\nupdates_per_second = 11", "updates_per_second"),
    ("[presence.backend]\nurls = []", "urls"),
    ("[presence.backend]\nurls = ['ftp://x']", "urls"),
    ("[presence.outbox]\nmax_bytes = 10", "max_bytes"),
    ("[presence]\nnode = 'has space'", "node"),
    ("[presence]\npublic_kinds = ['Auction']", "public_kinds"),
    ("[presence.redis]\nurl = 'http://cache'", "presence.redis.url: must begin with redis://"),
    ("[nonsense]\nx = 1", "nonsense"),
]


@pytest.mark.parametrize(("toml", "names"), BAD, ids=[toml.partition("\n")[2] for toml, _ in BAD])
def test_a_setting_that_cannot_work_is_refused_by_name(tmp_path, toml, names):
    """Unknown, out of range, or at odds with another one; one line each."""
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, toml)
    assert names in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_nodes_name_leaves_room_for_the_numbers_of_its_processes(tmp_path):
    """node-1, node-2: they are names, too."""
    several = {
        "PRESENCE__PROCESSES": "10",
        "PRESENCE__SOCKET__TRANSPORTS": '["websocket"]',
        "PRESENCE__REDIS__URL": "redis://127.0.0.1",
    }
    assert _load(tmp_path, PRESENCE__NODE="n" * 61, **several).presence.processes == 10
    with pytest.raises(ConfigError, match="61 characters"):
        _load(tmp_path, PRESENCE__NODE="n" * 62, **several)
