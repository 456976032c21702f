"""Deployments that name a revision of their own: a canary of an edited template, and who stays behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.templates.revisions.objects import revision_object
from tests.cluster.waiting import wait_for
from tests.examples.objects import container, edit_bundle, instance, template
from tests.integration.operator.test_upgrade import OTHER, grace, look_at_everything

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.fixtures.cluster import PrivateOperator

shared = pytest.mark.usefixtures("operator")


def entry(name: str, revision: str | None = None, **more: Any) -> Object:
    return {"name": name, **({"model_template_revision": revision} if revision else {}), **more}


def hash_of(tag: str) -> str:
    """Give the hash of the revision with a tag."""
    return str(revision_object(template(tag=tag))["spec"]["hash"])


def image(api: KubeApi, name: str) -> str:
    """Give the tag that a Deployment of the model has."""
    return str(container(api.get("Deployment", f"minilm-{name}"))["image"]).rpartition(":")[2]


def version(api: KubeApi, name: str) -> tuple[str, int]:
    """Give what changes with any write of a Deployment's specification."""
    metadata = api.get("Deployment", f"minilm-{name}")["metadata"]
    return metadata["uid"], metadata["generation"]


def reported(api: KubeApi) -> dict[str, str | None]:
    """Give the revisions of their own that the status has of the deployments."""
    found = api.get("ModelInstance", "minilm")["status"]["deployments"]
    return {each["name"].removeprefix("minilm-"): each.get("template_revision") for each in found}


def apply_and_wait(api: KubeApi, *entries: Object, **spec: Any) -> None:
    """Apply the model with these deployments, and wait until they are rolled out."""
    generation = api.apply(instance(deployments=[*entries], **spec))["metadata"]["generation"]
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"].get("observedGeneration") == generation)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


def up_to_date(api: KubeApi) -> tuple[str, str]:
    """Give status and reason of the condition UpToDate."""
    conditions = api.get("ModelInstance", "minilm")["status"]["conditions"]
    found = next(each for each in conditions if each["type"] == "UpToDate")
    return found["status"], found["reason"]


@shared
def test_one_deployment_stays_behind_while_the_others_follow(api: KubeApi) -> None:
    obj = template()
    obj["spec"]["revision_history_limit"] = 0
    api.apply(obj)
    apply_and_wait(api, entry("blue"), entry("green"))
    # A pin to what it runs anyway moves nothing.
    before = version(api, "blue"), version(api, "green")
    apply_and_wait(api, entry("blue", hash_of("v1")), entry("green"))
    assert (version(api, "blue"), version(api, "green")) == before
    assert reported(api) == {"blue": hash_of("v1"), "green": None}
    assert up_to_date(api) == ("True", "Latest")

    for tag in ("v2", "v3"):
        edit_bundle(api, tag=tag)
        wait_for(lambda tag=tag: image(api, "green") == tag)  # type: ignore[misc]
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert version(api, "blue") == before[0], "no edit of the template concerns it"
    assert up_to_date(api) == ("False", "Pinned")
    assert api.get("ModelInstance", "minilm")["status"]["template"]["revision"] == hash_of("v3")
    # What it runs is in use, and what nothing runs goes.
    kept = {hash_of("v1"), hash_of("v3")}
    wait_for(lambda: {each["spec"]["hash"] for each in api.list("ModelTemplateRevision")} == kept)
    # The roll-out does not wait for what is pinned.
    api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", reason="AllUpdated")

    # It is reconciled in full at its revision.
    api.delete("Deployment", "minilm-blue")
    wait_for(lambda: api.find("Deployment", "minilm-blue"), message="blue is back")
    assert image(api, "blue") == "v1"
    apply_and_wait(api, entry("blue"), entry("green"))
    assert image(api, "blue") == "v3"
    assert reported(api) == {"blue": None, "green": None}


@shared
def test_a_canary_gets_each_edit_at_once_though_the_model_is_pinned(api: KubeApi) -> None:
    api.apply(template())
    pinned = {"model_template_revision": hash_of("v1")}
    apply_and_wait(
        api, entry("blue", traffic_weight=90), entry("green", "latest", traffic_weight=10), **pinned
    )
    before = version(api, "blue")

    edit_bundle(api, tag="v2")

    wait_for(lambda: image(api, "green") == "v2")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    wait_for(lambda: reported(api) == {"blue": None, "green": hash_of("v2")})
    assert version(api, "blue") == before
    assert api.get("ModelInstance", "minilm")["status"]["template"]["revision"] == hash_of("v1")

    # Promotion, without another roll-out of the canary.
    canary = version(api, "green")
    apply_and_wait(api, entry("blue", traffic_weight=90), entry("green", traffic_weight=10))
    assert image(api, "blue") == "v2"
    assert version(api, "green") == canary


