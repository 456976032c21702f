"""What is kept of an object is bounded, whatever it holds, and what is wrong with it is known."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api import GROUP, TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.objects.kept_form import (
    CREATED_BY_TYPE,
    CREATED_BY_USER,
    FAULTS,
    INFORMATIONAL_LIMITS,
    MAX_ANNOTATION,
    SPEC_LIMITS,
    kept_form,
    known_faults,
)
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.values.json_reading import MAX_LEVELS, levels_of, read_json
from model_operator.kube.object_cache import ObjectCache
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_INSTANCES, MODEL_TEMPLATES

TEXTS = ("description", "model_card", "training_data_card", "display_name", "base_model_id", "model_group_id")


def instance(spec: Any, **rest: Any) -> dict[str, Any]:
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"namespace": "team", "name": "a", "uid": "u", "resourceVersion": "7", "generation": 3},
        "spec": spec,
        **rest,
    }


def template(spec: dict[str, Any]) -> dict[str, Any]:
    bundle = {"registry": "ghcr.io/example", "image": "embeddings", "tag": "v1"}
    full = {"model_type": "EMBEDDING", "vendor_configuration": {"bundle_config": bundle}, **spec}
    return {**instance(full), "kind": "ModelTemplate"}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def codes(obj: dict[str, Any]) -> list[tuple[str, str]]:
    return [(".".join(map(str, each.loc)), each.type) for each in known_faults(obj)]


@pytest.mark.parametrize("field", TEXTS)
def test_informational_fields_are_not_kept(field: str) -> None:
    kept = kept_form(instance({"model_template_id": "embed", field: "words"}))

    assert kept["spec"] == {"model_template_id": "embed"}
    assert kept[FAULTS] == ()


def test_metadata_of_deployments_is_not_kept_and_what_is_read_is() -> None:
    deployment = {"name": "x", "deployment_metadata": {"a": 1}, "model_creation_parameters": {"p": 1}}
    given_spec = {"model_template_id": "embed", "account_id": "acme", "deployments": [deployment]}
    kept = kept_form(instance(given_spec))

    read = {"name": "x", "model_creation_parameters": {"p": 1}}
    assert kept["spec"] == {**given_spec, "deployments": [read]}
    assert deployment["deployment_metadata"] == {"a": 1}, "the object that came is left as it is"


def test_metadata_is_kept_as_far_as_it_is_read() -> None:
    obj = instance({})
    own = {f"{GROUP}/created-by-user-id": "ada"}
    obj["metadata"] |= {
        "labels": {"team": "x"},
        "annotations": {**own, "kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "finalizers": ["a/b"],
        "managedFields": [{}],
    }
    kept = {**instance({})["metadata"], "annotations": own}
    assert kept_form(obj)["metadata"] == {**kept, "labels": {"team": "x"}}
    assert kept_form({**obj, "kind": "ModelTemplate"})["metadata"] == kept


MANY_LABELS = {f"l{index:04}": "x" for index in range(999)}


@pytest.mark.parametrize(
    ("labels", "kept"),
    [(MANY_LABELS, dict(list(MANY_LABELS.items())[:64])), ({"a": 5}, {}), ([], {}), ("x", {}), (None, {})],
    ids=["many", "no text", "list", "text", "null"],
)
def test_labels_of_an_instance_are_kept_within_bounds(labels: Any, kept: dict[str, str]) -> None:
    obj = instance({})
    obj["metadata"]["labels"] = labels
    assert kept_form(obj)["metadata"].get("labels", {}) == kept


@pytest.mark.parametrize(
    ("annotations", "kept"),
    [
        ({f"{GROUP}/anything": "x" * 200_000, f"{GROUP}/created-by-user-id-2": "x"}, {}),
        ({CREATED_BY_USER: "x" * MAX_ANNOTATION}, {CREATED_BY_USER: "x" * MAX_ANNOTATION}),
        ({CREATED_BY_USER: "x" * (MAX_ANNOTATION + 1), CREATED_BY_TYPE: "user"}, {CREATED_BY_TYPE: "user"}),
        ({CREATED_BY_USER: ["x"], CREATED_BY_TYPE: {}}, {}),
    ],
)
def test_annotations_of_our_own_domain_take_no_memory_either(annotations: Any, kept: Any) -> None:
    obj = instance({})
    obj["metadata"]["annotations"] = annotations

    assert kept_form(obj)["metadata"]["annotations"] == kept


def test_informational_fields_have_a_bound_in_sum() -> None:
    half = INFORMATIONAL_LIMITS.size // 2
    fits = {"model_card": "x" * (half - 2), "deployments": [{"name": "a", "deployment_metadata": {}}]}
    assert codes(instance({**fits, "description": "y" * (half - 4)})) == []

    assert codes(instance({**fits, "description": "y" * (half - 3)})) == [("spec", "too_large")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (nested(INFORMATIONAL_LIMITS.depth), None),
        (nested(INFORMATIONAL_LIMITS.depth + 1), "too_deep"),
        (dict.fromkeys(map(str, range(INFORMATIONAL_LIMITS.elements)), 1), None),
        (dict.fromkeys(map(str, range(INFORMATIONAL_LIMITS.elements + 1)), 1), "too_many_elements"),
        ({"a": 10**300}, "int_out_of_range"),
        ({"a": "\ud800"}, "invalid_string"),
        ({"a": float("nan")}, "finite_number"),
    ],
)
def test_metadata_of_a_deployment_is_bounded(value: Any, code: str | None) -> None:
    obj = instance({"model_template_id": "t", "deployments": [{"name": "a", "deployment_metadata": value}]})

    assert [found for _, found in codes(obj)] == ([] if code is None else [code])
    assert all(loc.startswith("spec.deployments.0.deployment_metadata") for loc, _ in codes(obj))
    assert parse_instance(kept_form(obj))[1] == parse_instance(obj)[1] == known_faults(obj)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"model_creation_parameters": nested(SPEC_LIMITS.depth - 1)}, None),
        ({"model_creation_parameters": nested(SPEC_LIMITS.depth)}, "too_deep"),
        ({"anything": ["x" * 1000] * 524}, "too_large"),
        ({"anything": ["x" * 1000] * 522}, None),
        ({"anything": [1] * (SPEC_LIMITS.elements - 1)}, None),
        ({"anything": [1] * SPEC_LIMITS.elements}, "too_many_elements"),
    ],
)
def test_a_specification_beyond_its_bounds_is_not_kept(spec: dict[str, Any], code: str | None) -> None:
    for obj in (instance(spec), template({}) | {"spec": spec}):
        assert [found for _, found in codes(obj)] == ([] if code is None else [code])
        kept = kept_form(obj)
        assert ("spec" in kept) == (code is None)
        assert known_faults(kept) == known_faults(obj)


def test_a_template_that_is_too_large_is_invalid_and_compiled_all_the_same() -> None:
    obj = template({"pod_template": {"spec": nested(9_000)}})

    for each in (obj, kept_form(obj)):
        assert [found.type for found in parse_template(each).violations] == ["too_deep"]


def test_a_kept_object_is_kept_as_it_is() -> None:
    once = kept_form(instance({"model_template_id": "t", "description": "x" * 70_000}, status={"id": "u"}))
    assert kept_form(once) == once
    assert once[FAULTS]


def test_what_was_found_cannot_come_from_outside() -> None:
    forged = instance({"description": "x" * 70_000}, **{FAULTS: []})
    assert known_faults(forged)
    assert known_faults(kept_form(orjson.loads(orjson.dumps(forged))))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "deployments",
        "description",
        "model_template_id",
        "conditions",
        "template",
        "uid",
        "deployment_metadata",
    ]
)
SHAPES = ANYTHING | st.dictionaries(
    FIELDS, ANYTHING | st.lists(st.dictionaries(FIELDS, ANYTHING, max_size=3), max_size=3), max_size=4
)


@given(SHAPES, SHAPES, st.sampled_from([MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES]))
def test_an_object_of_any_shape_is_kept_and_judged(spec: Any, status: Any, kind: Any) -> None:
    obj = {**instance(spec, status=status), "kind": kind.kind}
    state = ClusterState()
    cache = state.cache_of(kind)

    assert cache.put(obj)
    kept = cache.get("team", "a")
    assert kept is not None
    if kind is MODEL_INSTANCES:
        parse_instance(kept)
        list(state.instances.find("template", "x"))
    else:
        state.compiled(kept)
        state.count_instances(kept)
        list(state.instances_of(kept))
    assert cache.remove(obj)


@pytest.mark.parametrize("levels", [MAX_LEVELS, 1000, 9_994])
@pytest.mark.parametrize("field", ["deployment_metadata", "model_creation_parameters"])
def test_what_is_kept_of_the_deepest_object_is_small_and_its_fault_is_known(levels: int, field: str) -> None:
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    named = b'{"name":"x","%s":%s}' % (field.encode(), deep)
    obj = instance(read_json(b'{"model_template_id":"embed","deployments":[%s]}' % named))
    cache = ClusterState().instances
    cache.put(obj)

    kept = cache.get("team", "a")
    assert kept is not None
    assert levels_of(kept, sys.maxsize) < 10
    assert [each.type for each in parse_instance(kept)[1]] == ["too_deep"]
    assert kept["metadata"]["uid"] == "u"


@pytest.mark.parametrize(
    "status",
    [
        None,
        [],
        {"conditions": {"a": 1}},
        {"conditions": [1]},
        {"conditions": [{"type": [], "status": "True"}]},
        {"deployments": [{"name": None}]},
        {"template": [1]},
        {"template": {"uid": {}}},
    ],
)
def test_a_status_that_nobody_could_read_counts_as_none(status: Any) -> None:
    assert "status" not in kept_form(instance({}, status=status))


def test_a_status_of_the_operator_is_kept() -> None:
    status = {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True"}],
        "deployments": [{"name": "a"}],
        "template": {"uid": "u", "generation": 1},
    }
    assert kept_form(instance({}, status=status))["status"] == status


def test_each_kind_of_ours_has_a_form() -> None:
    state = ClusterState()
    caches: list[ObjectCache] = [state.instances, *(state.templates[kind] for kind in TemplateKind)]
    assert all(cache.form is kept_form for cache in caches)
