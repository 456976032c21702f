"""The examples of a document: parts of a template and of an instance, and what it says they become.

A block with the mark `example: X` has the parts, the next with `result: X` what comes of them: the text of
the faults, or a part of what is rendered: of the object whose kind it names, else of the pod template,
else of the container `model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from model_operator.core.rendering.render import Rendering
from tests.docs.blocks import blocks

TEMPLATE = yaml.safe_load("""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
metadata: {name: example, namespace: team-a}
spec:
  model_type: GENERIC
  vendor_configuration:
    bundle_config: {registry: registry.test, image: server, tag: v1}
""")
INSTANCE = yaml.safe_load("""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {name: example, namespace: team-a}
spec: {model_template_id: example}
""")
_POD_TEMPLATE = {"metadata", "spec"}


@dataclass(frozen=True)
class Example:
    """A template and an instance as the document has them, and what it says about them."""

    template: Mapping[str, Any]
    instance: Mapping[str, Any] | None
    result: str
    is_text: bool


def examples(document: str) -> dict[str, Example]:
    """Give the examples of a document's text by their names."""
    found: dict[str, Example] = {}
    parts: dict[str, Mapping[str, Any]] = {}
    template: Mapping[str, Any] = {}
    for block in blocks(document):
        if block.kind == "example":
            parts = {
                each.split("\n")[0]: yaml.safe_load(each)
                for each in re.split(r"^---\n", block.text, flags=re.MULTILINE)
            }
            # An example without a template of its own goes on with the one before.
            template = parts.get("# ModelTemplate", template)
        elif block.kind == "result":
            instance = parts.get("# ModelInstance")
            found[block.detail] = Example(template, instance, block.text, block.language == "text")
    return found


def overlaid(base: Any, part: Any) -> Any:
    """Give what `base` is with `part` laid over it."""
    if isinstance(base, Mapping) and isinstance(part, Mapping):
        return {**base, **{key: overlaid(base.get(key), value) for key, value in part.items()}}
    return part


def rendered(rendering: Rendering, expected: Mapping[str, Any]) -> Any:
    """Give that of what is rendered which the result of an example shows."""
    (deployment, *_) = rendering.deployments
    objects = [child.manifest for child in deployment.children]
    pod = deployment.deployment.manifest["spec"]["template"]
    if "kind" in expected:
        (whole,) = [obj for obj in objects if obj["kind"] == expected["kind"]]
    elif expected.keys() <= _POD_TEMPLATE:
        whole = pod
    else:
        (whole,) = [each for each in pod["spec"]["containers"] if each["name"] == "model"]
    return _shown(whole, expected)


def _shown(whole: Any, part: Any, key: str = "") -> Any:
    """Give what `part` shows of `whole`: its keys of objects, its containers; other lists as they are."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return {name: _shown(whole.get(name), value, name) for name, value in part.items()}
    if key == "containers":
        named = {each["name"]: each for each in whole}
        return [_shown(named.get(each["name"]), each) for each in part]
    return whole
