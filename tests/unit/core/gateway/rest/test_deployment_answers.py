"""Deployments as the platform's clients read them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scale_gp._models import validate_type
from scale_gp.types.models.model_deployment import ModelDeployment

from model_operator.api import DeploymentState
from model_operator.core.gateway.rest.deployment_answers import deployment_answers, deployment_state
from model_operator.core.gateway.rest.deployment_specs import deployment_id, deployments_of
from tests.unit.core.gateway.rest.deployed_models import CREATED, UID, compiled, model

LATER = "2026-11-03T09:00:00Z"


def strict(answer: dict[str, Any]) -> ModelDeployment:
    """Read an answer as the client does with ``_strict_response_validation``."""
    read = validate_type(type_=ModelDeployment, value=deepcopy(answer))
    assert isinstance(read, ModelDeployment)
    return read


def answers(obj: dict[str, Any], **endpoint: Any) -> list[dict[str, Any]]:
    found = deployment_answers(obj, "acc-1", compiled(**endpoint))
    for each in found:
        strict(each)
        assert None not in each.values()
    return found


def test_the_implied_deployment() -> None:
    obj = model(
        reported=[{"name": "minilm", "status": "READY", "created_at": LATER}],
        vendor_configuration={"min_workers": 2},
    )
    assert answers(obj) == [
        {
            "id": deployment_id(UID, "minilm"),
            "name": "minilm",
            "status": "READY",
            "account_id": "acc-1",
            "created_at": LATER,
            "created_by_user_id": "ada@example.com",
            "created_by_identity_type": "user",
            "model_instance_id": UID,
            "model_endpoint_id": "minilm",
            "model_creation_parameters": {"MODEL": "small"},
            "vendor_configuration": {
                "vendor": "LAUNCH",
                "min_workers": 2,
                "max_workers": 2,
                "per_worker": 10,
            },
        }
    ]


def test_listed_and_stale_deployments() -> None:
    obj = model(
        [
            {
                "name": "blue",
                "model_creation_parameters": {"BATCH": 2},
                "vendor_configuration": {"max_workers": 5},
                "deployment_metadata": {"owner": {"team": "search"}},
                "traffic_weight": 0,
                "model_template_revision": "latest",
            },
            {"name": "green"},
        ],
        [
            {"name": "minilm-green", "status": "UPDATE_FAILED", "created_at": LATER},
            {"name": "minilm", "status": "DELETE_IN_PROGRESS", "created_at": CREATED},
            {"name": "minilm-old", "status": "UPDATE_PENDING"},
        ],
        vendor_configuration={"per_worker": 3, "autoscaler": "EXTERNAL"},
    )
    blue, green, replaced, old = answers(obj)
    assert (blue["name"], blue["status"], blue["created_at"]) == ("blue", "UPDATE_PENDING", CREATED)
    assert blue["model_creation_parameters"] == {"BATCH": 2}
    assert blue["deployment_metadata"] == {"owner": {"team": "search"}}
    assert (blue["traffic_weight"], blue["model_template_revision"]) == (0, "latest")
    assert blue["vendor_configuration"] == {
        "vendor": "LAUNCH",
        "min_workers": 1,
        "max_workers": 5,
        "per_worker": 3,
        "autoscaler": "EXTERNAL",
    }
    assert (green["status"], green["created_at"]) == ("UPDATE_FAILED", LATER)
    assert "model_creation_parameters" not in green
    assert "model_template_revision" not in green
    assert (replaced["name"], replaced["status"]) == ("minilm", "DELETE_IN_PROGRESS")
    assert "vendor_configuration" not in replaced
    # While something else of the model is wrong, it stays as it is.
    assert (old["name"], old["status"]) == ("old", "UPDATE_PENDING")


def test_a_report_of_an_earlier_spec_does_not_say_that_a_stale_one_stays() -> None:
    obj = model([{"name": "first"}], [{"name": "minilm", "status": "UPDATE_PENDING"}])
    obj["metadata"]["generation"] += 1
    assert [each["status"] for each in answers(obj)] == ["UPDATE_PENDING", "DELETE_IN_PROGRESS"]


def test_a_fixed_number_of_workers_is_shown() -> None:
    (only,) = answers(model(replicas=0), max_workers=4)
    assert only["vendor_configuration"] == {
        "vendor": "LAUNCH",
        "min_workers": 0,
        "max_workers": 0,
        "per_worker": 10,
    }


def test_the_maximum_of_an_external_autoscaler_is_not_known() -> None:
    (only,) = answers(model(), autoscaler="EXTERNAL")
    assert only["vendor_configuration"] == {
        "vendor": "LAUNCH",
        "min_workers": 1,
        "per_worker": 10,
        "autoscaler": "EXTERNAL",
    }


def test_of_another_revision_only_what_the_model_says_is_shown() -> None:
    here, other = compiled(max_workers=4).revision, "0" * 12
    known = {"vendor": "LAUNCH", "min_workers": 1, "max_workers": 4, "per_worker": 10}
    entries: list[dict[str, Any]] = [
        {"name": "a"},
        {"name": "b", "model_template_revision": here},
        {"name": "c", "model_template_revision": "latest"},
        {"name": "d", "model_template_revision": other, "vendor_configuration": {"min_workers": 3}},
    ]
    shown = [each["vendor_configuration"] for each in answers(model(entries), max_workers=4)]
    assert shown == [known, known, known, {"vendor": "LAUNCH", "min_workers": 3}]
    pinned = answers(model(entries, model_template_revision=other), max_workers=4)
    assert [len(each["vendor_configuration"]) for each in pinned] == [1, 4, 4, 2]


def test_without_its_template_only_what_the_model_says_is_shown() -> None:
    (only,) = deployment_answers(model(vendor_configuration={"min_workers": 2}), "acc-1", None)
    assert only["vendor_configuration"] == {"vendor": "LAUNCH", "min_workers": 2}
    strict(only)


def test_who_created_it_may_be_unknown() -> None:
    obj = model()
    del obj["metadata"]["annotations"]
    (only,) = answers(obj)
    assert (only["created_by_user_id"], only["created_by_identity_type"]) == ("unknown", "user")


@pytest.mark.parametrize(
    ("reported", "observed", "deleted", "state"),
    [
        ("READY", 3, False, DeploymentState.READY),
        ("READY", 2, False, DeploymentState.UPDATE_PENDING),
        ("UPDATE_FAILED", 2, False, DeploymentState.UPDATE_PENDING),
        ("READY", None, False, DeploymentState.UPDATE_PENDING),
        ("LATER_STATE", 3, False, DeploymentState.UPDATE_PENDING),
        ("READY", 2, True, DeploymentState.DELETE_IN_PROGRESS),
    ],
)
def test_the_state_is_that_of_the_present_specification(
    reported: str, observed: int | None, deleted: bool, state: DeploymentState
) -> None:
    obj = model(reported=[{"name": "minilm", "status": reported}])
    obj["status"]["observedGeneration"] = observed
    if deleted:
        obj["metadata"]["deletionTimestamp"] = LATER
    (ref,) = deployments_of(obj)
    assert deployment_state(obj, ref) is state


def test_a_model_that_nothing_was_reported_of() -> None:
    (only,) = answers(model())
    assert (only["status"], only["created_at"]) == ("UPDATE_PENDING", CREATED)


def test_a_model_of_an_external_vendor_has_none() -> None:
    obj = model(model_vendor="OPENAI", model_type="COMPLETION")
    del obj["spec"]["model_template_id"]
    assert answers(obj) == []


@given(
    st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc")}), unique_by=lambda each: each["name"]),
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["minilm", "minilm-a", "minilm-b", "x"])},
            optional={"status": st.sampled_from(list(DeploymentState)), "created_at": st.just(LATER)},
        ),
        unique_by=lambda each: each["name"],
    ),
    st.booleans(),
)
def test_every_deployment_is_answered_once(
    listed: list[dict[str, Any]], reported: list[dict[str, Any]], is_listed: bool
) -> None:
    obj = model(listed if is_listed else None, reported)
    found = answers(obj)
    names = {f"minilm-{each['name']}" for each in listed} if is_listed else {"minilm"}
    assert {each["model_endpoint_id"] for each in found} == names | {each["name"] for each in reported}
    assert len({each["id"] for each in found}) == len(found)
