"""What of a child has drifted, and which field manager wrote it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.objects.drift import is_subset
from model_operator.core.planning.contested_fields import (
    MAX_FIELDS,
    ContestedField,
    contested_fields,
    differences,
    fingerprint,
)
from model_operator.core.rendering.desired_child import DesiredChild

IMAGE = 'spec.template.spec.containers[name="model"].image'


def deployment(**container: Any) -> dict[str, Any]:
    given = {"name": "model", "image": "a:1", "env": [{"name": "A", "value": "1"}], **container}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo", "namespace": "team", "labels": {"x": "1"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"x": "1"}},
            "template": {"spec": {"containers": [given, {"name": "sidecar", "image": "s:1"}]}},
        },
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the Deployment as it was applied, with one field changed, or removed by None."""
    live = copy.deepcopy(DesiredChild(deployment()).applied)
    *steps, last = path.split("/")
    part: Any = live
    for step in steps:
        part = part[int(step)] if isinstance(part, list) else part[step]
    if value is None:
        del part[int(last) if isinstance(part, list) else last]
    else:
        part[last] = value
    return live


CONTAINER = "spec/template/spec/containers/0"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("spec/replicas", 5, "spec.replicas"),
        ("spec/replicas", None, "spec.replicas"),
        (f"{CONTAINER}/image", "b:1", IMAGE),
        (
            f"{CONTAINER}/env/0/value",
            "2",
            'spec.template.spec.containers[name="model"].env[name="A"].value',
        ),
        (f"{CONTAINER}/env/0", None, 'spec.template.spec.containers[name="model"].env[name="A"]'),
        ("spec/template/spec/containers/1/image", "x", 'spec.template.spec.containers[name="sidecar"].image'),
        ("spec/selector/matchLabels", {"x": "1", "y": "2"}, "spec.selector"),
        ("metadata/labels/x", None, "metadata.labels.x"),
        ("metadata/annotations", None, "metadata.annotations"),
    ],
)
def test_path(path: str, value: Any, field: str) -> None:
    found = [each.field for each in differences(DesiredChild(deployment()).applied, changed(path, value))]

    assert found[0] == field


def test_what_others_add_is_no_drift() -> None:
    live = changed(f"{CONTAINER}/terminationMessagePath", "/dev/log")
    live["metadata"]["labels"]["theirs"] = "1"

    assert list(differences(DesiredChild(deployment()).applied, live)) == []
    assert fingerprint(DesiredChild(deployment()), live) == ""


def test_fingerprint_tells_values_apart() -> None:
    wanted = DesiredChild(deployment())
    prints = [fingerprint(wanted, changed("spec/replicas", count)) for count in (3, 4, 3)]

    assert prints[0] == prints[2] != prints[1]


def test_too_few_workers_are_drift_where_somebody_else_chooses_their_number() -> None:
    rendered = deployment()
    del rendered["spec"]["replicas"]
    live = changed("spec/replicas", 0)
    wanted = DesiredChild(rendered)
    live["metadata"]["annotations"] = wanted.applied["metadata"]["annotations"]

    assert contested_fields(wanted, live) == (ContestedField("Deployment", "spec.replicas", ""),)
    assert fingerprint(wanted, live) != ""
    assert contested_fields(replace(wanted, min_workers=0), live) == ()


def entry(manager: str, fields: Any, **more: str) -> dict[str, Any]:
    time = more.pop("time", "2026-01-01T00:00:00Z")
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields, **more}


def of_container(name: str, fields: Any) -> dict[str, Any]:
    items = {f'k:{{"name":"{name}"}}': {".": {}, **fields}}
    return {"f:spec": {"f:template": {"f:spec": {"f:containers": items}}}}


REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("path", "value", "entries", "writer"),
    [
        ("spec/replicas", 5, [entry("scaler", REPLICAS)], "scaler"),
        (
            "spec/replicas",
            5,
            [entry("kube-controller-manager", REPLICAS, subresource="scale")],
            "kube-controller-manager (scale)",
        ),
        (f"{CONTAINER}/image", "b", [entry("updater", of_container("model", {"f:image": {}}))], "updater"),
        (f"{CONTAINER}/image", "b", [entry("other", of_container("sidecar", {"f:image": {}}))], ""),
        (f"{CONTAINER}/image", "b", [entry("other", of_container("model", {"f:args": {}}))], ""),
        (
            "spec/selector/matchLabels",
            {"x": "2"},
            [entry("editor", {"f:spec": {"f:selector": {}}})],
            "editor",
        ),
        ("spec/replicas", 5, [entry("a", REPLICAS), entry("b", REPLICAS, time="2026-01-02T00:00:00Z")], "b"),
        ("spec/replicas", 5, [entry("b", REPLICAS), entry("a", REPLICAS)], "b"),
        ("spec/replicas", 5, [entry("model-operator", REPLICAS)], ""),
        ("spec/replicas", 5, [entry("model-operator-replicas", REPLICAS)], ""),
        ("spec/replicas", 5, [{"manager": "old"}], ""),
        ("spec/replicas", 5, [], ""),
        ("spec/replicas", None, [entry("remover", {"f:spec": {"f:paused": {}}})], ""),
    ],
)
def test_writer(path: str, value: Any, entries: list[Any], writer: str) -> None:
    live = changed(path, value)
    live["metadata"]["managedFields"] = entries

    fields = contested_fields(DesiredChild(deployment()), live)

    assert [each.manager for each in fields] == [writer]


def test_port_of_a_service_is_found_by_its_whole_key() -> None:
    service = {
        "kind": "Service",
        "metadata": {"name": "demo"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8000}]},
    }
    wanted = DesiredChild(service)
    live = copy.deepcopy(wanted.applied)
    live["spec"]["ports"][0] |= {"protocol": "TCP", "targetPort": 9000}
    fields: dict[str, Any] = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:targetPort": {}}}}}
    live["metadata"]["managedFields"] = [entry("mesh", fields)]

    assert contested_fields(wanted, live) == (ContestedField("Service", "spec.ports[0].targetPort", "mesh"),)


def test_what_is_gone_is_contested_as_a_whole_and_fields_are_bounded() -> None:
    many = [{"name": f"V{number:02}", "value": "1"} for number in range(40)]
    wanted = DesiredChild(deployment(env=many))

    assert contested_fields(wanted, None) == (ContestedField("Deployment", "", ""),)
    fields = contested_fields(wanted, DesiredChild(deployment(env=[])).applied)
    assert len(fields) == MAX_FIELDS
    assert list(fields) == sorted(fields)


DRIFTS = yaml.safe_load((Path(__file__).parents[1] / "objects" / "drifts.yaml").read_text())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in DRIFTS])
def test_every_drift_has_a_field(case: dict[str, Any]) -> None:
    applied, live = case["applied"], case["live"]

    assert any(True for _ in differences(applied, live)) == (not is_subset(applied, live))


VALUES = st.recursive(
    st.sampled_from([None, 0, 1, "", "a", False, "1", "1000m"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "value", "containers", "ports", "limits", "selector", "args", "cpu"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_property_there_are_differences_exactly_where_there_is_drift(wanted: Any, live: Any) -> None:
    assert bool(list(differences(wanted, live))) == (not is_subset(wanted, live))
