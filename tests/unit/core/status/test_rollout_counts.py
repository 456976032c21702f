"""How far the instances of a template are: who counts as what, and what the template says of it."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.objects.recorded_template import TemplateVersion
from model_operator.core.status.rollout_counts import (
    InstanceCounts,
    RolloutReason,
    count_instances,
    rolled_out,
    rollout_share,
)

READY = [{"type": "Ready", "status": "True"}]
DEPLOYING = [{"type": "Ready", "status": "False"}, {"type": "Reconciling", "status": "True"}]
STALLED = [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}]
PINNED_ENTRY = [{"type": "UpToDate", "status": "False", "reason": "Pinned"}]
LATEST, EARLIER = "4a4a4a4a4a4a", "3c3c3c3c3c3c"
TEMPLATE = TemplateVersion("t1", 4, LATEST)


def instance(
    conditions: Any,
    *,
    uid: str | None = "t1",
    revision: str | None = LATEST,
    follows: int = 1,
    observed: int = 2,
    generation: int = 2,
    pin: str = "latest",
) -> dict[str, Any]:
    template = {"uid": uid, "generation": follows, "revision": revision} if uid else None
    status = {"observedGeneration": observed, "template": template, "conditions": conditions}
    spec = {"model_template_revision": pin}
    return {"metadata": {"generation": generation}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(instance(READY), InstanceCounts(1, 1, 0), id="arrived"),
        pytest.param(instance(DEPLOYING), InstanceCounts(1, 0, 0), id="on its way"),
        pytest.param(instance(STALLED), InstanceCounts(1, 0, 1), id="needs somebody"),
        pytest.param(
            instance(READY, revision=EARLIER), InstanceCounts(1, 0, 0), id="Ready with an older template"
        ),
        pytest.param(
            instance(STALLED, revision=EARLIER), InstanceCounts(1, 0, 0), id="an older template stalled it"
        ),
        pytest.param(
            instance(READY, revision=None, follows=4),
            InstanceCounts(1, 1, 0),
            id="before there were revisions",
        ),
        pytest.param(
            instance(READY, revision=None, follows=3), InstanceCounts(1, 0, 0), id="before, and not current"
        ),
        pytest.param(instance(READY, revision=EARLIER, pin=EARLIER), InstanceCounts(1, 0, 0, 1), id="pinned"),
        pytest.param(
            instance(STALLED, revision=EARLIER, pin=EARLIER), InstanceCounts(1, 0, 1, 1), id="pinned, stalled"
        ),
        pytest.param(
            instance(STALLED, pin=EARLIER), InstanceCounts(1, 0, 1, 1), id="pinned to one that is missing"
        ),
        pytest.param(instance(READY, pin=LATEST), InstanceCounts(1, 1, 0), id="pinned to the latest one"),
        pytest.param(
            instance(READY, generation=3, pin=EARLIER), InstanceCounts(1, 0, 0), id="pinned, edited since"
        ),
        pytest.param(instance(READY, pin="stable"), InstanceCounts(1, 1, 0), id="follows the stable one"),
        pytest.param(
            instance([*READY, *PINNED_ENTRY]), InstanceCounts(1, 1, 0), id="follows, a deployment is pinned"
        ),
        pytest.param(
            instance([*READY, *PINNED_ENTRY], revision=EARLIER),
            InstanceCounts(1, 0, 0),
            id="will follow, a deployment is pinned",
        ),
        pytest.param(instance(READY, generation=3), InstanceCounts(1, 0, 0), id="edited since"),
        pytest.param(instance(READY, uid="t2"), InstanceCounts(), id="bound to another"),
        pytest.param(instance(READY, uid=None), InstanceCounts(), id="bound to none"),
        pytest.param({"metadata": {"generation": 1}}, InstanceCounts(), id="new"),
        pytest.param({"metadata": {"generation": 1}, "status": None}, InstanceCounts(), id="status removed"),
    ],
)
def test_who_counts_as_what(obj: dict[str, Any], expected: InstanceCounts) -> None:
    assert count_instances([obj], TEMPLATE) == expected


def test_all_are_counted() -> None:
    objects = [instance(READY)] * 5 + [instance(STALLED)] * 2 + [instance(READY, revision=EARLIER)]
    assert count_instances(objects, TEMPLATE) == InstanceCounts(8, 5, 2)


@pytest.mark.parametrize("other", [DEPLOYING, STALLED])
def test_what_a_template_counts_is_part_of_the_contribution(other: Any) -> None:
    before = instance(READY)
    for changed in (
        instance(other),
        instance(READY, uid="t2"),
        instance(READY, revision=EARLIER),
        instance(READY, observed=3),
    ):
        assert rollout_share(before["status"]) != rollout_share(changed["status"])
    # After two minutes of it the roll-out decides again.
    failing = instance(other)["status"]
    failing["template"] |= {"failing_since": "2026-01-01T09:00:00Z"}
    assert rollout_share(failing) != rollout_share(instance(other)["status"])
    more = before["status"] | {"ready_replicas": 3}
    assert rollout_share(before["status"]) == rollout_share(more)
    assert rollout_share(before["status"]) == rollout_share(instance(READY, follows=5)["status"])


@pytest.mark.parametrize(
    ("counts", "latest", "hindrance", "reason", "message"),
    [
        (InstanceCounts(), LATEST, None, "NoInstances", "No instance uses the template."),
        (
            InstanceCounts(3, 3, 0),
            LATEST,
            None,
            "AllUpdated",
            "3 of 3 instances ready at revision 4a4a4a4a4a4a.",
        ),
        (
            InstanceCounts(3, 1, 0),
            LATEST,
            None,
            "RollingOut",
            "1 of 3 instances ready at revision 4a4a4a4a4a4a.",
        ),
        (
            InstanceCounts(3, 1, 1),
            LATEST,
            None,
            "InstancesStalled",
            "1 of 3 instances ready at revision 4a4a4a4a4a4a; 1 stalled (see its Ready condition).",
        ),
        (
            InstanceCounts(3, 2, 1, 1),
            LATEST,
            None,
            "AllUpdated",
            "2 of 2 instances ready at revision 4a4a4a4a4a4a; 1 pinned to another one.",
        ),
        (
            InstanceCounts(3, 3, 0),
            "",
            RolloutReason.TEMPLATE_INVALID,
            "TemplateInvalid",
            "The template is invalid; its instances are left unchanged.",
        ),
        (
            InstanceCounts(3, 3, 0),
            EARLIER,
            RolloutReason.TEMPLATE_INVALID,
            "TemplateInvalid",
            "The template is invalid; its instances stay at revision 3c3c3c3c3c3c.",
        ),
        (
            InstanceCounts(3, 3, 0),
            EARLIER,
            RolloutReason.POD_TEMPLATE_REJECTED,
            "PodTemplateRejected",
            f"The API server rejects the objects of the template; its instances stay at revision {EARLIER}.",
        ),
    ],
)
def test_condition(
    counts: InstanceCounts, latest: str, hindrance: RolloutReason | None, reason: str, message: str
) -> None:
    found = rolled_out(counts, latest, hindrance=hindrance)
    is_done = reason in ("NoInstances", "AllUpdated")
    assert (found.type, found.status, found.reason, found.message) == ("RolledOut", is_done, reason, message)
