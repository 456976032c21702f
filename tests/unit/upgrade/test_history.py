"""The CRDs take nothing away from those who have objects of an earlier version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cluster.kubectl import CRDS
from tests.upgrade.compatibility import incompatibilities
from tests.upgrade.fixtures import CHILDREN, OURS, versions

if TYPE_CHECKING:
    from tests.upgrade.fixtures import Version

NOW = {
    crd["metadata"]["name"]: crd for path in CRDS.glob("*.yaml") for crd in [yaml.safe_load(path.read_text())]
}

history = pytest.mark.parametrize("version", versions(), ids=lambda version: version.folder.name)


DETAILS = "base_model_metadata.modelDetails"
FREE = (
    "model_creation_parameters",
    "deployments[].model_creation_parameters",
    "deployments[].deployment_metadata",
    "model_creation_parameters_schema",
    "model_request_parameters_schema",
    "pod_template.metadata",
    "pod_template.spec",
)
FIGURES = ("number_of_parameters", "token_context_window", "languages", "alignments")
BOUNDED = {
    *(f"v1alpha1.spec.{DETAILS}.{each}: maximum tightened from None to {2**53}" for each in FIGURES),
    *(f"v1alpha1.spec.{each}: maxProperties tightened from None to 1000" for each in FREE),
    *(f"v1alpha1.spec.{each}: x-kubernetes-map-type changed from None to 'atomic'" for each in FREE),
}
"""Bounds that fields got which had none, so that nobody's object is more than the operator can hold. But for
what was only informational, the webhooks and the reconciler refused what is beyond them before. Atomic they
are so that the API server can read what it has stored; of several managers, one has all of such a field."""


@history
def test_crds_take_nothing_away(version: Version) -> None:
    old = version.definitions()
    assert set(old) == set(NOW)
    found = {told for name, crd in old.items() for told in incompatibilities(crd, NOW[name])}
    assert found == BOUNDED


@history
def test_every_kind_was_recorded_with_its_managed_fields(version: Version) -> None:
    objects = version.objects()
    assert {obj["kind"] for obj in objects} == {*OURS, *CHILDREN}
    assert all(obj["metadata"]["managedFields"] and obj["metadata"]["uid"] for obj in objects)
    reasons = {
        condition["reason"]
        for obj in objects
        if obj["kind"] == "ModelInstance"
        for condition in obj["status"]["conditions"]
        if condition["type"] == "Ready"
    }
    assert reasons >= {"RolledOut", "ScaledToZero", "NotDeployed", "ExternallyHosted", "InvalidParameters"}
