"""Every object in docs/gitops.md and in the manifests for Argo CD and Flux."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

DOCUMENT = REPOSITORY / "docs" / "gitops.md"
APPLICATION = REPOSITORY / "manifests" / "argocd" / "application.yaml"
FLUX = tuple(sorted((REPOSITORY / "manifests" / "flux").glob("*.yaml")))
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def foreign_schemas() -> dict[str, Object]:
    """Give the JSON Schemas of the specs of Argo CD's and Flux's kinds, by `schema_name`."""
    schemas: dict[str, Object] = yaml.safe_load(Path(__file__).with_name("foreign_schemas.yaml").read_text())
    return schemas


def schema_name(obj: Object) -> str:
    """Give the key of an object's kind in `foreign_schemas`."""
    return f"{obj['kind']}.{obj['apiVersion']}"


def blocks() -> list[list[Object]]:
    """Give the objects of each YAML block of the document, and of each file."""
    texts = [
        *_BLOCK.findall(DOCUMENT.read_text()),
        *(path.read_text() for path in (APPLICATION, *FLUX)),
    ]
    return [list(yaml.safe_load_all(text)) for text in texts]


def examples(*, foreign: bool) -> list[Object]:
    """Give all objects of kinds of Argo CD and Flux, or all others."""
    return [obj for block in blocks() for obj in block if (schema_name(obj) in foreign_schemas()) is foreign]
