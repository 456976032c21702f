"""What is counted of requests, and what is written about each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.apis import ROUTES, Treatment
from model_operator.core.gateway.failures import FailureReason
from model_operator.core.gateway.models import Deployment, Model
from model_operator.gateway.calls import Call, Outcome, RetryCause
from model_operator.gateway.metrics.counting import GatewayMetrics
from model_operator.gateway.metrics.declared import CONVENTIONS, METRICS, PREFIX
from model_operator.gateway.metrics.scraped import EndpointCounts, ScrapedState

CHAT = ROUTES[0]
USERNAME = "system:serviceaccount:team-a:app"


def deployment(name: str) -> Deployment:
    namespace, _, instance = name.partition("/")
    return Deployment(
        namespace=namespace,
        instance=instance,
        instance_uid="7f1c2a9e-0000-4000-8000-000000000001",
        name=f"{instance}-main",
        entry="main",
        model_type=ModelType.CHAT_COMPLETION,
        protocol=EndpointProtocol.OPENAI,
        served_name=None,
        predict_route="/predict",
        streaming_predict_route="/predict",
        apis=(),
    )


def call(name: str = "team-a/qwen") -> Call:
    served = deployment(name)
    model = Model(served.namespace, served.instance, served.instance_uid, 0, (served,))
    return Call(CHAT, model, served, b"{}", name, USERNAME, Treatment.PASS)


@dataclass
class Stage:
    """Metrics, with a clock and with models that come and go."""

    models: set[str] = field(default_factory=lambda: {"team-a/qwen", "team-b/qwen"})
    time: float = 0.0
    metrics: GatewayMetrics = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = GatewayMetrics(lambda: self.models, now=lambda: self.time)

    def values(self, *prefixes: str) -> dict[str, float]:
        """Give the values that are not 0, by name and labels."""
        return {
            sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.value
            and sample.name.startswith(prefixes)
            and not sample.name.endswith(("_bucket", "_created"))
        }

    def text(self) -> str:
        return generate_latest(self.metrics.registry).decode()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_exactly_the_catalog_is_registered(stage: Stage) -> None:
    stage.metrics.registry.register(ScrapedState(models=lambda: 0, endpoints=tuple, watch_ages=dict))
    exposed = {
        (f"{family.name}_total" if family.type == "counter" else family.name): family
        for family in stage.metrics.registry.collect()
        if not family.name.startswith("process_")
    }
    assert exposed.keys() == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert (exposed[metric.name].type, exposed[metric.name].documentation) == (metric.type, metric.help)


def test_a_stream_is_counted_and_timed(stage: Stage) -> None:
    seen = stage.metrics.begin(call())
    assert stage.values("model_operator_gateway_requests") == {
        "model_operator_gateway_requests_in_flight team-a/qwen": 1
    }
    stage.time = 0.25
    seen.first_byte()
    stage.time = 1.0
    seen.first_byte()
    seen.usage(12, 4)
    stage.time = 1.75
    with capture_logs() as lines:
        seen.end(Outcome(200, is_stream=True))

    of_model = "chat model-operator team-a/qwen"
    assert stage.values(CONVENTIONS) == {
        f"gen_ai_server_request_duration_seconds_count  {of_model}": 1,
        f"gen_ai_server_request_duration_seconds_sum  {of_model}": 1.75,
        f"gen_ai_server_time_to_first_token_seconds_count {of_model}": 1,
        f"gen_ai_server_time_to_first_token_seconds_sum {of_model}": 0.25,
        f"gen_ai_server_time_per_output_token_seconds_count {of_model}": 1,
        f"gen_ai_server_time_per_output_token_seconds_sum {of_model}": 0.5,
        f"gen_ai_client_token_usage_count {of_model} input": 1,
        f"gen_ai_client_token_usage_sum {of_model} input": 12,
        f"gen_ai_client_token_usage_count {of_model} output": 1,
        f"gen_ai_client_token_usage_sum {of_model} output": 4,
    }
    assert stage.values(f"{PREFIX}requests") == {
        "model_operator_gateway_requests_total 200 team-a/qwen chat-completions": 1
    }
    assert lines == [
        {
            "event": "request",
            "log_level": "info",
            "method": "POST",
            "route": "chat-completions",
            "status": 200,
            "seconds": 1.75,
            "first_byte_seconds": 0.25,
            "caller": USERNAME,
            "model": "team-a/qwen",
            "deployment": "qwen-main",
            "attempts": 1,
            "input_tokens": 12,
            "output_tokens": 4,
        }
    ]


def test_an_answer_at_once_has_no_first_token(stage: Stage) -> None:
    seen = stage.metrics.begin(call())
    seen.first_byte()
    seen.usage(12, 4)
    seen.end(Outcome(200))
    assert not stage.values("gen_ai_server_time")


@pytest.mark.parametrize(
    ("outcome", "error", "aborts"),
    [
        (Outcome(200), "", ""),
        (Outcome(499, is_client_gone=True), "client_closed", "client"),
        (Outcome(200, is_client_gone=True, is_stream=True), "client_closed", "client"),
        (Outcome(200, FailureReason.WORKER_FAILED, is_cut=True, is_stream=True), "worker_failed", "worker"),
        (Outcome(502, FailureReason.WORKER_UNREACHABLE), "worker_unreachable", ""),
        (Outcome(400), "400", ""),
        (Outcome(503), "503", ""),
        (Outcome(777), "other", ""),
    ],
)
def test_errors_and_aborts(stage: Stage, outcome: Outcome, error: str, aborts: str) -> None:
    seen = stage.metrics.begin(call())
    with capture_logs() as lines:
        seen.end(outcome)
    counted = stage.values("gen_ai_server_request_duration_seconds_count")
    assert counted == {
        f"gen_ai_server_request_duration_seconds_count {error} chat model-operator team-a/qwen": 1
    }
    assert [line.get("error", "") for line in lines] == [error]
    found = stage.values(f"{PREFIX}client_aborts_total", f"{PREFIX}worker_aborts_total")
    assert found == ({f"{PREFIX}{aborts}_aborts_total team-a/qwen": 1} if aborts else {})
    assert not stage.values(f"{PREFIX}requests_in_flight")


def test_attempts_by_cause(stage: Stage) -> None:
    seen = stage.metrics.begin(call())
    seen.retry(RetryCause.CONNECT)
    seen.retry(RetryCause.STALE_CONNECTION)
    with capture_logs() as lines:
        seen.end(Outcome(200))
    assert lines[0]["attempts"] == 3
    assert stage.values(f"{PREFIX}retries") == {
        f"{PREFIX}retries_total connect": 1,
        f"{PREFIX}retries_total stale_connection": 1,
    }


def test_requests_without_a_model(stage: Stage) -> None:
    with capture_logs() as lines:
        stage.metrics.answered("POST", CHAT.name, 404, 0.5, error="model_not_found", caller=USERNAME)
        stage.metrics.answered("GET", "models", 200, 0.25, caller=USERNAME)
        stage.metrics.answered("BREW\n", "", 418, 0.125, error="not_found")
    assert stage.values("gen_ai_server_request_duration_seconds_sum") == {
        "gen_ai_server_request_duration_seconds_sum model_not_found chat model-operator _unknown": 0.5
    }
    assert stage.values(f"{PREFIX}requests_total") == {
        f"{PREFIX}requests_total 404 _unknown chat-completions": 1,
        f"{PREFIX}requests_total 200 _unknown models": 1,
        f"{PREFIX}requests_total 418 _unknown ": 1,
    }
    assert [line["method"] for line in lines] == ["POST", "GET", "other"]
    assert [line.get("caller") for line in lines] == [USERNAME, USERNAME, None]


def test_a_request_that_no_worker_gets_counts_for_the_model_that_it_means(stage: Stage) -> None:
    with capture_logs() as lines:
        stage.metrics.answered(
            "POST", CHAT.name, 503, 0.5, error="model_not_ready", caller=USERNAME, model="team-a/qwen"
        )
        stage.metrics.answered("POST", CHAT.name, 499, 0.25, error="client_closed", caller=USERNAME)
    assert stage.values(f"{PREFIX}requests_total", f"{PREFIX}client_aborts") == {
        f"{PREFIX}requests_total 503 team-a/qwen chat-completions": 1,
        f"{PREFIX}requests_total 499 _unknown chat-completions": 1,
        f"{PREFIX}client_aborts_total _unknown": 1,
    }
    assert [line.get("model") for line in lines] == ["team-a/qwen", None]

    stage.models.remove("team-a/qwen")
    assert "team-a/qwen" not in stage.text()


def test_the_time_begins_with_the_headers(stage: Stage) -> None:
    stage.time = 10.0
    seen = stage.metrics.begin(replace(call(), begun=9.5))
    stage.time = 11.0
    with capture_logs() as lines:
        seen.end(Outcome(200))
    assert lines[0]["seconds"] == 1.5


def test_a_model_that_is_gone_has_no_series(stage: Stage) -> None:
    for name in ("team-a/qwen", "team-b/qwen"):
        seen = stage.metrics.begin(call(name))
        seen.usage(1, 1)
        seen.end(Outcome(200, is_client_gone=True))
    running = stage.metrics.begin(call("team-a/qwen"))
    stage.models.remove("team-a/qwen")
    assert "team-a/qwen" not in stage.text()
    assert "team-b/qwen" in stage.text()

    running.usage(1, 1)
    running.end(Outcome(200, is_stream=True))
    assert "team-a/qwen" not in stage.text()

    stage.models.add("team-a/qwen")
    stage.metrics.begin(call("team-a/qwen")).end(Outcome(200))
    assert "team-a/qwen" in stage.text()


def test_series_are_bounded_without_scrapes(stage: Stage) -> None:
    for number in range(3000):
        stage.models = {f"team-a/m{number}"}
        stage.metrics.begin(call(f"team-a/m{number}")).end(Outcome(200))
    assert len(stage.values(f"{PREFIX}requests_total")) < 600


def test_state_at_the_time_of_a_scrape(stage: Stage) -> None:
    state = ScrapedState(
        models=lambda: 2,
        endpoints=lambda: [
            EndpointCounts("a/b", 2, 0),
            EndpointCounts("a/b", 1, 1),
            EndpointCounts("c/d", 1, 0),
        ],
        watch_ages=lambda: {"modelinstances": 1.5},
    )
    stage.metrics.registry.register(state)
    assert stage.values(f"{PREFIX}models", f"{PREFIX}endpoints", f"{PREFIX}watch") == {
        f"{PREFIX}models": 2,
        f"{PREFIX}endpoints a/b ready": 3,
        f"{PREFIX}endpoints a/b set_aside": 1,
        f"{PREFIX}endpoints c/d ready": 1,
        f"{PREFIX}watch_age_seconds modelinstances": 1.5,
    }


def test_questions_about_callers(stage: Stage) -> None:
    stage.metrics.expect_identity_events("kept", "failed")
    stage.metrics.identity_event("kept")
    assert f'{PREFIX}identity_events_total{{event="failed"}} 0.0' in stage.text()
    assert stage.values(f"{PREFIX}identity") == {f"{PREFIX}identity_events_total kept": 1}


def test_without_lines(stage: Stage) -> None:
    metrics = GatewayMetrics(lambda: stage.models, writes_lines=False)
    with capture_logs() as lines:
        metrics.begin(call()).end(Outcome(200))
        metrics.answered("GET", "models", 200, 0.1)
    assert lines == []
