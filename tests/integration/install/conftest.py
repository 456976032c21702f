"""Fixtures for tests that install and remove the operator: each on a control plane of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hack.build.toolset import cached_tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fresh() -> Iterator[ControlPlane]:
    """Give a control plane with nothing of ours on it, not even CRDs."""
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    with ControlPlane.start(crds=False) as cluster:
        yield cluster


@pytest.fixture
def administrator(fresh: ControlPlane) -> Iterator[KubeApi]:
    """Give a client as administrator for it."""
    api = KubeApi(fresh.kubeconfig)
    yield api
    api.close()
