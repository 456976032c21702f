"""Workers and clients come and go: nothing is executed twice, and nothing runs for a client that has left."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest

from tests.cluster.cluster import GATEWAY_SERVICE_ACCOUNT, OPERATOR_NAMESPACE
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import edit_bundle
from tests.fixtures.gateway import is_routed, post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.gateway.process import StubWorkers
    from tests.cluster.kube_api import KubeApi

CHAT = "/v1/chat/completions"
ALLOWED_SECONDS = 10
"""For so long the gateway keeps an answer about a key or a permission, by default."""


class Load:
    """Requests of several clients, one after the other each, until the end of the context."""

    def __init__(self, gateway: GatewayProcess, key: str, model: str, clients: int = 4) -> None:
        self.statuses: Counter[int] = Counter()
        self._ends = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(gateway, key, model)) for _ in range(clients)
        ]

    def _send(self, gateway: GatewayProcess, key: str, model: str) -> None:
        while not self._ends.is_set():
            status, _, _ = post(
                gateway, key, CHAT, {"model": model, "messages": [], "stub": {"seconds": 0.02}}
            )
            self.statuses[status] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()


def send(gateway: GatewayProcess, key: str, body: dict[str, Any], leave_after: float) -> None:
    """Send a request, and close the connection after so many seconds."""

    async def run() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            try:
                async with asyncio.timeout(leave_after):
                    async with session.post(gateway.url + CHAT, json=body) as response:
                        await response.read()
            except TimeoutError:
                return
        raise AssertionError("the request should not have ended by itself")

    asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_worker_s_work(
    chat: str, gateway: GatewayProcess, key: str, stub: StubWorkers, stream: bool
) -> None:
    wanted = {"seconds": 0, "chunks": 1000, "pause": 0.05} if stream else {"seconds": 60}
    send(gateway, key, {"model": chat, "messages": [], "stream": stream, "stub": wanted}, 0.5)

    wait_for(
        lambda: [each["ended"] for each in stub.requests()] == ["left"], 5, "the worker's client has left"
    )


def test_a_roll_out_fails_no_request(
    chat: str, api: KubeApi, gateway: GatewayProcess, key: str, stub: StubWorkers
) -> None:
    api.patch("ModelInstance", "chat", {"spec": {"replicas": 3}})
    api.wait_for_condition("ModelInstance", "chat", "Ready")
    stub.forget()
    with Load(gateway, key, chat) as load:
        edit_bundle(api, "chat", tag="v2")
        api.wait_for_condition("ModelInstance", "chat", "Ready", reason="RolledOut")
        wait_for(lambda: load.statuses[200] > 200, 60, "requests after the roll-out")

    assert load.statuses.keys() == {200}, load.statuses
    assert len(stub.requests()) == load.statuses.total(), "each request was executed once"
    assert len({each["worker"] for each in stub.requests()}) >= 4, "of both revisions"


def test_all_workers_get_their_share(
    chat: str, api: KubeApi, gateway: GatewayProcess, key: str, stub: StubWorkers
) -> None:
    api.patch("ModelInstance", "chat", {"spec": {"replicas": 3}})
    api.wait_for_condition("ModelInstance", "chat", "Ready")
    wait_for(lambda: len(workers_of(gateway, key, chat, stub, 12)) == 3, 30, "three workers get requests")
    stub.forget()
    with Load(gateway, key, chat, clients=6) as load:
        wait_for(lambda: load.statuses.total() >= 300, 60, "some requests")

    shares = Counter(each["worker"] for each in stub.requests())
    assert len(shares) == 3
    assert max(shares.values()) <= 1.25 * min(shares.values()), shares


def workers_of(gateway: GatewayProcess, key: str, model: str, stub: StubWorkers, requests: int) -> set[str]:
    """Return the workers that answer some requests."""
    stub.forget()
    for _ in range(requests):
        post(gateway, key, CHAT, {"model": model, "messages": []})
    return {each["worker"] for each in stub.requests()}


def test_a_model_without_workers_is_503_with_the_reason(
    chat: str, api: KubeApi, gateway: GatewayProcess, key: str
) -> None:
    api.patch("ModelInstance", "chat", {"spec": {"replicas": 0}})
    wait_for(lambda: not is_routed(gateway, key, chat), 30, "no worker is left")

    status, body, headers = post(gateway, key, CHAT, {"model": chat, "messages": []})
    error = json.loads(body)["error"]
    assert (status, headers["Retry-After"], error["code"]) == (503, "5", "model_not_ready")
    assert chat in error["message"]
    api.patch("ModelInstance", "chat", {"spec": {"replicas": 1}})
    wait_for(lambda: is_routed(gateway, key, chat), 30, "the worker is back")


def test_a_model_that_is_deleted_or_opted_out_does_not_exist(
    chat: str, api: KubeApi, gateway: GatewayProcess, key: str
) -> None:
    labels = {"metadata": {"labels": {"modeloperator.dev/gateway": "off"}}}
    api.patch("ModelInstance", "chat", labels)
    wait_for(lambda: post(gateway, key, CHAT, {"model": chat, "messages": []})[0] == 404, 30, "opted out")
    labels["metadata"]["labels"]["modeloperator.dev/gateway"] = "on"
    api.patch("ModelInstance", "chat", labels)
    wait_for(lambda: is_routed(gateway, key, chat), 30, "registered again")
    api.delete("ModelInstance", "chat")
    wait_for(lambda: post(gateway, key, CHAT, {"model": chat, "messages": []})[0] == 404, 30, "deleted")


@pytest.fixture
def own_gateway(cluster: Cluster, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Give a gateway that the test may end."""
    started = GatewayProcess.start(cluster.gateway_kubeconfig(), log=tmp_path / "own.log")
    yield started
    started.stop()


