"""What an edit of a template with a roll-out means for its instances, of each kind that there is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from model_operator.core.admission import template as subject
from model_operator.core.admission.template import Impact
from model_operator.core.planning.plan import make_plan
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import NoRevisions
from model_operator.core.templates.revisions.entry_revisions import entry_templates
from tests.examples.objects import instance, template
from tests.examples.reviews import stored

SETTINGS = RenderSettings()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEPS: Any = {"steps": [{"name": "canary", "labels": {"tier": "canary"}}]}
OPEN = {"MODEL_NAME": {"type": "string"}, "SIZE": {"type": "integer"}}


def compiled(tag: str = "v1", rollout: Any = None, parameters: Any = None) -> CompiledTemplate:
    return parse_template(written(tag, rollout, parameters))


def written(tag: str = "v1", rollout: Any = None, parameters: Any = None, **status: Any) -> dict[str, Any]:
    obj = template(tag=tag)
    obj["spec"] |= {} if rollout is None else {"rollout": rollout}
    if parameters is not None:
        obj["spec"]["model_creation_parameters_schema"] = {"properties": parameters}
    return {**stored(obj), "status": status}


FIRST, SECOND = compiled(), compiled("v2")
WIDER = compiled(parameters=OPEN)
AT_FIRST = {"latest_revision": FIRST.revision, "stable_revision": FIRST.revision}


class Kept(NoRevisions):
    """The stored revisions."""

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        del template
        return next((each for each in (FIRST, SECOND, WIDER) if each.revision == revision), None)


def model(name: str, at: CompiledTemplate | None = FIRST, labels: Any = None, **spec: Any) -> dict[str, Any]:
    """Give an instance that is Ready at a revision; None for a new one."""
    obj = stored(instance(name, **spec), labels=labels or {})
    if at is None:
        return obj
    resource = parse_instance(obj)[0]
    pinned = entry_templates(resource, at, Kept(), at, "")
    rendering = make_plan(resource, at, SETTINGS, pinned=pinned).rendering
    bound = {"kind": "ModelTemplate", "name": "encoder", "uid": "uid-of-encoder", "generation": 1}
    return obj | {
        "status": {
            "observedGeneration": 1,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "RolledOut",
                    "message": "",
                    "lastTransitionTime": "2025-01-01T00:00:00Z",
                }
            ],
            "template": {**bound, "revision": at.revision},
            "deployments": [
                {
                    "name": each.name,
                    "status": "READY",
                    "replicas": 1,
                    "pod_revision": each.deployment.pod_revision,
                }
                for each in (rendering.deployments if rendering else ())
            ],
        }
    }


def said(old: dict[str, Any], new: CompiledTemplate, *objects: dict[str, Any], **options: Any) -> list[str]:
    impact = Impact(old, new, SETTINGS, options.get("revisions", Kept()))
    for obj in objects:
        name = obj["metadata"]["name"]
        impact.add(read_instance(obj), [{"metadata": {"name": name}, "spec": {"replicas": 1}}])
    warnings = impact.warnings(NOW, complete=True)
    assert all(each.startswith("ModelTemplate encoder: ") for each in warnings)
    return [each.removeprefix("ModelTemplate encoder: ") for each in warnings]


FLEET = [
    model("a", labels={"tier": "canary"}),
    model("b", model_template_revision="latest"),
    model("c", model_template_revision="stable"),
    model("d", model_template_revision=FIRST.revision),
    model("new", None),
]


def test_each_instance_counts_as_what_it_follows() -> None:
    last = "1 instance that follows the stable revision gets it last"
    pinned = "1 instance pinned to another revision does not get it"
    (found,) = said(written(rollout=STEPS, **AT_FIRST), compiled("v2", STEPS), *FLEET)
    assert found.split("; ") == [
        "3 instances get this change in steps, first 1 of 1 in step canary",
        last,
        "it restarts the pods of 3 instances",
        pinned,
    ]
    (found,) = said(written(**AT_FIRST), compiled("v2"), *FLEET)
    assert found.split("; ") == ["this change restarts the pods of 2 instances", last, pinned]


def test_an_operator_that_stores_no_revisions_knows_no_steps() -> None:
    found = said(written(rollout=STEPS), compiled("v2", STEPS), *FLEET[:2], revisions=None)
    assert found == ["this change restarts the pods of 2 instances"]


@pytest.mark.parametrize("limit", [None, 3])
def test_an_edit_beside_the_models(limit: int | None) -> None:
    for status in (AT_FIRST, {}):  # An operator that was just upgraded has not written which it is.
        old = written(**status)
        new = written(rollout={"paused": False})
        new["spec"] |= {} if limit is None else {"revision_history_limit": limit}
        found = said(old, parse_template(new), *FLEET[:2])
        assert found == ["this change makes no new revision, so no instance changes"]


def test_a_pause_or_an_approval_renders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "make_plan", None)
    found = said(written(rollout=STEPS, **AT_FIRST), compiled(rollout={"paused": True, **STEPS}), FLEET[0])
    assert found == ["this change makes no new revision, so no instance changes"]


@pytest.mark.parametrize(
    ("tag", "rollout", "expected"),
    [
        (
            "v2",
            {"paused": True, **STEPS},
            [
                "this change makes no new revision",
                "no instance gets the latest one while spec.rollout.paused is true: 2 instances wait",
            ],
        ),
        ("v2", None, ["this change makes no new revision", "2 instances get the latest one at once"]),
        (
            "v1",
            STEPS,
            [
                "1 instance gets this change at once, without steps, as it is the stable revision",
                "it restarts the pods of 1 instance",
            ],
        ),
    ],
)
def test_an_edit_in_the_middle_of_a_roll_out(tag: str, rollout: Any, expected: list[str]) -> None:
    old = written("v2", STEPS, latest_revision=SECOND.revision, stable_revision=FIRST.revision)
    moved = model("a", SECOND, {"tier": "canary"})

    (found,) = said(old, compiled(tag, rollout), moved, model("b"), model("c"))

    assert found.split("; ") == expected


def test_a_move_that_changes_no_objects_needs_no_step() -> None:
    found = said(written(rollout=STEPS, **AT_FIRST), compiled(rollout=STEPS, parameters=OPEN), *FLEET[:2])
    assert found == ["2 instances get this change at once, as their objects stay the same"]


def test_while_paused_nothing_moves_even_without_a_step() -> None:
    paused = compiled(rollout={"paused": True, **STEPS}, parameters=OPEN)
    (found,) = said(written(rollout=STEPS, **AT_FIRST), paused, *FLEET[:2])
    assert found == "no instance gets this change while spec.rollout.paused is true: 2 instances wait"


def test_a_pin_to_the_edited_revision_is_none_to_another() -> None:
    pinned = model("e", SECOND, model_template_revision=SECOND.revision)
    assert said(written(**AT_FIRST), SECOND, model("a"), pinned) == [
        "this change restarts the pods of 1 instance"
    ]


def test_an_instance_that_was_created_since_the_roll_out_began_proves_nothing() -> None:
    old = written("v2", STEPS, latest_revision=SECOND.revision, stable_revision=FIRST.revision)
    old["status"]["rollout"] = {"started_at": "2025-12-31T00:00:00Z"}
    starting = model("a", SECOND, {"tier": "canary"})
    starting["status"]["conditions"][0]["status"] = "False"
    for created, step in (("2025-12-01T00:00:00Z", "canary"), ("2025-12-31T12:00:00Z", "remaining")):
        starting["metadata"]["creationTimestamp"] = created
        (found,) = said(old, compiled("v2", {"soak_seconds": 0, **STEPS}), starting, model("b"))
        assert found.endswith(f"1 instance gets the latest one in steps, now in step {step}")


def test_steps_are_compared_with_the_instances() -> None:
    # The advice on the template itself names the second one already.
    late: Any = {"name": "late", "namespaces": ["elsewhere"]}
    rollout = {"max_failures": 1, "steps": [{"name": "canary", "labels": {"tier": "none"}}, late]}

    _, empty, failures = said(written(**AT_FIRST), compiled("v2", rollout), *FLEET[:2])

    assert empty == "spec.rollout.steps[0]: step canary selects no instance"
    assert failures.startswith(
        "spec.rollout.max_failures: is not less than max_unavailable of step remaining (1 instance): "
    )


def test_deployments_may_name_their_own_revisions() -> None:
    """One at the latest does not wait, one that is pinned does not restart, and neither is invalid."""
    blue = {"name": "blue", "model_template_revision": FIRST.revision}
    green = {"name": "green", "model_template_revision": "latest"}
    old = written(rollout=STEPS, **AT_FIRST)
    first = "1 instance gets this change in steps, first 1 of 1 in step canary"
    canary: Any = {"tier": "canary"}

    (found,) = said(old, compiled("v2", STEPS), model("a", labels=canary, deployments=[blue, green]))
    assert found.split("; ") == [
        first,
        "it restarts the pods of 1 instance",
        "1 deployment that names latest gets it at once",
    ]
    assert said(old, compiled("v2", STEPS), model("a", labels=canary, deployments=[blue])) == [
        "1 instance gets this change at once, as its objects stay the same"
    ]
