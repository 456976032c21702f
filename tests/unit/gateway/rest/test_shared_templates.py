"""Models of templates that other accounts share: named by id or by namespace, and found only where shared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_operator.core.gateway.rest.control_routes import Operation
from model_operator.gateway.rest import model_operations as subject
from model_operator.gateway.rest.model_operations import ModelOperations
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_INSTANCES, MODEL_TEMPLATES
from tests.unit.gateway.rest.cluster import Cluster, answered, control_call
from tests.unit.gateway.rest.test_model_operations import ALL, Answer, create, get, locs, operations, template

LABELLED = {"from": "Selected", "selector": {"matchLabels": {"models": "shared"}}}
TEAM_A = {"from": "Selected", "names": ["team-a"]}
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_TEMPLATE_SECONDS", 0.05)


@pytest.fixture
def cluster() -> Cluster:
    """Give a cluster where alice may do everything in team-a, and nothing elsewhere."""
    made = Cluster()
    made.allow("alice", ALL, "team-a")
    return made


def store(cluster: Cluster, grant: Any = None, namespace: str = "team-b", **metadata: Any) -> str:
    """Store a template of another account, or of the cluster; give its uid."""
    obj = template("chat", namespace, **metadata)
    if grant is not None:
        obj["spec"]["allowed_namespaces"] = grant
    kind = MODEL_TEMPLATES if namespace else CLUSTER_MODEL_TEMPLATES
    uid: str = cluster.store(kind, obj)["metadata"]["uid"]
    return uid


def labelled(cluster: Cluster, **labels: str) -> RestTables:
    tables = cluster.replica()
    tables.put_namespace({"metadata": {"name": "team-a", "labels": labels}})
    return tables


def spec_of(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.objects["modelinstances", "team-a", "my-model"]["spec"]
    return found


async def patch(models: ModelOperations, cluster: Cluster, **fields: Any) -> Answer:
    call = control_call(cluster, Operation.PATCH_MODEL, model="team-a/my-model", body=fields)
    return await answered(models.patch, call)


@pytest.mark.parametrize("by_uid", [False, True])
@pytest.mark.parametrize("grant", [TEAM_A, {"from": "All"}, LABELLED])
async def test_a_shared_template_is_named_with_its_namespace(
    cluster: Cluster, grant: Any, by_uid: bool
) -> None:
    uid = store(cluster, grant)
    models = operations(cluster, labelled(cluster, models="shared"))
    named = uid if by_uid else "team-b/chat"
    status, answer, _ = await create(models, cluster, model_template_id=named)
    assert status == 200, answer
    assert answer["model_template_id"] == named
    spec = spec_of(cluster)
    assert (spec["model_template_kind"], spec["model_template_namespace"]) == ("ModelTemplate", "team-b")
    assert spec["model_template_id"] == (uid if by_uid else "chat")
    # Its rules hold.
    wrong = await create(
        models, cluster, name="b", model_template_id=named, model_creation_parameters={"size": "x"}
    )
    assert locs(wrong) == ["body.model_creation_parameters.size"]
    _, text, _ = await get(models, cluster, "team-a/my-model", query={"view": "manifest"})
    assert uid not in text
    expected = "  model_template_id: chat\n  model_template_kind: ModelTemplate\n"
    assert sorted(line for line in text.splitlines() if "model_template" in line) == sorted(
        [*expected.splitlines(), "  model_template_namespace: team-b"]
    )


@pytest.mark.parametrize(
    ("grant", "namespace"),
    [
        (None, "team-b"),
        ({"from": "Same"}, "team-b"),
        ({"from": "Selected", "names": ["team-c"]}, "team-b"),
        (LABELLED, "team-b"),
        ({"from": "Selected", "names": ["team-c"]}, ""),
        (LABELLED, ""),
    ],
)
@pytest.mark.parametrize("knows_labels", [False, True])
async def test_one_that_is_not_shared_is_answered_like_none(
    cluster: Cluster, grant: Any, namespace: str, knows_labels: bool
) -> None:
    uid = store(cluster, grant, namespace)
    models = operations(cluster, labelled(cluster) if knows_labels else cluster.replica())
    for name, absent in (
        (uid, ABSENT),
        ("team-b/chat", "team-b/none"),
        ("team-b/chat", "team-c/none"),
        ("chat", "none"),
    ):
        # Nothing is validated against it either: the parameters are wrong by its schema.
        asked = await create(models, cluster, model_template_id=name, model_creation_parameters={})
        expected = await create(models, cluster, model_template_id=absent, model_creation_parameters={})
        assert locs(asked) == ["body.model_template_id"]
        assert _without(asked, name) == _without(expected, absent)
    assert not [key for key in cluster.objects if key[0] == "modelinstances"]


def _without(answer: Answer, name: str) -> str:
    status, body, _ = answer
    return f"{status} {json.dumps(body)}".replace(name, "NAME")


async def test_a_bare_name_never_means_a_template_of_another_account(cluster: Cluster) -> None:
    store(cluster, {"from": "All"})
    models = operations(cluster)
    assert locs(await create(models, cluster)) == ["body.model_template_id"]


@pytest.mark.parametrize("wrong", ["Team_B/chat", "/chat", "team-b/", "team-b/chat/x", "-/chat"])
async def test_what_is_no_name_is_not_found(cluster: Cluster, wrong: str) -> None:
    store(cluster, {"from": "All"})
    models = operations(cluster)
    assert locs(await create(models, cluster, model_template_id=wrong)) == ["body.model_template_id"]


async def test_a_model_changes_to_and_from_a_shared_template(cluster: Cluster) -> None:
    store(cluster, TEAM_A)
    own = template("chat", "team-a")
    cluster.store(MODEL_TEMPLATES, own)
    models = operations(cluster)
    await create(models, cluster)
    assert "model_template_namespace" not in spec_of(cluster)

    status, answer, _ = await patch(models, cluster, model_template_id="team-b/chat")
    assert (status, answer["model_template_id"]) == (200, "team-b/chat")
    assert spec_of(cluster)["model_template_namespace"] == "team-b"
    # What an answer has, sent back, changes nothing: a pin stays, too.
    stored = cluster.objects["modelinstances", "team-a", "my-model"]
    cluster.store(
        MODEL_INSTANCES, {**stored, "spec": {**stored["spec"], "model_template_revision": "0" * 12}}
    )
    await patch(models, cluster, model_template_id="team-b/chat")
    assert spec_of(cluster)["model_template_revision"] == "0" * 12

    await patch(models, cluster, model_template_id="chat")
    changed = spec_of(cluster)
    assert changed["model_template_id"] == "chat"
    assert not {"model_template_namespace", "model_template_kind", "model_template_revision"} & set(changed)


async def test_an_edit_of_a_model_whose_template_is_withdrawn_is_not_judged_by_it(cluster: Cluster) -> None:
    uid = store(cluster, TEAM_A)
    models = operations(cluster)
    await create(models, cluster, model_template_id="team-b/chat")
    stored = cluster.objects["modelinstances", "team-a", "my-model"]
    bound = {"kind": "ModelTemplate", "name": "chat", "namespace": "team-b", "uid": uid, "generation": 1}
    cluster.store(MODEL_INSTANCES, {**stored, "status": {"template": bound}})
    store(cluster, {"from": "Same"})

    status, answer, _ = await patch(models, cluster, model_creation_parameters={"other": True})
    assert (status, answer["model_template_id"]) == (200, "team-b/chat")
    _, text, _ = await get(models, cluster, "team-a/my-model", query={"view": "manifest"})
    assert "  model_template_namespace: team-b\n" in text


@pytest.mark.parametrize("grant", [TEAM_A, {"from": "Selected", "names": ["team-b"]}])
async def test_the_default_template_is_one_that_is_shared(cluster: Cluster, grant: Any) -> None:
    default = {"annotations": {"modeloperator.dev/is-default-template": "true"}}
    store(cluster, grant, "", **default)
    models = operations(cluster)
    answer = await create(models, cluster, model_template_id=...)
    if grant is TEAM_A:
        assert (answer[0], answer[1]["model_template_id"]) == (200, "chat")
    else:
        assert locs(answer) == ["body.model_template_id"]


async def test_the_owner_of_a_shared_template_cannot_delete_it_under_a_model(cluster: Cluster) -> None:
    store(cluster, TEAM_A)
    tables = cluster.replica()
    await create(operations(cluster, tables), cluster, model_template_id="team-b/chat")
    shared = cluster.objects["modeltemplates", "team-b", "chat"]
    assert [each.name for each in await tables.users_of(shared)] == ["my-model"]
