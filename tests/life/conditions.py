"""Rules of form that every version of a status keeps, an instance's and a template's: kstatus and the API
conventions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.life.history import Version

_ABNORMAL = ("Reconciling", "Stalled")
_ACTORS = "user|template owner|cluster administrator|operator administrator"
_ACTION = re.compile(rf" Action \(({_ACTORS})\): [a-z][^\n]*\.$")
_WITHOUT_ACTION = frozenset({"Deploying", "Terminating"})
"""Reasons that pass without an action."""
_CHANGING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:|[a-z0-9]-[a-z0-9]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b")
"""A time, or the name of a pod."""
_KEPT = ("id", "created_at", "account_id", "selector")


def form_faults(before: Version | None, version: Version) -> Iterator[str]:
    """Yield what is wrong with the form of a status, given the version of the object before it."""
    status = version.status
    observed = status.get("observedGeneration", -1)
    if observed > version.generation:
        yield f"observedGeneration {observed} runs ahead of generation {version.generation}"
    if before is not None:
        yield from _changes(before, version)
    if observed < 0:
        return
    if status.get("id") != version.uid:
        yield f"id is {status.get('id')}, the uid is {version.uid}"
    if status.get("created_at") != version.obj["metadata"]["creationTimestamp"]:
        yield f"created_at is {status.get('created_at')}, not the object's creationTimestamp"
    yield from _together(version)
    for condition in status["conditions"]:
        if condition["observedGeneration"] > observed:
            yield f"condition {condition['type']} is about a later generation than the status"
        if changing := _CHANGING.search(condition["message"]):
            yield f"the message of {condition['type']} tells what changes by itself: {changing.group()}"


def told_faults(version: Version) -> Iterator[str]:
    """Yield what is wrong with a newly told status.

    It is written with the resource version that it was made from, so it can be of no other generation.
    """
    generations = {each["type"]: each["observedGeneration"] for each in version.status["conditions"]}
    generations["status"] = version.status["observedGeneration"]
    for what, generation in generations.items():
        if generation != version.generation:
            yield f"newly told, but {what} is about generation {generation}"


def _together(version: Version) -> Iterator[str]:
    conditions = {each["type"]: each for each in version.status["conditions"]}
    if len(conditions) != len(version.status["conditions"]):
        yield "a type of condition is there twice"
    if "Ready" not in conditions:
        yield "there is no Ready condition"
        return
    abnormal = [kind for kind in _ABNORMAL if kind in conditions]
    yield from (f"{kind} is there without being true" for kind in abnormal if not version.is_true(kind))
    is_ready = version.is_true("Ready")
    if is_ready and abnormal:
        yield f"Ready together with {' and '.join(abnormal)}"
    if not is_ready and len(abnormal) != 1:
        yield f"not Ready, and instead of one of {' and '.join(_ABNORMAL)}: {abnormal}"
    message, reason = conditions["Ready"]["message"], conditions["Ready"]["reason"]
    if not is_ready and bool(_ACTION.search(message)) is (reason in _WITHOUT_ACTION):
        yield f"the message does not end with an action as reason {reason} needs: {message!r}"


def _is_untold(kind: str, version: Version) -> bool:
    """Tell whether a condition is about a valid revision of a template, of which there is none."""
    without = ("TemplateNotFound", "TemplateInvalid", "Terminating")
    return kind == "UpToDate" and version.condition("Ready").get("reason") in without


def _changes(before: Version, version: Version) -> Iterator[str]:
    old, new = before.status, version.status
    if new.get("observedGeneration", -1) < old.get("observedGeneration", -1):
        yield f"observedGeneration goes back from {old['observedGeneration']} to {new['observedGeneration']}"
    for name in _KEPT:
        if name in old and new.get(name) != old[name]:
            yield f"{name} changes from {old[name]!r} to {new.get(name)!r}"
    for condition in old.get("conditions", []):
        kind, now = condition["type"], version.condition(condition["type"])
        if not now:
            if kind not in _ABNORMAL and not _is_untold(kind, version):
                yield f"condition {kind} disappears"
            continue
        is_same = now["status"] == condition["status"]
        since, was = now["lastTransitionTime"], condition["lastTransitionTime"]
        if is_same and since != was:
            yield f"lastTransitionTime of {kind} moves though it stays {now['status']}"
        if since < was:
            yield f"lastTransitionTime of {kind} goes back from {was} to {since}"
    managers = version.obj["metadata"].get("managedFields", [])
    if any(each["manager"].startswith("model-operator") and not each.get("subresource") for each in managers):
        yield "the operator has written outside the status"
