"""What the local stack decides for its programs and what it leaves to the operator."""

import json
from pathlib import Path

import pytest

from scripts.stack import plan
from scripts.stack.keyring import Keyring

RING = Keyring("k" * 40, "local-1", "s" * 40, "t" * 40)
PORTS = plan.Ports(18080, 18090)


def _environment(tables=None, environ=None, mongo_url="mongodb://127.0.0.1:1"):
    configured = plan.Configured(tables or {}, environ or {})
    return plan.environment(configured, PORTS, keyring=RING, data=Path("/data"), mongo_url=mongo_url)


def test_without_a_file_everything_has_a_local_default():
    """Keys, addresses and the embedded database are set; every kind of room is recorded."""
    env = _environment()
    assert env["BACKEND__MONGO__EMBEDDED"] == "true"
    assert env["AUTH__SECRET"] == RING.token_secret
    assert json.loads(env["INTERNAL__SIGNING_KEYS"])[0]["secret"] == RING.signing_key
    assert json.loads(env["PRESENCE__BACKEND__URLS"]) == ["http://127.0.0.1:18080"]
    assert env["BACKEND__VIEWERS__ANALYTICS_KINDS"] == '["*"]'


def test_what_the_file_configures_is_not_overridden():
    """The environment beats the file, so the stack must not set what the file holds."""
    tables = {"auth": {"jwks_url": "https://x"}, "internal": {"api_key": "a"}, "backend": {"mongo": {"url": "m"}}}
    env = _environment(tables, mongo_url=None)
    assert not {"AUTH__SECRET", "INTERNAL__API_KEY", "INTERNAL__SIGNING_KEYS", "BACKEND__MONGO__URL"} & env.keys()


def test_the_host_applications_old_names_count_as_configured():
    """INTERNAL_API_KEY in the environment keeps the stack from making one up."""
    assert "INTERNAL__API_KEY" not in _environment(environ={"INTERNAL_API_KEY": "x" * 40})


@pytest.mark.parametrize("name", ["INTERNAL__API_KEY", "INTERNAL_API_KEY", "AUTH__SECRET"])
def test_an_empty_variable_counts_as_unset(name):
    """The programs read it like that, so the stack has to."""
    assert _environment(environ={name: ""}) == _environment()


@pytest.mark.parametrize("value", ["abc", "-1", 1.5, True, [8080]])
def test_a_configured_port_that_is_none_is_named(value):
    """The error names the setting, as the programs' own do."""
    configured = plan.Configured({"backend": {"port": value}}, {})
    with pytest.raises(ValueError, match=r"backend\.port"):
        plan.choose_ports(configured, None, None)


def test_a_configured_database_url_means_no_embedded_one():
    """`backend.mongo.url`, in the file or the environment, is a real MongoDB."""
    assert plan.embeds_mongo(plan.Configured({}, {}))
    assert not plan.embeds_mongo(plan.Configured({"backend": {"mongo": {"url": "mongodb://db"}}}, {}))
    assert not plan.embeds_mongo(plan.Configured({}, {"BACKEND__MONGO__URL": "mongodb://db"}))


def test_ports_come_from_the_command_line_then_the_file_then_the_defaults():
    """--backend-port wins over [backend] port, which wins over 8080."""
    configured = plan.Configured({"backend": {"port": 9000}}, {})
    assert plan.choose_ports(configured, None, None) == plan.Ports(9000, plan.PRESENCE_PORT)
    assert plan.choose_ports(configured, 9001, 9002) == plan.Ports(9001, 9002)


def test_several_processes_have_consecutive_ports_folders_and_addresses_of_their_own():
    """The first keeps what one alone would have; with N nodes of one configured name, the others get a number."""
    ports = plan.choose_ports(plan.Configured({}, {}), None, 9000, 3)
    assert list(ports.of_presence) == [9000, 9001, 9002]
    configured = plan.Configured({"presence": {"node": "berlin", "data_dir": "/kept"}}, {})
    first, _, third = (
        plan.process_environment(configured, ports, index, data=Path("/data"), redis_url="redis://r")
        for index in range(3)
    )
    assert first == {"PRESENCE__REDIS__URL": "redis://r"}
    assert third == {
        "PRESENCE__REDIS__URL": "redis://r",
        "PRESENCE__PORT": "9002",
        "PRESENCE__DATA_DIR": "/kept-3",
        "PRESENCE__PUBLIC_URL": "http://127.0.0.1:9002",
        "PRESENCE__NODE": "berlin-3",
    }


