"""The operator uses every right that it has, asks for none that it has not, and reads no Secret but its own.

Its ServiceAccount is used with the shipped rights alone; what it asks for is read from the audit log.
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.build.toolset import cached_tools
from tests.cluster.cluster import (
    GATEWAY_RIGHTS,
    GATEWAY_SERVICE_ACCOUNT,
    OPERATOR_NAMESPACE,
    OPERATOR_USER,
)
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gateway.callers import executor_key
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import LOOPBACK, shipped
from tests.examples.objects import instance, template
from tests.fixtures.gateway import post
from tests.install.overlays import DEFAULT
from tests.install.rights import Right, granted, refused, unused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.kube_api import Object

EXCEPTIONS = {
    Right("modeloperator.dev", "modelinstances/finalizers", "update"): (
        "No request: the API server's admission looks for it when a child with blockOwnerDeletion is applied."
    ),
}
FOREIGN: dict[str, dict[str, Any]] = {
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "Deployment": {
        "spec": {
            "selector": {"matchLabels": {"app": "foreign"}},
            "template": {
                "metadata": {"labels": {"app": "foreign"}},
                "spec": {"containers": [{"name": "main", "image": "foreign"}]},
            },
        }
    },
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "foreign"}}}},
    "HorizontalPodAutoscaler": {
        "spec": {
            "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
        }
    },
}
VERSIONS = {
    "Service": "v1",
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}


def scaled(name: str, most: int = 3, kind: str = "ModelTemplate") -> Object:
    """Give a template whose models have every kind of child."""
    obj = template(name)
    obj["kind"] = kind
    obj["spec"]["vendor_configuration"]["endpoint_config"] |= {"min_workers": 1, "max_workers": most}
    return obj


def wrong(name: str, template_name: str) -> Object:
    """Give an instance that does not fit its template."""
    return instance(name, model_template_id=template_name, model_creation_parameters={"MODEL_NAME": 1})


def is_denied(api: KubeApi, obj: Object) -> bool:
    try:
        api.apply(obj, dry_run=True)
    except KubeApiError as error:
        return "MODEL_NAME" in error.message
    return False


@pytest.fixture
def audited() -> Iterator[ControlPlane]:
    """Give a control plane with nothing of ours on it, whose audit log has reads, too."""
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    with ControlPlane.start(crds=False, audit_reads=True) as cluster:
        yield cluster


@contextmanager
def replicas(cluster: ControlPlane, folder: Path) -> Iterator[None]:
    """Have two operators run with the shipped rights, the first of which is called by URL."""
    cluster.kubectl("apply", "-k", DEFAULT)
    kubeconfig = cluster.service_account_kubeconfig(OPERATOR_NAMESPACE, "model-operator")
    ports = free_ports(2)
    for configuration in [obj for obj in shipped("webhooks.yaml") if "webhooks" in obj]:
        for webhook in configuration["webhooks"]:
            webhook["clientConfig"] = {"url": f"https://{LOOPBACK}:{ports[0]}"}
        cluster.kubectl("replace", "-f", "-", input=yaml.safe_dump(configuration))
    with ExitStack() as stack:
        for port in ports:
            variables = {
                "ADMISSION__PORT": str(port),
                "ADMISSION__HOST": LOOPBACK,
                "ADMISSION__NAMES": LOOPBACK,
                "LEADER_ELECTION": "on",
            }
            environment = {f"MODEL_OPERATOR_{name}": value for name, value in variables.items()}
            log = folder / f"operator-{port}.log"
            stack.enter_context(OperatorProcess.start(kubeconfig, log=log, environment=environment))
        yield


def test_every_right_is_used_and_none_is_missing(audited: ControlPlane, tmp_path: Path) -> None:
    rights = granted(shipped("rbac.yaml"))
    assert set(EXCEPTIONS) <= rights
    rights -= set(EXCEPTIONS)

    def used(expected: set[Right]) -> bool:
        requests = [each for each in audited.audit_events() if each["user"] == OPERATOR_USER]
        assert refused(requests) == []
        assert [str(right) for right in sorted(unused(expected, requests))] == []
        return True

    with replicas(audited, tmp_path):
        api = KubeApi(audited.kubeconfig)
        live(api)
        api.close()
        # Repeats of an Event are told within ten seconds.
        wait_for(lambda: used({right for right in rights if right.verb != "watch"}))
    # Watches are in the log when they have ended.
    wait_for(lambda: used(rights))
    # A list or a watch has no name in the log, so it would show here, too.
    secrets = {
        (each["namespace"], each["name"], each["verb"])
        for each in audited.audit_events()
        if each["user"] == OPERATOR_USER and each["resource"] == "secrets"
    }
    own = (OPERATOR_NAMESPACE, "model-operator-webhook-cert")
    assert secrets == {(*own, "get"), (*own, "update")}


def test_gateway_uses_every_right_and_none_is_missing(audited: ControlPlane, tmp_path: Path) -> None:
    audited.kubectl("apply", "-k", DEFAULT.parent / "gateway")
    audited.kubectl("wait", "--for=condition=Established", "crd", "--all")
    api = KubeApi(audited.kubeconfig)
    api.apply(instance())
    serving = {
        "protocol": "SGP",
        "model_type": "EMBEDDING",
        "port": "http",
        "apis": ["EXECUTE"],
        "predict_route": "/predict",
        "streaming_predict_route": "/predict",
    }
    entry = {"name": "minilm", "status": "READY", "serving": serving}
    api.patch("ModelInstance", "minilm", {"status": {"deployments": [entry]}}, subresource="status")
    key = executor_key(api)
    log = tmp_path / "gateway.log"
    with GatewayProcess.start(audited.gateway_kubeconfig(), log=log) as gateway:
        status, body, _ = post(gateway, key, "/v1/completions", {"model": "default/minilm"})
        assert (status, json.loads(body)["error"]["code"]) == (400, "api_not_supported")
    api.close()
    user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{GATEWAY_SERVICE_ACCOUNT}"

    def used() -> bool:
        requests = [each for each in audited.audit_events() if each["user"] == user]
        assert refused(requests) == []
        assert [str(each) for each in sorted(unused(granted(_gateway_roles()), requests))] == []
        return True

    # Watches are in the log when they have ended.
    wait_for(used)


def _gateway_roles() -> list[Object]:
    return [obj for obj in yaml.safe_load_all(GATEWAY_RIGHTS.read_text()) if obj]


def live(api: KubeApi) -> None:
    """Have the operator do all that it ever does."""
    # Templates, all kinds of children, and a template's word on instances.
    api.apply(scaled("scaled"))
    by_label = scaled("shared", kind="ClusterModelTemplate")
    here = {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}
    by_label["spec"]["allowed_namespaces"] = {"from": "Selected", "selector": here}
    api.apply(by_label)
    wait_for(lambda: is_denied(api, wrong("denied", "scaled")), message="the webhook denies")
    wait_for(lambda: is_denied(api, wrong("denied", "shared")), message="the webhook denies")
    api.apply(instance("adopted", model_template_id="shared"))
    several = [{"name": "first"}, {"name": "second"}]
    api.apply(instance("several", model_template_id="scaled", deployments=several))
    for name in ("adopted", "several"):
        api.wait_for_condition("ModelInstance", name, "Ready")
    # A parameter that names a key of a Secret, which is there; and one of the operator's own Secret's name.
    secret_user = template("secret-user")
    secret_user["spec"]["model_creation_parameters_schema"]["properties"]["TOKEN"] = {"x-secret-ref": True}
    api.apply(secret_user)
    for name in ("hugging-face", "model-operator-webhook-cert"):
        api.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": "t"}}
        )
        parameters = {"MODEL_NAME": "m", "TOKEN": {"name": name, "key": "token"}}
        user = f"user-of-{name}"
        api.apply(instance(user, model_template_id="secret-user", model_creation_parameters=parameters))
        api.wait_for_condition("ModelInstance", user, "Ready")
    # Objects of others in the way.
    for kind, parts in FOREIGN.items():
        name = f"foreign-{kind.lower()[:10]}"
        api.create({"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": name}, **parts})
        api.apply(instance(name, model_template_id="scaled"))
        api.wait_for_condition("ModelInstance", name, "Ready", "False", reason="NameConflict")
    # Children without an owner, which are adopted.
    api.delete("ModelInstance", "adopted", propagation="Orphan")
    api.wait_until_gone("ModelInstance", "adopted")
    api.apply(instance("adopted", model_template_id="shared"))
    api.wait_for_condition("ModelInstance", "adopted", "Ready")
    # What is no longer wanted goes, and what somebody edits is put right, three times.
    api.apply(instance("several", model_template_id="scaled", deployments=several[:1]))
    for kind in FOREIGN:
        api.wait_until_gone(kind, "several-second")
    for number in range(3):
        api.patch("Service", "several-first", {"spec": {"selector": {"app": f"other-{number}"}}})
        wait_for(lambda: "app" not in api.get("Service", "several-first")["spec"]["selector"])
    revise(api)
    # A roll-out that does not get on, for a reason that only events tell.
    stuck = template("stuck")
    stuck["spec"]["pod_template"] = {"metadata": {"labels": {"simulate.modeloperator.dev/failure": "volume"}}}
    api.apply(stuck)
    api.apply(instance("stuck", model_template_id="stuck"))
    api.wait_for_condition("ModelInstance", "stuck", "Ready", "False", reason="VolumeNotReady")
    # A pod without a node, whose claim is read.
    claiming = template("claiming")
    volumes = [{"name": "weights", "persistentVolumeClaim": {"claimName": "no-such-claim"}}]
    claiming["spec"]["pod_template"] = {"spec": {"volumes": volumes}}
    api.apply(claiming)
    api.apply(instance("claiming", model_template_id="claiming"))
    api.wait_for_condition("ModelInstance", "claiming", "Ready", "False", reason="VolumeNotReady")
    # A certificate that somebody breaks.
    own = api.in_namespace(OPERATOR_NAMESPACE)
    secret = own.get("Secret", "model-operator-webhook-cert")
    broken = {**secret, "data": {**secret["data"], "tls.crt": base64.b64encode(b"none").decode()}}
    own.replace(broken)
    wait_for(lambda: own.get("Secret", "model-operator-webhook-cert")["data"]["tls.crt"] not in _crt(broken))


def revise(api: KubeApi) -> None:
    """Edit templates that keep no history, and name a revision that is looked for and not there."""
    for kind, name in (("ModelTemplate", "scaled"), ("ClusterModelTemplate", "shared")):
        first = api.get(kind, name)["status"]["latest_revision"]
        bundle = {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}
        api.patch(kind, name, {"spec": {"revision_history_limit": 0, **bundle}})
        api.wait_until_gone(f"{kind}Revision", f"{name}-{first}", deadline=60)
        with pytest.raises(KubeApiError, match="has no revision"):
            api.apply(instance("pinned", model_template_id=name, model_template_revision=first))


def _crt(secret: Object) -> str:
    crt: str = secret["data"]["tls.crt"]
    return crt
