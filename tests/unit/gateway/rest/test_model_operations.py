"""Models over the REST API: identifiers, permissions, repeats and changes, on an API server in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.rest.control_routes import Operation
from model_operator.gateway.rest import lookup as lookup_module
from model_operator.gateway.rest import model_operations as subject
from model_operator.gateway.rest.creation import MODELS, Creation
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.model_operations import ModelOperations
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.errors import error_for
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_INSTANCES, MODEL_TEMPLATES
from tests.unit.gateway.rest.cluster import NOW, Cluster, answered, control_call

ALL = "get list create update delete"
Answer = tuple[int, Any, Mapping[str, str]]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_module, "_WATCH_SECONDS", 0.05)
    monkeypatch.setattr(subject, "_TEMPLATE_SECONDS", 0.05)


@pytest.fixture
def cluster() -> Cluster:
    """Give a cluster with a template in team-a, where alice may do everything."""
    made = Cluster()
    made.allow("alice", ALL, "team-a")
    made.store(MODEL_TEMPLATES, template("chat", "team-a"))
    return made


def template(name: str, namespace: str = "", model_type: str = "CHAT_COMPLETION", **metadata: Any) -> Any:
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    bundle = {"registry": "r.test", "image": "chat", "tag": "v1"}
    place = {"namespace": namespace} if namespace else {}
    return {
        "metadata": {"name": name, **place, **metadata},
        "spec": {
            "model_type": model_type,
            "vendor_configuration": {"bundle_config": bundle},
            "model_creation_parameters_schema": schema,
        },
    }


def operations(cluster: Cluster, tables: RestTables | None = None) -> ModelOperations:
    used = cluster.replica() if tables is None else tables
    identity = cluster.identity()
    creation = Creation(used, identity, lambda: NOW)
    return ModelOperations(used, Lookup(used, identity), creation)


def body(**changed: Any) -> dict[str, Any]:
    made = {
        "name": "My Model",
        "model_type": "CHAT_COMPLETION",
        "account_id": "team-a",
        "model_template_id": "chat",
        "model_creation_parameters": {"size": 1},
        **changed,
    }
    return {key: value for key, value in made.items() if value is not ...}


async def create(
    models: ModelOperations, cluster: Cluster, user: str = "alice", headers: Any = None, **changed: Any
) -> Answer:
    call = control_call(cluster, Operation.CREATE_MODEL, user=user, body=body(**changed), headers=headers)
    return await answered(models.create, call)


async def get(
    models: ModelOperations, cluster: Cluster, model: str, user: str = "alice", **more: Any
) -> Answer:
    call = control_call(cluster, Operation.GET_MODEL, user=user, model=model, **more)
    return await answered(models.get, call)


def locs(answer: Answer) -> list[str]:
    assert answer[0] == 422, answer
    return [".".join(map(str, each["loc"])) for each in answer[1]["detail"]]


async def test_the_answer_to_a_creation_has_all_required_fields(cluster: Cluster) -> None:
    status, answer, _ = await create(operations(cluster), cluster)
    assert status == 200
    stored = cluster.objects["modelinstances", "team-a", "my-model"]
    assert answer["id"] == stored["metadata"]["uid"]
    assert answer["name"] == stored["spec"]["name"] == "My Model"
    assert answer["created_by_user_id"] == "alice"
    assert answer["deployment_count"] == 1
    assert answer["request_schema"]["properties"]["messages"]
    assert answer["supports_multi_turn"] is True


async def test_a_gateway_for_some_namespaces_serves_no_other(cluster: Cluster) -> None:
    cluster.allow("alice", ALL, "")
    models = operations(cluster, RestTables(lambda: 0.0, ["team-a"]))
    external: dict[str, Any] = {
        "model_vendor": "OPENAI",
        "model_template_id": ...,
        "model_creation_parameters": ...,
    }

    assert locs(await create(models, cluster, account_id="team-b", **external)) == ["body.account_id"]
    assert (await get(models, cluster, "team-b/my-model"))[0] == 404
    assert cluster.requests == []
    assert (await create(models, cluster, **external))[0] == 200
    assert (await get(models, cluster, "team-a/my-model"))[0] == 200


async def test_a_field_of_the_wrong_type_is_one_violation(cluster: Cluster) -> None:
    # The template requires a parameter, which a list cannot have.
    answer = await create(operations(cluster), cluster, name=5, model_creation_parameters=[])
    assert locs(answer) == ["body.name", "body.model_creation_parameters"]


async def test_an_unknown_vendor_is_no_missing_template(cluster: Cluster) -> None:
    # Whether a model needs a template depends on its vendor.
    answer = await create(
        operations(cluster),
        cluster,
        model_vendor="NOPE",
        model_template_id=...,
        model_creation_parameters=...,
    )
    assert locs(answer) == ["body.model_vendor"]


async def test_every_violation_is_named_at_once_and_nothing_is_sent(cluster: Cluster) -> None:
    answer = await create(
        operations(cluster), cluster, name=5, description=[], model_creation_parameters={"other": 1}
    )
    assert locs(answer) == [
        "body.name",
        "body.description",
        "body.model_creation_parameters.other",
        "body.model_creation_parameters.size",
    ]
    assert cluster.requests == []


@pytest.mark.parametrize(
    ("changed", "loc", "code"),
    [
        ({"model_template_id": "nope"}, "body.model_template_id", "template_not_found"),
        ({"model_template_id": ...}, "body.model_template_id", "missing"),
        ({"account_id": "nowhere"}, "body.account_id", "account_not_found"),
        ({"account_id": "team-b"}, "body.account_id", "account_not_found"),
        ({"account_id": "No Namespace"}, "body.account_id", "account_not_found"),
        ({"account_id": ""}, "body.account_id", "account_not_found"),
        ({"account_id": ...}, "body.account_id", "missing"),
        ({"model_type": "EMBEDDING"}, "body.model_type", "model_type"),
        ({"name": "***"}, "body.name", "object_name"),
    ],
)
async def test_a_wrong_creation_says_where(cluster: Cluster, changed: Any, loc: str, code: str) -> None:
    answer = await create(operations(cluster), cluster, **changed)
    assert locs(answer) == [loc]
    assert answer[1]["detail"][0]["type"] == code
    assert ("modelinstances", "team-a", "my-model") not in cluster.objects


async def test_an_account_that_is_hidden_looks_like_one_that_does_not_exist(cluster: Cluster) -> None:
    models = operations(cluster)
    hidden = await create(models, cluster, account_id="team-b")
    missing = await create(models, cluster, account_id="team-x")
    hidden[1]["detail"][0]["input"] = "team-x"
    assert hidden[:2] == missing[:2]


async def test_a_key_that_is_no_longer_accepted_is_no_account_that_is_hidden(cluster: Cluster) -> None:
    cluster.allow("bob", "create", "team-b")
    cluster.refusal = error_for(401, {"reason": "Unauthorized"}, "POST")
    creation = Creation(cluster.replica(), cluster.identity(), lambda: NOW)
    call = control_call(cluster, Operation.CREATE_MODEL, user="bob")
    wanted = {"metadata": {"namespace": "team-b", "name": "my-model"}, "spec": {}}
    with pytest.raises(Failure) as caught:
        await creation.create(call, MODELS, wanted, account="team-b", may_create=False, body={})
    assert caught.value.reason is FailureReason.UNAUTHENTICATED


async def test_a_wrong_body_does_not_show_whether_an_account_exists(cluster: Cluster) -> None:
    tables = cluster.replica()
    labels = {"modeloperator.dev/account-id": "Acme_1"}
    tables.put_namespace({"metadata": {"name": "team-b", "labels": labels}})
    models = operations(cluster, tables)
    for account in ("Acme_1", "Acme_2", "team-b", "team-x"):
        answer = await create(models, cluster, account_id=account, name=5)
        assert locs(answer) == ["body.name", "body.account_id"], account
    cluster.allow("alice", "list", "team-b")
    assert locs(await create(models, cluster, account_id="Acme_1", name=5)) == ["body.name"]


@pytest.mark.parametrize(
    ("changed", "loc"),
    [
        ({"description": "a\x00b"}, "body.description"),
        ({"model_type": "BUNDLE"}, "body.model_type"),
        ({"display_name": "x" * 70_000}, "body.display_name"),
    ],
)
async def test_what_the_object_cannot_have_does_not_hide_its_template(
    cluster: Cluster, changed: Any, loc: str
) -> None:
    models = operations(cluster)
    wrong = {**changed, "model_creation_parameters": {"size": "large"}}
    assert set(locs(await create(models, cluster, **wrong))) == {loc, "body.model_creation_parameters.size"}
    uid = (await create(models, cluster))[1]["id"]
    call = control_call(cluster, Operation.PATCH_MODEL, body=wrong, model=uid)
    assert set(locs(await answered(models.patch, call))) == {loc, "body.model_creation_parameters.size"}


async def test_a_viewer_gets_the_refusal_of_the_api_server_and_learns_nothing_of_templates(
    cluster: Cluster,
) -> None:
    cluster.allow("bob", "get list", "team-a")
    models = operations(cluster)
    for changed in ({}, {"model_template_id": "nope"}, {"model_creation_parameters": {"other": 1}}):
        status, answer, _ = await create(models, cluster, "bob", **changed)
        assert (status, answer["code"]) == (403, "forbidden")


async def test_the_same_creation_again_is_the_same_model(cluster: Cluster) -> None:
    models = operations(cluster)
    first = await create(models, cluster)
    for count in ("1", "²", "-1", "9" * 5000):
        again = await create(models, cluster, headers={"x-stainless-retry-count": count})
        assert again[:2] == first[:2], count
    other = await create(models, cluster, description="other")
    assert (other[0], other[2]["x-should-retry"]) == (409, "false")
    cluster.allow("eve", ALL, "team-a")
    assert (await create(models, cluster, "eve", {"x-stainless-retry-count": "1"}))[0] == 409


async def test_a_name_that_is_being_deleted_may_be_tried_again(cluster: Cluster) -> None:
    models = operations(cluster)
    await create(models, cluster)
    stored = cluster.objects["modelinstances", "team-a", "my-model"]
    stored["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    status, _, headers = await create(models, cluster)
    assert (status, headers.get("x-should-retry"), headers["Retry-After"]) == (409, None, "1")
    assert (await get(models, cluster, "team-a/my-model"))[0] == 404


@pytest.mark.parametrize("own", [True, False])
async def test_a_default_template_is_used_where_none_is_named(cluster: Cluster, own: bool) -> None:
    default: dict[str, Any] = {"annotations": {"modeloperator.dev/is-default-template": "true"}}
    cluster.store(CLUSTER_MODEL_TEMPLATES, template("shared", **default))
    cluster.store(MODEL_TEMPLATES, template("other-team", "team-b", **default))
    cluster.store(MODEL_TEMPLATES, template("embedding", "team-a", "EMBEDDING", **default))
    if own:
        cluster.store(MODEL_TEMPLATES, template("ours", "team-a", **default))
    models = operations(cluster)
    status, answer, _ = await create(models, cluster, model_template_id=...)
    assert (status, answer["model_template_id"]) == (200, "ours" if own else "shared")
    status, answer, _ = await create(
        models, cluster, name="external", model_template_id=..., model_vendor="OPENAI"
    )
    assert status == 200
    assert "model_template_id" not in answer


async def test_a_model_is_found_by_uid_by_namespace_and_name_and_by_name(cluster: Cluster) -> None:
    models = operations(cluster)
    uid = (await create(models, cluster))[1]["id"]
    for identifier in (uid, "team-a/my-model", "my-model"):
        status, answer, _ = await get(models, cluster, identifier)
        assert (status, answer["id"]) == (200, uid)
    for identifier in (
        "team-a/other",
        "other",
        "a/b/c",
        "/",
        "team-a/",
        "..",
        "../..",
        "team-a/..",
        "MY-MODEL",
        "00000000-0000-4000-8000-000000000000",
    ):
        assert (await get(models, cluster, identifier))[0] == 404, identifier
    assert not {name for _, name in cluster.requests} & {"", "..", "MY-MODEL"}


async def test_a_name_counts_among_what_the_caller_may_see(cluster: Cluster) -> None:
    models = operations(cluster)
    uid = (await create(models, cluster))[1]["id"]
    cluster.store(MODEL_INSTANCES, {"metadata": {"namespace": "team-b", "name": "my-model"}, "spec": {}})
    assert (await get(models, cluster, "my-model"))[1]["id"] == uid
    other = cluster.objects["modelinstances", "team-b", "my-model"]["metadata"]["uid"]
    assert (await get(models, cluster, other))[0] == 404, "its uid discloses nothing"
    assert (await get(models, cluster, "team-b/my-model"))[0] == 403, "as kubectl says for any name"
    cluster.allow("alice", "get list", "team-b")
    status, answer, _ = await get(models, cluster, "my-model")
    assert status == 404
    assert "team-a/my-model, team-b/my-model" in answer["detail"]
    selected = {"x-selected-account-id": "team-b"}
    assert (await get(models, cluster, "my-model", headers=selected))[1]["id"] == other


async def test_another_replica_finds_a_model_that_its_watch_has_not_brought_yet(cluster: Cluster) -> None:
    late = cluster.replica(watches=False)
    created = (await create(operations(cluster), cluster))[1]
    others = operations(cluster, late)
    assert (await get(others, cluster, "team-a/my-model"))[0] == 200
    fresh = cluster.replica(watches=False)
    fresh.records.remove("team-a", "my-model")
    assert (await get(operations(cluster, fresh), cluster, created["id"]))[0] == 404


async def test_a_patch_replaces_removes_and_keeps(cluster: Cluster) -> None:
    models = operations(cluster)
    metadata = {"model_developer": "me", "modelDetails": {"languages": 3}}
    uid = (await create(models, cluster, description="d", model_card="c", base_model_metadata=metadata))[1][
        "id"
    ]

    async def patch(**changes: Any) -> Answer:
        call = control_call(cluster, Operation.PATCH_MODEL, body=changes, model=uid)
        return await answered(models.patch, call)

    status, answer, _ = await patch(description=None, base_model_metadata={"delivery_date": "x"}, unknown=1)
    assert status == 200
    assert "description" not in answer
    assert (answer["model_card"], answer["base_model_metadata"]) == ("c", {"delivery_date": "x"})
    assert (await patch(account_id="team-a"))[0] == 200
    assert locs(await patch(account_id="team-b")) == ["body.account_id"]
    assert locs(await patch(model_creation_parameters={"size": "x"})) == [
        "body.model_creation_parameters.size"
    ]
    assert (await patch(name="Other"))[1]["name"] == "Other"
    assert ("modelinstances", "team-a", "my-model") in cluster.objects


async def test_who_may_not_change_a_model_may_not_change_it_to_what_it_is(cluster: Cluster) -> None:
    models = operations(cluster)
    uid = (await create(models, cluster))[1]["id"]
    version = cluster.objects["modelinstances", "team-a", "my-model"]["metadata"]["resourceVersion"]
    cluster.allow("bob", "get list", "team-a")
    for user, status in (("bob", 403), ("alice", 200)):
        for patch in ({}, {"name": "My Model"}):
            call = control_call(cluster, Operation.PATCH_MODEL, user=user, body=patch, model=uid)
            assert (await answered(models.patch, call))[0] == status
    stored = cluster.objects["modelinstances", "team-a", "my-model"]
    assert stored["metadata"]["resourceVersion"] == version


async def test_a_model_whose_template_is_gone_can_be_changed_but_for_the_template(cluster: Cluster) -> None:
    tables = cluster.replica()
    models = operations(cluster, tables)
    uid = (await create(models, cluster))[1]["id"]
    gone = cluster.objects.pop(("modeltemplates", "team-a", "chat"))
    tables.remove_template("ModelTemplate", "team-a", "chat", int(gone["metadata"]["resourceVersion"]))

    async def patch(**changes: Any) -> Answer:
        call = control_call(cluster, Operation.PATCH_MODEL, body=changes, model=uid)
        return await answered(models.patch, call)

    assert (await patch(description="new", model_template_id="chat"))[0] == 200
    assert locs(await patch(description=5)) == ["body.description"]
    assert locs(await patch(model_template_id="other")) == ["body.model_template_id"]


async def test_a_patch_is_made_again_on_what_another_writer_left(cluster: Cluster) -> None:
    models = operations(cluster)
    uid = (await create(models, cluster))[1]["id"]
    left = [2]

    def interfere() -> None:
        if left[0]:
            left[0] -= 1
            live = cluster.objects["modelinstances", "team-a", "my-model"]
            changed = {**live, "spec": {**live["spec"], "model_card": f"card {left[0]}"}}
            cluster.store(MODEL_INSTANCES, changed)

    cluster.before_replace = interfere
    call = control_call(cluster, Operation.PATCH_MODEL, body={"description": "d"}, model=uid)
    status, answer, _ = await answered(models.patch, call)
    assert (status, answer["description"], answer["model_card"]) == (200, "d", "card 0")
    left[0] = 3
    call = control_call(cluster, Operation.PATCH_MODEL, body={"description": "e"}, model=uid)
    status, _, headers = await answered(models.patch, call)
    # Sent again, it may meet no other writer.
    assert (status, "x-should-retry" in headers) == (409, False)


async def test_a_deleted_model_is_gone_at_once(cluster: Cluster) -> None:
    models = operations(cluster)
    uid = (await create(models, cluster))[1]["id"]

    async def delete() -> Answer:
        return await answered(models.delete, control_call(cluster, Operation.DELETE_MODEL, model=uid))

    assert (await delete())[:2] == (200, {"count": 1, "success": True})
    assert (await delete())[0] == 404
    page = (await answered(models.list, control_call(cluster, Operation.LIST_MODELS)))[1]
    assert page["items"] == []


@pytest.mark.parametrize("operation", [Operation.PATCH_MODEL, Operation.DELETE_MODEL])
async def test_what_git_owns_is_changed_by_force_alone(cluster: Cluster, operation: Operation) -> None:
    labels = {"kustomize.toolkit.fluxcd.io/name": "models", "kustomize.toolkit.fluxcd.io/namespace": "flux"}
    owned = {"namespace": "team-a", "name": "owned", "labels": labels}
    spec = {"model_template_id": "chat", "model_creation_parameters": {"size": 1}}
    cluster.store(MODEL_INSTANCES, {"metadata": owned, "spec": spec})
    models = operations(cluster)
    run = models.patch if operation is Operation.PATCH_MODEL else models.delete
    change: dict[str, Any] = {"body": {"description": "d"}, "model": "team-a/owned"}
    status, answer, headers = await answered(run, control_call(cluster, operation, **change))
    assert (status, headers["x-should-retry"]) == (409, "false")
    assert "flux/models" in answer["detail"]
    assert "description" not in cluster.objects["modelinstances", "team-a", "owned"]["spec"]
    status, answer, _ = await answered(
        run, control_call(cluster, operation, query={"force": "maybe"}, **change)
    )
    assert (status, answer["detail"][0]["loc"]) == (422, ["query", "force"])
    forced = control_call(cluster, operation, query={"force": "true"}, **change)
    assert (await answered(run, forced))[0] == 200


async def test_lists_show_what_the_caller_may_list_and_send_no_request(cluster: Cluster) -> None:
    models = operations(cluster)
    await create(models, cluster)
    cluster.store(MODEL_INSTANCES, {"metadata": {"namespace": "team-b", "name": "hidden"}, "spec": {}})
    cluster.requests.clear()
    page = (await answered(models.list, control_call(cluster, Operation.LIST_MODELS)))[1]
    assert [each["name"] for each in page["items"]] == ["My Model"]
    assert page["total_item_count"] == 1
    assert cluster.requests == []


async def test_without_an_api_server_a_change_may_be_tried_again(cluster: Cluster) -> None:
    models = operations(cluster)
    cluster.is_away = True
    status, answer, headers = await create(models, cluster)
    assert (status, answer["code"], headers["Retry-After"]) == (503, "api_server_unavailable", "5")
    assert (await get(models, cluster, "team-a/x"))[0] == 503


async def test_a_manifest_is_yaml(cluster: Cluster) -> None:
    models = operations(cluster)
    await create(models, cluster)
    status, text, headers = await get(models, cluster, "team-a/my-model", query={"view": "manifest"})
    assert (status, headers["Content-Type"]) == (200, "application/yaml; charset=utf-8")
    assert "kind: ModelInstance\n" in text
    assert "uid" not in text
    assert locs(await get(models, cluster, "team-a/my-model", query={"view": "other"})) == ["query.view"]


async def test_a_manifest_names_the_template_before_the_operator_reports_it(cluster: Cluster) -> None:
    models = operations(cluster)
    uid = cluster.objects["modeltemplates", "team-a", "chat"]["metadata"]["uid"]
    await create(models, cluster, model_template_id=uid)
    _, text, _ = await get(models, cluster, "team-a/my-model", query={"view": "manifest"})
    assert uid not in text
    assert "  model_template_id: chat\n  model_template_kind: ModelTemplate\n" in text
