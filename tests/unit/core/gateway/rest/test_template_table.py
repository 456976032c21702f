"""The table of templates: newest versions, deletions, names."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api.enums import TemplateKind
from model_operator.core.gateway.rest.template_table import TemplateTable


def template(
    name: str = "chat",
    namespace: str = "team-a",
    version: int = 1,
    uid: str = "",
    tag: str = "v1",
    generation: int = 1,
) -> dict[str, Any]:
    """Return a template as the API server sends it; a cluster template without a namespace."""
    metadata = {
        "name": name,
        "uid": uid or f"{namespace}/{name}",
        "resourceVersion": str(version),
        "generation": generation,
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "kubectl"}],
    }
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate" if namespace else "ClusterModelTemplate",
        "metadata": metadata | ({"namespace": namespace} if namespace else {}),
        "spec": {
            "model_type": "CHAT_COMPLETION",
            "vendor_configuration": {"bundle_config": {"registry": "r.test", "image": "chat", "tag": tag}},
        },
    }


def tag_of(table: TemplateTable) -> str:
    found = table.get("ModelTemplate", "team-a", "chat")
    assert found is not None
    return str(found["spec"]["vendor_configuration"]["bundle_config"]["tag"])


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_newest_version_stays_whatever_comes_last(order: tuple[int, int]) -> None:
    table = TemplateTable()
    for version in order:
        table.put(template(version=version, tag=f"v{version}"))
    assert tag_of(table) == "v2"


def test_a_deleted_template_does_not_come_back_and_a_new_one_of_the_name_does() -> None:
    table = TemplateTable()
    table.put(template(uid="old", version=5))
    table.remove("ModelTemplate", "team-a", "chat", 8)
    table.put(template(uid="old", version=4))
    assert len(table) == 0
    assert table.was_deleted("old")
    table.put(template(uid="new", version=9))
    # The watch is late: what it reports deleted was another one.
    table.remove("ModelTemplate", "team-a", "chat", 8)
    assert table.with_uid("new") is not None
    assert not table.was_deleted("new")


def test_a_recreated_template_replaces_the_old_one() -> None:
    table = TemplateTable()
    table.put(template(uid="old", version=5))
    table.put(template(uid="new", version=9))
    assert table.with_uid("old") is None
    assert [each["metadata"]["uid"] for each in table] == ["new"]


def test_a_lookup_by_name_and_uid_compiles_each_generation_once() -> None:
    table = TemplateTable()
    table.put(template())
    table.put(template(namespace=""))
    first = table.by_name(TemplateKind.MODEL_TEMPLATE, "team-a", "chat")
    assert first is not None
    assert first is table.by_uid("team-a/chat")
    assert table.by_name(TemplateKind.CLUSTER_MODEL_TEMPLATE, "team-b", "chat") is table.by_uid("/chat")
    assert table.by_name(TemplateKind.MODEL_TEMPLATE, "team-b", "chat") is None
    table.put(template(version=2))
    assert table.by_uid("team-a/chat") is first, "only its status is new"
    table.put(template(version=3, generation=2, tag="v3"))
    assert table.by_uid("team-a/chat") is not first


def test_names_are_found_in_all_namespaces() -> None:
    table = TemplateTable()
    for namespace in ("team-b", "", "team-a"):
        table.put(template(namespace=namespace))
    table.put(template("other"))
    assert sorted(each["metadata"].get("namespace", "") for each in table.named("chat")) == [
        "",
        "team-a",
        "team-b",
    ]
