"""As pods, too, the operator asks the API server under its ServiceAccount, and is refused nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import OPERATOR_USER
from tests.cluster.control_plane import ControlPlane
from tests.e2e.conftest import SERVING

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.e2e.models import Models


def test_all_that_it_asked_for_it_was_allowed(cluster: Cluster, models: Models) -> None:
    if not isinstance(cluster, ControlPlane):
        pytest.skip("needs the audit log of a control plane that is started here")
    requests = [each for each in cluster.audit_events() if each["user"] == OPERATOR_USER]
    applied = {each["resource"] for each in requests if each["name"] == SERVING and each["verb"] == "patch"}
    assert applied >= {"deployments", "services", "modelinstances/status"}
    # What admission refuses is about the object that is asked for, such as a template's pods that it tries.
    assert [each["message"] for each in requests if f'User "{OPERATOR_USER}" cannot' in each["message"]] == []
