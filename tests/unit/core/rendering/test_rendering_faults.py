"""Templates and instances that are wrong, and what is said about them.

``UPDATE_GOLDEN=1 pytest tests/unit/core/rendering`` writes the expected lines anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import compile_template
from model_operator.core.values.violations import InvalidObjectError, Violation

HERE = Path(__file__).parent
TEMPLATE = yaml.safe_load("""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
metadata: {name: base, namespace: ml}
spec:
  model_type: GENERIC
  model_creation_parameters_schema:
    type: object
    properties:
      TEXT: {type: string, default: text}
      OPTIONAL: {type: string}
      NULLABLE: {type: [string, "null"], default: null}
      NUMBER: {type: number, default: 1.5}
      COUNT: {type: integer, default: 1}
      FLAG: {type: boolean, default: true}
      CHOICE: {type: string, enum: [a, b], default: a}
      LIST: {type: array, items: {type: string}, default: []}
      INTEGERS: {type: array, items: {type: integer}, default: []}
      OBJECT: {type: object, default: {}}
      TOKEN: {type: object, x-secret-ref: true}
  vendor_configuration:
    bundle_config: {registry: ghcr.io, image: team/server, tag: "1"}
    endpoint_config: {min_workers: 2, max_workers: 4}
""")
IMAGE_TEMPLATE = yaml.safe_load(
    """
model_creation_parameters_schema:
  type: object
  properties:
    REPOSITORY: {type: string, default: server}
    TAG: {type: string, default: v1}
    SIDECAR: {type: string, default: sidecar}
    TEXT: {type: string}
    COUNT: {type: integer}
    FLAG: {type: boolean}
    MEMORY: {type: [string, integer, number], default: 8Gi}
    GIGABYTES: {type: string, default: "8"}
    GPUS: {type: integer, default: 1}
    GPU_TYPE: {enum: [nvidia-l4, NVIDIA L4], default: nvidia-l4}
    LIMIT: {type: [string, integer], default: 0}
    TEAM: {type: string, default: ""}
    OWNER: {type: string, default: a}
  required: [TEXT]
vendor_configuration:
  bundle_config: {image: team/$(parameters.REPOSITORY), tag: $(parameters.TAG)}
  endpoint_config:
    memory: $(parameters.MEMORY)
    storage: $(parameters.GIGABYTES)Gi
    gpus: $(parameters.GPUS)
    gpu_type: $(parameters.GPU_TYPE)
metadata: {labels: {team: $(parameters.TEAM)}, annotations: {team: $(parameters.TEAM)}}
pod_template:
  metadata: {labels: {owner: team$(parameters.OWNER)}}
  spec:
    containers:
      - name: sidecar
        image: "ghcr.io/team/$(parameters.SIDECAR)@sha256:%s"
        resources: {limits: {example.com/device: $(parameters.LIMIT), cpu: "$(parameters.GIGABYTES)"}}
""".replace("%s", "0" * 64)
)
INSTANCE = yaml.safe_load("""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {name: one, namespace: ml}
spec:
  model_template_id: base
  model_creation_parameters: {TEXT: a}
""")


def overlaid(base: Any, patch: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        return {**base, **{key: overlaid(base.get(key), value) for key, value in patch.items()}}
    return patch


def described(violations: tuple[Violation, ...]) -> list[str]:
    return [f"{violation} ({violation.type})" for violation in violations]


def cases(name: str) -> list[Any]:
    return [
        pytest.param(name, index, id=case["case"].replace(" ", "-"))
        for index, case in enumerate(yaml.safe_load((HERE / name).read_text(encoding="utf-8")))
    ]


def compare(name: str, index: int, lines: list[str]) -> None:
    path = HERE / name.replace(".yaml", ".expected.yaml")
    expected = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    case = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))[index]["case"]
    if os.environ.get("UPDATE_GOLDEN"):
        expected[case] = lines
        path.write_text(yaml.safe_dump(expected, sort_keys=False, width=1000), encoding="utf-8")
    assert lines == expected[case]


@pytest.mark.parametrize(("name", "index"), cases("template_faults.yaml"))
def test_template(name: str, index: int) -> None:
    patch = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))[index]
    template = ModelTemplate.model_validate(overlaid(TEMPLATE, {"spec": patch["spec"]}))

    compiled = compile_template(template)

    compare(name, index, described(compiled.violations))
    if compiled.violations:
        with pytest.raises(InvalidObjectError):
            render(compiled, ModelInstance.model_validate(INSTANCE))


@pytest.mark.parametrize(("name", "index"), cases("instance_faults.yaml"))
def test_instance(name: str, index: int) -> None:
    patch = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))[index]
    compiled = compile_template(ModelTemplate.model_validate(overlaid(TEMPLATE, {"spec": IMAGE_TEMPLATE})))
    assert compiled.violations == ()

    rendering = render(compiled, ModelInstance.model_validate(overlaid(INSTANCE, {"spec": patch["spec"]})))

    compare(name, index, described(rendering.violations))
    assert rendering.children == []