@shared
def test_parameters_are_those_of_the_revision(api: KubeApi) -> None:
    api.apply(template())
    apply_and_wait(api, entry("blue", hash_of("v1")), entry("green"))
    schema = {"properties": {"CONTEXT": {"type": "integer", "default": 8}}}
    api.patch("ModelTemplate", "encoder", {"spec": {"model_creation_parameters_schema": schema}})
    new: dict[str, Any] = {"model_creation_parameters": {"CONTEXT": 16}}
    apply_and_wait(api, entry("blue", hash_of("v1")), entry("green", None, **new))
    before = version(api, "blue")

    api.apply(instance(deployments=[entry("blue", hash_of("v1"), **new), entry("green", None, **new)]))

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")
    (wrong,) = obj["status"]["validation_errors"]
    assert wrong["loc"] == ["spec", "deployments", 0, "model_creation_parameters", "CONTEXT"]
    assert hash_of("v1") in wrong["msg"]
    assert version(api, "blue") == before


@shared
def test_a_deployment_without_its_revision_changes_nothing_until_somebody_brings_it(api: KubeApi) -> None:
    api.apply(template())
    apply_and_wait(api, entry("blue"), entry("green"))
    before = version(api, "blue"), version(api, "green")
    stored = revision_object(template(tag="v7"))
    api.apply(instance(deployments=[entry("blue", hash_of("v7")), entry("green")]))

    obj = api.wait_for_condition(
        "ModelInstance", "minilm", "Ready", "False", reason="TemplateRevisionNotFound"
    )
    assert [each["loc"] for each in obj["status"]["validation_errors"]] == [
        ["spec", "deployments", 0, "model_template_revision"]
    ]
    assert (version(api, "blue"), version(api, "green")) == before

    api.apply(stored)
    wait_for(lambda: image(api, "blue") == "v7")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert version(api, "green") == before[1]


@shared
def test_a_deployment_follows_the_stable_revision_while_others_wait_for_it(api: KubeApi) -> None:
    obj = template()
    obj["spec"]["rollout"] = {"soak_seconds": 0, "max_unavailable": "100%"}
    api.apply(obj)
    apply_and_wait(api, entry("blue", "stable"), entry("green"), entry("red", "latest"))
    wait_for(lambda: api.get("ModelTemplate", "encoder")["status"].get("stable_revision") == hash_of("v1"))

    api.patch("ModelTemplate", "encoder", {"spec": {"rollout": {"paused": True}}})
    edit_bundle(api, tag="v2")

    wait_for(lambda: image(api, "red") == "v2", message="the canary has the edit")
    api.wait_for_condition("ModelInstance", "minilm", "UpToDate", "False", reason="AwaitingRollout")
    assert (image(api, "blue"), image(api, "green")) == ("v1", "v1")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")

    # A canary that is given up goes back, and the rest does not follow it.
    before = version(api, "green")
    apply_and_wait(api, entry("blue", "stable"), entry("green"), entry("red"))
    assert (image(api, "red"), version(api, "green")) == ("v1", before)
    apply_and_wait(api, entry("blue", "stable"), entry("green"), entry("red", "latest"))
    apply_and_wait(api, entry("blue", "stable"), entry("green"))
    assert version(api, "green") == before
    api.wait_for_condition("ModelInstance", "minilm", "UpToDate", "False", reason="AwaitingRollout")

    api.patch("ModelTemplate", "encoder", {"spec": {"rollout": {"paused": False}}})
    wait_for(lambda: (image(api, "blue"), image(api, "green")) == ("v2", "v2"))
    api.wait_for_condition("ModelInstance", "minilm", "UpToDate", reason="Latest")


def test_neither_an_upgrade_nor_a_restart_rolls_a_deployment_with_a_revision_of_its_own(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    api = private_api
    operator = private_operator()
    api.apply(template())
    entries = entry("blue", hash_of("v1")), entry("green"), entry("red", "latest")
    apply_and_wait(api, *entries)
    operator.stop()

    operator = private_operator(module=OTHER)
    look_at_everything(api, "witness")
    assert grace(api, "witness") == 77
    assert [grace(api, f"minilm-{each['name']}") for each in entries] == [35] * 3
    # An edit concerns those that follow it alone.
    edit_bundle(api, tag="v2")
    wait_for(lambda: grace(api, "minilm-red") == grace(api, "minilm-green") == 77)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert (grace(api, "minilm-blue"), image(api, "blue")) == (35, "v1")
    operator.stop()

    private_operator(module=OTHER)
    look_at_everything(api, "witness-2")
    assert (grace(api, "minilm-blue"), image(api, "blue")) == (35, "v1")
