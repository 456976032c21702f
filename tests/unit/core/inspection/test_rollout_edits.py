"""Pausing, resuming and approving: which field, what is refused, and what an apply keeps and gives up."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.inspection.rollout_edits import approve, commit_advice, pause, resume, to_apply
from model_operator.core.objects.gitops_owners import gitops_owner
from model_operator.core.objects.manifest import to_manifest
from model_operator.core.offline.documents import read_documents
from tests.unit.core.inspection.histories import template, with_status

TARGET, OTHER = "a" * 12, "b" * 12
STEPS = {"steps": [{"name": "canary", "needs_approval": True}]}
MANAGER = "model-operator-rollout"


def rolling(state: str = "AWAITING_APPROVAL", **rollout: Any) -> dict[str, Any]:
    return with_status(
        template(rollout={**STEPS, **rollout}),
        latest_revision=TARGET,
        rollout={"revision": TARGET, "state": state, "step": "canary"},
    )


def managed(obj: dict[str, Any], **managers: list[str]) -> dict[str, Any]:
    """Return a template whose fields of ``spec.rollout`` have managers."""
    entries = [
        {
            "manager": name.replace("_", "-"),
            "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:rollout": {f"f:{field}": {} for field in fields}}},
        }
        for name, fields in managers.items()
    ]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def test_the_patch_is_one_field() -> None:
    assert pause(rolling()).patch() == {"spec": {"rollout": {"paused": True}}}
    assert resume(rolling()).patch() == {"spec": {"rollout": {"paused": False}}}
    assert approve(rolling(), None).patch() == {"spec": {"rollout": {"approved": TARGET}}}


@pytest.mark.parametrize("revision", ["123456789012", "1e2345678901", "12345678901e", "0b1010101010", TARGET])
def test_a_hash_that_looks_like_a_number_is_quoted(revision: str) -> None:
    given = with_status(rolling(), latest_revision=revision, rollout={"revision": revision})
    (document,) = read_documents(to_manifest(approve(given, None).patch()), "patch.yaml")

    assert document.value == {"spec": {"rollout": {"approved": revision}}}


def test_notes() -> None:
    assert pause(rolling()).notes == ()
    assert pause(rolling(paused=True)).notes == ("the roll-out is paused already",)
    assert "has no spec.rollout, so its edits reach all" in pause(template()).notes[0]
    assert resume(rolling()).notes == ("the roll-out is not paused",)
    assert resume(rolling(paused=True)).notes == ()
    assert approve(rolling(), TARGET).notes == ()
    assert approve(rolling(approved=TARGET), TARGET).notes == (f"revision {TARGET} is approved already",)
    assert approve(rolling("SOAKING", approved=OTHER), None).notes == (
        "the roll-out is SOAKING and does not wait for the approval yet",
    )


@pytest.mark.parametrize(
    ("given", "revision", "message"),
    [
        (
            rolling(),
            OTHER,
            f"team-a/encoder: revision {OTHER} is not the one that rolls out, which is {TARGET}",
        ),
        (rolling(), TARGET.upper(), "is not the one that rolls out"),
        (rolling("COMPLETE"), None, f"the roll-out of revision {TARGET} is complete"),
        (rolling("COMPLETE"), TARGET, "is complete"),
        (rolling("COMPLETE"), OTHER, f"the roll-out of revision {TARGET} is complete"),
        (template(), None, "has no spec.rollout"),
        (template(rollout={"steps": [{"name": "canary"}]}), None, "has no step with needs_approval"),
        (template(rollout=STEPS), None, "has no valid revision yet"),
        (with_status(rolling(), observedGeneration=2), TARGET, "has not reconciled the current generation"),
    ],
)
def test_what_cannot_be_approved(given: dict[str, Any], revision: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        approve(given, revision)


def test_where_instances_follow_the_template_itself_the_latest_revision_is_approved() -> None:
    assert approve(with_status(template(rollout=STEPS), latest_revision=TARGET), None).value == TARGET


def test_nothing_is_resumed_without_roll_outs() -> None:
    with pytest.raises(ValueError, match=r"has no spec\.rollout, so nothing is paused"):
        resume(template())


def test_an_apply_keeps_what_earlier_ones_have_set() -> None:
    given = managed(rolling(paused=True, approved=OTHER, soak_seconds=3), model_operator_rollout=["approved"])

    assert to_apply(given, pause(given)) == {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "encoder", "namespace": "team-a", "uid": "t1"},
        "spec": {"rollout": {"approved": OTHER, "paused": True}},
    }
    assert to_apply(given, approve(given, None))["spec"] == {"rollout": {"approved": TARGET}}


def test_a_pause_of_our_own_is_given_up() -> None:
    own = managed(rolling(paused=True, approved=TARGET), model_operator_rollout=["paused", "approved"])
    alone = managed(rolling(paused=True), model_operator_rollout=["paused"], kustomize_controller=["steps"])

    assert to_apply(own, resume(own))["spec"] == {"rollout": {"approved": TARGET}}
    assert "spec" not in to_apply(alone, resume(alone))


@pytest.mark.parametrize(
    "managers",
    [
        {"kubectl": ["paused"]},
        {"kubectl": ["paused"], "model_operator_rollout": ["paused"]},
        {},
    ],
)
def test_a_pause_of_others_is_overruled(managers: dict[str, list[str]]) -> None:
    given = managed(rolling(paused=True), **managers)

    assert to_apply(given, resume(given))["spec"] == {"rollout": {"paused": False}}


def test_advice_names_the_owner() -> None:
    given = template()
    given["metadata"]["labels"] = {
        "kustomize.toolkit.fluxcd.io/name": "models",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
    owner = gitops_owner(given)

    assert owner is not None
    assert commit_advice(given, owner) == (
        "ModelTemplate team-a/encoder is managed by Flux Kustomization flux-system/models, which sets back "
        "what its source says. Action (template owner): commit the change to the source of the Kustomization."
    )
