"""The workers of each deployment, whatever comes first, and nothing of what is gone."""

from __future__ import annotations

from model_operator.core.gateway.balancing import Limits
from model_operator.gateway.tables import Tables
from tests.unit.core.gateway.objects import endpoint_slice, served_instance


def test_workers_follow_the_slices_and_models_without_any_leave_nothing() -> None:
    tables = Tables(lambda: 0.0, Limits())
    tables.put_instance(served_instance())
    (model,) = tables.catalog
    (deployment,) = model.deployments
    assert not tables.is_ready(deployment)
    assert [(each.ready, each.set_aside) for each in tables.counts()] == [(0, 0)]
    assert not tables._workers

    tables.put_slice(endpoint_slice("qwen", "10.0.0.1"))
    workers = tables.workers_of(deployment)
    assert len(workers) == 1
    tables.put_slice(endpoint_slice("qwen", "10.0.0.1", "10.0.0.2"))
    assert tables.workers_of(deployment) is workers
    assert len(workers) == 2

    tables.remove_slice("team-a", "qwen-abc")
    tables.remove_instance("team-a", "qwen")
    assert not tables._workers
