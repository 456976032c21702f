"""Commits that are right as a whole, and wrong while only half of each has been applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.cluster.kube_api import Object, Objects

_STRING, _INTEGER = {"type": "string"}, {"type": "integer"}
_SHAPES: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("EMBEDDING", {"MODEL_NAME": _STRING}, {"MODEL_NAME": "first"}),
    ("EMBEDDING", {"MODEL_ID": _STRING, "SIZE": _INTEGER}, {"MODEL_ID": "second", "SIZE": 8}),
    ("EMBEDDING", {"MODEL_ID": _STRING, "SIZE": _STRING}, {"MODEL_ID": "third", "SIZE": "8"}),
    ("CHAT_COMPLETION", {"MODEL_ID": _STRING, "SIZE": _STRING}, {"MODEL_ID": "third", "SIZE": "8"}),
    ("EMBEDDING", {"MODEL_NAME": {"enum": ["fourth"]}}, {"MODEL_NAME": "fourth"}),
)
"""Type of the model, properties of the schema, and parameters that fit, each without those before it."""


def commits(count: int) -> Iterator[Objects]:
    """Yield commits, each applied over the one before it.

    Each changes the template's schema or type together with its instances. Every fifth also moves all to new
    names, so that instances precede their template, and one of them has the name that a plain Service of the
    commit before had, which is pruned last.
    """
    for number in range(count):
        model_type, properties, parameters = _SHAPES[number % len(_SHAPES)]
        cycle = number // len(_SHAPES)
        # No workers: what the pods do takes no part in this.
        spec = {
            "model_template_id": f"encoder-{cycle}",
            "model_type": model_type,
            "model_creation_parameters": parameters,
            "replicas": 0,
        }
        yield [
            _template(f"encoder-{cycle}", model_type, properties),
            instance(f"one-{cycle}", **spec),
            instance(f"two-{cycle}", **spec),
            *([_service(f"one-{cycle + 1}")] if number % len(_SHAPES) == len(_SHAPES) - 1 else []),
        ]


def _template(name: str, model_type: str, properties: Mapping[str, Any]) -> Object:
    obj = template(name)
    schema = {"type": "object", "required": sorted(properties), "properties": properties}
    obj["spec"] |= {"model_type": model_type, "model_creation_parameters_schema": schema}
    return obj


def _service(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80, "protocol": "TCP"}]},
    }
