"""An operator upgrade rolls no pods: the pods of all golden inputs and samples, as hashes.

``UPDATE_GOLDEN=1 pytest tests/unit/core/rendering`` writes the hashes anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from model_operator.core.rendering.render import Rendering, render
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings
from tests.cluster.processes import REPOSITORY

HERE = Path(__file__).parent
HASHES = HERE / "pod_hashes.yaml"
EXPLANATION = """
The pods that are rendered have changed: see the difference above, and that of the golden files. An operator
with this change leaves the pods of existing models as they are, and renders them anew with the next change of
their instance or template (docs/decisions/27-pods-outlive-an-upgrade.md): no danger, but at a moment
that nobody chose, together with whatever else is changed then.
If it is meant, write the hashes anew with UPDATE_GOLDEN=1, and say in the commit what becomes different.
"""


def hashes(rendering: Rendering) -> dict[str, str]:
    return {rendered.name: rendered.deployment.pod_revision for rendered in rendering.deployments}


def golden() -> dict[str, dict[str, str]]:
    found = {}
    for folder in sorted((HERE / "golden").iterdir()):
        template, instance, *rest = yaml.safe_load_all((folder / "input.yaml").read_text(encoding="utf-8"))
        settings = TypeAdapter(RenderSettings).validate_python(rest[0]["settings"] if rest else {})
        found[folder.name] = hashes(render(parse_template(template), parse_instance(instance)[0], settings))
    return found


def samples() -> dict[str, dict[str, str]]:
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "manifests/samples").glob("*.yaml")]
    objects: list[dict[str, Any]] = [obj for text in texts for obj in yaml.safe_load_all(text)]
    templates = {
        obj["metadata"]["name"]: parse_template(obj)
        for obj in objects
        if obj["kind"] in ("ModelTemplate", "ClusterModelTemplate")
    }
    found = {}
    for obj in objects:
        name = obj.get("spec", {}).get("model_template_id") if obj["kind"] == "ModelInstance" else None
        if name is not None:
            instance, _ = parse_instance(obj)
            found[instance.metadata.name] = hashes(render(templates[name], instance))
    return found


def test_pods_are_those_of_the_last_version() -> None:
    found = {"golden": golden(), "samples": samples()}
    assert found["golden"]
    assert found["samples"]
    if os.environ.get("UPDATE_GOLDEN"):
        HASHES.write_text(yaml.safe_dump(found), encoding="utf-8")
    assert found == yaml.safe_load(HASHES.read_text(encoding="utf-8")), EXPLANATION
