"""The files of ``manifests/argocd``, and the ConfigMap that is made from its Lua scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from model_operator.api import GROUP
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

ARGOCD = REPOSITORY / "manifests" / "argocd"
CUSTOMIZATIONS = ARGOCD / "resource_customizations" / GROUP
CONFIG_MAP = ARGOCD / "argocd-cm.yaml"
KINDS = ("ModelInstance", "ModelTemplate", "ClusterModelTemplate")
_HEAD = """\
# Health checks and actions for Argo CD, for its ConfigMap argocd-cm; docs/gitops.md says how to add them.
# Made from resource_customizations/ by `make docs`; change them there.
"""


class _Literal(str):
    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes scripts as they are."""


_Dumper.add_representer(
    _Literal, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)


def health_script(kind: str) -> str:
    """Give the script that tells the health of a kind."""
    return (CUSTOMIZATIONS / kind / "health.lua").read_text()


def action_scripts(kind: str) -> dict[str, str]:
    """Give the scripts of a kind's actions by their names; empty when there are none."""
    folder = CUSTOMIZATIONS / kind / "actions"
    return {path.parent.name: path.read_text() for path in sorted(folder.glob("*/action.lua"))}


def discovery_script(kind: str) -> str:
    """Give the script that tells which actions an object has."""
    return (CUSTOMIZATIONS / kind / "actions" / "discovery.lua").read_text()


def config_map() -> str:
    """Give the part of argocd-cm that holds the scripts, as YAML."""
    data = {}
    for kind in KINDS:
        data[f"resource.customizations.health.{GROUP}_{kind}"] = _Literal(health_script(kind))
        if actions := action_scripts(kind):
            definitions = [{"name": name, "action.lua": _Literal(script)} for name, script in actions.items()]
            given = {"discovery.lua": _Literal(discovery_script(kind)), "definitions": definitions}
            data[f"resource.customizations.actions.{GROUP}_{kind}"] = _Literal(_dump(given))
    metadata = {
        "name": "argocd-cm",
        "namespace": "argocd",
        # Argo CD reads only ConfigMaps with this label.
        "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
    }
    return _HEAD + _dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def recorded(kind: str) -> dict[str, Path]:
    """Give the recorded objects of a kind, by the names of their states."""
    return {path.stem: path for path in sorted((CUSTOMIZATIONS / kind / "testdata").glob("*.yaml"))}


def _dump(value: dict[str, Any]) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=200, allow_unicode=True)
    return text
