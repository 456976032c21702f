"""An object of Flux or Argo CD is not changed behind its back."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import Failure, FailureReason, response_of
from model_operator.core.gateway.rest.owned_changes import require_unowned

FLUX = {"kustomize.toolkit.fluxcd.io/name": "models", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


def model(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": "minilm", "namespace": "team-a", **metadata},
        "spec": {},
    }


def test_a_change_is_refused_with_the_owner_and_the_way_round() -> None:
    owned = model(labels=FLUX)

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
    require_unowned(model(), force=False)
