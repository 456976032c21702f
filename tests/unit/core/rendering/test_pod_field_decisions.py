"""A decision on every field of a Pod: a field that a new Kubernetes brings is a question, no hole.

``pod_field_decisions.yaml`` is written by hand. The fields are those of the schema in the package, which
``integration/cli/test_validate.py`` holds against the API server's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hack.kubernetes_schemas import packaged
from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate, compile_template
from model_operator.core.templates.guarded_fields import is_guarded
from model_operator.core.templates.pod_paths import Path

ROOT: Final = "io.k8s.api.core.v1.PodTemplateSpec"
DEFINITIONS: Final[dict[str, Any]] = packaged()["$defs"]
DECISIONS: Final[list[dict[str, Any]]] = yaml.safe_load(
    FilePath(__file__).with_name("pod_field_decisions.yaml").read_text(encoding="utf-8")
)
DECIDED: Final[dict[str, str]] = {
    field: group["decision"] for group in DECISIONS for field in group["fields"]
}

Leaf = tuple[str, ...]
"""Names on the path of a field; ``[]`` for an item of a list, ``*`` for a key of a map."""


def leaves(schema: dict[str, Any], at: Leaf = ()) -> Iterator[tuple[Leaf, str]]:
    """Yield every scalar below a schema, with its type."""
    if "$ref" in schema:
        yield from leaves(DEFINITIONS[schema["$ref"].removeprefix("#/$defs/")], at)
    elif schema.get("type") == "array":
        yield from leaves(schema["items"], (*at, "[]"))
    elif schema.get("properties"):
        for name, part in schema["properties"].items():
            yield from leaves(part, (*at, name))
    elif schema.get("additionalProperties"):
        yield from leaves(schema["additionalProperties"], (*at, "*"))
    else:
        yield at, schema.get("type", "string")


LEAVES: Final = dict(leaves(DEFINITIONS[ROOT]))


def in_words_of_the_table(leaf: Leaf) -> str:
    text = ".".join(leaf).replace(".[]", "[]")
    text = re.sub(r"^spec\.ephemeralContainers\[\]\..*", "spec.ephemeralContainers[].**", text)
    text = re.sub(r"^spec\.(containers|initContainers)\[\]", "container", text)
    text = re.sub(r"^container\.(liveness|readiness|startup)Probe\.", "container.probe.", text)
    text = re.sub(r"^container\.lifecycle\.(postStart|preStop)\.", "container.hook.", text)
    return re.sub(r"(metadata\.(managedFields|ownerReferences)\[\])\..*", r"\1.**", text)


def place(leaf: Leaf, index: int = 1) -> Path:
    stands_for: dict[str, str | int] = {"[]": index, "*": "example.test/key"}
    return tuple(stands_for.get(part, part) for part in leaf)


def test_every_field_is_decided_on() -> None:
    fields = {in_words_of_the_table(leaf) for leaf in LEAVES}

    assert len(fields) > 400, "the schema is read in full"
    assert fields - DECIDED.keys() == set(), (
        "Kubernetes has fields that nobody has decided on. They are guarded until then. Decide by what an "
        "instance's author could gain, and write the field into pod_field_decisions.yaml."
    )
    assert DECIDED.keys() - fields == set(), "the table has fields that Kubernetes does not"


def test_each_decision_has_its_reason_and_is_made_once() -> None:
    fields = [field for group in DECISIONS for field in group["fields"]]

    assert len(fields) == len(set(fields))
    assert all(group["reason"] for group in DECISIONS)
    assert {group["decision"] for group in DECISIONS} == {
        "guarded",
        "free",
        "first",
        "by_key",
        "by_volume",
        "image",
    }


@pytest.mark.parametrize("leaf", LEAVES, ids=".".join)
def test_the_code_does_what_is_decided(leaf: Leaf) -> None:
    match DECIDED[in_words_of_the_table(leaf)]:
        case "guarded":
            assert is_guarded(place(leaf, 0))
            assert is_guarded(place(leaf, 7))
        case "free" | "image" | "by_volume" | "by_key":
            assert not is_guarded(place(leaf))
        case "first":
            assert is_guarded(place(leaf, 0))
            assert is_guarded(place(leaf[:-1]))
            assert not is_guarded(place(leaf, 1))


@pytest.mark.parametrize("leaf", LEAVES, ids=".".join)
def test_whole_objects_are_guarded(leaf: Leaf) -> None:
    """A value of many fields could bring any, also those that a newer Kubernetes has."""
    for length in range(1, len(leaf)):
        parent = leaf[:length]
        names = [part for part in parent if part != "[]"]
        if leaf[length:] in {("[]",), ("*",)} and names[-1] in {"args", "limits", "requests"}:
            continue  # many values of one field, which is free
        assert is_guarded(place(parent)), parent


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "fieldOfTomorrow"),
        ("spec", "containers", 0, "fieldOfTomorrow"),
        ("spec", "initContainers", 0, "fieldOfTomorrow", "name"),
        ("spec", "containers", 0, "resources", "fieldOfTomorrow"),
        ("spec", "volumes", 0, "fieldOfTomorrow", "path"),
        ("spec", "volumes", 0, "emptyDir", "fieldOfTomorrow"),
        ("metadata", "fieldOfTomorrow", "a"),
        ("fieldOfTomorrow",),
    ],
)
def test_what_nobody_knows_yet_is_guarded(path: Path) -> None:
    assert is_guarded(path)


SCHEMAS: Final = {"integer": {"type": "integer"}, "boolean": {"type": "boolean"}}
VALUES: Final = {"integer": (1, 2), "boolean": (True, False)}
TEXTS: Final = ("one", "two")


@st.composite
def references(draw: st.DrawFn) -> tuple[Leaf, Path, str]:
    """Give a field of a Pod, a path to it, and a text with what an instance's author chooses."""
    leaf = draw(st.sampled_from(sorted(LEAVES)))
    indices = iter(draw(st.lists(st.integers(0, 1), min_size=8, max_size=8)))
    path = tuple(
        next(indices) if part == "[]" else "example.test/key" if part == "*" else part for part in leaf
    )
    # Also a whole object or list on the way to it.
    path = path[: draw(st.integers(2, len(path)))] if draw(st.booleans()) else path
    text = draw(
        st.sampled_from(
            [
                "$(parameters.V)",
                "a-$(parameters.V)",
                "$(parameters.L[*])",
                "$(instance.name)",
                "$(instance.account_id)",
            ]
        )
    )
    return leaf, path, text


