"""What has to be exactly so when nothing happens any more: the status, the children, and no orphans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.life.asked import Asked, Pods, Problem, asked, is_broken, runs
from tests.life.followed import followed, is_followed
from tests.life.rollouts import count, is_complete, is_observed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.life.history import History, Version

CHILDREN = ("Deployment", "Service")


def quiet_faults(history: History, name: str) -> Iterator[str]:
    """Yield what is not as it is to be with the instance of a name, there or not."""
    instance = history.last("ModelInstance", name)
    if instance is None:
        for kind in CHILDREN:
            yield from (f"{kind} {each} is left over" for each in _there(history, kind))
        return
    name = instance.obj["spec"]["model_template_id"]
    template, reference = history.last("ModelTemplate", name), instance.status.get("template")
    running = followed(history, name)
    if template is not None and reference is not None and is_followed(history, template, reference):
        running = history.with_generation("ModelTemplate", reference["uid"], reference["generation"])
    wanted = asked(instance.obj, running.obj if running else None)
    yield from _generations(history, instance, template)
    yield from _children(history, instance, wanted)
    yield from _conditions(history, instance, wanted)
    yield from _entries(history, instance, wanted)
    if template is not None:
        yield from _template(template)


def _there(history: History, kind: str) -> dict[str, Version]:
    found = {name: history.last(kind, name) for name in history.names(kind)}
    return {name: version for name, version in found.items() if version is not None}


def _generations(history: History, instance: Version, template: Version | None) -> Iterator[str]:
    told = [each["observedGeneration"] for each in instance.status.get("conditions", [])]
    told.append(instance.status.get("observedGeneration", -1))
    if set(told) != {instance.generation}:
        yield f"the status is about the generations {told}, the instance has {instance.generation}"
    if template is not None:
        reference = instance.status.get("template") or {"uid": "", "generation": 0}
        if not is_followed(history, template, reference):
            yield f"the status is about template {reference}, not about {template}"
        if reference.get("revision") != template.status.get("latest_revision"):
            yield f"the status is about {reference}, the latest revision is another: {template.status}"


def _children(history: History, instance: Version, wanted: Asked) -> Iterator[str]:
    if wanted.problem is not None:
        return  # Nothing may have changed, which the rules for children judge.
    deployments, services = _there(history, "Deployment"), _there(history, "Service")
    may_wait = any(not pods.can_start for pods in wanted.deployments.values())
    for kind, there in (("Deployment", deployments), ("Service", services)):
        yield from (f"{kind} {name} is missing" for name in sorted(wanted.deployments.keys() - there.keys()))
        if not may_wait:
            yield from (
                f"{kind} {name} is left over" for name in sorted(there.keys() - wanted.deployments.keys())
            )
        for name, version in there.items():
            if not version.owned_by(instance.uid) or version.leaving:
                yield f"{kind} {name} is another instance's, or leaving"
    for name, pods in wanted.deployments.items():
        if name in deployments:
            yield from _deployment(deployments[name], pods)


def _deployment(version: Version, pods: Pods) -> Iterator[str]:
    if not runs(version.obj, pods) or version.obj["spec"]["replicas"] != pods.workers:
        yield f"Deployment {version.name} is not what is asked for"
    elif not _has_arrived(version, pods):
        yield f"Deployment {version.name} is on its way"


def _has_arrived(version: Version, pods: Pods) -> bool:
    if pods.can_start or not pods.workers:
        return is_complete(version.obj)
    # Beside what serves, one worker that cannot start is what a rolling update dares.
    return is_observed(version.obj) and count(version.obj, "updatedReplicas") > 0


def _conditions(history: History, instance: Version, wanted: Asked) -> Iterator[str]:
    deployments = _there(history, "Deployment").values()
    is_ready = wanted.problem is None and all(
        pods.can_start or not pods.workers for pods in wanted.deployments.values()
    )
    expected = {
        "Ready": is_ready,
        "Available": any(count(each.obj, "availableReplicas") for each in deployments),
        # Quiet lasts longer than the grace period.
        "Stalled": wanted.problem is not None,
        "Reconciling": not is_ready and wanted.problem is None,
    }
    for kind, status in expected.items():
        if instance.is_true(kind) is not status:
            yield f"{kind} is to be {status}: {instance.condition(kind)}"
    is_wrong = wanted.problem is Problem.WRONG_PARAMETERS
    if bool(instance.status.get("validation_errors")) is not is_wrong:
        yield f"validation_errors are {instance.status.get('validation_errors')}"


def _entries(history: History, instance: Version, wanted: Asked) -> Iterator[str]:
    deployments, services = _there(history, "Deployment"), _there(history, "Service")
    entries = {entry["name"]: entry for entry in instance.status.get("deployments", [])}
    if entries.keys() != deployments.keys():
        yield f"the status has the deployments {sorted(entries)}, there are {sorted(deployments)}"
        return
    if instance.status.get("deployment_count") != len(deployments):
        yield f"deployment_count is {instance.status.get('deployment_count')}, not {len(deployments)}"
    for name, deployment in deployments.items():
        entry = entries[name]
        told = (entry["replicas"], entry["ready_replicas"], "url" in entry, entry["status"] == "READY")
        pods = wanted.deployments.get(name)
        seen = (
            count(deployment.obj, "replicas"),
            count(deployment.obj, "readyReplicas"),
            name in services,
            pods is not None and (pods.can_start or not pods.workers),
        )
        if told != seen:
            yield f"of {name} is told (workers, ready ones, has a url, READY) {told}, the case is {seen}"


def _template(template: Version) -> Iterator[str]:
    if template.status.get("observedGeneration") != template.generation:
        yield f"the template's status is not about its generation {template.generation}"
    if template.is_true("Ready") is is_broken(template.obj):
        yield f"the template's Ready condition is {template.condition('Ready')}"
