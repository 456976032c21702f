"""Rules for roll-outs in steps, kept by every recorded version: who may move when, and what is said of it.

A move is the first Deployment of an instance that has another revision of the template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.life.asked import Problem, asked, runs
from tests.life.fleet import (
    REVISION,
    TEMPLATE,
    Fleet,
    Step,
    applied,
    deployments_of,
    has_arrived,
    has_failed,
    is_about,
    is_pinned,
    names_apart,
    owner_of,
    pin_of,
    reported,
    specification,
    step_of,
    steps_of,
)
from tests.life.history import LAG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.life.history import History, Object, Version

HELD = ("PAUSED", "HALTED")
SOAK_SLACK_SECONDS = 2.0
"""Times of arrival have whole seconds, and the status that has one comes later."""


def judge_moves(history: History, since: int = 0, *, has_contents: bool = True) -> list[str]:
    """Return what is wrong with the versions of a history after a revision, each with the version's name.

    Parameters
    ----------
    history
        All versions.
    since
        The revision.
    has_contents
        Whether Deployments are judged by what they run, too: where users who change them are known.
    """
    return [
        f"{version}: {fault}"
        for version in history.versions
        if version.revision > since
        for fault in _faults(history, version, has_contents=has_contents)
    ]


def moves(history: History) -> list[tuple[str, str]]:
    """Return name and revision of all moves, in order; the first revision of an instance is none."""
    return [
        (owner.name, revision)
        for version in history.versions
        if version.kind == "Deployment" and not version.gone
        for owner, revision, is_first in _move(history, version)
        if not is_first
    ]


def resting_faults(history: History) -> Iterator[str]:
    """Yield what is not as it should be when nothing happens any more, of instances that wait too."""
    for name in history.names("ModelInstance"):
        instance = history.last("ModelInstance", name)
        if instance is None or instance.leaving:
            continue
        template = history.last(TEMPLATE, instance.obj["spec"]["model_template_id"])
        revision = reported(instance)
        running = specification(history, template.name, revision) if template and revision else None
        if template is None or running is None or not is_about(instance, str(revision)):
            continue
        wanted = asked(instance.obj, running)
        found = {each.name: each for each in deployments_of(history, instance)}
        for child, pods in wanted.deployments.items():
            if child in names_apart(instance):
                continue
            if child not in found:
                yield f"{instance}: Deployment {child} is missing"
            elif not runs(found[child].obj, pods) or found[child].obj["spec"]["replicas"] != pods.workers:
                yield f"{instance}: Deployment {child} is not what revision {revision} asks for"
        is_latest = revision == template.status.get("latest_revision")
        is_whole = wanted.problem is None and not names_apart(instance)
        if is_whole and instance.is_true("UpToDate") is not is_latest:
            yield f"{instance}: UpToDate is {instance.condition('UpToDate')}, it has {revision}"


def _faults(history: History, version: Version, *, has_contents: bool) -> Iterator[str]:
    if version.kind == "Deployment" and not version.gone:
        if has_contents:
            yield from _content(history, version)
        yield from _deployment(history, version)
    elif version.kind == "ModelInstance" and not version.gone:
        yield from _instance(history, version)
    elif version.kind == TEMPLATE and not version.gone:
        yield from _template(history, version)
    elif version.kind == REVISION and version.gone:
        yield from _collected(history, version)


def _move(history: History, version: Version) -> Iterator[tuple[Version, str, bool]]:
    """Yield the instance, its new revision, and whether it is its first one, if a version is a move."""
    revision, instance = applied(version), owner_of(history, version)
    if revision is None or instance is None or reported(instance) == revision:
        return
    recent = history.recent("ModelInstance", instance.name, version)
    if any(each is not None and version.name in names_apart(each) for each in recent):
        return
    before = deployments_of(history, instance, version.revision)
    if any(applied(each) == revision for each in before):
        return
    yield instance, revision, reported(instance) is None and not before


def _deployment(history: History, version: Version) -> Iterator[str]:
    before, instance, revision = history.previous(version), owner_of(history, version), applied(version)
    if instance is None or revision is None:
        return
    name = instance.obj["spec"]["model_template_id"]
    if before is None or applied(before) != revision:
        yield from _unless_stored(history, version, name, revision)
    template = history.last(TEMPLATE, name, version.revision)
    if template is None or is_pinned(instance):
        return
    for mover, target, is_first in _move(history, version):
        yield from (
            f"{mover.name} moves to {target}: {fault}"
            for fault in _wrong_move(history, version, mover, template, target, is_first=is_first)
        )


def _content(history: History, version: Version) -> Iterator[str]:
    """Yield it when what is written is not what its revision says, with any recent spec of the instance."""
    before, instance, revision = history.previous(version), owner_of(history, version), applied(version)
    if instance is None or revision is None or version.leaving or version.revision in history.by_hand:
        return
    if before is not None and before.generation == version.generation:
        return
    template = specification(history, instance.obj["spec"]["model_template_id"], revision)
    if template is None:
        return
    found = (
        asked(each.obj, template).deployments.get(version.name)
        for each in history.recent("ModelInstance", instance.name, version)
        if each is not None
    )
    if not any(pods is not None and runs(version.obj, pods) for pods in found):
        yield f"it does not run what its revision {revision} asks for"


def _wrong_move(
    history: History, version: Version, mover: Version, template: Version, target: str, *, is_first: bool
) -> Iterator[str]:
    recent = [each for each in history.recent(TEMPLATE, template.name, version) if each is not None]
    stable = {each.status.get("stable_revision") for each in recent}
    # The status may follow the first move.
    latest = {
        each.status.get("latest_revision")
        for each in history.of(TEMPLATE, template.name)
        if abs(each.at - version.at) <= LAG_SECONDS
    } | {template.status.get("latest_revision")}
    was_pinned = any(
        each is not None and is_pinned(each) for each in history.recent("ModelInstance", mover.name, version)
    )
    if target in stable or was_pinned:
        return
    wanted = specification(history, template.name, target)
    was_latest = any(wanted and asked(mover.obj, each.obj) == asked(mover.obj, wanted) for each in recent)
    if target not in latest and not was_latest:
        yield "it is neither the latest revision nor stable"
    if any(steps_of(each) is None for each in recent):
        return
    rollout = template.status.get("rollout") or {}
    if rollout.get("revision") == target and rollout["state"] in HELD and (stable != {None} or not is_first):
        yield f"the roll-out was {rollout['state']}"
    if is_first or _needs_no_grant(history, version, mover, template.name, target):
        return
    yield from _out_of_turn(history, version, mover, template, recent, target)


def _needs_no_grant(history: History, version: Version, mover: Version, name: str, target: str) -> bool:
    """Return whether a move changes no pods, or saves an instance whose spec fits the new revision only."""
    source, new = _source(history, version, mover, name), specification(history, name, target)
    if source is None or new is None:
        return False
    recent = [each.obj for each in history.recent("ModelInstance", mover.name, version) if each is not None]
    return any(
        asked(each, source).problem is Problem.WRONG_PARAMETERS or asked(each, source) == asked(each, new)
        for each in recent
    )


def _source(history: History, version: Version, mover: Version, name: str) -> Object | None:
    """Return the template in the revision from which an instance moves, by its status or a Deployment."""
    before = (applied(each) for each in deployments_of(history, mover, version.revision))
    known = next(filter(None, (reported(mover), *before)), None)
    return None if known is None else specification(history, name, known)


def _out_of_turn(
    history: History,
    version: Version,
    mover: Version,
    template: Version,
    recent: list[Version],
    target: str,
) -> Iterator[str]:
    """Yield it when it is not the turn of an instance by any of the recent policies of its template."""
    wrong = [
        [*_wrong_turn(history, version, mover, each, template, target, steps)]
        for each in recent
        if (steps := steps_of(each)) is not None
    ]
    if all(wrong):
        yield from wrong[-1]


def _wrong_turn(
    history: History,
    version: Version,
    mover: Version,
    policy: Version,
    template: Version,
    target: str,
    steps: list[Step],
) -> Iterator[str]:
    fleet = Fleet(history, template, version)
    instances = [each for each in fleet.instances() if not is_pinned(each)]
    number = step_of(mover, steps)
    members = sum(step_of(each, steps) == number for each in instances)
    flying = [each.name for each in instances if each.name != mover.name and fleet.is_in_flight(each, target)]
    granted = [each for each in flying if not _moved_without_grant(history, each, template.name, target)]
    if len(granted) + 1 > (budget := steps[number].budget(members)):
        yield f"over the budget of {budget}: {granted} have it and are not Ready"
    early = [each for each in instances if fleet.holds_up(each, target, number, steps)]
    if early := fleet.untolerated(early, target):
        yield f"{[each.name for each in early]} of an earlier step have not arrived"
    for earlier, step in enumerate(steps[:number]):
        counted = [
            each for each in instances if step_of(each, steps) == earlier and fleet.counts(each, target)
        ]
        if step.needs_approval and counted and policy.obj["spec"]["rollout"].get("approved") != target:
            yield f"step {earlier} is not approved"
        soaked = [
            version.at - at for each in counted if (at := _arrived_at(history, each, target)) is not None
        ]
        if any(seconds < step.soak_seconds - SOAK_SLACK_SECONDS for seconds in soaked):
            yield f"step {earlier} has soaked for {min(soaked):.1f} s only"


def _moved_without_grant(history: History, name: str, template: str, target: str) -> bool:
    for version in history.versions:
        if version.kind == "Deployment" and not version.gone:
            for mover, revision, is_first in _move(history, version):
                if (mover.name, revision) == (name, target):
                    return is_first or _needs_no_grant(history, version, mover, template, target)
    return True


def _arrived_at(history: History, instance: Version, revision: str) -> float | None:
    """Return when an instance was first recorded as Ready at a revision, since it last was not."""
    since = None
    for each in history.of("ModelInstance", instance.name):
        if each.revision > instance.revision:
            break
        if reported(each) != revision or not each.is_true("Ready"):
            since = None
        elif since is None:
            since = each.at
    return since


def _instance(history: History, version: Version) -> Iterator[str]:
    before, revision = history.previous(version), reported(version)
    if revision is None or (before is not None and reported(before) == revision):
        return
    name = version.status["template"]["name"]
    if before is None or before.status != version.status:
        yield from _unless_stored(history, version, name, revision)


def _unless_stored(history: History, version: Version, template: str, revision: str) -> Iterator[str]:
    recent = history.recent(TEMPLATE, template, version)
    if None in recent or any(each is not None and each.leaving for each in recent):
        return
    if history.last(REVISION, f"{template}-{revision}", version.revision) is None:
        yield f"revision {revision} is not stored"


def _template(history: History, version: Version) -> Iterator[str]:
    before, status = history.previous(version), version.status
    if before is None or before.status == status:
        return
    for name in ("latest_revision", "stable_revision"):
        if status.get(name) and status[name] != before.status.get(name):
            yield from _unless_stored(history, version, version.name, status[name])
    rollout = status.get("rollout")
    if rollout is not None:
        yield from _said(history, version, rollout)
    stable = status.get("stable_revision")
    if stable and stable != before.status.get("stable_revision") and steps_of(version) is not None:
        yield from _unproven(history, before, version, stable)


def _said(history: History, version: Version, rollout: Object) -> Iterator[str]:
    parts = ("arrived", "moving", "failed", "waiting", "pinned")
    if sum(rollout[each] for each in parts) != rollout["instances"]:
        yield f"the counts do not add up: {rollout}"
    recent = [each for each in history.recent(TEMPLATE, version.name, version) if each is not None]
    if rollout["state"] == "PAUSED" and not any(_is_paused(each) for each in (*recent, version)):
        yield "PAUSED, but it is not"
    if rollout["state"] == "COMPLETE" and "step" in rollout:
        yield f"COMPLETE, but in step {rollout['step']}"
    if rollout["state"] == "HALTED":
        fleet = Fleet(history, version, version)
        failed = [
            each.name
            for instance in fleet.instances()
            for each in fleet.recent(instance)
            if each is not None and has_failed(each) and reported(each) == rollout["revision"]
        ]
        if not failed:
            yield "HALTED, but no instance has failed at its revision"


def _is_paused(template: Version) -> bool:
    return bool((template.obj["spec"].get("rollout") or {}).get("paused"))


def _unproven(history: History, before: Version, version: Version, stable: str) -> Iterator[str]:
    """Yield the instances that count and had not arrived when a revision became stable."""
    fleet = Fleet(history, before, version)
    unproven = [
        each
        for each in fleet.instances()
        if fleet.counts(each, stable)
        and (reported(each) or fleet.deployments(each))
        and not any(
            state and (is_pinned(state) or has_arrived(state, stable)) for state in fleet.recent(each)
        )
        and (before.status.get("stable_revision") or not fleet.has_moved(each, stable))
    ]
    for instance in fleet.untolerated(unproven, stable):
        yield f"{stable} becomes stable, but {instance.name} has not arrived at it"


def _collected(history: History, version: Version) -> Iterator[str]:
    """Yield it when a revision is deleted that something names."""
    if version.uid in history.removed:
        return
    spec = version.obj["spec"]
    name, revision = spec["template"]["name"], spec["hash"]
    templates = history.recent(TEMPLATE, name, version)
    if any(each is None or each.leaving for each in templates):
        return
    for each in templates:
        assert each is not None
        approved = (each.obj["spec"].get("rollout") or {}).get("approved")
        if revision in (
            each.status.get("latest_revision"),
            each.status.get("stable_revision"),
            approved,
        ) and (each is templates[-1]):
            yield "it is deleted though its template names it"
    for instance_name in history.names("ModelInstance"):
        instance = history.last("ModelInstance", instance_name, version.revision)
        if instance is not None and revision in (reported(instance), pin_of(instance)):
            yield f"it is deleted though {instance_name} names it"
