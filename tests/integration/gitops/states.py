"""Every state that an object of ours can be in, made on a real API server for the tools that judge it.

What comes of each is recorded in Argo CD's layout beside the Lua script that reads it, in
``manifests/argocd/resource_customizations``. `tests.integration.gitops.test_states` compares or records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from model_operator.core.reasons.reasons import Reason
from model_operator.core.status.template import TemplateReason
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.gitops.argocd import CUSTOMIZATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi, Object

WITHDRAWN = "recorded-withdrawn"
"""Name of the cluster template that is withdrawn."""
TIME = "2026-01-01T00:00:00Z"
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_UIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEAD = """\
# Recorded by `make record-states`; times, uids and the namespace are made up, the two schemas are left out.
"""


@dataclass(frozen=True)
class State:
    """One state.

    Attributes
    ----------
    reason
        What its Ready condition tells.
    make
        Brings it about.
    name
        Of the object.
    """

    reason: Reason | TemplateReason
    make: Callable[[KubeApi], object]
    kind: str = "ModelInstance"
    name: str = "minilm"

    @property
    def path(self) -> Path:
        """Where the object is recorded."""
        words = re.findall("[A-Z][a-z]*", self.reason.name)
        return recorded_path(self.kind, "-".join(words).lower())


def recorded_path(kind: str, state: str) -> Path:
    """Give the place of a recorded object."""
    return CUSTOMIZATIONS / kind / "testdata" / f"{state}.yaml"


def conditions(obj: Object) -> dict[str, tuple[str, str]]:
    """Give the status and the reason of each condition."""
    found = obj.get("status", {}).get("conditions", [])
    return {each["type"]: (each["status"], each["reason"]) for each in found}


def is_current(obj: Object) -> bool:
    """Tell whether an object's status is about its present generation."""
    return bool(obj["status"]["observedGeneration"] == obj["metadata"]["generation"])


def text(obj: Object) -> str:
    """Give an object as it is recorded: what differs with every run is made up."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    metadata["resourceVersion"] = "1"
    status = {key: value for key, value in obj["status"].items() if not key.endswith("_schema")}
    shown = yaml.safe_dump({**obj, "metadata": metadata, "status": status}, sort_keys=False, width=110)
    shown = _TIMES.sub(TIME, shown)
    if namespace := metadata.get("namespace"):
        shown = shown.replace(namespace, "team-a")
    uids = list(dict.fromkeys(match[0] for match in _UIDS.finditer(shown)))
    for number, uid in enumerate(uids, start=1):
        shown = shown.replace(uid, f"00000000-0000-4000-8000-{number:012d}")
    return _HEAD + shown


def _apply(api: KubeApi, *objects: Object) -> None:
    for obj in objects:
        api.apply(obj)


def _with_pods(**pod_template: Any) -> Object:
    obj = template()
    obj["spec"]["pod_template"] = pod_template
    return obj


def _never_ready(timeout: int) -> Object:
    obj = _with_pods(metadata={"labels": {"simulate.modeloperator.dev/failure": "never-ready"}})
    obj["spec"]["vendor_configuration"]["endpoint_config"]["startup_timeout_seconds"] = timeout
    return obj


def _terminating(api: KubeApi) -> None:
    held = instance()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    _apply(api, template(), held)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.delete("ModelInstance", "minilm")


def _withdrawn(api: KubeApi) -> None:
    shared = _cluster_template(WITHDRAWN)
    shared["spec"]["allowed_namespaces"] = {"from": "Selected", "names": [api.namespace]}
    _apply(api, shared, instance(model_template_id=WITHDRAWN))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    shared["spec"]["allowed_namespaces"]["names"] = ["elsewhere"]
    _apply(api, shared)


def _name_conflict(api: KubeApi) -> None:
    api.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "minilm"}, "spec": _PORTS})
    _apply(api, template(), instance())


def _quota_exceeded(api: KubeApi) -> None:
    _quota(api, "count/deployments.apps")
    _apply(api, template(), instance())


def _pods_rejected(api: KubeApi) -> None:
    _quota(api, "pods")
    _apply(api, template(), instance())


def _quota(api: KubeApi, what: str) -> None:
    metadata = {"name": "none"}
    api.create(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {what: "0"}}}
    )
    _wait_until_counted(api)


def _wait_until_counted(api: KubeApi) -> None:
    wait_for(lambda: api.get("ResourceQuota", "none").get("status", {}).get("hard"))


def _cluster_template(name: str, **bundle: Any) -> Object:
    return {**template(name, **bundle), "kind": "ClusterModelTemplate"}


_PORTS = {"ports": [{"port": 80}]}
_WRONG_TYPE = {"spec": {"terminationGracePeriodSeconds": "soon"}}
_EXTERNAL = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "metadata": {"name": "minilm"},
    "spec": {"model_vendor": "OPENAI", "model_type": "EMBEDDING"},
}

STATES = [
    State(Reason.Terminating, _terminating),
    State(Reason.TemplateNotFound, lambda api: _apply(api, instance())),
    State(Reason.TemplateNotShared, _withdrawn),
    State(Reason.TemplateInvalid, lambda api: _apply(api, template(image="$(parameters.NONE)"), instance())),
    State(
        Reason.InvalidParameters,
        lambda api: _apply(api, template(), instance(model_creation_parameters={"MODEL_NAME": 7})),
    ),
    State(
        Reason.ModelTypeMismatch, lambda api: _apply(api, template(), instance(model_type="CHAT_COMPLETION"))
    ),
    State(Reason.NameConflict, _name_conflict),
    State(Reason.DeploymentRejected, lambda api: _apply(api, _with_pods(**_WRONG_TYPE), instance())),
    State(Reason.QuotaExceeded, _quota_exceeded),
    State(Reason.PodsRejected, _pods_rejected),
    State(Reason.ProgressDeadlineExceeded, lambda api: _apply(api, _never_ready(5), instance())),
    State(Reason.Deploying, lambda api: _apply(api, _never_ready(1800), instance())),
    State(Reason.RolledOut, lambda api: _apply(api, template(), instance())),
    State(Reason.ScaledToZero, lambda api: _apply(api, template(), instance(replicas=0))),
    State(Reason.Suspended, lambda api: _apply(api, template(), instance(suspend=True))),
    State(Reason.NotDeployed, lambda api: _apply(api, template(), instance(deployments=[]))),
    State(Reason.ExternallyHosted, lambda api: _apply(api, _EXTERNAL)),
    State(TemplateReason.TemplateValid, lambda api: _apply(api, template()), "ModelTemplate", "encoder"),
    State(
        TemplateReason.TemplateInvalid,
        lambda api: _apply(api, template(image="$(parameters.NONE)")),
        "ModelTemplate",
        "encoder",
    ),
    State(
        TemplateReason.PodTemplateRejected,
        lambda api: _apply(api, _with_pods(**_WRONG_TYPE)),
        "ModelTemplate",
        "encoder",
    ),
    State(
        TemplateReason.TemplateValid,
        lambda api: _apply(api, _cluster_template("recorded-valid")),
        "ClusterModelTemplate",
        "recorded-valid",
    ),
    State(
        TemplateReason.TemplateInvalid,
        lambda api: _apply(api, _cluster_template("recorded-invalid", image="$(parameters.NONE)")),
        "ClusterModelTemplate",
        "recorded-invalid",
    ),
]
"""Those that come about with the shared operator."""
