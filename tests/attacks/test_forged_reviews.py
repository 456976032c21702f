"""Reviews that no API server sends, at the port: no 500, no traceback, no request but for the template."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import re
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.controller.serving.admission_gate import AdmissionGate, ReviewBounds
from model_operator.controller.webhooks.server import serve_webhooks, webhook_bounds
from model_operator.core.webhooks.callers import CallerPolicy, Webhook
from model_operator.process.connection_slots import Slots
from model_operator.process.sockets import bind
from tests.attacks.strangers import Stranger
from tests.cluster.scrape import series
from tests.cluster.webhooks import LOOPBACK, TOKEN, write_certificate
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, review, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.admission import Admission

KNOWN = [stored(template()), stored(template("shared") | {"kind": "ClusterModelTemplate"}, namespace="")]
MODELS = [stored(instance()), stored(instance("other", model_creation_parameters={"MODEL_NAME": 7}))]
NAME = "[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?"


@dataclass
class Port(logging.Handler):
    """The webhooks' port, with an API server that notes what is read, and all that is logged as an error.

    Attributes
    ----------
    gate
        What callers have to show.
    """

    folder: Any
    api: FakeServer = field(default_factory=FakeServer)
    gate: CallerPolicy = field(default_factory=lambda: CallerPolicy((TOKEN,)))
    errors: list[str] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of a library, such as aiohttp's about a defect in a handler."""
        self.errors.append(f"{record.getMessage()} {record.exc_info}")

    def process(self, _: Any, method: str, event: Any) -> Any:
        """Note a line of ours."""
        if method in ("error", "exception", "warning"):
            self.errors.append(str(event))
        raise structlog.DropEvent

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / "tls.crt", self.folder / "tls.key")
        webhooks = admission(self.api, *KNOWN, *MODELS)
        bound = bind(LOOPBACK, 0)
        self.number = bound.getsockname()[1]
        reviews = {webhook: reviewer.review for webhook, reviewer in webhooks.reviewers.items()}
        slots = Slots(webhook_bounds(256, 256, 256), lambda _: None)
        gate = AdmissionGate(ReviewBounds(), asyncio.get_running_loop(), lambda _: None)
        async with serve_webhooks(reviews, lambda: self.gate, bound, context, gate, slots):
            ready.set()
            await stop.wait()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """Give a port that is served by another thread."""
    made = Port(tmp_path_factory.mktemp("port"))
    write_certificate(made.folder)
    for obj in KNOWN:
        made.api.put(obj)
    logging.getLogger().addHandler(made)
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[made.process])
    loop, ready = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(made.serve(ready, stop),))
    thread.start()
    assert ready.wait(10)
    yield made
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
    structlog.configure(processors=before)
    logging.getLogger().removeHandler(made)


ODD = st.sampled_from(
    [
        *("", ".", "..", "../..", "a/../b", "%2e%2e", "a?watch=1", "a,b", "x" * 300),
        *("team-a", "encoder", "shared", "uid-of-encoder", "ModelTemplate", "Secret"),
        *("\ud800", "a\x00b", "\u202e"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6) | ODD
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
BASES = [
    *(review(obj) for obj in (*KNOWN, *MODELS)),
    *(review({**obj, "spec": {**obj["spec"], "description": "new"}}, obj) for obj in (*KNOWN, *MODELS)),
    review(None, MODELS[0], operation="DELETE"),
    review(stored(instance("lost", model_template_id="nowhere", replicas=2))),
]


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a review."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*way, key)
        yield from _places(inner, (*way, key))


@st.composite
def forged(draw: st.DrawFn) -> dict[str, Any]:
    """Give a review with up to three things in it replaced, or taken away."""
    made: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(list(_places(made))))
        target: Any = made
        for part in way:
            target = target[part]
        if draw(st.booleans()):
            target[last] = draw(VALUES)
        else:
            del target[last]
        if not made:
            break
    return made


def may_be_read(asked: dict[str, Any]) -> re.Pattern[str]:
    """Give what a review may have read: a template of the name, in the namespace of the request."""
    request = asked.get("request")
    namespace = request.get("namespace") if isinstance(request, dict) else None
    here = re.escape(namespace) if isinstance(namespace, str) else "(?!)"
    return re.compile(f"modeltemplates/{here}/{NAME}|clustermodeltemplates//{NAME}")


@pytest.mark.parametrize("is_authenticated", [True, False])
@settings(max_examples=150, deadline=None)
@given(forged(), st.sampled_from(Webhook))
def test_any_review_is_answered_or_malformed(
    port: Port, is_authenticated: bool, asked: dict[str, Any], webhook: Webhook
) -> None:
    port.gate = CallerPolicy((TOKEN,) if is_authenticated else None)
    port.api.asked.clear()
    stranger = Stranger(port.number, port.folder / "ca.crt")

    status, body = stranger.send(
        f"/{TOKEN}{webhook}" if is_authenticated else webhook, json.dumps(asked).encode()
    )

    assert status in (200, 400), body
    if status == 200:
        response = json.loads(body)["response"]
        assert response["uid"] == asked["request"]["uid"]
        assert not any("defect" in warning for warning in response.get("warnings", []))
    assert port.errors == []
    allowed = may_be_read(asked)
    assert [each for each in port.api.asked if not is_authenticated or not allowed.fullmatch(each)] == []


FORGED = [
    {"namespace": "../.."},
    {"namespace": "../../../../api/v1/pods?limit=1#"},
    {"namespace": "kube-system/pods"},
    {"namespace": ".."},
    {"namespace": "a%2f.."},
]


def test_no_namespace_leads_the_operator_elsewhere(admission: Admission) -> None:
    """With its own rights it would read what the caller may not."""
    assert admission.operator is not None
    operator = admission.operator
    stranger = Stranger(admission.port, admission.certificates / "ca.crt")
    wrong = {"MODEL_NAME": 7}

    def requests() -> set[tuple[str, str]]:
        return {(labels["verb"], labels["resource"]) for labels, _ in series(operator, "api_requests_total")}

    before = requests()
    for change in FORGED:
        for name in ("encoder", "pods", "..", "../../pods"):
            obj = stored(
                instance(model_template_id=name, model_creation_parameters=wrong), change["namespace"]
            )
            for path in (f"/{TOKEN}/validate-modelinstance", f"/{TOKEN}/validate-modelinstance/deny"):
                status, body = stranger.send(path, json.dumps(review(obj)).encode())
                assert (status, body) == (400, b"request.namespace: expected a DNS label\n")
    # Of a well-formed one, only the template of the name is read.
    asked = stored(instance(model_template_id="nowhere"), admission.api.namespace)
    assert stranger.send(f"/{TOKEN}/validate-modelinstance", json.dumps(review(asked)).encode())[0] == 200
    assert requests() - before <= {("get", "modeltemplates"), ("get", "clustermodeltemplates")}
    assert "Traceback" not in admission.log.read_text()
