"""What the roll-out reads of an instance and its Deployments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from model_operator.core.objects.kept_form import FAULTS
from model_operator.core.objects.template_annotation import TEMPLATE_REVISION
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.reading import UNKNOWN, is_pinned, read_follower, running_revision
from model_operator.core.templates.parsing import parse_template
from tests.unit.controller.objects import template

TEMPLATE = template("embed")
LATEST = parse_template(TEMPLATE)
NEW, OLD = LATEST.revision, "0" * 12
SINCE = "2026-01-02T03:04:05Z"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
STALLED = {"type": "Stalled", "status": "True"}


def bound(revision: str | None, **fields: Any) -> dict[str, Any]:
    known = {} if revision is None else {"revision": revision}
    metadata = LATEST.resource.metadata
    return {"kind": "ModelTemplate", "name": "embed", "uid": metadata.uid, "generation": 0, **known, **fields}


def instance(*conditions: dict[str, Any], spec: Any = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "demo", "namespace": "team", "generation": 3, "creationTimestamp": SINCE},
        "spec": {"model_template_id": "embed", **(spec or {})},
        "status": {"observedGeneration": 3, "conditions": list(conditions), **status},
    }


def deployment(revision: str | None = None, name: str = "demo", replicas: int = 1) -> dict[str, Any]:
    annotations = {} if revision is None else {TEMPLATE_REVISION: revision}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"replicas": replicas}}


OWN = [{"name": "green", "model_template_revision": NEW}, {"name": "blue"}]


@pytest.mark.parametrize(
    ("obj", "deployments", "expected"),
    [
        pytest.param(instance(template=bound(OLD)), [deployment(OLD)], OLD, id="waits"),
        pytest.param(instance(template=bound(NEW)), [deployment(OLD)], NEW, id="a move without pods"),
        pytest.param(instance(template=bound(OLD)), [deployment(NEW)], NEW, id="a move without its status"),
        pytest.param(
            instance(template=bound(OLD)), [deployment("1" * 12)], OLD, id="a move that was given up"
        ),
        pytest.param(instance(), [deployment(), deployment(OLD)], OLD, id="restored without status"),
        pytest.param(instance(), [deployment()], UNKNOWN, id="restored from before annotations"),
        pytest.param(instance(), [], "", id="new"),
        pytest.param(
            instance(template=bound(None, generation=LATEST.version.generation)),
            [],
            NEW,
            id="before revisions",
        ),
        pytest.param(instance(template=bound(None)), [], "", id="before revisions, and outdated"),
        pytest.param(
            instance(template=bound(None)), [deployment()], UNKNOWN, id="before revisions, and it runs"
        ),
        pytest.param(
            instance(template=bound(OLD, name="other")), [deployment(OLD)], "", id="of another template"
        ),
        pytest.param(instance(template=bound(OLD, uid="recreated")), [], OLD, id="of a recreated template"),
        pytest.param(instance(template=bound(OLD, namespace="team")), [], OLD, id="with its namespace"),
        pytest.param(instance(template=bound(OLD, namespace="other")), [], "", id="of another namespace"),
        pytest.param(
            instance(template=bound(OLD), spec={"deployments": OWN}),
            [deployment(NEW, "demo-green"), deployment(OLD, "demo-blue")],
            OLD,
            id="one deployment is pinned",
        ),
        pytest.param(
            instance(
                template=bound(OLD),
                spec={"deployments": [{"name": "green"}, {"name": "blue"}]},
                deployments=[{"name": "demo-green", "template_revision": NEW}, {"name": "demo-blue"}],
            ),
            [deployment(NEW, "demo-green"), deployment(OLD, "demo-blue")],
            OLD,
            id="one deployment was pinned until now",
        ),
        pytest.param(
            instance(
                template=bound(OLD),
                spec={"deployments": [{"name": "blue"}]},
                deployments=[{"name": "demo-blue"}, {"name": "demo-green", "template_revision": NEW}],
            ),
            [deployment(NEW, "demo-green"), deployment(OLD, "demo-blue")],
            OLD,
            id="a canary is about to be deleted",
        ),
    ],
)
def test_what_it_runs(obj: dict[str, Any], deployments: list[Any], expected: str) -> None:
    assert running_revision(obj, deployments, LATEST) == expected


def read(obj: dict[str, Any], *deployments: dict[str, Any], **more: Any) -> Follower:
    return read_follower(obj, deployments, LATEST, **more)


def test_a_status_proves_something_of_its_own_generation_and_revision_alone() -> None:
    at_target = instance(READY, template=bound(NEW, arrived_at=SINCE))
    found = read(at_target)
    assert (found.is_ready, found.arrived_at) == (True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    edited = {**at_target, "metadata": {**at_target["metadata"], "generation": 4}}
    assert not read(edited).is_ready
    moved = read(instance(READY, template=bound(OLD)), deployment(NEW))
    assert (moved.revision, moved.is_ready, moved.arrived_at) == (NEW, False, None)
    stalled = read(instance(STALLED, template=bound(OLD)))
    assert (stalled.is_ready, stalled.is_stalled) == (False, True)


@pytest.mark.parametrize("arrived_at", [None, "yesterday", "2026-01-01T00:00:00"])
def test_an_arrival_that_is_not_recorded_is_that_of_ready(arrived_at: str | None) -> None:
    fields = {} if arrived_at is None else {"arrived_at": arrived_at}
    found = read(instance(READY, template=bound(NEW, **fields)))
    assert found.arrived_at == (None if arrived_at else datetime(2026, 1, 1, tzinfo=UTC))


def test_workers_are_those_that_are_wanted() -> None:
    assert read(instance(), deployment()).has_workers
    assert read(instance(), {"metadata": {"name": "demo"}}).has_workers
    assert not read(instance(), deployment(replicas=0)).has_workers
    assert not read(instance()).has_workers
    own = instance(spec={"deployments": OWN})
    assert not read(own, deployment(name="demo-green"), deployment(name="demo-blue", replicas=0)).has_workers


def test_a_deployment_that_somebody_deleted_is_to_have_workers() -> None:
    assert read(instance(template=bound(NEW))).has_workers
    assert not read(instance(template=bound(NEW), spec={"replicas": 0})).has_workers
    assert not read(instance(template=bound(NEW), spec={"suspend": True})).has_workers
    both = instance(template=bound(NEW), spec={"deployments": [{"name": "green"}, {"name": "blue"}]})
    assert read(both, deployment(name="demo-green", replicas=0)).has_workers
    # Only the one that follows the instance.
    own = instance(template=bound(NEW), spec={"deployments": OWN})
    assert not read(own, deployment(name="demo-blue", replicas=0)).has_workers
    pinned = instance(template=bound(NEW), spec={"deployments": OWN[:1]})
    assert not read(pinned).has_workers


def test_what_cannot_be_read_gets_no_other_revision() -> None:
    faults = {FAULTS: ((("spec",), "is too large", "size"),)}
    assert not read({**instance(template=bound(OLD)), **faults}).can_move
    assert read({**instance(template=bound(NEW)), **faults}).can_move
    assert read({**instance(template=bound(OLD)), FAULTS: ()}).can_move


def test_what_was_created_after_the_roll_out_began_is_new() -> None:
    assert read(instance(), started_at="2026-01-02T03:04:04Z").is_new
    assert not read(instance(), started_at=SINCE).is_new
    assert not read(instance()).is_new


def test_a_grant_ends_with_the_move() -> None:
    key = FollowerKey("team", "demo")
    assert read(instance(template=bound(OLD)), grants={key}).is_granted
    assert not read(instance(template=bound(NEW)), grants={key}).is_granted
    assert not read(instance(template=bound(OLD))).is_granted


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"model_template_revision": "latest"}, False),
        ({"model_template_revision": "stable"}, False),
        ({"model_template_revision": OLD}, True),
    ],
)
def test_a_hash_is_a_pin(spec: dict[str, Any], expected: bool) -> None:
    assert is_pinned(instance(spec=spec)) is expected
    assert read(instance(spec=spec)).follows_stable is (spec.get("model_template_revision") == "stable")


@pytest.mark.parametrize("spec", [None, [], {"deployments": 5}, {"deployments": [5]}])
def test_what_no_model_describes_is_read_all_the_same(spec: Any) -> None:
    broken = {**instance(), "spec": spec}
    assert not is_pinned(broken)
    assert read(broken, deployment()).has_workers


@pytest.mark.parametrize(
    ("reason", "is_failing"), [("CrashLooping", True), ("Deploying", False), ("InvalidParameters", True)]
)
def test_what_fails_is_known_by_its_reason(reason: str, is_failing: bool) -> None:
    failed = {"type": "Ready", "status": "False", "reason": reason, "lastTransitionTime": SINCE}
    found = read_follower(instance(failed, template=bound(OLD)), [deployment(OLD)], LATEST)
    assert (found.failing_since == datetime.fromisoformat(SINCE)) is is_failing
    assert not found.is_stalled
    assert not found.has_own_fault


def test_since_when_no_waiting_resolves_a_failure_is_of_the_status_s_own_revision() -> None:
    failed = {"type": "Ready", "status": "False", "reason": "ImagePullFailed"}
    failing = instance(failed, template=bound(NEW, failing_since=SINCE))
    assert read(failing).permanent_since == datetime.fromisoformat(SINCE)

    edited = {**failing, "metadata": {**failing["metadata"], "generation": 4}}
    assert read(edited).permanent_since is None
    assert (
        read(instance(failed, template=bound(OLD, failing_since=SINCE)), deployment(NEW)).permanent_since
        is None
    )
    assert read(instance(READY, template=bound(NEW, failing_since=SINCE))).permanent_since is None


def test_one_that_was_edited_since_it_was_ready_at_its_revision_has_broken_itself() -> None:
    arrived = bound(NEW, arrived_generation=2)
    stalled = read(instance(STALLED, template=arrived))
    assert (stalled.is_edited, stalled.has_broken_itself) == (True, True)
    failing = {**arrived, "failing_since": SINCE}
    assert read(instance(template=failing)).has_broken_itself
    # Still on its way, or Ready again.
    assert not read(instance(template=arrived)).has_broken_itself
    assert not read(instance(READY, template=arrived)).has_broken_itself
    # It failed with what it was Ready with, or was never Ready with the revision.
    assert not read(instance(STALLED, template=bound(NEW, arrived_generation=3))).is_edited
    assert not read(instance(STALLED, template=bound(NEW))).is_edited
    assert not read(instance(STALLED, template=bound(OLD, arrived_generation=2)), deployment(NEW)).is_edited


def test_a_deployment_with_a_revision_that_does_not_exist_is_its_own_fault() -> None:
    missing = {"type": "Ready", "status": "False", "reason": "TemplateRevisionNotFound"}
    found = read_follower(instance(missing, STALLED, template=bound(NEW)), [deployment(NEW)], LATEST)
    assert found.has_own_fault
    assert found.is_stalled
