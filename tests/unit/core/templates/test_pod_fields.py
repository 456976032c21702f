"""The tables of pod fields against the models of the Kubernetes client library."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
from kubernetes.client import models

from model_operator.core.templates import pod_fields
from model_operator.core.templates.pod_fields import FieldType, field_spec
from model_operator.core.templates.pod_paths import Path

# The same name for different types, resolved by hand: kept as the type that templates refer to.
AMBIGUOUS = {"image", "mode", "options", "port", "user", "values"} | {
    "preferredDuringSchedulingIgnoredDuringExecution",
    "requiredDuringSchedulingIgnoredDuringExecution",
}
# The server's own part of metadata; no template writes it.
SERVER_SIDE = {"managedFields", "ownerReferences", "fieldsV1"}


def model_fields(name: str) -> dict[str, str]:
    model = getattr(models, name, None) or getattr(models, f"Core{name}")
    return {model.attribute_map[field]: kind for field, kind in model.openapi_types.items()}


def referred(kind: str) -> str | None:
    match = re.search(r"V1\w+", kind)
    return match[0] if match else None


def reachable(root: str) -> set[str]:
    seen: set[str] = set()
    stack = [root]
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += filter(None, map(referred, model_fields(name).values()))
    return seen


def kinds_by_field() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for model in reachable("V1PodTemplateSpec") - {"V1ManagedFieldsEntry", "V1OwnerReference"}:
        for field, kind in model_fields(model).items():
            if field not in SERVER_SIDE and kind != "datetime":
                found[field].add(kind)
    return found


def table_of(kind: str) -> str:
    match kind:
        case "int":
            return "INTEGERS"
        case "bool":
            return "BOOLEANS"
        case "str":
            return "strings"
        case "List[str]":
            return "STRING_LISTS"
        case "List[int]":
            return "INTEGER_LISTS"
    if kind.startswith("Dict["):
        return "STRING_MAPS"
    return "OBJECT_LISTS" if kind.startswith("List[") else "OBJECTS"


def test_the_tables_are_those_of_the_api() -> None:
    expected: dict[str, set[str]] = defaultdict(set)
    for field, kinds in kinds_by_field().items():
        if field not in AMBIGUOUS:
            (table,) = {table_of(kind) for kind in kinds}
            expected[table].add(field)
    expected["INTEGERS"] -= {"generation", "deletionGracePeriodSeconds"}
    expected["OBJECT_LISTS"] -= {"ephemeralContainers"}
    expected["OBJECTS"] |= expected["STRING_MAPS"]
    assert expected["STRING_MAPS"] >= pod_fields.QUANTITY_MAPS
    assert expected["strings"] >= pod_fields.QUANTITIES

    for table in expected.keys() - {"strings"}:
        assert expected[table] == set(getattr(pod_fields, table)) - AMBIGUOUS, table


CONTAINER: Path = ("spec", "containers", 0)


def kubelet_places() -> Iterator[Path]:
    for container in (CONTAINER, ("spec", "initContainers", 3)):
        yield (*container, "command", 0)
        yield (*container, "args", 1)
        yield (*container, "env", 0, "value")
        yield (*container, "volumeMounts", 0, "subPathExpr")
        yield (*container, "startupProbe", "exec", "command", 2)


@pytest.mark.parametrize("path", list(kubelet_places()))
def test_the_kubelet_expands(path: Path) -> None:
    assert field_spec(path).kubelet


@pytest.mark.parametrize(
    "path",
    [
        (*CONTAINER, "image"),
        (*CONTAINER, "workingDir"),
        (*CONTAINER, "lifecycle", "preStop", "exec", "command", 0),
        (*CONTAINER, "volumeMounts", 0, "subPath"),
        (*CONTAINER, "env", 0, "valueFrom", "configMapKeyRef", "name"),
        ("metadata", "annotations", "command"),
        ("spec", "volumes", 0, "csi", "volumeAttributes", "args"),
    ],
)
def test_the_kubelet_does_not_expand(path: Path) -> None:
    assert not field_spec(path).kubelet


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((*CONTAINER, "ports", 0, "containerPort"), FieldType.INTEGER),
        ((*CONTAINER, "args"), FieldType.LIST),
        ((*CONTAINER, "args", 0), FieldType.STRING),
        (("spec", "tolerations", 0), FieldType.OBJECT),
        (("spec", "securityContext", "supplementalGroups", 0), FieldType.INTEGER),
        (("spec", "nodeSelector", "hostNetwork"), FieldType.STRING),
        ((*CONTAINER, "livenessProbe", "httpGet", "port"), FieldType.INTEGER_OR_STRING),
        ((*CONTAINER, "resources", "limits", "cpu"), FieldType.QUANTITY),
        (("spec", "volumes", 0, "emptyDir", "sizeLimit"), FieldType.QUANTITY),
        (("metadata", "labels", "limits"), FieldType.STRING),
        (("spec", "fieldOfTomorrow"), FieldType.STRING),
    ],
)
def test_types(path: Path, expected: FieldType) -> None:
    assert field_spec(path).type is expected