def template_with(path: Path, text: str, schema: dict[str, Any]) -> CompiledTemplate:
    """Give a template with a text at a path of its pod, and what merges by name around it."""
    pod = built(path, text)
    for containers in ("containers", "initContainers"):
        written = pod.get("spec", {}).get(containers)
        for number, container in enumerate(written if isinstance(written, list) else ()):
            if isinstance(container, dict):
                container.setdefault("name", f"{containers}-{number}".lower())
    return compile_template(
        ModelTemplate.model_validate(
            {
                "metadata": {"name": "t", "namespace": "ml"},
                "spec": {
                    "model_type": "GENERIC",
                    "vendor_configuration": {
                        "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1"}
                    },
                    "model_creation_parameters_schema": {
                        "properties": {"V": schema, "L": {"type": "array", "items": schema}},
                        "required": ["V", "L"],
                    },
                    "pod_template": pod,
                },
            }
        )
    )


def built(path: Path, text: str) -> Any:
    if not path:
        return text
    head, rest = path[0], built(path[1:], text)
    if isinstance(head, int):
        filler: Any = {"name": "filler"} if isinstance(rest, dict) else "filler"
        if isinstance(rest, dict):
            rest.setdefault("name", "item")
        return [filler] * head + [rest]
    return {head: rest}


def differences(one: Any, other: Any, at: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    """Yield the fields in which two pods differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), (*at, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from differences(first, second, (*at, "[]"))
    elif one != other:
        yield at, one


def is_left_open(leaf: Leaf) -> bool:
    """Whether the table lets an instance choose the field; the keys of maps count as one."""
    for length in range(1, len(leaf) + 1):
        for known in (leaf[:length], (*leaf[: length - 1], "*")):
            for candidate in (known, (*known, "[]"), (*known, "*")):
                decision = DECIDED.get(in_words_of_the_table(candidate))
                if decision is not None:
                    return decision != "guarded"
    return False


@pytest.mark.parametrize(
    "leaf", [leaf for leaf in LEAVES if DECIDED[in_words_of_the_table(leaf)] == "free"], ids=".".join
)
def test_a_free_field_takes_any_value(leaf: Leaf) -> None:
    schema = SCHEMAS.get(LEAVES[leaf], {"type": "string"})

    compiled = template_with(place(leaf, 0), "$(parameters.V)", schema)

    assert [fault for fault in compiled.violations if fault.type == "closed_values"] == []


@given(references())
def test_what_a_stranger_chooses_gets_into_free_fields_only(chosen: tuple[Leaf, Path, str]) -> None:
    leaf, path, text = chosen
    kind = LEAVES[leaf]
    compiled = template_with(path, text, SCHEMAS.get(kind, {"type": "string"}))
    if compiled.violations:
        return

    first, second = VALUES.get(kind, TEXTS)
    pods = []
    for name, value in (("one", first), ("two", second)):
        instance = ModelInstance.model_validate(
            {
                "metadata": {"name": name, "namespace": "ml", "uid": "u"},
                "spec": {
                    "model_template_id": "t",
                    "account_id": name,
                    "model_creation_parameters": {"V": value, "L": [value]},
                },
            }
        )
        rendering = render(compiled, instance)
        if rendering.violations:
            return
        pods.append(rendering.deployments[0].deployment.manifest["spec"]["template"])

    # Our own labels name the instance; the environment has the parameters.
    for pod in pods:
        for key in ("modeloperator.dev/instance", "modeloperator.dev/deployment"):
            pod["metadata"]["labels"].pop(key, None)
    changed = [at for at, _ in differences(*pods)]
    assert [at for at in changed if not is_left_open(at)] == []
