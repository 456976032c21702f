"""Which object of Flux or Argo CD an object comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.objects.gitops_owners import Owner, gitops_owner

CASES = yaml.safe_load((Path(__file__).parent / "owners.yaml").read_text())
FLUX = {"kustomize.toolkit.fluxcd.io/name": "models", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


def of_kind(kind: str, metadata: dict[str, Any]) -> dict[str, Any]:
    place = (
        {"name": "minilm"} if kind == "ClusterModelTemplate" else {"name": "minilm", "namespace": "team-a"}
    )
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": kind,
        "metadata": place | metadata,
        "spec": {},
    }


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in CASES])
def test_owner(case: dict[str, Any]) -> None:
    owner = gitops_owner(of_kind(case.get("kind", "ModelInstance"), case["metadata"]))

    assert (str(owner) if owner else None) == case["owner"]


def test_an_owner_has_a_name_or_none() -> None:
    assert gitops_owner(of_kind("ModelTemplate", {"labels": FLUX})) == Owner(
        "Flux", "Kustomization", "flux-system/models"
    )
    manager = {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    assert gitops_owner(of_kind("ModelTemplate", {"managedFields": [manager]})) == Owner(
        "Argo CD", "Application"
    )
