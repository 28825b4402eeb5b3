"""The Kubernetes manifests: valid by the platform's schemas, right for the programs. They were never applied."""

import kubernetes_validate
import pytest

from tests.deploy.manifests import DEPLOY, documents, seconds_to_drain, settings_of

VERSIONS = ("1.31", "1.37")
FILES = documents("kubernetes/kustomization.yaml")[0]["resources"]
RESOURCES = [one for name in FILES for one in documents(f"kubernetes/{name}")]


def _found(kind, name):
    [one] = [one for one in RESOURCES if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return one


WORKLOADS = {"presence": _found("StatefulSet", "presence"), "backend": _found("Deployment", "backend")}


def _pod(name):
    return WORKLOADS[name]["spec"]["template"]["spec"]


def _container(name):
    [container] = _pod(name)["containers"]
    return container


def _settings(name, mounted):
    container = _container(name)
    program, option, folder = container["command"]
    [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "secrets"]
    assert (option, folder) == ("--secrets", mount["mountPath"])
    [volume] = [volume for volume in _pod(name)["volumes"] if volume["name"] == "secrets"]
    keys = [item["key"] for item in volume["secret"].get("items", ())]
    environ = dict(_found("ConfigMap", "presence-settings")["data"])
    environ |= {one["name"]: f"{name}-0" for one in container.get("env", ())}
    return settings_of(program, environ, mounted(keys or ["internal__api_key", "auth__secret", "backend__mongo__url"]))


def test_every_file_is_listed():
    """`kubectl apply -k` brings all of them."""
    assert {path.name for path in (DEPLOY / "kubernetes").iterdir()} == {*FILES, "kustomization.yaml"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_each_resource_is_valid_by_the_platforms_schema(resource, version):
    """Unknown fields are found too, with an old and a new version."""
    kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_program_takes_its_settings(mounted, name):
    """Each variable is one of the program's, with a value that it accepts; keys come from the Secret alone."""
    settings = _settings(name, mounted)
    assert settings.presence.public_url == "https://presence.your.host"
    assert not [key for key in _found("ConfigMap", "presence-settings")["data"] if "KEY" in key or "SECRET" in key]


def test_reports_go_to_the_service_of_the_internal_port(mounted):
    """And the ingress leads to the other one."""
    [url] = _settings("presence", mounted).presence.backend.urls
    internal = _found("Service", "backend-internal")["spec"]["ports"][0]
    port = _settings("backend", mounted).backend.internal_port
    assert url == f"http://backend-internal:{internal['port']}"
    assert {one["name"]: one["containerPort"] for one in _container("backend")["ports"]}[internal["targetPort"]] == port
    rules = _found("Ingress", "presence")["spec"]["rules"]
    led_to = {path["backend"]["service"]["name"] for rule in rules for path in rule["http"]["paths"]}
    assert led_to == {"presence", "backend"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_grace_is_longer_than_the_end_may_take(mounted, name):
    """PreStop and the drain, and for presence 20,000 sockets let go in slices."""
    settings = _settings(name, mounted)
    stops_after = int(_container(name)["lifecycle"]["preStop"]["exec"]["command"][1])
    own = settings.presence if name == "presence" else settings.backend
    needed = seconds_to_drain(own.drain_seconds, 20_000 if name == "presence" else 0)
    assert stops_after + needed < _pod(name)["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_readiness_is_noticed_within_the_drain_and_liveness_asks_only_whether_it_runs(mounted, name):
    """A database that is away makes nobody restart."""
    settings = _settings(name, mounted)
    container = _container(name)
    ready = container["readinessProbe"]
    assert ready["httpGet"]["path"] == "/readyz"
    own = settings.presence if name == "presence" else settings.backend
    assert ready["periodSeconds"] * ready["failureThreshold"] <= own.drain_seconds
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "startupProbe")} == {"/livez"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_have_no_more_rights_than_they_need(name):
    """Not root, nothing to write but data and /tmp, no token of the cluster."""
    pod, container = _pod(name), _container(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_services_budgets_and_scalers_mean_the_pods_that_there_are(name):
    """Labels and names agree; more than one pod stays while nodes are emptied."""
    workload = WORKLOADS[name]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"] == labels
    assert _found("Service", name)["spec"]["selector"] == labels
    budget = _found("PodDisruptionBudget", name)["spec"]
    assert (budget["selector"]["matchLabels"], budget["maxUnavailable"]) == (labels, 1)
    scaler = _found("HorizontalPodAutoscaler", name)["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": workload["kind"], "name": name}
    assert workload["spec"]["replicas"] == scaler["minReplicas"] == 2


def test_a_presence_pod_keeps_its_name_and_its_disk():
    """Its outbox waits for it."""
    spec = WORKLOADS["presence"]["spec"]
    assert spec["serviceName"] == _found("Service", "presence-pods")["metadata"]["name"]
    [claim] = spec["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in _container("presence")["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == "/var/lib/presence"
    assert _container("presence")["env"][0]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
