"""The workers: what follows from how a reconciliation ended."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from model_operator.api import TemplateKind
from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key
from model_operator.kube.errors import ApiUnavailableError, error_for
from tests.unit.controller import virtual_clock
from tests.unit.controller.metrics.exposed import values

DEMO = Key("ModelInstance", "team", "demo")
EMBED = Key("ModelTemplate", "team", "embed")
TERMINATING = {"message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}


class Queue(WorkQueue[Key]):
    """Notes after how long a key is to be tried again at the latest; None when it is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[tuple[str, float | None]] = []
        self.noted = asyncio.Semaphore(0)

    def retry(self, key: Key, limit: float) -> float:
        self._note(key, limit)
        return 0

    def forget(self, key: Key) -> None:
        super().forget(key)
        self._note(key, None)

    def _note(self, key: Key, limit: float | None) -> None:
        self.limits.append((key.name, limit))
        self.noted.release()


class Reconciler:
    """Ends as it is told, for instances and templates."""

    def __init__(self, *outcomes: float | Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.seen: list[Any] = []

    async def reconcile(self, *args: Any) -> float | None:
        self.seen.append(args)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def work(
    instances: Reconciler, templates: Reconciler, *keys: Key, metrics: Metrics | None = None
) -> list[tuple[str, float | None]]:
    """Have one worker work on the keys; return what was noted."""

    async def main() -> list[tuple[str, float | None]]:
        queue = Queue()
        workers = WorkerPool(
            queue,
            cast("InstanceReconciler", instances),
            cast("TemplateReconciler", templates),
            metrics or Metrics(),
        )
        for key in keys:
            queue.add(key)
        task = asyncio.create_task(workers.run(1))
        async with asyncio.timeout(60):
            for _ in keys:
                await queue.noted.acquire()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return queue.limits

    return virtual_clock.run(main())


@pytest.mark.parametrize(
    ("outcome", "limit"),
    [
        pytest.param(None, None, id="done"),
        pytest.param(60.0, 60, id="to be looked at again"),
        pytest.param(error_for(404, {}, "PATCH"), None, id="gone"),
        pytest.param(error_for(409, {}, "PATCH"), 5, id="conflict"),
        pytest.param(ApiUnavailableError(0, {}, "PATCH"), 15, id="no answer"),
        pytest.param(error_for(429, {}, "PATCH"), 15, id="throttled"),
        pytest.param(error_for(503, {}, "PATCH"), 15, id="unavailable"),
        pytest.param(error_for(401, {}, "PATCH"), 60, id="credentials refused"),
        pytest.param(error_for(403, {}, "PATCH"), 60, id="forbidden"),
        pytest.param(error_for(422, {}, "PATCH"), 60, id="invalid"),
        pytest.param(error_for(403, TERMINATING, "PATCH"), None, id="namespace goes away"),
        pytest.param(ZeroDivisionError(), 300, id="defect"),
        pytest.param(RecursionError(), 300, id="endless recursion"),
    ],
)
def test_when_it_is_looked_at_again(outcome: float | Exception | None, limit: float | None) -> None:
    with capture_logs():
        assert work(Reconciler(outcome), Reconciler(), DEMO) == [("demo", limit)]


def test_no_object_stops_the_work_on_the_others() -> None:
    other = Key("ModelInstance", "team", "other")
    with capture_logs() as logs:
        noted = work(Reconciler(ZeroDivisionError(), None), Reconciler(), DEMO, other)

    assert noted == [("demo", 300), ("other", None)]
    assert [entry["event"] for entry in logs] == ["reconciliation failed"]


def test_what_the_server_says_of_a_users_values_is_not_logged() -> None:
    refused = error_for(422, {"message": "spec.x: Invalid value: hunter2"}, "PATCH")
    with capture_logs() as logs:
        work(Reconciler(refused), Reconciler(), DEMO)

    assert [entry["code"] for entry in logs] == [422]
    assert "hunter2" not in str(logs)


def test_each_key_goes_to_the_reconciler_of_its_kind() -> None:
    instances, templates = Reconciler(None), Reconciler(None, None)
    cluster = Key("ClusterModelTemplate", "", "base")

    work(instances, templates, DEMO, EMBED, cluster)

    assert instances.seen == [("team", "demo")]
    assert templates.seen == [
        (TemplateKind.MODEL_TEMPLATE, "team", "embed"),
        (TemplateKind.CLUSTER_MODEL_TEMPLATE, "", "base"),
    ]


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (None, "done"),
        (5.0, "retry"),
        (error_for(404, {}, "GET"), "gone"),
        (error_for(403, TERMINATING, "PATCH"), "gone"),
        (error_for(409, {}, "PATCH"), "conflict"),
        (error_for(503, {}, "GET"), "unavailable"),
        (error_for(422, {}, "PATCH"), "refused"),
        (ZeroDivisionError(), "defect"),
    ],
)
def test_how_it_ended_is_counted(outcome: float | Exception | None, result: str) -> None:
    metrics = Metrics()
    work(Reconciler(outcome), Reconciler(), DEMO, metrics=metrics)

    assert values(metrics.registry, "reconciles_total") == {("ModelInstance", result): 1}
    assert values(metrics.registry, "reconcile_duration_seconds_count") == {("ModelInstance",): 1}


def test_others_run_between_reconciles_that_never_suspend() -> None:
    """With nothing to send, a reconcile does not suspend; the renewal of the Lease must not wait for all."""
    workers, count = 4, 200
    reconciler = Reconciler(*[None] * count)
    longest = 0

    async def run() -> None:
        nonlocal longest
        queue: WorkQueue[Key] = WorkQueue()
        for number in range(count):
            queue.add(DEMO._replace(name=f"model-{number}"))
        made: Any = reconciler
        running = asyncio.create_task(WorkerPool(queue, made, made, Metrics()).run(workers))
        while len(reconciler.seen) < count:
            before = len(reconciler.seen)
            await asyncio.sleep(0)
            longest = max(longest, len(reconciler.seen) - before)
        running.cancel()

    asyncio.run(run())

    assert longest <= workers
