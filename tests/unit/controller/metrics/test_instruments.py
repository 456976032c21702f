"""The registry as a whole, the metrics that are counted, and ``/metrics`` itself."""

from __future__ import annotations

import datetime
import json
import platform
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from model_operator import __version__
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics.catalog import METRICS
from model_operator.controller.metrics.instruments import WEBHOOK_KEY, Metrics, Result
from model_operator.controller.metrics.requests import RequestCounter
from model_operator.controller.metrics.state import StateCollector
from model_operator.controller.queue import WorkQueue
from model_operator.kube.resources import MODEL_INSTANCES
from model_operator.metrics.declaration import MetricType
from model_operator.metrics.exposition import MetricsPage
from model_operator.process.sockets import bind
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, ask, review, stored
from tests.unit.controller.metrics.exposed import value, values

PATH = "/validate-modelinstance"


def test_exactly_the_catalog_is_registered() -> None:
    metrics = Metrics()
    RequestCounter(metrics)
    state: Any = ClusterState()
    now = datetime.datetime.now(datetime.UTC)
    metrics.registry.register(StateCollector(state, WorkQueue(), [MODEL_INSTANCES], lambda: now))

    exposed = {
        (f"{family.name}_total" if family.type == "counter" else family.name): family
        for family in metrics.registry.collect()
        if not family.name.startswith("process_")
    }

    assert exposed.keys() == {metric.name for metric in METRICS}
    for metric in METRICS:
        family = exposed[metric.name]
        assert (family.type, family.documentation) == (metric.type, metric.help)
        for sample in family.samples:
            if sample.name in metric.series:
                assert sample.labels.keys() - {"le"} == {*metric.labels}


def test_the_process_is_measured_too() -> None:
    memory = Metrics().registry.get_sample_value("process_resident_memory_bytes")
    assert memory is not None
    assert memory > 1_000_000


def test_two_operators_in_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.reconciled("ModelInstance", Result.DONE, 0.1)
    assert values(one.registry, "reconciles_total") == {("ModelInstance", "done"): 1}
    assert values(other.registry, "reconciles_total") == {}


def test_build_and_leadership() -> None:
    metrics = Metrics()
    labels = {"version": __version__, "python_version": platform.python_version()}
    assert value(metrics.registry, "build_info", **labels) == 1
    assert value(metrics.registry, "leader") == 1

    metrics.leader.set(0)
    assert value(metrics.registry, "leader") == 0


def test_series_that_alerts_watch_begin_at_zero() -> None:
    metrics = Metrics()
    admission(FakeServer(), metrics=metrics)
    assert value(metrics.registry, "reconciles_total", kind="ModelTemplate", result="defect") == 0
    assert value(metrics.registry, "events_total", result="dropped") == 0
    assert value(metrics.registry, "webhook_decisions_total", webhook=PATH, decision="failed") == 0


def test_durations_go_into_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.03, 20.0):
        metrics.reconciled("ModelInstance", Result.DONE, seconds)
    buckets = {
        bound: value(metrics.registry, "reconcile_duration_seconds_bucket", kind="ModelInstance", le=bound)
        for bound in ("0.001", "0.025", "0.05", "15.0", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.025": 1, "0.05": 2, "15.0": 2, "+Inf": 3}


WRONG = {"MODEL_NAME": 7}


@pytest.mark.parametrize(
    ("values_given", "user", "decision"),
    [
        ({"MODEL_NAME": "encoder"}, "alice", "allowed"),
        (WRONG, "alice", "denied"),
        (WRONG, "system:serviceaccount:flux-system:kustomize-controller", "warned"),
    ],
)
async def test_decisions_are_counted(values_given: dict[str, Any], user: str, decision: str) -> None:
    metrics, server = Metrics(), FakeServer()
    webhooks = admission(server, server.put(stored(template())), metrics=metrics)

    await ask(webhooks, review(stored(instance(model_creation_parameters=values_given)), user=user))

    assert values(metrics.registry, "webhook_decisions_total") == {(decision, PATH): 1}


async def test_a_defect_of_ours_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    webhooks = admission(FakeServer(), metrics=metrics)
    monkeypatch.setattr("model_operator.controller.webhooks.reviewers.examine_instance", None)

    answered = await ask(webhooks, review(stored(instance())))

    assert answered["allowed"]
    assert values(metrics.registry, "webhook_decisions_total") == {("failed", PATH): 1}


async def test_a_deletion_counts_as_allowed() -> None:
    metrics = Metrics()
    webhooks = admission(FakeServer(), metrics=metrics)
    await ask(webhooks, review(None, stored(instance()), operation="DELETE", kind="ModelInstance"))
    assert values(metrics.registry, "webhook_decisions_total") == {("allowed", PATH): 1}


async def test_requests_to_webhooks_are_counted_and_strangers_make_no_series() -> None:
    metrics = Metrics()

    async def handle(request: web.Request) -> web.Response:
        if request.path == f"/secret{PATH}":
            request[WEBHOOK_KEY] = PATH
        sent = await request.json()
        if sent == "raise":
            raise ZeroDivisionError
        return web.Response(status=sent)

    application = web.Application(middlewares=[metrics.webhook_middleware])
    application.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    bound = bind("127.0.0.1", 0)
    await web.SockSite(runner, bound).start()
    base = f"http://127.0.0.1:{bound.getsockname()[1]}"
    try:
        async with aiohttp.ClientSession(base) as session:
            for path, sent in (
                (f"/secret{PATH}", 200),
                (f"/secret{PATH}", 200),
                (f"/secret{PATH}", 400),
                (f"/secret{PATH}", "raise"),
                ("/.env", 404),
                ("/wp-admin", 404),
            ):
                async with session.post(path, data=json.dumps(sent)):
                    pass
            async with session.get("/.env"):
                pass
    finally:
        await runner.cleanup()

    assert values(metrics.registry, "webhook_requests_total") == {
        ("200", PATH): 2,
        ("400", PATH): 1,
        ("500", PATH): 1,
        ("404", "unknown"): 2,
        ("405", "unknown"): 1,
    }
    assert value(metrics.registry, "webhook_request_duration_seconds_count", webhook=PATH) == 4
    exposed = MetricsPage(metrics.registry).body().decode()
    assert "/secret" not in exposed, "a path is a label without its token"


def test_the_page_is_what_prometheus_reads() -> None:
    assert MetricsPage.HEADERS == {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    text = MetricsPage(Metrics().registry).body().decode()
    types = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert types["model_operator_leader"] == MetricType.GAUGE
    assert types["model_operator_reconcile_duration_seconds"] == MetricType.HISTOGRAM


def test_who_asks_often_gets_the_same_answer_for_a_second() -> None:
    registry, now = CollectorRegistry(), 100.0
    gauge = Gauge("demo", "A number.", registry=registry)
    page = MetricsPage(registry, lambda: now)
    first = page.body()

    gauge.set(1)
    now = 100.9
    assert page.body() == first
    now = 101.0
    assert b"demo 1.0" in page.body()
