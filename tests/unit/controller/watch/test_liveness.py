"""What an operator says of itself when it no longer hears of the cluster."""

from __future__ import annotations

import pytest

from model_operator.controller.scope import Scope
from model_operator.controller.watch.liveness import WatchLiveness
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    SERVICES,
)

KINDS = [MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES, SERVICES]
EVERYWHERE = [
    "watcher for modelinstances.v1alpha1.modeloperator.dev@None",
    "watcher for modeltemplates.v1alpha1.modeloperator.dev@None",
    "watcher for clustermodeltemplates.v1alpha1.modeloperator.dev@None",
    "watcher for services.v1@None",
]
IN_TWO = [
    "watcher for modelinstances.v1alpha1.modeloperator.dev@a",
    "watcher for modelinstances.v1alpha1.modeloperator.dev@b",
    "watcher for modeltemplates.v1alpha1.modeloperator.dev@a",
    "watcher for modeltemplates.v1alpha1.modeloperator.dev@b",
    "watcher for clustermodeltemplates.v1alpha1.modeloperator.dev@None",
    "watcher for services.v1@a",
    "watcher for services.v1@b",
]


class Watches:
    def __init__(self, *namespaces: str) -> None:
        self.now = 1000.0
        self.liveness = WatchLiveness(KINDS, Scope(list(namespaces), []), 600, lambda: self.now)


@pytest.mark.parametrize(("namespaces", "tasks"), [((), EVERYWHERE), (("a", "b"), IN_TWO)])
def test_each_watcher_is_missed(namespaces: tuple[str, ...], tasks: list[str]) -> None:
    liveness = Watches(*namespaces).liveness

    assert liveness.failure([*tasks, "worker 1", "Task-7"]) is None
    for gone in tasks:
        failure = liveness.failure(task for task in tasks if task != gone)
        kind = gone.removeprefix("watcher for ").partition(".")[0]
        assert failure is not None
        assert failure.startswith(kind)
        assert failure.endswith("are no longer watched")


def test_watchers_have_time_to_begin_and_none_to_end() -> None:
    watch = Watches()
    watch.liveness.begin()
    watch.now += 59
    assert watch.liveness.failure([]) is None
    watch.now += 1
    assert watch.liveness.failure(EVERYWHERE[1:]) == "modelinstances.modeloperator.dev are no longer watched"

    watch.liveness.begin()
    assert watch.liveness.failure(EVERYWHERE) is None
    assert watch.liveness.failure(EVERYWHERE[1:]) == "modelinstances.modeloperator.dev are no longer watched"


def test_silence_that_lasts_longer_than_two_comparisons_take() -> None:
    watch = Watches()
    watch.now += 1260
    assert watch.liveness.failure(EVERYWHERE) is None
    watch.now += 1
    assert watch.liveness.failure(EVERYWHERE) == (
        "no events from the API server for 1261 s and resync failed"
    )
    watch.liveness.heartbeat()
    assert watch.liveness.failure(EVERYWHERE) is None
