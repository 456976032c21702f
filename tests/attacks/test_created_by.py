"""Nobody becomes the creator of an instance afterwards, not even of one that is being deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.waiting import wait_for
from tests.fixtures.people import ALICE, MALLORY, Writer, created_by, idle_model

if TYPE_CHECKING:
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission
    from tests.fixtures.cluster import PrivateOperator

CLAIMS: list[dict[str, Any]] = [
    dict(MALLORY),
    {CREATED_BY_USER: None, CREATED_BY_TYPE: None},
    {CREATED_BY_TYPE: "service_account"},
]


def leave(api: KubeApi, name: str) -> None:
    """Have an instance wait for its finalizer."""
    api.patch("ModelInstance", name, {"metadata": {"finalizers": ["example.com/hold"]}})
    api.delete("ModelInstance", name)
    assert api.get("ModelInstance", name)["metadata"]["deletionTimestamp"]


def release(api: KubeApi, name: str) -> None:
    """Take its finalizer away, as controllers do, and see it go."""
    api.patch("ModelInstance", name, {"metadata": {"finalizers": None}})
    api.wait_until_gone("ModelInstance", name)


def test_terminating_instance_keeps_its_creator(admission: Admission, kubectl: Kubectl) -> None:
    api = admission.api
    Writer(kubectl, api.namespace, "alice").run("create", "-f", "-", objects=[idle_model("leaving")])
    leave(api, "leaving")
    for claim in CLAIMS:
        api.patch("ModelInstance", "leaving", {"metadata": {"annotations": claim}})
        assert created_by(api, "leaving") == ALICE
    Writer(kubectl, api.namespace, "mallory").run("replace", "-f", "-", objects=[
        idle_model("leaving", MALLORY) | {"metadata": {"name": "leaving", "finalizers": ["example.com/hold"],
                                                   "annotations": dict(MALLORY)}}
    ])  # fmt: skip
    assert created_by(api, "leaving") == ALICE
    release(api, "leaving")


def test_terminating_instance_keeps_its_creator_while_no_operator_answers(
    private_admission: Admission, kubectl: Kubectl
) -> None:
    api = private_admission.api
    Writer(kubectl, api.namespace, "alice").run("create", "-f", "-", objects=[idle_model("leaving", ALICE)])
    leave(api, "leaving")
    for claim in CLAIMS:
        with pytest.raises(KubeApiError) as refusal:
            api.patch("ModelInstance", "leaving", {"metadata": {"annotations": claim}})
        assert (refusal.value.code, refusal.value.reason) == (403, "Forbidden")
    assert created_by(api, "leaving") == ALICE
    release(api, "leaving")


def test_status_keeps_the_first_creator_that_it_has_reported(
    private_operator: PrivateOperator, private_api: KubeApi
) -> None:
    """Neither webhook nor policy guards this namespace; the operator still reports who was first."""
    private_api.create(idle_model("claimed", ALICE))
    private_operator()
    private_api.wait_for_condition("ModelInstance", "claimed", "Ready")

    def reported() -> tuple[str, str]:
        status = private_api.get("ModelInstance", "claimed")["status"]
        return status["created_by_user_id"], status["created_by_identity_type"]

    assert reported() == ("alice", "user")
    for number, claim in enumerate(CLAIMS):
        changes = {"metadata": {"annotations": claim}, "spec": {"description": f"edit {number}"}}
        generation = private_api.patch("ModelInstance", "claimed", changes)["metadata"]["generation"]

        def is_seen(generation: int = generation) -> bool:
            status = private_api.get("ModelInstance", "claimed")["status"]
            return bool(status["observedGeneration"] == generation)

        wait_for(is_seen, message="the operator reports the edit")
        assert reported() == ("alice", "user")
