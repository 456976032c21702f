"""A template and an instance as YAML, and the objects that they become.

``UPDATE_GOLDEN=1 pytest tests/unit/core/rendering`` writes the expected files anew; read the difference
before you commit it: a changed pod template restarts every pod of every such model at its next change.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from model_operator.api import ClusterModelTemplate, ModelInstance, ModelTemplate
from model_operator.core.objects.drift import APPLIED_HASH, with_applied_hash
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import compile_template
from model_operator.core.templates.render_settings import RenderSettings

HERE = Path(__file__).parent
CASES = sorted(path.name for path in (HERE / "golden").iterdir())
KINDS: dict[str, type[ModelTemplate | ClusterModelTemplate]] = {
    "ModelTemplate": ModelTemplate,
    "ClusterModelTemplate": ClusterModelTemplate,
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


@pytest.mark.parametrize("case", CASES)
def test_renders(case: str) -> None:
    folder = HERE / "golden" / case
    template, instance, *rest = yaml.safe_load_all((folder / "input.yaml").read_text(encoding="utf-8"))
    settings = TypeAdapter(RenderSettings).validate_python(rest[0]["settings"] if rest else {})

    compiled = compile_template(KINDS[template["kind"]].model_validate(template))
    assert compiled.violations == ()
    rendering = render(compiled, ModelInstance.model_validate(instance), settings)

    assert rendering.violations == ()
    rendered = [child.manifest for child in rendering.children]
    expected = folder / "expected.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        text = yaml.dump_all(rendered, Dumper=_Dumper, width=110, allow_unicode=True)
        expected.write_text(text, encoding="utf-8")
    children = [child for child in yaml.safe_load_all(expected.read_text(encoding="utf-8")) if child]
    assert rendered == children


@pytest.mark.parametrize("case", CASES)
def test_is_applied_as_it_is_rendered(case: str) -> None:
    """Nothing is rendered that the API server would not store: no nulls, no variable with an empty value."""
    for child in yaml.safe_load_all((HERE / "golden" / case / "expected.yaml").read_text(encoding="utf-8")):
        if child is None:
            continue
        applied = with_applied_hash(child)
        del applied["metadata"]["annotations"][APPLIED_HASH]
        expected = {**child, "metadata": {"annotations": {}, **child["metadata"]}}
        assert applied == expected
