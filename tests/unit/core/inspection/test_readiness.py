"""When a wait is over, and what counts as news: only a status about the present generations."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.inspection.readiness import wait_verdict
from model_operator.core.templates.revisions.identity import revision_of

PENDING = "The operator has not reconciled generation 2 of the instance yet."
BEHIND = "The operator has not reconciled the current generation of the template yet."


def instance(
    observed: int = 2, *, ready: bool = True, stalled: bool = False, leaving: bool = False
) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready), "reason": "Because", "message": "So it is."}]
    if stalled:
        conditions.append({**conditions[0], "type": "Stalled", "status": "True"})
    metadata: dict[str, Any] = {"name": "minilm", "generation": 2}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    bound = {"kind": "ModelTemplate", "name": "encoder", "uid": "t1", "generation": 3}
    status = {"observedGeneration": observed, "conditions": conditions, "template": bound}
    return {"metadata": metadata, "spec": {}, "status": status}


def template(generation: int, uid: str = "t1", tag: str = "1", **status: Any) -> dict[str, Any]:
    bundle = {"registry": "registry.test", "image": "encoder", "tag": tag}
    return {
        "kind": "ModelTemplate",
        "metadata": {"name": "encoder", "uid": uid, "generation": generation},
        "spec": {"model_type": "EMBEDDING", "vendor_configuration": {"bundle_config": bundle}},
        "status": status,
    }


FIRST, SECOND = (revision_of(template(1, tag=tag)).hash for tag in ("1", "2"))


def at(revision: str, *, pin: str | None = None, update: str = "") -> dict[str, Any]:
    """Return an instance whose status is about a revision, of an earlier generation than the template's."""
    given = instance()
    if update:
        given["status"]["conditions"].append({"type": "UpToDate", "status": "False", "reason": update})
    given["status"]["template"]["revision"] = revision
    return {**given, "spec": {} if pin is None else {"model_template_revision": pin}}


@pytest.mark.parametrize(
    ("given", "known", "state", "told"),
    [
        (instance(), None, "ready", "Because: So it is."),
        (instance(), template(3), "ready", "Because: So it is."),
        (instance(1), template(3), "pending", PENDING),
        (instance(-1, ready=False), None, "pending", PENDING),
        (instance(), template(4), "pending", BEHIND),
        (instance(), template(1, "t2"), "pending", BEHIND),
        (instance(ready=False), template(3), "reconciling", "Because: So it is."),
        (instance(ready=False, stalled=True), template(3), "stalled", "Because: So it is."),
        (instance(1, ready=False, stalled=True), template(3), "pending", PENDING),
        (instance(ready=False, stalled=True), template(4), "pending", BEHIND),
        (instance(1, leaving=True), template(4), "terminating", "Because: So it is."),
    ],
)
def test_outlook(given: dict[str, Any], known: dict[str, Any] | None, state: str, told: str) -> None:
    found = wait_verdict(given, known)

    assert (found.state.value, found.message) == (state, told)


@pytest.mark.parametrize(
    ("given", "known", "state"),
    [
        pytest.param(at(FIRST), template(9), "ready", id="edited in what concerns no instance"),
        pytest.param(at(FIRST), template(9, tag="2"), "pending", id="edited"),
        pytest.param(
            at(FIRST),
            template(9, tag="2", observedGeneration=8, latest_revision=FIRST),
            "pending",
            id="edited, and not looked at",
        ),
        pytest.param(
            at(FIRST),
            template(9, tag="2", observedGeneration=9, latest_revision=SECOND),
            "pending",
            id="edited, and stored",
        ),
        pytest.param(
            at(FIRST),
            template(9, tag="2", observedGeneration=9, latest_revision=FIRST),
            "ready",
            id="edited, and not valid",
        ),
        pytest.param(at(FIRST, pin="latest"), template(9, tag="2"), "pending", id="latest by name"),
        pytest.param(at(FIRST, pin=FIRST), template(9, tag="2"), "ready", id="pinned"),
        pytest.param(at(FIRST, pin="stable"), template(9, tag="2"), "ready", id="stable"),
        pytest.param(at(FIRST), template(1, "t2"), "pending", id="recreated"),
        pytest.param(
            at(FIRST, update="AwaitingRollout"),
            template(9, tag="2"),
            "ready",
            id="not reached by the roll-out",
        ),
        pytest.param(
            at(FIRST, update="RolloutHalted"), template(9, tag="2"), "ready", id="held by a halted roll-out"
        ),
        pytest.param(
            at(FIRST, update="AwaitingRollout"), template(1, "t2"), "pending", id="waiting, and recreated"
        ),
    ],
)
def test_only_an_edit_that_concerns_the_instance_counts(
    given: dict[str, Any], known: dict[str, Any], state: str
) -> None:
    assert wait_verdict(given, known).state.value == state


def with_canary(recorded: str | None, pin: str = "latest") -> dict[str, Any]:
    """Return an instance that is pinned, with a deployment that names a revision and its reported one."""
    given = at(FIRST, pin=FIRST)
    given["spec"]["deployments"] = [{"name": "a"}, {"name": "b", "model_template_revision": pin}]
    entry = {"name": "minilm-b", **({"template_revision": recorded} if recorded else {})}
    given["status"]["deployments"] = [{"name": "minilm-a"}, entry]
    return given


@pytest.mark.parametrize(
    ("given", "state"),
    [
        pytest.param(with_canary(FIRST), "pending", id="a canary without the edit"),
        pytest.param(with_canary(SECOND), "ready", id="a canary with the edit"),
        pytest.param(with_canary(FIRST, FIRST), "ready", id="pinned"),
        pytest.param(with_canary(FIRST, "stable"), "ready", id="stable"),
        pytest.param(with_canary(None), "ready", id="nothing reported"),
    ],
)
def test_an_edit_concerns_a_deployment_that_names_the_latest_revision(
    given: dict[str, Any], state: str
) -> None:
    known = template(9, tag="2", observedGeneration=9, latest_revision=SECOND)
    assert wait_verdict(given, known).state.value == state


def test_without_any_status() -> None:
    given = {"metadata": {"name": "minilm", "generation": 2}, "spec": {}}

    assert wait_verdict(given, None).message == PENDING


def test_without_a_condition() -> None:
    given = {"metadata": {"generation": 2}, "spec": {}, "status": {"observedGeneration": 2}}

    assert wait_verdict(given, None).message == "The instance has no Ready condition."
