"""A message quotes texts of a template in short, whatever their length: it goes into statuses and answers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from model_operator.core.planning.plan import make_plan
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings

MOST = 1000
"""Characters of one message: three texts of 200 characters and the words around them."""

TEMPLATE = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelTemplate",
    "metadata": {"name": "t", "namespace": "ml", "uid": "u"},
    "spec": {
        "model_type": "GENERIC",
        "model_creation_parameters_schema": {
            "properties": {
                "ONE": {"enum": ["a", "b"]},
                "TWO": {"type": "string", "pattern": "^a$"},
                "THREE": {"const": "c"},
            },
            "required": ["ONE", "THREE"],
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
        "pod_template": {
            "metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/model": "a"}},
            "spec": {
                "containers": [
                    {
                        "name": "model",
                        "ports": [{"name": "http", "containerPort": 1}, {"name": "web", "containerPort": 2}],
                        "livenessProbe": {"httpGet": {"port": "web"}},
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                        "resources": {"claims": [{"name": "claim"}]},
                        "env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"containerName": "side"}}}],
                    },
                    {
                        "name": "side",
                        "image": "ghcr.io/a/side:1",
                        "ports": [{"name": "web", "containerPort": 3}],
                        "readinessProbe": {"httpGet": {"port": "web"}},
                    },
                ],
                "volumes": [{"name": "data", "emptyDir": {}}],
                "resourceClaims": [{"name": "claim", "resourceClaimName": "a"}],
            },
        },
    },
}
INSTANCE = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
    "spec": {"model_template_id": "t", "model_creation_parameters": {"ONE": "x", "TWO": "y", "THREE": "z"}},
}
Path = tuple[str | int, ...]


def strings(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))


def replaced(changes: dict[Path, Any]) -> Any:
    obj: Any = copy.deepcopy(TEMPLATE)
    for path, new in changes.items():
        place = obj
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = new
    return obj


def messages(template: Any) -> list[str]:
    compiled = parse_template(template)
    instance, _ = parse_instance(INSTANCE)
    plan = make_plan(instance, compiled, RenderSettings())
    return [each.msg for each in (*compiled.violations, *plan.violations)]


PATHS = list(strings(TEMPLATE["spec"], ("spec",)))
LONG = "x" * 30_000


@pytest.mark.parametrize(
    "text", [LONG, f"$(parameters.{LONG})", f"$(parameters.{LONG}", f"{LONG}$(parameters.ONE)"]
)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_no_text_of_a_template_makes_a_message_long(path: Path, text: str) -> None:
    assert max(map(len, messages(replaced({path: text}))), default=0) <= MOST


SIDE: Path = ("spec", "pod_template", "spec", "containers", 1)


def test_nor_do_two() -> None:
    found = messages(
        replaced({(*SIDE, "name"): LONG, (*SIDE, "readinessProbe", "httpGet", "port"): "missing"})
    )

    (about_port,) = [message for message in found if "refers to a port" in message]
    assert len(about_port) <= MOST
