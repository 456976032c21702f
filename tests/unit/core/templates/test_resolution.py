"""Which template an instance means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import TemplateKind
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.resolution import resolve_template

CASES = yaml.safe_load((Path(__file__).parent / "resolutions.yaml").read_text())


class Templates:
    """The templates that exist, each written ``kind/namespace/name=uid``."""

    def __init__(self, written: list[str]) -> None:
        self._templates = [self._template(*re.split("[/=]", text)) for text in written]

    @staticmethod
    def _template(kind: str, namespace: str, name: str, uid: str) -> CompiledTemplate:
        metadata = {"name": name, "namespace": namespace, "uid": uid}
        return parse_template({"kind": kind, "metadata": metadata, "spec": {}})

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        for template in self._templates:
            resource, metadata = template.resource, template.resource.metadata
            if resource.kind == kind and metadata.name == name and metadata.namespace in ("", namespace):
                return template
        return None

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        return next((found for found in self._templates if found.resource.metadata.uid == uid), None)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in CASES])
def test_resolution(case: dict[str, Any]) -> None:
    instance, _ = parse_instance(
        {
            "metadata": {"name": "demo", "namespace": "team"},
            "spec": {
                "model_template_id": case["id"],
                "model_template_kind": case.get("kind"),
                "model_vendor": "OTHER",
                "model_type": "GENERIC",
            },
            "status": {"template": case.get("bound")},
        }
    )

    found = resolve_template(instance, Templates(case["templates"]))

    assert (found.resource.metadata.uid if found else None) == case["found"]
