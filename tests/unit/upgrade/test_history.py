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


@history
def test_crds_take_nothing_away(version: Version) -> None:
    old = version.definitions()
    assert set(old) <= set(NOW)
    found = {told for name, crd in old.items() for told in incompatibilities(crd, NOW[name])}
    assert found == set()


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
