"""Which Flux or Argo CD object an object of the cluster comes from: a change made elsewhere would be undone.

The rules are those by which the tools themselves find their objects:

* Flux labels all that it applies. It leaves alone what ``kustomize.toolkit.fluxcd.io/reconcile: disabled`` or
  ``…/ssa: Ignore`` says, and what exists and has ``…/ssa: IfNotPresent`` in its source. It reads these as
  labels or annotations, in any case. Source: kustomize-controller, ``apply``; fluxcd/pkg, ``AnyInMetadata``.
* Argo CD writes ``argocd.argoproj.io/tracking-id``; one that is of another object came with a copy and does
  not count. For an object without a namespace, the one in it is that of the Application's destination.
  Source: Argo CD, ``isSelfReferencedObj``. Where Argo CD tracks by a label, its name is a setting; the
  default, ``app.kubernetes.io/instance``, is set by people and charts as well, so it counts only if Argo CD
  wrote it.
* Both apply under fixed field managers, the only sign where labels and annotations have been removed.

A plain Helm release (annotation ``meta.helm.sh/release-name``) is no owner: nothing reconciles it, so a
change stays until a person upgrades the release.

Any user who may write an object may also label it as owned. That only refuses changes over REST and by the
kubectl plugin, which can be forced; it grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.core.objects.ownership import group_of

FLUX: Final = "Flux"
ARGO_CD: Final = "Argo CD"
KUSTOMIZATION: Final = "Kustomization"
HELM_RELEASE: Final = "HelmRelease"
APPLICATION: Final = "Application"

_KUSTOMIZE_GROUP: Final = "kustomize.toolkit.fluxcd.io"
_FLUX_KINDS: Final = (
    (KUSTOMIZATION, _KUSTOMIZE_GROUP, "kustomize-controller"),
    (HELM_RELEASE, "helm.toolkit.fluxcd.io", "helm-controller"),
)
"""Kind, prefix of its labels, field manager."""
FLUX_LABELS: Final = frozenset(
    f"{prefix}/{part}" for _, prefix, _ in _FLUX_KINDS for part in ("name", "namespace")
)
"""The labels by which Flux says which of its objects applied an object."""
_LEFT_ALONE: Final = ((f"{_KUSTOMIZE_GROUP}/reconcile", "disabled"), (f"{_KUSTOMIZE_GROUP}/ssa", "ignore"))
_CREATED_ONCE: Final = (f"{_KUSTOMIZE_GROUP}/ssa", "ifnotpresent")

TRACKING_ID: Final = "argocd.argoproj.io/tracking-id"
ARGO_CD_INSTANCE: Final = "argocd.argoproj.io/instance"
COMMON_INSTANCE: Final = "app.kubernetes.io/instance"
_ARGO_CD_MANAGERS: Final = ("argocd-controller", "argocd-application-controller")
_TRACKING_ID: Final = re.compile(
    r"(?P<application>[^:]+):(?P<group>[^:/]*)/(?P<kind>[^:/]+):(?P<namespace>[^/]*)/(?P<name>[^/]+)"
)
_NAME: Final = re.compile(r"[a-z0-9][-.a-z0-9]{0,252}")

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """What keeps an object as its source says.

    Attributes
    ----------
    tool
        ``Flux`` or ``Argo CD``.
    kind
        Kind of the tool's own object: ``Kustomization``, ``HelmRelease`` or ``Application``.
    name
        Its ``namespace/name``, or its name where the tool does not record a namespace; empty when only a
        field manager shows the owner.
    """

    tool: str
    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.tool} {self.kind} {self.name}" if self.name else self.tool


def gitops_owner(obj: Object) -> Owner | None:
    """Return the owner of an object; None when neither Flux nor Argo CD would undo a change.

    Parameters
    ----------
    obj
        A ModelInstance or template as the API server sends it, with ``metadata.managedFields``.
    """
    return _flux_owner(obj) or _argo_cd_owner(obj)


def is_of_argo_cd(obj: Object, label: str) -> bool:
    """Return whether a label of an object was set by Argo CD, not by people or a chart."""
    return _wrote(obj, _ARGO_CD_MANAGERS, "labels", label)


def _flux_owner(obj: Object) -> Owner | None:
    if _is_left_alone(obj):
        return None
    labels = _texts(obj, "labels")
    for kind, prefix, _ in _FLUX_KINDS:
        if name := labels.get(f"{prefix}/name"):
            return Owner(FLUX, kind, "/".join(filter(None, (labels.get(f"{prefix}/namespace"), name))))
    for kind, _, manager in _FLUX_KINDS:
        if any(_fields_of(obj, manager)):
            return Owner(FLUX, kind)
    return None


def _is_left_alone(obj: Object) -> bool:
    """Return whether Flux is configured not to apply an object that exists."""
    if any(_has(obj, part, *wanted) for part in ("labels", "annotations") for wanted in _LEFT_ALONE):
        return True
    # Flux looks for this one in the source alone: what a person adds in the cluster has no effect.
    managers = [manager for _, _, manager in _FLUX_KINDS if any(_fields_of(obj, manager))]
    key = _CREATED_ONCE[0]
    return any(
        _has(obj, part, *_CREATED_ONCE) and (not managers or _wrote(obj, managers, part, key))
        for part in ("labels", "annotations")
    )


def _argo_cd_owner(obj: Object) -> Owner | None:
    tracked = _TRACKING_ID.fullmatch(_texts(obj, "annotations").get(TRACKING_ID, ""))
    if tracked and _is_of(obj, tracked):
        return _application(tracked["application"])
    labels = _texts(obj, "labels")
    for key in (ARGO_CD_INSTANCE, COMMON_INSTANCE):
        # Beside an id of another object, a label is of the copy, too.
        is_argo_cds = key == ARGO_CD_INSTANCE and not tracked
        if labels.get(key) and (is_argo_cds or is_of_argo_cd(obj, key)):
            return _application(labels[key])
    if any(any(_fields_of(obj, manager)) for manager in _ARGO_CD_MANAGERS):
        return Owner(ARGO_CD, APPLICATION)
    return None


def _is_of(obj: Object, tracked: re.Match[str]) -> bool:
    metadata = _mapping(obj.get("metadata"))
    namespace = metadata.get("namespace")
    return (
        tracked["name"] == metadata.get("name")
        and (not namespace or tracked["namespace"] == namespace)
        and tracked["kind"] == obj.get("kind")
        and tracked["group"] == group_of(str(obj.get("apiVersion", "")))
    )


def _application(text: str) -> Owner:
    """Return the Application of an id or label; one outside Argo CD's own namespace is ``namespace_name``."""
    parts = text.split("_")
    is_name = all(_NAME.fullmatch(part) for part in parts)
    return Owner(ARGO_CD, APPLICATION, "/".join(parts) if is_name else "")


def _has(obj: Object, part: str, key: str, value: str) -> bool:
    return _texts(obj, part).get(key, "").lower() == value


def _wrote(obj: Object, managers: Iterable[str], part: str, key: str) -> bool:
    """Return whether one of these managers set a label or an annotation."""
    return any(
        f"f:{key}" in _mapping(_mapping(fields.get("f:metadata")).get(f"f:{part}"))
        for manager in managers
        for fields in _fields_of(obj, manager)
    )


def _fields_of(obj: Object, manager: str) -> Iterator[Mapping[str, Any]]:
    """Yield the fields that a manager owns outside of subresources; nothing where it owns none."""
    entries = _mapping(obj.get("metadata")).get("managedFields")
    for entry in entries if isinstance(entries, list) else ():
        if entry.get("manager") == manager and not entry.get("subresource"):
            yield _mapping(entry.get("fieldsV1"))


def _texts(obj: Object, part: str) -> dict[str, str]:
    found = _mapping(_mapping(obj.get("metadata")).get(part))
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
