"""The kustomizations that documents have people write beside ours are some."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import blocks

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl

MIRROR = "registry.example.com"


def built_from(document: str, part: str, kubectl: Kubectl, tmp_path: Path) -> list[Object]:
    """Give what the kustomization of a document builds; it is the block with this part."""
    text = (REPOSITORY / "docs" / document).read_text(encoding="utf-8")
    (found,) = (block.text for block in blocks(text) if part in block.text)
    for name in ("manifests", "crds"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    mine = tmp_path / "manifests" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(found)
    return list(yaml.safe_load_all(kubectl("kustomize", mine).stdout))


def test_it_has_the_image_that_it_names(kubectl: Kubectl, tmp_path: Path) -> None:
    built = built_from("operations.md", "kind: Kustomization", kubectl, tmp_path)

    (deployment,) = (obj for obj in built if obj["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/model-operator:0.1.0"
    assert deployment["metadata"]["namespace"] == "model-operator"
    assert {obj["kind"] for obj in built} >= {"CustomResourceDefinition", "ClusterRole", "Service"}


def test_components_change_all_templates_of_the_catalogue(kubectl: Kubectl, tmp_path: Path) -> None:
    plain = {
        obj["metadata"]["name"]: obj
        for obj in yaml.safe_load_all(kubectl("kustomize", REPOSITORY / "manifests" / "catalogue").stdout)
    }
    built = built_from("catalogue.md", "components:", kubectl, tmp_path)

    assert {obj["kind"] for obj in [*plain.values(), *built]} == {"ClusterModelTemplate"}, "no examples"
    assert {obj["metadata"]["name"] for obj in built} == plain.keys()
    for obj in built:
        before = plain[obj["metadata"]["name"]]["spec"]
        weights = obj["metadata"]["labels"]["catalogue.modeloperator.dev/weights"]
        bundle = obj["spec"]["vendor_configuration"]["bundle_config"]
        old = before["vendor_configuration"]["bundle_config"]["registry"]
        assert bundle["registry"] == "/".join([MIRROR, *old.split("/")[1:]])
        pod = obj["spec"]["pod_template"]["spec"]
        if weights == "claim":
            assert pod == before["pod_template"]["spec"]
            continue
        assert pod["volumes"][0] == {"name": "cache", "persistentVolumeClaim": {"claimName": "model-cache"}}
        assert pod["volumes"][1:] == before["pod_template"]["spec"]["volumes"][1:]
        token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hugging-face", "key": "token"}}}
        assert pod["containers"][0].get("env", []) == ([token] if weights == "hugging-face" else [])
        assert bundle.get("env", {}).get("HF_HUB_OFFLINE") == ("1" if weights == "hugging-face" else None)