def test_ports_beyond_the_last_one_are_refused():
    """Rather than by the third process, once the others run."""
    with pytest.raises(ValueError, match="65535"):
        plan.choose_ports(plan.Configured({}, {}), None, 65534, 3)


def test_a_redis_is_started_only_for_several_processes_without_a_configured_one():
    """One process needs none; the operator's is used where there is one."""
    alone, three = plan.Ports(1, 2), plan.Ports(1, 2, 3)
    assert not plan.embeds_redis(plan.Configured({}, {}), alone)
    assert plan.embeds_redis(plan.Configured({}, {}), three)
    assert not plan.embeds_redis(plan.Configured({"presence": {"redis": {"url": "redis://r"}}}, {}), three)


def test_addresses_follow_the_configuration():
    """Hosts that stand for all addresses are reached on this machine; public URLs and the path are as configured."""
    tables = {
        "backend": {"host": "0.0.0.0", "public_url": "https://api.your.host/"},
        "presence": {"host": "::", "socket": {"path": "/auction", "transports": ["polling"]}},
    }
    configured = plan.Configured(tables, {})
    where = plan.addresses(configured, plan.Ports(18080, 18090, 2))
    assert where.backend == "http://127.0.0.1:18080"
    assert where.presence == where.public_presence == ("http://[::1]:18090", "http://[::1]:18091")
    assert where.public_backend == "https://api.your.host"
    assert where.socket_path == "/auction/"
    assert plan.transports(configured) == ("polling",)
    assert plan.transports(plan.Configured({}, {"PRESENCE__SOCKET__TRANSPORTS": '["polling", "websocket"]'})) == (
        "websocket",
    )


def test_several_processes_behind_one_public_url_share_it():
    """Their balancer has one address."""
    configured = plan.Configured({"presence": {"public_url": "https://live.your.host"}}, {})
    assert plan.addresses(configured, plan.Ports(1, 2, 3)).public_presence == ("https://live.your.host",)
    own = plan.process_environment(configured, plan.Ports(1, 2, 3), 1, data=Path("/data"), redis_url=None)
    assert "PRESENCE__PUBLIC_URL" not in own


def test_reports_go_to_the_internal_address_where_there_is_one():
    """The public port does not serve internal paths then."""
    env = _environment({"backend": {"internal_host": "10.0.0.5"}})
    assert json.loads(env["PRESENCE__BACKEND__URLS"]) == ["http://10.0.0.5:8081"]


def test_the_local_backend_is_told_countries_unless_somebody_has_decided_who_is_believed():
    """Nobody else can reach it; where it listens elsewhere, or has places or proxies of its own, nothing is added."""
    env = _environment()
    assert env["BACKEND__PLACES__COUNTRY_HEADER"] == plan.COUNTRY_HEADER
    assert json.loads(env["BACKEND__TRUSTED_PROXIES"]) == ["127.0.0.1/32"]
    decided = [{"host": "0.0.0.0"}, {"trusted_proxies": ["10.0.0.0/8"]}, {"places": {"file": "x.mmdb"}}]
    for backend in decided:
        assert "BACKEND__PLACES__COUNTRY_HEADER" not in _environment({"backend": backend})
    assert "BACKEND__TRUSTED_PROXIES" not in _environment(None, {"BACKEND__PLACES__FILE": "x.mmdb"})


def test_links_carry_a_token_only_where_the_stack_signs_them():
    """With the operator's own users the stack's secret signs nothing."""
    assert plan.token_secret(plan.Configured({}, {}), RING) == RING.token_secret
    assert plan.token_secret(plan.Configured({"auth": {"jwks_url": "https://x"}}, {}), RING) is None
