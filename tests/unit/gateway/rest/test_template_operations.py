"""Operations on templates, over an API server made of dicts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from scale_gp._models import validate_type
from scale_gp.types.model_template import ModelTemplate

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.kube.resources import MODEL_TEMPLATES
from tests.unit.core.gateway.rest.deployed_models import faults_of, model, template
from tests.unit.gateway.rest.rest_operations import ALL, USER, Rest, read

REQUEST = {
    "name": "Encoder v1",
    "account_id": "acc-1",
    "endpoint_type": "SYNC",
    "model_type": "EMBEDDING",
    "vendor_configuration": {"bundle_config": {"registry": "registry.test", "image": "encoder", "tag": "v1"}},
}


def stored(name: str, namespace: str = "") -> dict[str, Any]:
    """Give a template; without a namespace, one of the cluster."""
    obj = template() | {"kind": "ModelTemplate" if namespace else "ClusterModelTemplate"}
    obj["metadata"] = {"name": name, **({"namespace": namespace} if namespace else {})}
    return obj


def strict(answer: Any) -> Any:
    assert isinstance(validate_type(type_=ModelTemplate, value=dict(answer)), ModelTemplate)
    return answer


async def failure_of(operation: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await operation
    return caught.value


async def test_life_of_a_template() -> None:
    here = Rest()
    made = strict(read(await here.templates.create(here.call(REQUEST))))
    assert (made["name"], made["account_id"]) == ("Encoder v1", "acc-1")
    assert (made["created_by_user_id"], made["created_by_identity_type"]) == ("ada@example.com", "user")
    for identifier in (made["id"], "encoder-v1", "team-a/encoder-v1"):
        assert strict(read(await here.templates.get(here.call(template=identifier)))) == made
    assert read(await here.templates.list(here.call()))["items"] == [made]
    # The client sends a POST again after a timeout.
    assert read(await here.templates.create(here.call(REQUEST))) == made

    gone = here.call(template=made["id"])
    assert read(await here.templates.delete(gone)) == {"count": 1, "success": True}
    assert (await failure_of(here.templates.delete(gone))).reason is FailureReason.NOT_FOUND
    assert (await failure_of(here.templates.get(gone))).reason is FailureReason.NOT_FOUND
    assert read(await here.templates.list(here.call()))["items"] == []


async def test_a_manifest_can_be_committed() -> None:
    here = Rest()
    made = read(await here.templates.create(here.call(REQUEST)))
    response = await here.templates.get(here.call(query="view=manifest", template=made["id"]))
    manifest = yaml.safe_load(response.text or "")
    assert response.content_type == "application/yaml"
    assert manifest["metadata"] == {"name": "encoder-v1", "namespace": "team-a"}
    configuration: Any = REQUEST["vendor_configuration"]
    bundle = manifest["spec"]["vendor_configuration"]["bundle_config"]
    assert bundle == {**configuration["bundle_config"], "predict_route": "/predict"}


async def test_another_template_of_the_name_is_a_conflict() -> None:
    here = Rest(stored("encoder-v1", "team-a"))
    failure = await failure_of(here.templates.create(here.call(REQUEST)))
    assert (failure.reason, failure.headers) == (FailureReason.CONFLICT, {"x-should-retry": "false"})


async def test_what_is_wrong_with_the_template_is_found_before_it_is_written() -> None:
    here = Rest()
    bundle = {**REQUEST["vendor_configuration"]["bundle_config"], "command": ["$(parameters.A)"]}  # type: ignore[index]
    sent = {**REQUEST, "vendor_configuration": {"bundle_config": bundle}}
    failure = await failure_of(here.templates.create(here.call(sent)))
    assert faults_of(failure) == [
        ("body.vendor_configuration.bundle_config.command.0", "undeclared_parameter")
    ]
    assert here.cluster.objects == {}


async def test_an_unknown_account_and_one_that_is_not_the_caller_s_look_alike() -> None:
    here = Rest()
    here.cluster.rights.clear()
    here.cluster.allow(USER, "create", "team-a")
    failures = [
        await failure_of(here.templates.create(here.call({**REQUEST, "account_id": account})))
        for account in ("team-b", "nowhere")
    ]
    for failure in failures:
        assert faults_of(failure) == [("body.account_id", "account_not_found")]
    wrong = {**REQUEST, "model_type": "COMPLETION", "endpoint_protocol": "COHERE"}
    for account in ("team-b", "nowhere", "No Where"):
        failure = await failure_of(here.templates.create(here.call({**wrong, "account_id": account})))
        assert faults_of(failure)[-1] == ("body.account_id", "account_not_found")
    here.cluster.allow(USER, "list", "team-b")
    failure = await failure_of(here.templates.create(here.call({**REQUEST, "account_id": "team-b"})))
    assert failure.reason is FailureReason.FORBIDDEN


async def test_lists_have_the_templates_that_the_caller_may_list() -> None:
    here = Rest(stored("b", "team-b"), stored("a", "team-a"), stored("shared"))

    async def found(query: str = "", account: str = "") -> set[tuple[str, str]]:
        call = here.call(query=query, headers={"x-selected-account-id": account} if account else None)
        page = read(await here.templates.list(call))
        return {(strict(each)["name"], each["account_id"]) for each in page["items"]}

    assert await found() == {("a", "acc-1"), ("b", "team-b"), ("shared", "*")}
    pages = [await found(f"limit=1&page={number}") for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [1, 1, 1, 0]
    assert set[Any]().union(*pages) == await found()
    assert await found("account_id=team-a") == {("a", "acc-1"), ("shared", "*")}
    assert await found(account="team-b") == {("b", "team-b"), ("shared", "*")}
    here.cluster.rights.clear()
    here.cluster.allow(USER, "list", "team-b")
    assert await found() == {("b", "team-b")}


async def test_a_template_in_use_stays() -> None:
    here = Rest(stored("encoder", "team-a"), stored("encoder"), stored("encoder", "team-b"), model())
    in_use = here.call(template="team-a/encoder")
    for count in ("1 model: team-a/minilm.", "150 models, such as team-a/minilm-"):
        failure = await failure_of(here.templates.delete(in_use))
        assert (failure.reason, failure.headers) == (FailureReason.CONFLICT, {"x-should-retry": "false"})
        assert count in failure.message
        for number in range(149):
            other = model()
            other["metadata"]["name"] = f"minilm-{number}"
            here.store(other)
    assert here.live("encoder", MODEL_TEMPLATES)
    # Who may delete templates and not list models learns how many there are, and none of their names.
    here.cluster.rights.clear()
    here.cluster.allow(USER, "get delete", "team-a")
    failure = await failure_of(here.templates.delete(in_use))
    assert "in use by 150 models. " in failure.message
    here.cluster.rights.clear()
    here.cluster.allow(USER, ALL, "")
    # Another template of the name has no users.
    for template_id in ("team-b/encoder", here.cluster.objects["clustermodeltemplates", "", "encoder"]):
        identifier = template_id if isinstance(template_id, str) else template_id["metadata"]["uid"]
        assert read(await here.templates.delete(here.call(template=identifier)))["success"]


async def test_a_name_of_several_templates_does_not_mean_that_of_the_cluster() -> None:
    here = Rest(stored("encoder", "team-a"), stored("encoder", "team-b"), stored("encoder"))
    failure = await failure_of(here.templates.delete(here.call(template="encoder")))
    assert failure.reason is FailureReason.NOT_FOUND
    assert "team-a/encoder, team-b/encoder" in failure.message
    assert len(here.cluster.objects) == 3


async def test_a_deletion_that_is_sent_again_spares_the_cluster_template_of_the_name() -> None:
    here = Rest(stored("encoder", "team-a"), stored("encoder"))
    deletion = here.call(template="encoder")
    assert read(await here.templates.delete(deletion))["count"] == 1
    failure = await failure_of(here.templates.delete(deletion))
    assert failure.reason is FailureReason.NOT_FOUND
    assert list(here.cluster.objects) == [("clustermodeltemplates", "", "encoder")]
    assert strict(read(await here.templates.get(deletion)))["account_id"] == "*"


async def test_a_cluster_template_is_shown_and_deleted() -> None:
    here = Rest(stored("shared"))
    answer = strict(read(await here.templates.get(here.call(template="shared"))))
    assert answer["account_id"] == "*"
    assert read(await here.templates.delete(here.call(template=answer["id"]))) == {
        "count": 1,
        "success": True,
    }
    assert here.cluster.objects == {}
