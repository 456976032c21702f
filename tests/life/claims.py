"""Rules of truth: what a status says of generations, roll-outs and workers has to have been so just then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.life.asked import Asked, Pods, Problem, asked, is_broken, runs
from tests.life.followed import is_followed
from tests.life.rollouts import count, is_complete, run_of, still_serves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.life.history import History, Object, Version

Entries = dict[str, "Object"]


def claim_faults(history: History, before: Version | None, version: Version) -> Iterator[str]:
    """Yield what is not true of a newly told status of an instance.

    Parameters
    ----------
    history
        All versions, later ones too.
    before
        The version of the instance before it.
    version
        A version whose status differs from that.
    """
    if before is not None and before.leaving:
        yield from _leaving(version)
        return
    yield from _template_faults(history, before, version)
    yield from _readiness(history, version)
    yield from _stalled(history, version)
    yield from _contested(version)
    if before is not None:
        yield from _taken_back(history, before, version)
    entries: Entries = {entry["name"]: entry for entry in version.status.get("deployments", [])}
    yield from _sums(version, entries)
    for name in sorted({*entries, *history.names("Deployment"), *history.names("Service")}):
        yield from _entry(history, version, name, entries.get(name))
    yield from _serving(history, version)


def template_faults(version: Version) -> Iterator[str]:
    """Yield what is not true of a newly told status of a template."""
    if version.is_true("Ready") is is_broken(version.obj):
        yield f"the template is {'broken' if is_broken(version.obj) else 'right'}, Ready tells otherwise"


def what_is_asked(history: History, version: Version) -> Asked:
    """Give what the pair of generations asks for that a status is about."""
    generation = version.status.get("observedGeneration", -1)
    instance = history.with_generation("ModelInstance", version.uid, generation)
    reference = version.status.get("template")
    if instance is None or reference is None:
        return Asked(problem=Problem.NO_TEMPLATE)
    template = history.with_generation("ModelTemplate", reference["uid"], reference["generation"])
    return asked(instance.obj, template.obj if template else None)


def rollout_faults(history: History, version: Version, name: str, pods: Pods) -> Iterator[str]:
    """Yield why a Deployment did not run these pods, rolled out, just before a version of its instance."""
    last = history.last("Deployment", name, version.revision)
    if last is None or not last.owned_by(version.uid):
        yield f"there is no Deployment {name}"
        return
    if not runs(last.obj, pods):
        yield f"Deployment {name} runs other pods"
        return
    run = run_of(history, last)
    if not any(is_complete(each.obj) for each in run):
        yield f"Deployment {name} has not been rolled out since its pods changed"
        return
    recent = [each for each in history.recent("Deployment", name, version) if each in run]
    if not any(each is not None and still_serves(each.obj) for each in recent):
        yield f"Deployment {name} has other pods, or none that is available"


def _leaving(version: Version) -> Iterator[str]:
    if version.is_true("Ready") or version.condition("Ready").get("reason") != "Terminating":
        yield "it is being deleted and does not tell"


def _template_faults(history: History, before: Version | None, version: Version) -> Iterator[str]:
    reference = version.status.get("template")
    if reference is None:
        return
    template = history.with_generation("ModelTemplate", reference["uid"], reference["generation"])
    if template is None or template.revision > version.revision or template.name != reference["name"]:
        yield f"there has been no template {reference}"
        return
    recent = history.recent("ModelTemplate", template.name, version)
    if not any(each is None or is_followed(history, each, reference) for each in recent):
        yield f"the template has long been another than generation {template.generation}"
    old = (before.status.get("template") if before else None) or {}
    if old.get("uid") == reference["uid"] and old["generation"] > reference["generation"]:
        yield f"the template's generation goes back from {old['generation']} to {reference['generation']}"


def _readiness(history: History, version: Version) -> Iterator[str]:
    if not version.is_true("Ready"):
        return
    wanted = what_is_asked(history, version)
    if wanted.problem is not None:
        yield f"Ready, but {wanted.problem.value}"
    entries = {entry["name"]: entry for entry in version.status["deployments"]}
    for name, pods in wanted.deployments.items():
        yield from (f"Ready, but {fault}" for fault in rollout_faults(history, version, name, pods))
        if entries.get(name, {}).get("status") != "READY":
            yield f"Ready, but the entry {name} is not READY"


def _stalled(history: History, version: Version) -> Iterator[str]:
    problem = what_is_asked(history, version).problem
    is_lasting = problem is not None or _is_contested(version) or _is_homeless(history, version)
    if version.is_true("Stalled") and not is_lasting:
        yield "Stalled, but nothing has to be done by a human"
    if version.status.get("validation_errors") and problem is not Problem.WRONG_PARAMETERS:
        yield "validation_errors, but the parameters are right"


def _is_homeless(history: History, version: Version) -> bool:
    """Return whether Ready says that there is no template, and there was none at some time just before."""
    reference = version.status.get("template") or {}
    recent = history.recent("ModelTemplate", reference.get("name", ""), version)
    return version.condition("Ready").get("reason") == "TemplateNotFound" and None in recent


def _is_contested(version: Version) -> bool:
    """Tell whether Ready says that somebody keeps changing children: lives delete them, and repeatedly."""
    return bool(version.condition("Ready").get("reason") == "Contested")


def _contested(version: Version) -> Iterator[str]:
    entries = version.status.get("deployments", [])
    if _is_contested(version) and not any(entry.get("contested") for entry in entries):
        yield "Contested, but no field or child is named"


def _taken_back(history: History, before: Version, version: Version) -> Iterator[str]:
    """Yield it when Ready is taken back though nothing but numbers of workers has changed."""
    if not before.is_true("Ready") or version.is_true("Ready") or _is_contested(version):
        return
    old, new = what_is_asked(history, before), what_is_asked(history, version)
    if new.problem or not _same_pods(old, new):
        return
    # When that was told they did serve, and what the operator knows never gets older.
    span = (history.told_at(before), version.revision)
    if None in history.between("ModelTemplate", version.obj["spec"]["model_template_id"], *span):
        return
    if not any(_is_hurt(history, name, span) for name in new.deployments):
        yield "Ready is taken back though the same pods are asked for and still serve"


def _same_pods(old: Asked, new: Asked) -> bool:
    def pods(wanted: Asked) -> dict[str, object]:
        return {name: (each.image, each.environment) for name, each in wanted.deployments.items()}

    return old.problem is None and pods(old) == pods(new)


def _is_hurt(history: History, name: str, span: tuple[int, int]) -> bool:
    deployments = history.between("Deployment", name, *span)
    is_gone = None in history.between("Service", name, *span)
    return is_gone or any(each is None or not still_serves(each.obj) for each in deployments)


def _sums(version: Version, entries: Entries) -> Iterator[str]:
    status = version.status
    for total in ("replicas", "ready_replicas"):
        found = sum(entry.get(total, 0) for entry in entries.values())
        if status[total] != found:
            yield f"{total} is {status[total]}, that of its deployments together is {found}"
    first = next((entry["url"] for entry in status.get("deployments", []) if "url" in entry), None)
    if status.get("url") != first:
        yield f"url is {status.get('url')}, that of the first deployment that has one is {first}"


def _entry(history: History, version: Version, name: str, entry: Object | None) -> Iterator[str]:
    """Yield what an entry says that its Deployment and its Service do not bear out."""
    uid = version.uid
    states = [
        each if each is not None and each.owned_by(uid) else None
        for each in history.recent("Deployment", name, version)
    ]
    if entry is None:
        if None not in states:
            yield f"Deployment {name} is hidden"
        return
    told = (entry["replicas"], entry["ready_replicas"])
    seen = {
        (count(each.obj, "replicas"), count(each.obj, "readyReplicas")) if each else (0, 0) for each in states
    }
    if told not in seen:
        yield f"{name} is said to have {told} workers, ready ones; there were {sorted(seen)}"
    services = {each is not None and each.owned_by(uid) for each in history.recent("Service", name, version)}
    address = f"http://{name}.{version.obj['metadata']['namespace']}.svc"
    if ("url" in entry) not in services or entry.get("url", address) != address:
        is_there = "is" if True in services else "is not"
        yield f"the url of {name} is {entry.get('url')}; Service {name} {is_there} there"
    wanted = what_is_asked(history, version).deployments.get(name)
    if entry["status"] == "READY":
        if wanted is None:
            yield f"{name} is READY, but not asked for"
        else:
            faults = rollout_faults(history, version, name, wanted)
            yield from (f"{name} is READY, but {fault}" for fault in faults)


def _serving(history: History, version: Version) -> Iterator[str]:
    names = history.names("Deployment")
    states = [
        [
            each if each is not None and each.owned_by(version.uid) else None
            for each in history.recent("Deployment", name, version)
        ]
        for name in names
    ]
    can_serve = [{bool(each and count(each.obj, "availableReplicas")) for each in some} for some in states]
    if version.is_true("Available") and not any(True in some for some in can_serve):
        yield "Available, but no worker was available"
    if not version.is_true("Available") and any(False not in some for some in can_serve):
        yield "not Available, but a worker was available all the time"
    least = sum(None not in some for some in states)
    most = sum(any(some) for some in states)
    told = version.status.get("deployment_count", 0)
    if not least <= told <= most:
        yield f"deployment_count is {told}, there were {least} to {most}"
