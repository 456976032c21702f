"""Which object of Flux or Argo CD an object comes from, and that it is not changed behind its back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import Failure, FailureReason, response_of
from model_operator.core.gateway.rest.gitops_owners import Owner, gitops_owner, require_unowned

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


def test_a_change_is_refused_with_the_owner_and_the_way_round() -> None:
    owned = of_kind("ModelInstance", {"labels": FLUX})

    with pytest.raises(Failure) as raised:
        require_unowned(owned, force=False)

    assert raised.value.reason is FailureReason.CONFLICT
    response = response_of(raised.value, Family.PLATFORM)
    assert response.status == 409
    assert response.headers["x-should-retry"] == "false"
    assert "Retry-After" not in response.headers
    assert raised.value.message == (
        "ModelInstance team-a/minilm is managed by Flux Kustomization flux-system/models, which undoes "
        "changes made here. Action (user): change or delete it in the source of the Kustomization, or send "
        "the request with ?force=true."
    )
    require_unowned(owned, force=True)
    require_unowned(of_kind("ModelInstance", {}), force=False)


def test_an_owner_has_a_name_or_none() -> None:
    assert gitops_owner(of_kind("ModelTemplate", {"labels": FLUX})) == Owner(
        "Flux", "Kustomization", "flux-system/models"
    )
    manager = {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    assert gitops_owner(of_kind("ModelTemplate", {"managedFields": [manager]})) == Owner(
        "Argo CD", "Application"
    )
