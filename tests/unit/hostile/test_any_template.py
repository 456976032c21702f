"""Any JSON at any place of a template makes it valid or invalid, and never raises."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from model_operator.core.planning.plan import make_plan
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings

TEMPLATE = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelTemplate",
    "metadata": {"name": "t", "namespace": "ml", "uid": "u"},
    "spec": {
        "model_type": "GENERIC",
        "model_creation_parameters_schema": {
            "properties": {
                "ONE": {"type": "integer"},
                "TWO": {"enum": ["http", "b"]},
                "TOKEN": {"x-secret-ref": True},
            },
            "required": ["ONE", "TWO", "TOKEN"],
        },
        "vendor_configuration": {
            "bundle_config": {
                "registry": "ghcr.io",
                "image": "a/b",
                "tag": "1",
                "args": ["$(parameters.ONE)"],
            },
            "endpoint_config": {"gpus": 1, "gpu_type": "nvidia-l4", "memory": "8Gi"},
        },
        "service": {
            "ports": [
                {"name": "http", "port": 80, "target_port": "http"},
                {"name": "m", "port": 81, "target_port": 2},
            ],
            "labels": {"a": "$(parameters.TWO)"},
        },
        "metadata": {"annotations": {"a": "$(instance.name)"}},
        "pod_template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "initContainers": [
                    {
                        "name": "side",
                        "image": "a/b:1",
                        "restartPolicy": "Always",
                        "ports": [{"containerPort": 3}],
                    }
                ],
                "containers": [
                    {
                        "name": "model",
                        "ports": [{"name": "http", "containerPort": 1}, {"name": "m", "containerPort": 2}],
                        "readinessProbe": {"httpGet": {"port": "http"}},
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/data", "subPath": "$(parameters.TWO)"}
                        ],
                        "resources": {"claims": [{"name": "claim"}], "limits": {"cpu": "$(parameters.ONE)"}},
                    }
                ],
                "volumes": [
                    {"name": "data", "emptyDir": {}},
                    {"name": "token", "secret": {"secretName": "$(parameters.TOKEN.name)"}},
                ],
                "resourceClaims": [{"name": "claim", "resourceClaimName": "a"}],
            },
        },
    },
}
INSTANCE = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
    "spec": {
        "model_template_id": "t",
        "model_creation_parameters": {"ONE": 80, "TWO": "b", "TOKEN": {"name": "a", "key": "b"}},
    },
}
ANYTHING: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**53,
    1.5,
    "",
    "http",
    [],
    {},
    [None],
    [{}],
    {"a": 1},
    [["a"]],
    "$(parameters.ONE)",
    "a$(parameters.TWO)",
    "$(parameters.TOKEN)",
    "$(parameters.TOKEN.key)",
)
Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def replaced(path: Path, new: Any) -> Any:
    obj: Any = copy.deepcopy(TEMPLATE)
    place = obj["spec"]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = new
    return obj


def is_usable(template: Any) -> bool:
    instance, _ = parse_instance(INSTANCE)
    return make_plan(instance, parse_template(template), RenderSettings()).problem is None


def test_the_template_itself_is_valid() -> None:
    assert is_usable(TEMPLATE)


@pytest.mark.parametrize("path", list(paths(TEMPLATE["spec"])), ids=lambda path: ".".join(map(str, path)))
def test_anything_at_a_place_never_raises(path: Path) -> None:
    for new in ANYTHING:
        is_usable(replaced(path, new))
