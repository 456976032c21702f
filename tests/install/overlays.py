"""The ways in which the operator is installed, and what each takes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.kubectl import CRDS
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.cluster.kube_api import Object, Objects

FOLDER = REPOSITORY / "manifests" / "overlays"
OVERLAYS = sorted(path.name for path in FOLDER.iterdir())
DEFAULT = FOLDER / "default"
WITHOUT_CRDS = REPOSITORY / "manifests" / "base"

Key = tuple[str, str, str]


def key(obj: Object) -> Key:
    """Give kind, namespace and name."""
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def objects(text: str) -> Objects:
    """Read a stream of YAML documents."""
    return [obj for obj in yaml.safe_load_all(text) if obj]


def operator_deployment(rendered: Iterable[Object]) -> Object:
    """Give the operator's Deployment."""
    (found,) = [each for each in deployments(rendered) if each["metadata"]["name"] == "model-operator"]
    return found


def deployments(rendered: Iterable[Object]) -> Objects:
    """Give the Deployments: the operator's, and the gateway's where it is installed."""
    return [obj for obj in rendered if obj["kind"] == "Deployment"]


def pod_spec(rendered: Iterable[Object]) -> Object:
    """Give the spec of the operator's pods."""
    spec: Object = operator_deployment(rendered)["spec"]["template"]["spec"]
    return spec


def variables(deployment: Object) -> dict[str, str]:
    """Give the variables of the operator's container; the namespace stands for a reference to it."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {
        entry["name"]: entry["value"] if "value" in entry else _referred(entry, deployment)
        for entry in container["env"]
    }


def _referred(entry: Object, deployment: Object) -> str:
    if entry["valueFrom"] != {"fieldRef": {"fieldPath": "metadata.namespace"}}:
        raise ValueError(f"{entry['name']}: expected a value or the namespace, got {entry['valueFrom']}")
    namespace: str = deployment["metadata"]["namespace"]
    return namespace


def foreign_crds(rendered: Iterable[Object]) -> list[dict[str, Any]]:
    """Give CRDs that take anything, for kinds of cert-manager and others that an overlay uses."""
    foreign = {
        (*obj["apiVersion"].split("/"), obj["kind"])
        for obj in rendered
        if obj["apiVersion"].partition("/")[0].count(".")
        and not obj["apiVersion"].split("/")[0].endswith("k8s.io")
    }
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{kind.lower()}s.{group}"},
            "spec": {
                "group": group,
                "names": {"kind": kind, "plural": f"{kind.lower()}s"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": version,
                        "served": True,
                        "storage": True,
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                ],
            },
        }
        for group, version, kind in sorted(foreign)
    ]


def crd_files() -> list[Path]:
    """Give the files of our CRDs."""
    return sorted(CRDS.glob("*.yaml"))
