"""The objects that a template does not contain: those that its pods read, and those that came with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.offline.conversion.notes import Draft, Topic
from model_operator.core.offline.conversion.workloads import (
    WORKLOADS,
    Workload,
    is_hook,
    items,
    mapping,
    name_of,
)

_ROUTES: Final = frozenset(
    {"Ingress", "HTTPRoute", "GRPCRoute", "Route", "VirtualService", "IngressRoute", "InferencePool"}
)
_SELECTING: Final = frozenset(
    {"NetworkPolicy", "ServiceMonitor", "PodMonitor", "CiliumNetworkPolicy", "PodMonitoring"}
)
_SILENT: Final = frozenset({"Namespace", "List", ""})
_BLOCK_OWNED: Final = "PodDisruptionBudget"
_CLAIM: Final = "PersistentVolumeClaim"


def take_claims(draft: Draft, workload: Workload) -> None:
    """Replace the claim templates of a StatefulSet by one claim for each instance."""
    volumes = draft.pod_spec.get("volumes")
    for template in items(workload.spec.get("volumeClaimTemplates")):
        name = name_of(template)
        claim = {"name": name, "persistentVolumeClaim": {"claimName": f"$(instance.name)-{name}"}}
        if isinstance(volumes, list):
            volumes.append(claim)
        else:
            volumes = draft.pod_spec["volumes"] = [claim]
        draft.note(
            Topic.BESIDE,
            f"{_CLAIM} <instance>-{name}: in place of volumeClaimTemplates, all workers of a model share it",
        )


def note_objects(draft: Draft, workload: Workload) -> None:
    """Note the objects that the pods refer to, and those that came with the workload."""
    for kind, name in _references(draft.pod_spec):
        if "$(" not in name:
            draft.note(Topic.BESIDE, f"{kind} {name}")
    for secret in draft.bundle.get("image_pull_secrets") or ():
        draft.note(Topic.BESIDE, f"Secret {mapping(secret).get('name')}")
    for other in workload.others:
        if not is_hook(other):
            _note_other(draft, str(other.get("kind") or ""), name_of(other))


def _note_other(draft: Draft, kind: str, name: str) -> None:
    if kind in _SILENT:
        return
    if kind in WORKLOADS:
        draft.note(Topic.NO_PLACE, f"{kind} {name}: convert it by itself, with --workload {kind}/{name}")
    elif kind == _BLOCK_OWNED:
        draft.note(Topic.NO_PLACE, f"{kind} {name}: the operator makes one for models of several workers")
    elif kind in _ROUTES:
        draft.note(Topic.BESIDE, f"{kind} {name}, leading to the Service of the instance")
    elif kind in _SELECTING:
        draft.note(Topic.BESIDE, f"{kind} {name}, selecting by the label modeloperator.dev/instance")
    elif kind == "ScaledObject":
        draft.note(Topic.BESIDE, f"{kind} {name}, with the Deployment of the instance as its target")
    else:
        draft.note(Topic.BESIDE, f"{kind} {name}")


def note_workload(draft: Draft, workload: Workload) -> None:
    """Take the strategy, and note the fields of the workload itself that have no place."""
    spec, kind = workload.spec, workload.kind
    strategy = spec.get("strategy")
    if kind == "Deployment" and isinstance(strategy, Mapping) and strategy:
        draft.rest["strategy"] = {key: value for key, value in strategy.items() if value is not None}
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline > 0 and "startup_timeout_seconds" not in draft.endpoint:
        draft.endpoint["startup_timeout_seconds"] = min(deadline, 86400)
    elif deadline is not None and deadline != draft.endpoint.get("startup_timeout_seconds"):
        draft.note(Topic.NO_PLACE, "progressDeadlineSeconds: it is the time that the startup probe allows")
    if spec.get("minReadySeconds"):
        draft.note(Topic.NO_PLACE, "minReadySeconds: a worker is available once it is ready")
    if spec.get("paused"):
        draft.note(Topic.NO_PLACE, "paused: set suspend or model_template_revision of an instance")
    _note_pod_fields(draft, kind)


def _note_pod_fields(draft: Draft, kind: str) -> None:
    account = draft.pod_spec.get("serviceAccountName", "default")
    if account != "default" and "automountServiceAccountToken" not in draft.pod_spec:
        draft.note(
            Topic.ASSUMED,
            f"pods get no token of ServiceAccount {account}: set automountServiceAccountToken in "
            "pod_template to true if the server calls the API of Kubernetes",
        )
    if kind == "StatefulSet":
        draft.note(Topic.NO_PLACE, "stable names and order of the pods of a StatefulSet: workers are alike")
    if draft.pod_spec.get("restartPolicy"):
        del draft.pod_spec["restartPolicy"]
        draft.note(Topic.NO_PLACE, "restartPolicy: workers of a Deployment always restart")
    for field in ("activeDeadlineSeconds", "nodeName"):
        if field in draft.pod_spec:
            del draft.pod_spec[field]
            draft.note(Topic.NO_PLACE, f"{field} of the pod")
    grace = draft.pod_spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace > 0:
        draft.endpoint["termination_grace_period_seconds"] = draft.pod_spec.pop(
            "terminationGracePeriodSeconds"
        )


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the objects that the pods need."""
    account = spec.get("serviceAccountName")
    if account and account != "default":
        yield "ServiceAccount", str(account)
    for key in ("initContainers", "containers"):
        for container in items(spec.get(key)):
            yield from _of_variables(container)
    for volume in items(spec.get("volumes")):
        yield from _of_volume(volume)
        for source in items(mapping(volume.get("projected")).get("sources")):
            yield from _of_volume(source)
    for claim in items(spec.get("resourceClaims")):
        for field, kind in (
            ("resourceClaimName", "ResourceClaim"),
            ("resourceClaimTemplateName", "ResourceClaimTemplate"),
        ):
            if claim.get(field):
                yield kind, str(claim[field])


def _of_variables(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in items(container.get("env")):
        source = mapping(variable.get("valueFrom"))
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if mapping(source.get(field)).get("name"):
                yield kind, f"{source[field]['name']} with the key {source[field].get('key')}"
    for each in items(container.get("envFrom")):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if mapping(each.get(field)).get("name"):
                yield kind, str(each[field]["name"])


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, key, kind in (
        ("configMap", "name", "ConfigMap"),
        ("secret", "secretName", "Secret"),
        ("secret", "name", "Secret"),
        ("persistentVolumeClaim", "claimName", _CLAIM),
    ):
        name = mapping(volume.get(field)).get(key)
        if name and not (kind == "ConfigMap" and name == "kube-root-ca.crt"):
            yield kind, str(name)
