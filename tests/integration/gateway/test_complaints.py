"""What users of other gateways complain of most, at the real process: every route, sizes, time, headers."""

from __future__ import annotations

import asyncio
import io
import json
import random
import socket
import time
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from model_operator.core.gateway.apis import ROUTES, ModelField
from tests.cluster.gateway.published import publish, put_endpoints
from tests.cluster.gateway.world import world
from tests.cluster.waiting import wait_for
from tests.fixtures.gateway import is_routed, post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from model_operator.core.gateway.apis import Route
    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import StubWorkers
    from tests.cluster.gateway.world import World
    from tests.cluster.kube_api import KubeApi

CHAT = "/v1/chat/completions"
IDLE_SECONDS = 2.0
MIB = 2**20
MODELS = {
    "text": ("COMPLETION", "OPENAI", "10.0.1.1"),
    "vectors": ("EMBEDDING", "OPENAI", "10.0.1.2"),
    "cohere": ("EMBEDDING", "COHERE", "10.0.1.3"),
    "ranks": ("RERANKING", "COHERE", "10.0.1.4"),
    "own": ("CHAT_COMPLETION", "SGP", "10.0.1.5"),
    "any": ("GENERIC", "SGP", "10.0.1.6"),
}
MODEL_OF = {
    "chat-completions": "chat",
    "completions": "text",
    "embeddings": "vectors",
    "rerank-v1": "ranks",
    "rerank-v2": "ranks",
    "embed-v2": "cohere",
    "execute": "any",
    "platform-completions": "text",
    "platform-chat-completions": "own",
    "platform-embeddings": "vectors",
    "platform-rerankings": "ranks",
}
BODIES: dict[str, dict[str, Any]] = {
    "chat-completions": {"messages": [{"role": "user", "content": "a"}]},
    "completions": {"prompt": "a"},
    "embeddings": {"input": "a"},
    "rerank-v1": {"query": "q", "documents": ["a"]},
    "rerank-v2": {"query": "q", "documents": ["a"]},
    "embed-v2": {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]},
    "execute": {},
    "platform-completions": {"prompt": "a"},
    "platform-chat-completions": {"prompt": "a", "chat_history": []},
    "platform-embeddings": {"texts": ["a"]},
    "platform-rerankings": {"query": "q", "chunks": ["a"]},
}


