"""Operations on deployments, over an API server made of dicts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from scale_gp._models import validate_type
from scale_gp.types.models.model_deployment import ModelDeployment

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.rest.entries import ABSENT
from model_operator.kube.errors import ApiRefusedError
from tests.unit.core.gateway.rest.deployed_models import faults_of, model, template
from tests.unit.gateway.rest.rest_operations import USER, Rest, read

MINILM = "team-a/minilm"


def rest(*objects: Any, **options: Any) -> Rest:
    return Rest(template(), *objects, **options)


def strict(answer: Any) -> Any:
    assert isinstance(validate_type(type_=ModelDeployment, value=dict(answer)), ModelDeployment)
    return answer


async def failure_of(operation: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await operation
    return caught.value


async def test_life_of_a_deployment() -> None:
    here = rest(model())
    made = strict(
        read(
            await here.deployments.create(
                here.call({"name": "Blue", "vendor_configuration": {"max_workers": 2}}, model=MINILM)
            )
        )
    )
    assert (made["name"], made["status"], made["account_id"]) == ("blue", "UPDATE_PENDING", "acc-1")
    assert here.live()["spec"]["deployments"] == [
        {"name": "blue", "vendor_configuration": {"max_workers": 2}}
    ]
    # It is in the tables before the watch brings it.
    assert read(await here.deployments.list_all(here.call()))["items"] == [made]

    here.report("minilm", {"name": "minilm-blue", "status": "READY"})
    for name in (made["id"], "blue", "minilm-blue"):
        found = read(await here.deployments.get(here.call(model="minilm", deployment=name)))
        assert strict(found) == {**made, "status": "READY"}

    patched = read(
        await here.deployments.patch(
            here.call(
                {"name": "blue", "vendor_configuration": {"per_worker": 3}},
                model=MINILM,
                deployment=made["id"],
            )
        )
    )
    assert strict(patched)["vendor_configuration"]["per_worker"] == 3
    assert patched["status"] == "UPDATE_PENDING"

    gone = here.call(model=MINILM, deployment=made["id"])
    assert read(await here.deployments.delete(gone)) == {"count": 1, "success": True}
    assert here.live()["spec"]["deployments"] == []
    # Its workers end in the background.
    left = read(await here.deployments.get(gone))
    assert left["status"] == "DELETE_IN_PROGRESS"
    assert (await failure_of(here.deployments.delete(gone))).reason is FailureReason.NOT_FOUND
    here.report("minilm")
    assert (await failure_of(here.deployments.get(gone))).reason is FailureReason.NOT_FOUND


async def test_a_repeated_creation_writes_nothing() -> None:
    here = rest(model())
    request = {"name": "blue"}
    first = read(await here.deployments.create(here.call(request, model=MINILM)))
    version = here.live()["metadata"]["resourceVersion"]
    assert read(await here.deployments.create(here.call(request, model=MINILM))) == first
    assert here.live()["metadata"]["resourceVersion"] == version
    other = here.call({**request, "traffic_weight": 3}, model=MINILM)
    failure = await failure_of(here.deployments.create(other))
    assert (failure.reason, failure.headers) == (FailureReason.CONFLICT, {"x-should-retry": "false"})


async def test_changes_of_other_writers_are_kept() -> None:
    here = rest(model())

    def other_writer() -> None:
        here.cluster.before_replace = lambda: None
        live = here.live()
        here.store({**live, "spec": {**live["spec"], "deployments": [{"name": "green"}]}})

    here.cluster.before_replace = other_writer
    await here.deployments.create(here.call({"name": "blue"}, model=MINILM))
    assert [each["name"] for each in here.live()["spec"]["deployments"]] == ["green", "blue"]


async def test_all_faults_are_in_one_answer_and_nothing_is_written() -> None:
    here = rest(model([{"name": "blue"}]))
    before = here.live()["metadata"]["resourceVersion"]
    sent = {"name": "red", "model_creation_parameters": {"BATCH": "4", "SIZE": 1}}
    failure = await failure_of(here.deployments.create(here.call(sent, model=MINILM)))
    assert faults_of(failure) == [
        ("body.model_creation_parameters.BATCH", "int_type"),
        ("body.model_creation_parameters.SIZE", "extra_forbidden"),
    ]
    changed = here.call({"model_creation_parameters": {"SIZE": 1}}, model=MINILM, deployment="blue")
    failure = await failure_of(here.deployments.patch(changed))
    assert faults_of(failure) == [("body.model_creation_parameters.SIZE", "extra_forbidden")]
    assert here.live()["metadata"]["resourceVersion"] == before


async def test_too_many_deployments_are_named_and_not_shown() -> None:
    here = rest(model([{"name": f"d{number}"} for number in range(20)]))
    failure = await failure_of(here.deployments.create(here.call({"name": "red"}, model=MINILM)))
    (entry,) = failure.entries
    assert (entry.loc, entry.input) == (("body",), ABSENT)
    assert entry.msg.startswith("spec.deployments: must have at most 20 items")


async def test_refusals_of_the_api_server_have_the_paths_of_the_request() -> None:
    here = rest(model([{"name": "blue"}]))
    cause = {"field": "spec.deployments[1].vendor_configuration.max_workers", "message": "too many"}
    here.cluster.refusal = ApiRefusedError(422, {"code": 422, "details": {"causes": [cause]}}, "replace")
    sent = {"name": "red", "vendor_configuration": {"max_workers": 7}}
    failure = await failure_of(here.deployments.create(here.call(sent, model=MINILM)))
    (entry,) = failure.entries
    assert entry.loc == ("body", "vendor_configuration", "max_workers")
    assert entry.input == 7


async def test_another_account_is_refused() -> None:
    here = rest(model())
    for account in ("acc-1", "team-a"):
        await here.deployments.create(here.call({"name": account, "account_id": account}, model=MINILM))
    failure = await failure_of(
        here.deployments.create(here.call({"name": "x", "account_id": "team-b"}, model=MINILM))
    )
    assert faults_of(failure) == [("body.account_id", "account_mismatch")]


async def test_what_a_gitops_controller_owns_is_changed_by_force_alone() -> None:
    owned = model()
    owned["metadata"]["labels"] = {
        "kustomize.toolkit.fluxcd.io/name": "models",
        "kustomize.toolkit.fluxcd.io/namespace": "team-a",
    }
    here = rest(owned)
    refused = await failure_of(here.deployments.create(here.call({"name": "blue"}, model=MINILM)))
    assert refused.reason is FailureReason.CONFLICT
    assert "deployments" not in here.live()["spec"]
    await here.deployments.create(here.call({"name": "blue"}, "force=true", model=MINILM))
    assert here.live()["spec"]["deployments"] == [{"name": "blue"}]


async def test_lists_are_filtered_and_cut() -> None:
    other = model([{"name": "x"}])
    other["metadata"]["namespace"] = "team-b"
    here = rest(model([{"name": "a"}, {"name": "b"}, {"name": "c"}]), other)

    async def names(operation: Any, query: str, **variables: str) -> list[str]:
        return [each["name"] for each in read(await operation(here.call(query=query, **variables)))["items"]]

    one, every = here.deployments.list, here.deployments.list_all
    assert await names(one, "sort_by=name:desc&limit=2", model=MINILM) == ["c", "b"]
    assert await names(one, "sort_by=name:asc&limit=2&page=2", model=MINILM) == ["c"]
    assert await names(one, "page=9", model=MINILM) == []
    assert await names(one, "account_id=team-b", model=MINILM) == []
    assert await names(one, "account_id=acc-1&sort_by=name:asc", model=MINILM) == ["a", "b", "c"]
    assert await names(every, "sort_by=name:asc") == ["a", "b", "c", "x"]
    assert await names(every, "account_id=team-b") == ["x"]
    here.cluster.rights.clear()
    here.cluster.allow(USER, "list", "team-b")
    assert await names(every, "") == ["x"]


async def test_a_request_may_wait_until_ready() -> None:
    here = rest(model([{"name": "blue"}]))
    here.report("minilm", {"name": "minilm-blue", "status": "READY"})
    sent = {"wait_for_ready": True, "vendor_configuration": {"max_workers": 3}}
    later = await here.deployments.patch(here.call(sent, model=MINILM, deployment="blue"))
    assert callable(later)
    waiting = asyncio.ensure_future(later())
    for states in (
        [{"name": "minilm-blue", "status": "UPDATE_IN_PROGRESS"}],
        [{"name": "minilm-blue", "status": "READY"}],
    ):
        for _ in range(3):
            await asyncio.sleep(0)
        # What was READY before the change does not count.
        assert not waiting.done()
        here.report("minilm", *states)
    answer = read(await waiting)
    assert (answer["status"], answer["vendor_configuration"]["max_workers"]) == ("READY", 3)


async def test_what_is_ready_is_answered_at_once_and_what_is_not_as_it_is() -> None:
    here = rest(model([{"name": "blue"}]), ready_seconds=0.01)
    sent = here.call({"name": "blue", "wait_for_ready": True}, model=MINILM)
    later = await here.deployments.create(sent)
    assert callable(later)
    assert read(await later())["status"] == "UPDATE_PENDING"
    here.report("minilm", {"name": "minilm-blue", "status": "READY"})
    later = await here.deployments.create(sent)
    assert callable(later)
    assert read(await later())["status"] == "READY"


async def test_the_wait_ends_with_the_model_and_with_the_client() -> None:
    here = rest(model([{"name": "blue"}]))
    sent = here.call({"name": "blue", "wait_for_ready": True}, model=MINILM)
    later = await here.deployments.create(sent)
    assert callable(later)
    waiting, leaving = asyncio.ensure_future(later()), asyncio.ensure_future(later())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    here.tables.deleted_instance(here.live())
    assert (await failure_of(waiting)).reason is FailureReason.NOT_FOUND
