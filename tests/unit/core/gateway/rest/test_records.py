"""Objects in compact form: which version is kept, in which order, and that nothing of them is lost."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.core.gateway.rest.records import Records
from tests.unit.core.gateway.objects import served_instance


def instance(
    name: str = "qwen", namespace: str = "team-a", *, uid: str = "", version: int = 1, **changed: Any
) -> dict[str, Any]:
    made = served_instance(namespace, name, resourceVersion=str(version))
    made["metadata"]["uid"] = uid or made["metadata"]["uid"]
    return {**made, **changed}


def _deployments(obj: dict[str, Any]) -> list[dict[str, Any]]:
    uid = obj["metadata"]["uid"]
    return [{"id": f"{uid}-{each['name']}", **each} for each in obj["spec"].get("deployments", [])]


def test_an_object_comes_back_without_what_lists_do_not_show() -> None:
    stored = instance(
        spec={
            "name": "Qwen 3",
            "description": "",
            "model_creation_parameters": {"B": 1, "A": [None, 2**70, "\ud800"]},
            "deployments": [{"name": "a"}],
        },
        status={"request_schema": {"type": "object"}, "response_schema": {}, "deployment_count": 1},
    )
    sent = copy.deepcopy(stored)
    sent["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    sent["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"}
    stored["metadata"]["annotations"] = {"a": "b"}
    records = Records()

    assert records.put(sent)

    record = records.get("team-a", "qwen")
    assert record is not None
    assert record.object() == stored
    assert b"managedFields" not in record.rest
    assert record is records.by_uid(record.uid)
    assert records.named("qwen") == [record]
    assert record.spec("name") == "Qwen 3"
    assert record.spec("model_creation_parameters") == r'{"A":[null,1180591620717411303424,"\ud800"],"B":1}'


def test_fields_that_are_not_as_the_crd_says_are_kept() -> None:
    strange = [
        instance(spec={"name": 1, "description": None, "model_creation_parameters": "x"}, status=None),
        instance(spec=None, status={"request_schema": [], "supports_multi_turn": "yes"}),
        instance(spec=[], status={"deployment_count": "1", "response_schema": None}),
        instance(spec={"model_template_id": [], "model_template_kind": []}, status={"template": []}),
        instance(status={"template": {"name": {}, "uid": None}}),
    ]
    for obj in strange:
        records = Records()
        records.put(obj)
        (record,) = records.in_order()
        assert record.object() == obj


def test_a_late_version_never_replaces_a_newer_one() -> None:
    records = Records()
    assert records.put(instance(version=5, spec={"name": "new"}))
    assert not records.put(instance(version=4, spec={"name": "old"}))
    assert not records.put(instance(version=5, spec={"name": "old"}))
    (record,) = records.in_order()
    assert record.spec("name") == "new"


def test_a_late_version_never_restores_a_deleted_object() -> None:
    records = Records()
    uid = instance()["metadata"]["uid"]
    records.put(instance(version=5))
    assert not records.was_deleted(uid)
    records.remove("team-a", "qwen", uid)
    # The deletion itself has a version that the answer to it does not say.
    assert not records.put(instance(version=9))
    assert records.was_deleted(uid)
    assert len(records) == 0

    assert records.put(instance(uid="another", version=10))
    records.remove("team-a", "qwen", uid, 9)  # the watch reports the first deletion
    assert records.get("team-a", "qwen") is records.by_uid("another")


def test_a_deletion_that_comes_before_the_object_counts() -> None:
    records = Records()
    records.remove("team-a", "qwen", "first", 7)
    assert not records.put(instance(uid="first", version=6))
    assert records.was_deleted("first")
    assert records.put(instance(uid="second", version=8))


def test_a_recreated_object_replaces_the_one_of_its_name() -> None:
    records = Records()
    records.put(instance(uid="first", version=1))
    records.put(instance(uid="second", version=2))
    assert records.by_uid("first") is None
    assert records.was_deleted("first")
    assert [each.uid for each in records.in_order()] == ["second"]


def test_an_object_that_could_not_be_read_for_a_while_comes_back() -> None:
    records = Records()
    records.put(instance(version=1))
    records.remove("team-a", "qwen")
    assert not records.put(instance(version=1))
    assert records.put(instance(version=2))
    assert not records.was_deleted(instance()["metadata"]["uid"])


def test_siblings_share_their_schemas_until_the_last_of_them_goes() -> None:
    records = Records()
    status = {"request_schema": {"type": "object"}}
    for name in ("a", "b"):
        records.put(instance(name, status=copy.deepcopy(status)))
    first, second = records.in_order()
    schema = first.schemas[0]
    assert schema is not None
    assert schema is second.schemas[0]
    left = weakref.ref(schema)
    del first, second, schema
    records.remove("team-a", "a")
    gc.collect()
    assert left() is not None
    records.remove("team-a", "b")
    gc.collect()
    assert left() is None


_NAMES = st.sampled_from(["a", "b", "c"])
_STEPS = st.lists(
    st.tuples(_NAMES, st.integers(0, 3), st.integers(0, 2), st.sampled_from(["put", "remove"])), max_size=30
)


@given(_STEPS)
@settings(max_examples=200)
def test_all_indices_agree_after_any_changes(steps: list[tuple[str, int, int, str]]) -> None:
    records = Records(_deployments)
    expected: dict[str, dict[str, Any]] = {}
    for version, (name, day, entries, action) in enumerate(steps, start=1):
        if action == "put":
            obj = instance(name, uid=f"{name}-{day}", version=version)
            obj["metadata"]["creationTimestamp"] = f"2026-01-0{day + 1}T00:00:00Z"
            obj["spec"] = {"deployments": [{"name": str(number)} for number in range(entries)]}
            if records.put(obj):
                expected[name] = obj
        else:
            known = records.get("team-a", name)
            records.remove("team-a", name, known.uid if known else "", version)
            expected.pop(name, None)

    placed = [(each["metadata"]["creationTimestamp"], each["metadata"]["uid"]) for each in expected.values()]
    assert [each.place for each in records.in_order()] == sorted(placed)
    assert [each.object() for each in records.in_order()] == sorted(
        expected.values(), key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["uid"])
    )
    ids = sorted(
        (obj["metadata"]["creationTimestamp"], each["id"])
        for obj in expected.values()
        for each in _deployments(obj)
    )
    assert [each.place for each in records.deployments_in_order()] == ids
    assert set(records.namespaces()) == ({"team-a"} if expected else set())
    for name, obj in expected.items():
        (found,) = records.named(name)
        assert found is records.get("team-a", name)
        assert found is records.by_uid(obj["metadata"]["uid"])
        assert not records.was_deleted(found.uid)
