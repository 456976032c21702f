"""The status of a template."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import ModelTemplateStatus, RolloutState
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.rollouts.advance import Advance
from model_operator.core.status.rollout_counts import InstanceCounts
from model_operator.core.status.template import template_status
from model_operator.core.templates.parsing import parse_template
from model_operator.core.values.merge_patch import merge_patch
from tests.unit.core.values.rfc7386 import apply_merge_patch

TEMPLATE = yaml.safe_load((Path(__file__).parents[1] / "template.yaml").read_text())
BEFORE, NOW = "2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z"


def status(change: dict[str, Any], current: dict[str, Any], count: int = 0) -> dict[str, Any]:
    return template_status(
        parse_template(apply_merge_patch(TEMPLATE, change)), current, InstanceCounts(count, count), NOW
    )


def test_a_valid_template() -> None:
    found = status({}, {}, count=2)

    assert found == yaml.safe_load("""
        observedGeneration: 3
        id: u1
        created_at: "2026-01-01T08:00:00Z"
        instance_count: 2
        updated_instance_count: 2
        stalled_instance_count: 0
        conditions:
          - type: Ready
            status: "True"
            reason: TemplateValid
            message: Instances can be made from the template.
            observedGeneration: 3
            lastTransitionTime: "2026-01-01T09:00:00Z"
          - type: RolledOut
            status: "True"
            reason: AllUpdated
            message: 2 of 2 instances ready at revision bcc9316501ae.
            observedGeneration: 3
            lastTransitionTime: "2026-01-01T09:00:00Z"
    """)
    ModelTemplateStatus.model_validate(found)
    assert merge_patch(found, status({}, found, count=2)) == {}


def test_an_invalid_template_becomes_stalled_and_says_who_must_act() -> None:
    valid = {
        **status({}, {}),
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": BEFORE}],
    }

    found = status({"spec": {"model_creation_parameters_schema": {"type": "array"}}}, valid)

    message = (
        'spec.model_creation_parameters_schema.type: must be "object": parameters are given by name. '
        "Action (template owner): fix the listed fields."
    )
    same = {
        "reason": "TemplateInvalid",
        "message": message,
        "observedGeneration": 3,
        "lastTransitionTime": NOW,
    }
    ready, told, stalled = found["conditions"]
    assert (told["type"], told["status"], told["reason"]) == ("RolledOut", "False", "TemplateInvalid")
    assert [ready, stalled] == [
        {"type": "Ready", "status": "False", **same},
        {"type": "Stalled", "status": "True", **same},
    ]
    ModelTemplateStatus.model_validate(found)


def test_a_corrected_template_is_no_longer_stalled() -> None:
    broken = status({"spec": None}, {})

    healed = status({}, broken)

    assert [condition["type"] for condition in healed["conditions"]] == ["Ready", "RolledOut"]


def test_a_count_that_changes_is_the_whole_patch_but_for_the_words() -> None:
    current = status({}, {}, count=1)

    patch = merge_patch(current, status({}, current, count=2))

    assert patch.keys() == {"instance_count", "updated_instance_count", "conditions"}


def test_an_invalid_template_keeps_its_last_valid_revision() -> None:
    broken = parse_template(apply_merge_patch(TEMPLATE, {"spec": {"strategy": {"type": "Never"}}}))

    found = template_status(broken, {}, InstanceCounts(2, 2), NOW, latest="bcc9316501ae")

    rolled_out = next(each for each in found["conditions"] if each["type"] == "RolledOut")
    assert (found["latest_revision"], rolled_out["reason"]) == ("bcc9316501ae", "TemplateInvalid")
    assert rolled_out["message"] == "The template is invalid; its instances stay at revision bcc9316501ae."


@pytest.mark.parametrize(
    ("refusal", "reason"), [("It is refused.", "PodTemplateRejected"), ("", "RollingOut")]
)
def test_instances_at_an_earlier_revision_are_not_rolled_out(refusal: str, reason: str) -> None:
    """What the API server rejects is not stored, and what is not stored yet is followed by none."""
    found = template_status(
        parse_template(TEMPLATE),
        {},
        InstanceCounts(2, 2),
        NOW,
        DryRunResult(refusal=refusal),
        latest="0123456789ab",
    )

    rolled_out = next(each for each in found["conditions"] if each["type"] == "RolledOut")
    assert (rolled_out["status"], rolled_out["reason"]) == ("False", reason)


PROGRESS = Advance(
    frozenset(),
    RolloutState.ROLLING_OUT,
    "remaining",
    "0123456789ab",
    arrived=1,
    moving=1,
    failed=0,
    waiting=3,
)


def test_a_roll_out_is_reported_with_what_must_be_remembered_of_it() -> None:
    """With or without steps: what the next roll-out goes back to must be known."""
    template, latest = parse_template(TEMPLATE), "bcc9316501ae"

    found = template_status(
        template,
        {},
        InstanceCounts(6, 1),
        NOW,
        latest=latest,
        progress=PROGRESS,
        pinned=1,
        started_at=BEFORE,
    )

    assert (found["latest_revision"], found["stable_revision"]) == (latest, "0123456789ab")
    assert found["rollout"] == {
        "revision": latest,
        "state": "ROLLING_OUT",
        "step": "remaining",
        "started_at": BEFORE,
        "instances": 6,
        "arrived": 1,
        "moving": 1,
        "failed": 0,
        "waiting": 3,
        "pinned": 1,
    }
    rolled_out = next(each for each in found["conditions"] if each["type"] == "RolledOut")
    assert (rolled_out["status"], rolled_out["reason"]) == ("False", "RollingOut")
    assert [each["type"] for each in found["conditions"]] == ["Ready", "RolledOut"]
    ModelTemplateStatus.model_validate(found)


def test_what_is_remembered_of_roll_outs_stays_while_no_revision_is_stored() -> None:
    known = {"stable_revision": "0123456789ab", "rollout": {"revision": "0123456789ab"}}

    found = status({}, known)

    assert {name: found[name] for name in known} == known


def test_a_template_without_a_stable_revision_does_not_name_one() -> None:
    progress = replace(PROGRESS, stable="")

    found = template_status(
        parse_template(TEMPLATE), {}, InstanceCounts(), NOW, latest="0a", progress=progress, started_at=BEFORE
    )

    assert merge_patch({}, found)["latest_revision"] == "0a"
    assert "stable_revision" not in merge_patch({}, found)


def test_instances_that_lag_leave_the_template_ready() -> None:
    """Who waits for the template must not wait for all of its models."""
    found = template_status(parse_template(TEMPLATE), {}, InstanceCounts(3, 1, 1), NOW)

    conditions = {condition["type"]: condition["status"] for condition in found["conditions"]}
    assert conditions == {"Ready": "True", "RolledOut": "False"}
    assert (found["updated_instance_count"], found["stalled_instance_count"]) == (1, 1)


SELECTED = {"from": "Selected", "selector": {"matchLabels": {"tier": "gold"}}}


@pytest.mark.parametrize(
    ("allowed", "knows_labels", "expected"),
    [
        (None, False, None),
        ({"from": "Selected", "names": ["team"]}, False, None),
        (SELECTED, True, ("True", "NamespacesKnown")),
        (SELECTED, False, ("False", "NamespacesUnknown")),
    ],
)
def test_a_template_that_selects_by_labels_says_whether_they_are_known(
    allowed: Any, knows_labels: bool, expected: tuple[str, str] | None
) -> None:
    template = parse_template(apply_merge_patch(TEMPLATE, {"spec": {"allowed_namespaces": allowed}}))

    found = template_status(template, {}, InstanceCounts(), NOW, knows_labels=knows_labels)

    conditions = {each["type"]: each for each in found["conditions"]}
    shared = conditions.get("Shared")
    assert (shared and (shared["status"], shared["reason"])) == expected
    assert conditions["Ready"]["status"] == "True", "a template is no less valid for it"
    # It goes with the selector.
    without = parse_template(TEMPLATE)
    later = template_status(without, found, InstanceCounts(), NOW, knows_labels=knows_labels)
    assert "Shared" not in {each["type"] for each in later["conditions"]}
