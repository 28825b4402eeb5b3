"""The backend's settings: defaults, relations, and what the operator is told."""

import re
import tomllib

import pytest

from backend_api.config import Root
from backend_api.service.errors import ConfigError
from backend_api.service.settings import load

KEYS = {
    "internal": {"api_key": "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"},
    "auth": {"secret": "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"},
}


def settings(toml="", **environ):
    return load(Root, None, KEYS | tomllib.loads(toml), environ=environ)


def test_defaults_are_those_of_the_contract():
    """On this machine only, 90 days, UTC, nobody recorded unasked."""
    backend = settings().backend
    assert (backend.host, backend.port, backend.timezone) == ("127.0.0.1", 8080, "UTC")
    assert (backend.viewers.retention_days, backend.viewers.analytics_kinds) == (90, ())
    assert (backend.mongo.driver, backend.mongo.embedded) == ("pymongo", False)
    assert (backend.allowed_origins, backend.trusted_proxies, backend.internal_host) == ((), (), None)


def test_of_presence_it_reads_where_browsers_find_it():
    """Its URL and the path of its sockets; the rest is presence's own."""
    presence = settings("[presence]\nport = 1\n[presence.socket]\npath = '/auction/'\ntransports = ['x']").presence
    assert (presence.public_url, presence.socket.path) == ("http://127.0.0.1:8090", "/auction/")


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("[backend.viewers]\nretention_days = 0", r"retention_days: .*greater than or equal to 1"),
        ("[backend.viewers]\nretention_days = 900", r"summary_retention_days must not be below retention_days"),
        ("[backend.viewers]\npart_retention_days = 91", r"part_retention_days must not be above retention_days"),
        ("[backend]\ntimezone = 'Mars/Olympus'", r"timezone: not a time zone"),
        ("[backend]\ntimezone = '../../etc/passwd'", r"timezone: not a time zone"),
        ("[backend.mongo]\nurl = 'http://db'", r"backend\.mongo\.url"),
        ("[backend.mongo]\ndriver = 'other'", r"backend\.mongo\.driver"),
        ("[backend.mongo]\ndatabase = 'a.b'", r"backend\.mongo\.database"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(toml, line):
    """Values on their own, and relations between them."""
    with pytest.raises(ConfigError, match=re.compile(line)):
        settings(toml)


def test_the_databases_password_does_not_show_when_settings_are_printed():
    """It is part of the URL."""
    assert "s3cret" not in repr(settings("[backend.mongo]\nurl = 'mongodb://user:s3cret@db/'"))


def test_every_kind_may_be_recorded():
    """`*` stands for all."""
    assert settings(BACKEND__VIEWERS__ANALYTICS_KINDS='["*"]').backend.viewers.analytics_kinds == ("*",)
