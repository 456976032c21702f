"""Reading the instances of a template as its roll-out sees them, from their status and their Deployments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from model_operator.api import LATEST, STABLE, RolloutState
from model_operator.core.objects.kept_form import FAULTS
from model_operator.core.objects.recorded_template import TemplateVersion, is_recorded
from model_operator.core.objects.template_annotation import annotated_revision
from model_operator.core.reasons.reasons import Reason
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.templates.compile import CompiledTemplate

UNKNOWN: Final = "unknown"
"""In place of the hash of a revision: that of an instance with Deployments of which nothing says what they
were applied of, as after a restore without statuses. It is no new instance, so that it waits for its turn."""
_NO_LABELS: Final[Mapping[str, str]] = {}

_FAILING: Final = frozenset(each.name for each in Reason if each.value.stalled or each.value.stalls_late)
"""Reasons of the Ready condition that need an action, at once or if they last."""

Object = Mapping[str, Any]


def is_pinned(instance: Object) -> bool:
    """Return whether a ModelInstance, as it is cached, is pinned to a revision."""
    return _named(instance.get("spec")) not in (None, LATEST, STABLE)


def is_rolling_in_steps(template: Object) -> bool:
    """Return whether an edit of a template, as it is cached, is on its way to its instances in steps."""
    spec, rollout = template.get("spec"), (template.get("status") or {}).get("rollout") or {}
    is_stepped = isinstance(spec, Mapping) and spec.get("rollout") is not None
    return is_stepped and rollout.get("state") != RolloutState.COMPLETE.value


def running_revision(instance: Object, deployments: Iterable[Object], latest: CompiledTemplate) -> str:
    """Return the hash of the revision of its template that an instance runs; empty for a new one.

    It is the latest one as soon as the status or a Deployment has it, since a move writes the Deployment
    first; else that of the status; else, as after a restore without statuses, that of a Deployment, or
    `UNKNOWN` where none says it.

    Parameters
    ----------
    instance
        The ModelInstance as the API server has it, or as it is cached.
    deployments
        The Deployments that it controls, and those that it will adopt.
    latest
        Its template in the latest valid revision.
    """
    status = instance.get("status") or {}
    bound = status.get("template") or {}
    if is_recorded(status, latest.version):
        return latest.revision
    pinned = _pinned_names(instance)
    applied = [annotated_revision(each) for each in deployments if each["metadata"]["name"] not in pinned]
    if latest.revision in applied:
        return latest.revision
    # What ran of another template is no revision of this one; a recreated template is the same.
    if bound and not is_bound_to(instance, latest):
        return ""
    known = str(bound.get("revision") or "")
    return known or next(filter(None, applied), UNKNOWN if applied else "")


def is_bound_to(instance: Object, template: CompiledTemplate) -> bool:
    """Return whether the template in the status of a ModelInstance has kind, namespace and name of this one.

    A status of an operator before templates were shared has no namespace: it was that of the instance.
    """
    bound, resource = (instance.get("status") or {}).get("template") or {}, template.resource
    if (bound.get("kind"), bound.get("name")) != (resource.kind, resource.metadata.name):
        return False
    known = bound.get("namespace") or instance["metadata"].get("namespace", "")
    return resource.metadata.namespace in ("", known)


def read_follower(
    instance: Object,
    deployments: Collection[Object],
    latest: CompiledTemplate,
    started_at: str = "",
    grants: Collection[FollowerKey] = (),
) -> Follower:
    """Return an instance that is not pinned as the roll-out of its template sees it.

    Parameters
    ----------
    instance, deployments, latest
        As for `running_revision`.
    started_at
        Time at which the roll-out of the latest revision began, RFC 3339, UTC.
    grants
        The instances that may get it.
    """
    metadata, status = instance["metadata"], instance.get("status") or {}
    key = FollowerKey(metadata.get("namespace", ""), metadata["name"])
    revision = running_revision(instance, deployments, latest)
    is_current = status.get("observedGeneration") == metadata.get("generation") and is_recorded(
        status, _of(latest.version, revision)
    )
    standing = _standing(status) if is_current else _Standing()
    pinned = _pinned_names(instance)
    return Follower(
        key,
        revision,
        metadata.get("labels") or _NO_LABELS,
        follows_stable=_named(instance.get("spec")) == STABLE,
        is_ready=standing.is_ready,
        is_stalled=standing.is_stalled,
        has_workers=_has_workers(instance, deployments, pinned, is_new=not revision),
        can_move=revision == latest.revision or not instance.get(FAULTS),
        is_new=bool(started_at) and metadata.get("creationTimestamp", "") > started_at,
        failing_since=standing.failing_since,
        has_own_fault=standing.has_own_fault,
        arrived_at=standing.ready_since,
        permanent_since=standing.permanent_since,
        is_edited=standing.arrived_generation not in (None, metadata.get("generation")),
        is_granted=key in grants and revision != latest.revision,
    )


def _has_workers(
    instance: Object, deployments: Iterable[Object], pinned: Collection[str], *, is_new: bool
) -> bool:
    """Return whether an instance is to have workers at the revision that it follows.

    A Deployment that was deleted by hand is to have them: without it, a canary proves nothing, and a failed
    one is no less a failure.
    """
    own = {each["metadata"]["name"]: each for each in deployments if each["metadata"]["name"] not in pinned}
    if any((each.get("spec") or {}).get("replicas", 1) > 0 for each in own.values()):
        return True
    spec = instance.get("spec")
    is_off = isinstance(spec, Mapping) and (spec.get("suspend") is True or spec.get("replicas") == 0)
    is_missing = any(name not in own and name not in pinned for name in deployment_names(instance))
    return is_missing and not is_new and not is_off


def _of(version: TemplateVersion, revision: str) -> TemplateVersion:
    return version if revision == version.revision else version._replace(generation=-1, revision=revision)


class _Standing(NamedTuple):
    """What the conditions of an instance say, and since when."""

    is_ready: bool = False
    is_stalled: bool = False
    ready_since: datetime | None = None
    """Time since which it has been Ready at its revision."""
    failing_since: datetime | None = None
    has_own_fault: bool = False
    permanent_since: datetime | None = None
    arrived_generation: int | None = None
    """Generation with which it was last Ready at its revision."""


def _standing(status: Object) -> _Standing:
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    is_ready = ready.get("status") == "True"
    bound = status.get("template") or {}
    # Without the time, a status of an operator that did not record it.
    since = bound.get("arrived_at") or ready.get("lastTransitionTime")
    is_failing = ready.get("status") == "False" and ready.get("reason") in _FAILING
    return _Standing(
        is_ready,
        (conditions.get("Stalled") or {}).get("status") == "True",
        _time(since) if is_ready else None,
        _time(ready.get("lastTransitionTime")) if is_failing else None,
        is_failing and ready.get("reason") == Reason.TemplateRevisionNotFound.name,
        None if is_ready else _time(bound.get("failing_since")),
        bound.get("arrived_generation"),
    )


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _named(spec: Any) -> Any:
    return spec.get("model_template_revision") if isinstance(spec, Mapping) else None


def _pinned_names(instance: Object) -> Collection[str]:
    """Return the names of the Deployments that have a revision of their own, in the spec or so far.

    What a canary has that was just given up is not what the instance runs.
    """
    spec, name = instance.get("spec"), instance["metadata"]["name"]
    entries = spec.get("deployments") if isinstance(spec, Mapping) else None
    listed = entries if isinstance(entries, list) else ()
    names = {f"{name}-{each.get('name')}" for each in listed if isinstance(each, Mapping) and _named(each)}
    reported = (instance.get("status") or {}).get("deployments") or ()
    return names | {each["name"] for each in reported if each.get("template_revision")}


def deployment_names(instance: Object) -> Iterator[str]:
    """Yield the names of the Deployments of a ModelInstance, as its spec has them."""
    spec, name = instance.get("spec"), instance["metadata"]["name"]
    entries = spec.get("deployments") if isinstance(spec, Mapping) else None
    if not isinstance(entries, list):
        yield name
        return
    yield from (f"{name}-{each.get('name')}" for each in entries if isinstance(each, Mapping))
