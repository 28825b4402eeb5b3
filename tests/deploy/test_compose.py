"""The compose file: valid by its schema, and right for the programs in it. It was never run: no engine is at hand."""

import json
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY, documents, interpolated, seconds_to_drain, settings_of

[COMPOSE] = documents("compose.yaml")
SERVICES = COMPOSE["services"]
PROGRAMS = ("presence-1", "presence-2", "backend-1", "backend-2")


def _settings(name, mounted):
    service = SERVICES[name]
    program, option, folder = service["command"]
    assert (option, folder) == ("--secrets", "/run/secrets")
    environ = {key: interpolated(value) for key, value in service["environment"].items()}
    return settings_of(program, environ, mounted(service["secrets"]))


def test_it_is_valid_by_the_schema_of_compose():
    """Unknown keys and wrong types are found."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_takes_its_settings(mounted, name):
    """Each variable is one of the program's, with a value that it accepts."""
    settings = _settings(name, mounted)
    assert settings.presence.public_url == "http://localhost:8090"
    assert settings.backend.public_url == "http://localhost:8080"


def test_two_nodes_share_redis_and_have_names_and_disks_of_their_own(mounted):
    """Reports that wait for the backend survive the container."""
    nodes = [_settings(name, mounted).presence for name in PROGRAMS[:2]]
    assert len({node.node for node in nodes}) == 2
    assert {node.redis.url for node in nodes} == {"redis://redis:6379/0"}
    volumes = [SERVICES[name]["volumes"] for name in PROGRAMS[:2]]
    assert volumes == [[f"{name}:/var/lib/presence"] for name in PROGRAMS[:2]]
    assert {str(node.data_dir) for node in nodes} == {"/var/lib/presence"}


def test_presence_reports_to_the_internal_port_of_both_backends(mounted):
    """Which the balancer does not lead to."""
    backend = _settings("backend-1", mounted).backend
    urls = _settings("presence-1", mounted).presence.backend.urls
    assert urls == tuple(f"http://{name}:{backend.internal_port}" for name in PROGRAMS[2:])
    assert backend.internal_host == "0.0.0.0"
    assert not [value for value in SERVICES["balancer"]["environment"].values() if str(backend.internal_port) in value]


def test_a_stop_leaves_time_for_a_drain_that_the_balancer_notices(mounted):
    """Two failed checks of two seconds before sockets are let go; 20,000 of them fit into the grace."""
    settings = _settings("presence-1", mounted)
    assert settings.presence.drain_seconds > 2 * 2
    assert SERVICES["presence-1"]["stop_grace_period"] == "2m"
    assert seconds_to_drain(settings.presence.drain_seconds, 20_000) < 120


def test_the_balancer_is_believed_and_nobody_outside(mounted):
    """Forwarded addresses count from the network inside alone."""
    [inside] = COMPOSE["networks"]["inside"]["ipam"]["config"]
    for name in PROGRAMS:
        settings = _settings(name, mounted)
        own = settings.presence if name.startswith("presence") else settings.backend
        assert own.trusted_proxies == (ip_network(inside["subnet"]),)
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["balancer"]


def test_the_balancer_gets_every_variable_that_its_configuration_needs():
    """Those without a default, and each of them names a service and the port that it listens on."""
    text = (DEPLOY / "haproxy.cfg").read_text()
    environ = SERVICES["balancer"]["environment"]
    for name in ("PRESENCE_1", "PRESENCE_2", "BACKEND_1", "BACKEND_2"):
        assert f'"${{{name}}}"' in text
        service, port = environ[name].split(":")
        assert service in SERVICES
        assert port == ("8090" if name.startswith("PRESENCE") else "8080")


def test_the_replica_set_has_the_members_that_the_url_names(mounted):
    """And what is acknowledged is on most of them."""
    url = _settings("backend-1", mounted).backend.mongo.url
    assert url == "mongodb://mongo-1,mongo-2,mongo-3/?replicaSet=rs0&w=majority"
    assert "_id: 'rs0', members: [1, 2, 3]" in SERVICES["mongo-init"]["command"][-1]
    assert [SERVICES[f"mongo-{number}"]["command"][1:3] for number in (1, 2, 3)] == [["--replSet", "rs0"]] * 3


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_has_more_rights_than_it_needs(name):
    """Nothing may be written but its data and /tmp."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert json.dumps(service["environment"]).count("secret") == 0
