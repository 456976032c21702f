"""An operator whose CRDs are older than itself: the API server drops what they do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_operator.kube.resources import MODEL_TEMPLATES, ResourceKind
from tests.unit.controller.rollouts.fleet import template
from tests.unit.controller.rollouts.operators import Link
from tests.unit.controller.rollouts.test_cases import STEPS, begun
from tests.unit.controller.virtual_clock import in_virtual_time

if TYPE_CHECKING:
    from model_operator.kube.client import Object


@pytest.mark.parametrize("rollout", [STEPS, None], ids=["in steps", "at once"])
@in_virtual_time
async def test_no_status_is_written_again_and_again(rollout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []
    patch_status = Link.patch_status

    async def pruning(
        self: Link, kind: ResourceKind, namespace: str, name: str, status: Any, resource_version: str
    ) -> Object:
        if kind is not MODEL_TEMPLATES:
            return await patch_status(self, kind, namespace, name, status, resource_version)
        requests.append(name)
        known = {key: each for key, each in status.items() if key not in ("rollout", "stable_revision")}
        if not known:
            # The API server stores no new version of what does not change.
            return await self.get(kind, namespace, name)
        return await patch_status(self, kind, namespace, name, known, resource_version)

    monkeypatch.setattr(Link, "patch_status", pruning)
    fleet = await begun(template(rollout=rollout))
    count = len(requests)
    await fleet.wait(60)
    assert len(requests) - count < 3
