"""The workload in a stream of manifests, and the objects that belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from model_operator.core.offline.collection import objects_in
from model_operator.core.offline.conversion.notes import ConversionError
from model_operator.core.offline.documents import Document
from model_operator.core.values.words import alternatives, listed, plural, shorten

WORKLOADS: Final = ("Deployment", "StatefulSet", "ReplicaSet", "Pod")
"""The kinds that can be converted: each keeps equal pods running."""

_KINDS_SHOWN: Final = 5
_HOOK: Final = "helm.sh/hook"
_UNFIT: Final = {
    "DaemonSet": "runs one pod on each node, and a model a number of workers",
    "Job": "ends, and a model serves until it is deleted",
    "CronJob": "ends, and a model serves until it is deleted",
}


@dataclass(frozen=True)
class Workload:
    """A workload and what came with it.

    Attributes
    ----------
    kind, name, namespace
        Its identity; the namespace is empty if the manifest names none.
    metadata
        Its ``metadata``; empty for a Pod, whose metadata are those of the pod template.
    spec
        Its ``spec``; empty for a Pod.
    pod
        Its pod template.
    services, autoscalers
        The Services that select its pods, and the HorizontalPodAutoscalers that scale it.
    others
        All other objects.
    """

    kind: str
    name: str
    namespace: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    pod: Mapping[str, Any]
    services: list[Mapping[str, Any]] = field(default_factory=list)
    autoscalers: list[Mapping[str, Any]] = field(default_factory=list)
    others: list[Mapping[str, Any]] = field(default_factory=list)


def find_workload(documents: Iterable[Document], choice: str | None = None) -> Workload:
    """Return the workload of a stream.

    Parameters
    ----------
    documents
        Documents without faults.
    choice
        Its name, or its kind and name as in ``Deployment/vllm``; by default the only one.

    Raises
    ------
    ConversionError
        There is none, or several and no choice, or one that cannot be converted.
    """
    objects = [obj for document in documents for _, obj in objects_in(document.value, ())]
    found = [obj for obj in objects if obj.get("kind") in (*WORKLOADS, *_UNFIT)]
    if choice is not None:
        chosen = [obj for obj in found if choice.lower() in (name_of(obj), _title(obj).lower())]
    else:
        chosen = _likely(found)
    if not chosen:
        what = f"no {alternatives(WORKLOADS)}" if choice is None else "no workload of this name"
        among = f"; there are {listed([_title(obj) for obj in found])}" if found else _instead(objects)
        raise ConversionError(f"{what} found in {plural(len(objects), 'object')}{among}")
    if len(chosen) > 1:
        titles = listed([_title(obj) for obj in chosen])
        raise ConversionError(f"must be one workload, got {titles}; choose one with --workload KIND/NAME")
    return _with_others(chosen[0], objects)


def name_of(obj: Mapping[str, Any]) -> str:
    """Return the name of an object; empty if it has none."""
    return str(mapping(obj.get("metadata")).get("name") or "")


def is_hook(obj: Mapping[str, Any]) -> bool:
    """Whether Helm runs the object at a moment of a release, such as a test."""
    return _HOOK in mapping(mapping(obj.get("metadata")).get("annotations"))


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object, or an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; empty if it is none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _likely(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the workloads that are meant: no hooks of Helm, and Pods only if there is nothing else."""
    own = [obj for obj in found if not is_hook(obj)]
    for kinds in (WORKLOADS[:2], WORKLOADS):
        if chosen := [obj for obj in own if obj.get("kind") in kinds]:
            return chosen
    return own or found


def _instead(objects: list[dict[str, Any]]) -> str:
    """Return what a stream without a workload has instead, and what to give, as the end of a message."""
    kinds = sorted({obj["kind"] for obj in objects if isinstance(obj.get("kind"), str)})
    if kinds:
        shown = [shorten(kind) for kind in kinds[:_KINDS_SHOWN]]
        more = [f"{len(kinds) - len(shown)} more"] if len(kinds) > len(shown) else []
        return (
            f", got {listed([*shown, *more])}; give the workload that runs the pods, from kubectl get -o yaml"
        )
    if any(isinstance(obj.get("services"), Mapping) for obj in objects):
        return ", got services of Docker Compose; convert them to a manifest of Kubernetes first"
    return "; give a manifest of Kubernetes"


def _title(obj: Mapping[str, Any]) -> str:
    return f"{obj.get('kind')}/{name_of(obj)}"


def _with_others(obj: Mapping[str, Any], objects: list[dict[str, Any]]) -> Workload:
    kind, name = str(obj["kind"]), name_of(obj)
    if kind in _UNFIT:
        raise ConversionError(f"a {kind} {_UNFIT[kind]}; give a {alternatives(WORKLOADS)}")
    spec, metadata = mapping(obj.get("spec")), mapping(obj.get("metadata"))
    pod = {"metadata": metadata, "spec": spec} if kind == "Pod" else mapping(spec.get("template"))
    if not items(mapping(pod.get("spec")).get("containers")):
        path = "spec.containers" if kind == "Pod" else "spec.template.spec.containers"
        raise ConversionError(f"{kind} {name}: {path}: must be a list with a container")
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    namespace = str(metadata.get("namespace") or "")
    workload = Workload(
        kind=kind,
        name=name,
        namespace=namespace,
        metadata={} if kind == "Pod" else metadata,
        spec={} if kind == "Pod" else spec,
        pod=pod,
    )
    for other in objects:
        if other is obj:
            continue
        inside = mapping(other.get("spec"))
        selector, target = mapping(inside.get("selector")), mapping(inside.get("scaleTargetRef"))
        elsewhere = mapping(other.get("metadata")).get("namespace") not in (None, "", namespace or None)
        if other.get("kind") == "Service" and selector and selector.items() <= labels.items():
            (workload.others if namespace and elsewhere else workload.services).append(other)
        elif (
            other.get("kind") == "HorizontalPodAutoscaler"
            and target.get("kind", kind) == kind
            and target.get("name") == name
        ):
            workload.autoscalers.append(other)
        else:
            workload.others.append(other)
    return workload
