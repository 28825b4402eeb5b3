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
    assert plan.choose_ports(configured, None, None) == (9000, plan.PRESENCE_PORT)
    assert plan.choose_ports(configured, 9001, 9002) == (9001, 9002)


def test_links_carry_a_token_only_where_the_stack_signs_them():
    """With the operator's own users the stack's secret signs nothing."""
    assert plan.token_secret(plan.Configured({}, {}), RING) == RING.token_secret
    assert plan.token_secret(plan.Configured({"auth": {"jwks_url": "https://x"}}, {}), RING) is None
