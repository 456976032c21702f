"""The kustomization that docs/operations.md has people write beside the overlays is one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import blocks

if TYPE_CHECKING:
    from tests.cluster.kubectl import Kubectl

DOCUMENT = REPOSITORY / "docs" / "operations.md"


def test_it_has_the_image_that_it_names(kubectl: Kubectl, tmp_path: Path) -> None:
    (text,) = (
        block.text
        for block in blocks(DOCUMENT.read_text(encoding="utf-8"))
        if "kind: Kustomization" in block.text
    )
    for name in ("manifests", "crds"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    mine = tmp_path / "manifests" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(text)

    built = list(yaml.safe_load_all(kubectl("kustomize", mine).stdout))

    (deployment,) = (obj for obj in built if obj["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/model-operator:0.1.0"
    assert deployment["metadata"]["namespace"] == "model-operator"
    assert {obj["kind"] for obj in built} >= {"CustomResourceDefinition", "ClusterRole", "Service"}
