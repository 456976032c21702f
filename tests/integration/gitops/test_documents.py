"""What docs/gitops.md has people put into Git is accepted by the API server and comes up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApiError
from tests.gitops.examples import examples

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi

OURS = "modeloperator.dev/v1alpha1"
OBJECTS = examples(foreign=False)


@pytest.mark.parametrize("obj", OBJECTS, ids=lambda obj: str(obj["kind"]))
def test_object_is_accepted(api: KubeApi, obj: dict[str, object]) -> None:
    assert isinstance(obj["metadata"], dict)
    obj = {**obj, "metadata": {**obj["metadata"], "namespace": api.namespace}}

    api.apply(obj, dry_run=True)


def test_what_the_schema_does_not_know_is_refused(api: KubeApi) -> None:
    obj = next(obj for obj in OBJECTS if obj["kind"] == "ModelInstance")

    with pytest.raises(KubeApiError, match="field not declared in schema"):
        api.apply({**obj, "spec": obj["spec"] | {"parameters": {}}}, dry_run=True)


@pytest.mark.usefixtures("operator")
def test_models_come_up_in_the_order_of_the_document(api: KubeApi) -> None:
    objects = [obj for obj in OBJECTS if obj["apiVersion"] == OURS]
    assert [obj["kind"] for obj in objects] == ["ModelInstance", "ModelTemplate"]

    for obj in objects:
        api.apply(obj)

    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
