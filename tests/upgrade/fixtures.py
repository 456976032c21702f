"""The objects that earlier versions have made, and how they get into a cluster as they were."""

from __future__ import annotations

import base64
import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kube_api import Object, Objects

FOLDER = REPOSITORY / "tests" / "upgrade"
OURS = {
    "ModelTemplate": "modeloperator.dev/modeltemplates",
    "ClusterModelTemplate": "modeloperator.dev/clustermodeltemplates",
    "ModelInstance": "modeloperator.dev/modelinstances",
}
CHILDREN = {
    "Service": "services/specs",
    "Deployment": "deployments",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}
"""Kinds with their folder in etcd, owners first."""


@dataclass(frozen=True)
class Version:
    """What one version of the operator has left behind.

    Attributes
    ----------
    folder
        Where it is; named after the version.
    """

    folder: Path

    @property
    def crds(self) -> Path:
        """The folder of its CRDs."""
        return self.folder / "crds"

    def definitions(self) -> dict[str, Object]:
        """Give its CRDs by name."""
        read = [yaml.safe_load(path.read_text()) for path in sorted(self.crds.glob("*.yaml"))]
        return {crd["metadata"]["name"]: crd for crd in read}

    def objects(self) -> Objects:
        """Give its objects, owners before what they own."""
        return [
            obj
            for kind in (*OURS, *CHILDREN)
            for obj in yaml.safe_load_all((self.folder / f"{kind.lower()}s.yaml").read_text())
        ]


def versions() -> list[Version]:
    """Give every version that left something."""
    return [Version(path) for path in sorted(FOLDER.glob("v*")) if path.is_dir()]


def store(etcd_url: str, obj: Object) -> None:
    """Put an object into etcd as it was: with its uid, generation, managed fields and status.

    The API server would make all of these anew.
    """
    metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    folder = {**OURS, **CHILDREN}[obj["kind"]]
    key = "/".join(["/registry", folder, *filter(None, [metadata.get("namespace")]), metadata["name"]])
    pair = {"key": key, "value": json.dumps({**obj, "metadata": metadata})}
    body = json.dumps({name: base64.b64encode(text.encode()).decode() for name, text in pair.items()})
    request = urllib.request.Request(f"{etcd_url}/v3/kv/put", data=body.encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        response.read()
