"""Edits of a template that rolls out in steps: who gets them and when, as kubectl shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.templates.revisions.identity import revision_of
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.fixtures.people import Writer

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission

STEPS: Any = {"steps": [{"name": "canary", "labels": {"tier": "canary"}, "soak_seconds": 3600}]}
FLEET = {
    "canary": {},
    "second": {},
    "third": {},
    "late": {"model_template_revision": "stable"},
    "kept": {"model_template_revision": "latest"},
}


class Edits:
    """Edits of one template by a user with kubectl.

    Parameters
    ----------
    admission, kubectl
        The webhooks, and the client.
    name
        Name of the template.
    """

    def __init__(self, admission: Admission, kubectl: Kubectl, name: str) -> None:
        self.api = admission.api
        self.name = name
        self._writer = Writer(kubectl, admission.api.namespace, "alice")

    def patched(self, spec: Object, *, dry_run: bool = True) -> list[str]:
        """Patch the specification, and give the clauses of all warnings."""
        options = ["--dry-run=server"] if dry_run else []
        patch = json.dumps({"spec": spec})
        said = self._writer.says(
            "patch", "modeltemplate", self.name, "--type=merge", f"--patch={patch}", *options
        )
        *warnings, last = said.splitlines()
        assert last.startswith(f"modeltemplate.modeloperator.dev/{self.name} patched"), said
        beginning = f"Warning: ModelTemplate {self.name}: "
        assert all(each.startswith(beginning) for each in warnings), said
        return [part for each in warnings for part in each.removeprefix(beginning).split("; ")]

    def tagged(self, tag: str, rollout: Any = None) -> list[str]:
        """Give what is said of another image, and of another ``rollout`` if it is given."""
        bundle = {"vendor_configuration": {"bundle_config": {"tag": tag}}}
        return self.patched(bundle | ({} if rollout is None else {"rollout": rollout}))


@pytest.fixture(scope="module")
def edits(admission: Admission, kubectl: Kubectl) -> Edits:
    """Give edits of a template with five instances, all Ready, one of them pinned."""
    api, name = admission.api, "stepped"
    written = template(name)
    written["spec"]["rollout"] = STEPS
    api.create(written)
    for each, spec in FLEET.items():
        obj = instance(f"{name}-{each}", model_template_id=name, **spec)
        obj["metadata"]["labels"] = {"tier": each}
        api.create(obj)
    pin = {"spec": {"model_template_revision": revision_of(written).hash}}
    api.patch("ModelInstance", f"{name}-kept", pin)
    for each in FLEET:
        api.wait_for_condition("ModelInstance", f"{name}-{each}", "Ready")
    wait_for(
        lambda: api.get("ModelTemplate", name)["status"].get("stable_revision") == revision_of(written).hash,
        message="the first revision is stable",
    )
    return Edits(admission, kubectl, name)


PINNED = "1 instance pinned to another revision does not get it"
LAST = "1 instance that follows the stable revision gets it last"


def test_who_gets_an_edit_in_steps_last_and_not_at_all(edits: Edits) -> None:
    assert edits.tagged("v2") == [
        "3 instances get this change in steps, first 1 of 1 in step canary",
        LAST,
        "it restarts the pods of 4 instances",
        PINNED,
    ]


def test_an_edit_that_removes_the_steps(edits: Edits) -> None:
    bundle = {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}
    assert edits.patched({**bundle, "rollout": None}) == [
        "this change restarts the pods of 3 instances",
        LAST,
        PINNED,
    ]


def test_an_edit_while_it_is_paused(edits: Edits) -> None:
    assert edits.tagged("v2", {"paused": True}) == [
        "spec.rollout.paused: is true: until it is removed or false, no instance gets another revision",
        "no instance gets this change while spec.rollout.paused is true: 4 instances wait",
        PINNED,
    ]


@pytest.mark.parametrize(
    "spec", [{"revision_history_limit": 3}, {"rollout": {"max_unavailable": 2}}, {"rollout": None}]
)
def test_an_edit_that_is_not_about_models(edits: Edits, spec: Any) -> None:
    assert edits.patched(spec) == ["this change makes no new revision, so no instance changes"]


def test_steps_that_select_no_instance(edits: Edits) -> None:
    steps = [{"name": "gold", "labels": {"tier": "gold"}, "needs_approval": True}]
    assert edits.tagged("v2", {"steps": steps}) == [
        "step gold needs the approval of this change",
        "4 instances wait",
        LAST,
        "it restarts the pods of 4 instances",
        PINNED,
        "spec.rollout.steps[0]: step gold selects no instance",
        "its approval is needed all the same",
    ]


def test_a_step_that_selects_no_instance_stays_visible(edits: Edits) -> None:
    gold = {"name": "gold", "labels": {"tier": "gold"}}
    edits.patched({"rollout": {"steps": [gold, *STEPS["steps"]]}}, dry_run=False)

    def message() -> str:
        conditions = edits.api.get("ModelTemplate", edits.name)["status"]["conditions"]
        return next(str(each["message"]) for each in conditions if each["type"] == "RolledOut")

    wait_for(lambda: "No instance is in step gold." in message(), message="RolledOut names the step")
    edits.patched({"rollout": STEPS}, dry_run=False)
    wait_for(lambda: "gold" not in message(), message="RolledOut no longer names the step")


def test_in_the_middle_of_a_roll_out(edits: Edits) -> None:
    """The last test of this template: only its canary gets this edit."""
    bundle = {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}
    edits.patched(bundle, dry_run=False)
    api: KubeApi = edits.api

    def is_soaking() -> bool:
        rollout = api.get("ModelTemplate", edits.name)["status"].get("rollout") or {}
        return (rollout.get("state"), rollout.get("step")) == ("SOAKING", "canary")

    wait_for(is_soaking, message="the canary soaks")

    none = "this change makes no new revision"
    assert edits.patched({"rollout": {"max_unavailable": 2}}) == [
        none,
        "the latest one soaks in step canary",
        "3 instances wait",
        LAST,
    ]
    assert edits.patched({"rollout": {"paused": True}})[1:] == [
        none,
        "no instance gets the latest one while spec.rollout.paused is true: 3 instances wait",
    ]
    assert edits.patched({"rollout": None}) == [none, "2 instances get the latest one at once", LAST]
    assert edits.tagged("v1") == [
        "1 instance gets this change at once, without steps, as it is the stable revision",
        "it restarts the pods of 1 instance",
    ]