def test_sigterm_cuts_no_stream(chat: str, own_gateway: GatewayProcess, key: str, stub: StubWorkers) -> None:
    answers: list[tuple[int, bytes]] = []
    wanted = {"chunks": 20, "pause": 0.1}
    body = {"model": chat, "messages": [], "stream": True, "stub": wanted}
    client = threading.Thread(target=lambda: answers.append(post(own_gateway, key, CHAT, body)[:2]))
    client.start()
    wait_for(lambda: any(each["sent_chunks"] for each in stub.requests()), 30, "the stream has begun")
    begun = time.monotonic()
    own_gateway.stop()
    client.join()

    (status, text) = answers[0]
    assert status == 200
    assert text.endswith(b"data: [DONE]\n\n")
    assert text.count(b"data: ") == 21
    assert time.monotonic() - begun < 30


def test_the_gateway_writes_nothing_and_asks_nothing_in_steady_state(
    chat: str, gateway: GatewayProcess, key: str, control_plane: ControlPlane
) -> None:
    assert is_routed(gateway, key, chat)
    user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{GATEWAY_SERVICE_ACCOUNT}"

    def asked(since: str = "") -> Counter[tuple[str, str]]:
        # By when they came: the log has them a moment later than the gateway has their responses.
        events = control_plane.audit_events()
        return Counter(
            (each["verb"], each["resource"])
            for each in events
            if each["user"] == user and each["received"] >= since
        )

    begun, since = time.monotonic(), datetime.now(UTC).isoformat(timespec="microseconds")
    for _ in range(200):
        assert is_routed(gateway, key, chat)
    intervals = 1 + (time.monotonic() - begun) / ALLOWED_SECONDS
    after, during = asked(), asked(since)

    # What it asks about its own rights, it asks at the start.
    reviews = {("create", "tokenreviews"), ("create", "subjectaccessreviews")}
    assert set(after) == reviews | {("create", "selfsubjectaccessreviews")}, "of what is logged"
    for review in after:
        assert during[review] <= intervals