@pytest.fixture(scope="module")
def busy(
    cluster: Cluster, cluster_api: KubeApi, stub: StubWorkers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    times = {"PROXY__IDLE_TIMEOUT": IDLE_SECONDS, "PROXY__FIRST_BYTE_TIMEOUT": 3, "PROXY__CONNECT_TIMEOUT": 1}
    with world(cluster, cluster_api, stub, tmp_path_factory.mktemp("busy"), **times) as found:
        for name, (model_type, protocol, address) in MODELS.items():
            publish(
                found.api,
                name,
                stub.port,
                [address],
                model_type=model_type,
                protocol=protocol,
                streaming_predict_route="/stream",
            )
        wait_for(lambda: len(listed(found)) == len(MODELS) + 1, 30, "all are listed")
        yield found
        assert found.defects() == []


@pytest.fixture(autouse=True)
def _fresh(stub: StubWorkers) -> None:
    stub.forget()


def listed(busy: World) -> list[str]:
    host = busy.gateway.url.removeprefix("http://")
    connection = HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {busy.key}"})
        found = json.load(connection.getresponse())
    finally:
        connection.close()
    assert isinstance(found["data"], list)
    return sorted(each["id"] for each in found["data"])


def addressed(busy: World, route: Route, **more: Any) -> tuple[str, dict[str, Any]]:
    """Return path and body of a request on a route."""
    model = f"{busy.api.namespace}/{MODEL_OF[route.name]}"
    body = {**BODIES[route.name], **more}
    if route.model_field is ModelField.BODY:
        return route.pattern, {"model": model, **body}
    name = model.replace("/", "%2F")
    return route.pattern.replace("{model}", name).replace(
        "{deployment}", name.partition("%2F")[2] if "{model}" in route.pattern else name
    ), body


def lists(busy: World, expected: list[str]) -> bool:
    return listed(busy) == expected


def session(busy: World) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(busy.gateway.url, headers={"Authorization": f"Bearer {busy.key}"})


def in_flight(busy: World) -> float:
    """Return the number of requests in flight by the gateway's own count."""
    host = busy.gateway.health_url.removeprefix("http://")
    connection = HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    lines = [line for line in text.splitlines() if "requests_in_flight{" in line]
    assert lines
    return sum(abs(float(line.rpartition(" ")[2])) for line in lines)


def is_quiet(busy: World) -> bool:
    return in_flight(busy) == 0


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_answers_and_ends_with_its_client(busy: World, route: Route) -> None:
    """Each of them; the worker is left before its headers, whatever the treatment."""
    path, body = addressed(busy, route)
    status, answer, headers = post(busy.gateway, busy.key, path, body)
    assert status == 200, answer
    if status == 200:
        assert headers["x-modeloperator-model"] == f"{busy.api.namespace}/{MODEL_OF[route.name]}"
    (seen,) = busy.stub.requests()
    assert not {name.lower() for name, _ in seen["headers"]} & {"authorization", "x-api-key"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_worker_is_left_with_the_client_on_every_route(busy: World, slow: None, route: Route) -> None:
    path, body = addressed(busy, route)
    leave(busy, path, body, lambda _: True)
    wait_for(lambda: [each["ended"] for each in busy.stub.requests()] == ["left"], 2, "the worker is left")
    wait_for(lambda: is_quiet(busy), 5, "nothing is in flight")


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_a_stream_is_left_after_any_number_of_chunks(busy: World, chunks: int) -> None:
    wanted = {"chunks": 1000, "pause": 0.1}
    body = {"model": busy.chat, "stream": True, "stub": wanted}
    leave(busy, CHAT, body, lambda received: b"\r\n\r\n" in received and received.count(b"data:") >= chunks)
    wait_for(lambda: [each["ended"] for each in busy.stub.requests()] == ["left"], 2, "the worker is left")
    wait_for(lambda: is_quiet(busy), 5, "nothing is in flight")


def leave(busy: World, path: str, body: Any, is_time: Callable[[bytes], bool]) -> None:
    """Send a request, and close the connection when the worker has it and the condition holds."""
    host, port = busy.gateway.url.removeprefix("http://").split(":")
    sent = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {busy.key}\r\nContent-Length: {len(sent)}"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + sent)
        wait_for(lambda: len(busy.stub.requests()) == 1, 10, "the worker has it")
        received = b""
        while not is_time(received):
            received += connection.recv(65536)


async def test_chunks_arrive_when_they_are_sent(busy: World) -> None:
    body = {"model": busy.chat, "stream": True, "stub": {"chunks": 6, "pause": 0.25}}
    async with session(busy) as client:
        begun = time.monotonic()
        async with client.post(CHAT, json=body) as response:
            assert response.headers["X-Accel-Buffering"] == "no"
            assert response.headers["Cache-Control"] == "no-cache"
            assert time.monotonic() - begun < 0.2, "the headers do not wait for the second chunk"
            delays = [
                time.time() - json.loads(line[6:])["sent_at"]
                async for line in response.content
                if line.startswith(b"data: {")
            ]
    assert len(delays) == 6
    assert max(delays) < 0.1, delays


def test_an_event_without_an_end_is_not_kept(busy: World) -> None:
    before = busy.memory()
    body = {"model": busy.chat, "stream": True, "stub": {"size": 100 * MIB, "chunks": 0}}
    status, answer, _ = post(busy.gateway, busy.key, CHAT, body)
    assert (status, len(answer) >= 100 * MIB) == (200, True)
    assert busy.memory() - before < 20


def test_nor_is_one_that_is_translated(busy: World) -> None:
    before = busy.memory()
    model = publish(busy.api, "endless", busy.stub.port, ["10.0.1.9"])
    wait_for(lambda: model in listed(busy), 10, "it is listed")
    path = f"/v4/models/{model.replace('/', '%2F')}/chat-completions"
    body = {"prompt": "a", "chat_history": [], "stream": True}
    with misbehaving(busy, {"size": 100 * MIB, "chunks": 0}):
        status, answer, _ = post(busy.gateway, busy.key, path, body)
    assert (status, answer[:13]) == (200, b"event: error\n")
    assert busy.memory() - before < 20


@contextmanager
def misbehaving(busy: World, wanted: dict[str, Any]) -> Iterator[None]:
    """Have the stub do so for every request: a translated one has no field for it."""
    busy.stub.do(wanted)
    try:
        yield
    finally:
        busy.stub.do({})


@pytest.fixture
def slow(busy: World) -> Iterator[None]:
    with misbehaving(busy, {"seconds": 2.5}):
        yield


def test_silence_ends_a_request_and_length_does_not(busy: World) -> None:
    code, answer, _ = post(busy.gateway, busy.key, CHAT, {"model": busy.chat, "stub": {"seconds": 20}})
    assert (code, json.loads(answer)["error"]["code"]) == (504, "worker_timeout")
    silent = {"model": busy.chat, "stream": True, "stub": {"chunks": 3, "pause": 20}}
    status, answer, _ = post(busy.gateway, busy.key, CHAT, silent)
    events = [line for line in answer.split(b"\n") if line.startswith(b"data:")]
    assert status == 200
    assert json.loads(events[-1][5:])["error"]["code"] == "worker_timeout"
    assert b"[DONE]" not in answer
    long = {"model": busy.chat, "stream": True, "stub": {"chunks": 6, "pause": IDLE_SECONDS * 0.6}}
    assert post(busy.gateway, busy.key, CHAT, long)[1].endswith(b"data: [DONE]\n\n")


async def test_an_address_that_drops_packets_harms_no_other_model(busy: World) -> None:
    with silent_port("127.0.7.9") as port:
        dead = publish(busy.api, "dead", port, ["10.0.7.9"])
        wait_for(lambda: dead in listed(busy), 10, "it is listed")
        await _harms_no_other(busy, dead)


@contextmanager
def silent_port(host: str) -> Iterator[int]:
    """Give a port whose queue is full, so that the kernel drops what asks for a connection."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        bound.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(bound.getsockname())
        yield bound.getsockname()[1]
        for each in waiting:
            each.close()


async def _harms_no_other(busy: World, dead: str) -> None:
    async with session(busy) as client:

        async def send(model: str) -> tuple[int, float]:
            begun = time.monotonic()
            async with client.post(CHAT, json={"model": model}) as response:
                await response.read()
            return response.status, time.monotonic() - begun

        waiting = [asyncio.create_task(send(dead)) for _ in range(50)]
        others = [await send(busy.chat) for _ in range(50)]
        lost = await asyncio.gather(*waiting)
    assert {status for status, _ in others} == {200}
    assert sorted(seconds for _, seconds in others)[40] < 0.5
    assert {status for status, _ in lost} == {502}
    assert max(seconds for _, seconds in lost) < 6


@pytest.mark.parametrize("size", [200, 32 * 1024 + 1, MIB + 1, 32 * MIB])
@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_up_to_the_limit_pass(busy: World, size: int, chunked: bool) -> None:
    body = padded(busy, size)
    async with (
        session(busy) as client,
        client.post(CHAT, data=pieces(body) if chunked else io.BytesIO(body)) as response,
    ):
        assert response.status == 200
    (seen,) = busy.stub.requests()
    assert len(seen["body"]) == size


async def test_larger_ones_are_refused(busy: World) -> None:
    body = padded(busy, 32 * MIB + 1)
    async with session(busy) as client:
        for data in (io.BytesIO(body), pieces(body), io.BytesIO(b" " * (33 * MIB))):
            async with client.post(CHAT, data=data) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (413, "body_too_large")
        async with client.post(CHAT, data=b"1") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_body")
    assert busy.stub.requests() == []


def padded(busy: World, size: int) -> bytes:
    body = json.dumps({"model": busy.chat, "messages": [], "pad": ""}).encode()
    return body[:-2] + b"a" * (size - len(body)) + body[-2:]


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 256 * 1024):
        yield body[start : start + 256 * 1024]


def test_an_answer_of_fifty_megabytes(busy: World) -> None:
    body = {"model": f"{busy.api.namespace}/vectors", "input": "a", "stub": {"size": 50 * MIB}}
    before = busy.memory()
    status, answer, _ = post(busy.gateway, busy.key, "/v1/embeddings", body)
    assert (status, len(answer)) == (200, 50 * MIB)
    assert busy.memory() - before < 20


async def test_thousands_of_requests_and_aborts_leave_nothing(busy: World) -> None:
    put_endpoints(busy.api, "chat", busy.stub.port, [f"10.0.0.{number}" for number in range(1, 5)])
    rng = random.Random(7)

    async def flap() -> None:
        while True:
            count = rng.randint(1, 4)
            addresses = [f"10.0.0.{number}" for number in range(1, 1 + count)]
            await asyncio.to_thread(put_endpoints, busy.api, "chat", busy.stub.port, addresses)

    async with session(busy) as client:

        async def lives(count: int) -> None:
            for _ in range(count):
                kind = rng.random()
                wanted: dict[str, Any] = {"chunks": 3}
                if kind < 0.1:
                    wanted = {"seconds": 2}
                elif kind < 0.2:
                    wanted = {"die": rng.choice(["before", "within"])}
                elif kind < 0.25:
                    wanted = {"status": 500}
                body = {"model": busy.chat, "stream": rng.random() < 0.3, "stub": wanted}
                with suppress(TimeoutError, aiohttp.ClientError):
                    async with asyncio.timeout(rng.uniform(0.02, 0.1) if kind < 0.1 else 30):
                        async with client.post(CHAT, json=body) as response:
                            await response.read()

        await asyncio.gather(*(lives(10) for _ in range(20)))
        before = busy.memory()
        flapping = asyncio.create_task(flap())
        await asyncio.gather(*(lives(100) for _ in range(20)))
        flapping.cancel()
        await asyncio.gather(flapping, return_exceptions=True)
    wait_for(lambda: is_quiet(busy), 10, "nothing is in flight")
    # Idle connections to workers are kept for four seconds.
    wait_for(lambda: busy.sockets() < 40, 15, "the sockets are closed")
    assert busy.memory() - before <= 10
    ended = {each["ended"] for each in busy.stub.requests()}
    assert "open" not in ended
    put_endpoints(busy.api, "chat", busy.stub.port, ["10.0.0.1"])


def test_endpoints_are_used_when_they_are_ready_and_left_when_they_are_not(busy: World) -> None:
    port, api = busy.stub.port, busy.api

    def put(*conditions: dict[str, bool]) -> None:
        found = [
            {"addresses": [f"10.0.6.{number}"], "conditions": each} for number, each in enumerate(conditions)
        ]
        put_endpoints(api, "ready", port, [], endpoints=found)

    model = publish(api, "ready", port, ["10.0.6.0"])
    wait_for(lambda: is_routed(busy.gateway, busy.key, model), 10, "the first answers")

    def used() -> set[str]:
        busy.stub.forget()
        statuses = {post(busy.gateway, busy.key, CHAT, {"model": model})[0] for _ in range(6)}
        assert statuses <= {200, 503}
        return {each["worker"] for each in busy.stub.requests()}

    ready, starting = {"ready": True}, {"ready": False}
    leaving = {"ready": False, "serving": True, "terminating": True}
    for conditions, expected in (
        ((ready, starting), {"127.0.6.0"}),
        ((ready, ready), {"127.0.6.0", "127.0.6.1"}),
        ((leaving, ready), {"127.0.6.1"}),
        ((starting, leaving), set()),
    ):
        put(*conditions)
        wait_for(partial(lambda wanted: used() == wanted, expected), 2, f"requests go to {expected}")
    code = json.loads(post(busy.gateway, busy.key, CHAT, {"model": model})[1])["error"]["code"]
    assert code == "model_not_ready"


def test_the_list_is_the_truth_after_each_operation(busy: World) -> None:
    rng = random.Random(3)
    always = set(listed(busy))
    names = {f"random-{number}" for number in range(6)}
    there: set[str] = set()
    label = "modeloperator.dev/gateway"
    for _ in range(60):
        name = rng.choice(sorted(names))
        operation = rng.choice(["publish", "delete", "off", "on"])
        exists = busy.api.find("ModelInstance", name) is not None
        if operation == "publish":
            publish(busy.api, name, busy.stub.port, ["10.0.7.7"])
            metadata = busy.api.get("ModelInstance", name)["metadata"]
            if metadata.get("labels", {}).get(label) != "off":
                there.add(name)
        elif exists and operation == "delete":
            busy.api.delete("ModelInstance", name)
            there.discard(name)
        elif exists:
            busy.api.patch("ModelInstance", name, {"metadata": {"labels": {label: operation}}})
            (there.add if operation == "on" else there.discard)(name)
        expected = sorted(always | {f"{busy.api.namespace}/{each}" for each in there})
        wait_for(partial(lists, busy, expected), 5, f"{operation} {name}")
    for name in there:
        busy.api.delete("ModelInstance", name)


@pytest.mark.parametrize("keep", [0.0, 0.05, 0.2])
async def test_workers_that_close_idle_connections_cause_no_failure(busy: World, keep: float) -> None:
    executed = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal executed
        try:
            while True:
                head = await asyncio.wait_for(
                    reader.readuntil(b"\r\n\r\n"), None if executed == 0 else keep or 5
                )
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                executed += 1
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                )
                await writer.drain()
                if not keep:
                    break
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.8.8", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        name = f"closing-{int(keep * 1000)}"
        model = await asyncio.to_thread(publish, busy.api, name, port, ["10.0.8.8"])
        statuses = []
        async with session(busy) as client:
            while True:
                async with client.post(CHAT, json={"model": model}) as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)
            executed = 0
            for number in range(150):
                async with client.post(CHAT, json={"model": model}) as response:
                    statuses.append(response.status)
                await asyncio.sleep(keep if number % 10 == 0 else 0)
    assert statuses == [200] * 150
    assert executed == 150


def test_headers_of_any_case_and_number_reach_no_worker(busy: World) -> None:
    rng = random.Random(5)
    names = ["Authorization", "X-Api-Key", "Api-Key", "Cookie", "Proxy-Authorization", "X-Forwarded-For"]
    names += [
        "X-Forwarded-User",
        "X-Modeloperator-User",
        "X-Modeloperator-Model",
        "X-Gateway-Model-Name",
        "TE",
    ]
    names += ["Impersonate-User", "X-Remote-User", "X-Remote-Extra-Scopes", "Forwarded", "X-Real-Ip", "X-Hop"]
    names += ["X_Api_Key", "Keep-Alive", "Trailer", "Upgrade", "X-Selected-Account-Id"]
    kept = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "openai-beta": "x", "x-request-id": "r"}
    host = busy.gateway.url.removeprefix("http://")
    for _ in range(40):
        busy.stub.forget()
        connection = HTTPConnection(host, timeout=30)
        body = json.dumps({"model": busy.chat})
        connection.putrequest("POST", CHAT)
        connection.putheader("x-api-key", busy.key)
        connection.putheader("Connection", "keep-alive, X-Hop")
        for name in rng.sample(names, 12):
            spelled = "".join(rng.choice([letter.lower(), letter.upper()]) for letter in name)
            if name.lower().replace("_", "-") not in {"authorization", "x-api-key", "upgrade"}:
                for _ in range(rng.randint(1, 3)):
                    connection.putheader(spelled, "forged")
        for name, value in kept.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode())
        assert connection.getresponse().status == 200
        connection.close()
        (seen,) = busy.stub.requests()
        headers = [(name.lower(), value) for name, value in seen["headers"]]
        assert "forged" not in str(headers)
        assert busy.key not in str(headers)
        assert kept.items() <= dict(headers).items()


def test_bytes_are_kept_but_for_the_model(busy: World) -> None:
    model = publish(busy.api, "renamed", busy.stub.port, ["10.0.1.8"], model="served")
    wait_for(lambda: is_routed(busy.gateway, busy.key, model), 10, "it answers")
    rest = '"messages" :[ ] , "n":123456789012345678901234567890,"t":1.50,"u":1e-7,'
    rest += '"é":"\\u00e9\\/","seed":1,"seed":2'
    busy.stub.forget()
    body = f'{{\n "x": {{"model":"inner"}}, "model" : "{model}", {rest} }}'
    assert post(busy.gateway, busy.key, CHAT, body.encode())[0] == 200
    (seen,) = busy.stub.requests()
    assert seen["body"] == body.replace(model, "served")


@pytest.mark.parametrize(
    ("path", "model", "begin"),
    [
        (CHAT, "chat", b'data: {"error":'),
        ("/v4/models/{}/chat-completions", "own", b'event: error\ndata: {"detail":'),
        ("/v4/models/{}/completions", "text", b'event: error\ndata: {"detail":'),
    ],
)
def test_a_worker_that_dies_in_a_stream(busy: World, path: str, model: str, begin: bytes) -> None:
    name = f"{busy.api.namespace}/{model}"
    body: dict[str, Any] = {"stream": True, "prompt": "a", "chat_history": []}
    if model == "text":
        del body["chat_history"]
    if "{}" not in path:
        body = {"stream": True, "model": name}
    with misbehaving(busy, {"die": "within", "chunks": 9}):
        status, answer, _ = post(busy.gateway, busy.key, path.format(name.replace("/", "%2F")), body)
    assert status == 200
    assert begin in answer
    assert b"[DONE]" not in answer


def test_a_worker_that_dies_before_its_headers(busy: World) -> None:
    with misbehaving(busy, {"die": "before"}):
        status, answer, _ = post(busy.gateway, busy.key, CHAT, {"model": busy.chat})
        assert (status, json.loads(answer)["error"]["code"]) == (502, "worker_failed")
        status, answer, _ = post(
            busy.gateway,
            busy.key,
            "/v2/rerank",
            {"model": f"{busy.api.namespace}/ranks", "query": "q", "documents": ["a"]},
        )
        assert (status, json.loads(answer)["code"]) == (502, "worker_failed")
    assert len(busy.stub.requests()) == 2, "neither was repeated"
