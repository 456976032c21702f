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
    """The templates that exist, each written ``kind/namespace/name=uid``.

    `shared` has the field ``allowed_namespaces`` by uid, and `labels` the labels of the namespace `team`.
    """

    def __init__(self, written: list[str], shared: dict[str, Any], labels: dict[str, str] | None) -> None:
        self._templates = [self._template(shared, *re.split("[/=]", text)) for text in written]
        self._labels = labels

    @staticmethod
    def _template(shared: dict[str, Any], kind: str, namespace: str, name: str, uid: str) -> CompiledTemplate:
        metadata = {"name": name, "namespace": namespace, "uid": uid}
        spec = {"allowed_namespaces": shared[uid]} if uid in shared else {}
        return parse_template({"kind": kind, "metadata": metadata, "spec": spec})

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        for template in self._templates:
            resource, metadata = template.resource, template.resource.metadata
            if resource.kind == kind and metadata.name == name and metadata.namespace in ("", namespace):
                return template
        return None

    def labels_of(self, namespace: str) -> dict[str, str] | None:
        assert namespace == "team", "the labels of another namespace decide nothing"
        return self._labels

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
                "model_template_namespace": case.get("namespace"),
                "model_vendor": "OTHER",
                "model_type": "GENERIC",
            },
            "status": {"template": case.get("bound")},
        }
    )

    templates = Templates(case["templates"], case.get("shared", {}), case.get("labels"))
    found = resolve_template(instance, templates)

    assert (found.template.resource.metadata.uid if found.template else None) == case["found"]
    assert (found.is_withdrawn, found.is_unknown) == (
        case.get("is_withdrawn", False),
        case.get("is_unknown", False),
    )
    assert found.usable is (None if found.is_withdrawn else found.template)
