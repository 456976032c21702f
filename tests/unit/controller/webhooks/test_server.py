"""The webhooks' server as a stranger meets it: exact paths, JSON only, bounded bodies, no patience."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp
import pytest

from model_operator.controller.serving.admission_gate import LARGE_BYTES, AdmissionGate, ReviewBounds
from model_operator.controller.webhooks import server as subject
from model_operator.controller.webhooks.server import MAX_BODY, serve_webhooks, webhook_bounds
from model_operator.core.webhooks.callers import CallerPolicy
from model_operator.kube.errors import StartupError
from model_operator.process.connection_slots import Closing, Slots
from model_operator.process.sockets import bind
from tests.cluster.webhooks import LOOPBACK, TOKEN, write_certificate
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, review, stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

REVIEW = json.dumps(review(stored(instance(model_creation_parameters={"MODEL_NAME": 7})))).encode()
JSON = {"Content-Type": "application/json"}
PATH = f"/{TOKEN}/validate-modelinstance"
GATE = CallerPolicy(tokens=(TOKEN,))
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


class Caller:
    """Somebody who calls the server, well or badly."""

    def __init__(self, port: int, context: ssl.SSLContext, session: aiohttp.ClientSession) -> None:
        self.port = port
        self.context = context
        self.session = session

    async def post(
        self, path: str, body: object, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, str]:
        url = f"https://{LOOPBACK}:{self.port}{path}"
        async with self.session.request(
            method, url, data=body, headers=JSON if headers is None else headers
        ) as answer:
            return answer.status, await answer.text()

    async def raw(self, sent: bytes) -> bytes:
        """Send bytes and give all that comes until the server ends the connection."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port, ssl=self.context)
        try:
            writer.write(sent)
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    folder: Path,
    bounds: ReviewBounds | None = None,
    closed: Counter[Closing] | None = None,
    callers: CallerPolicy = GATE,
    **changed: float,
) -> AsyncIterator[Caller]:
    authority = write_certificate(folder)
    serve = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serve.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    trust = ssl.create_default_context(cadata=authority.decode())
    webhooks = admission(FakeServer(), stored(template()))
    bound = bind(LOOPBACK, 0)
    port = bound.getsockname()[1]
    reviews = {webhook: reviewer.review for webhook, reviewer in webhooks.reviewers.items()}
    counts: Counter[Closing] = Counter() if closed is None else closed
    slots = Slots(
        replace(webhook_bounds(16, 8, 8), **changed),  # type: ignore[arg-type]
        lambda reason: counts.update([reason]),
    )
    gate = AdmissionGate(bounds or ReviewBounds(), asyncio.get_running_loop(), lambda _: None)
    async with (
        serve_webhooks(reviews, lambda: callers, bound, serve, gate, slots),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
    ):
        yield Caller(port, trust, session)


async def test_review_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as caller:
        code, text = await caller.post(PATH, REVIEW)
    assert code == 200
    assert json.loads(text)["response"]["uid"] == json.loads(REVIEW)["request"]["uid"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/validate",
        "/validate-modelinstance",
        f"/{TOKEN}",
        f"/{TOKEN}/",
        f"/{TOKEN}/validate",
        f"/{TOKEN}/validate-modelinstance/",
        f"/{TOKEN}/validate-modelinstance/x",
        f"/{TOKEN[:-1]}/validate-modelinstance",
        f"/{TOKEN.upper()}/validate-modelinstance",
        f"//{TOKEN}/validate-modelinstance",
        "/mutate",
        "/healthz",
        "/%2e",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_every_other_path_is_not_found_alike(tmp_path: Path, path: str, method: str) -> None:
    async with serving(tmp_path) as caller:
        for body in (REVIEW, b"none"):
            for headers in (JSON, {"Content-Type": "text/plain"}):
                assert await caller.post(path, body, headers, method) == (404, "not found\n")


async def test_no_token_is_right_before_there_is_one(tmp_path: Path) -> None:
    async with serving(tmp_path, callers=CallerPolicy(tokens=())) as caller:
        for path in ("//validate-modelinstance", "/validate-modelinstance", PATH):
            assert (await caller.post(path, REVIEW))[0] == 404


async def test_query_of_the_api_server_makes_no_difference(tmp_path: Path) -> None:
    async with serving(tmp_path) as caller:
        assert (await caller.post(f"{PATH}?timeout=5s", REVIEW))[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods(tmp_path: Path, method: str) -> None:
    async with serving(tmp_path) as caller:
        assert (await caller.post(PATH, None, method=method))[0] == 405


@pytest.mark.parametrize("content_type", ["text/plain", "application/yaml", "application/jsonx"])
async def test_other_content_types(tmp_path: Path, content_type: str) -> None:
    async with serving(tmp_path) as caller:
        code, text = await caller.post(PATH, REVIEW, {"Content-Type": content_type})
        assert (code, text) == (415, "expected Content-Type: application/json\n")
        parameters = {"Content-Type": "application/json; charset=utf-8"}
        assert (await caller.post(PATH, REVIEW, parameters))[0] == 200


async def test_callers_that_wait_before_the_body_are_answered_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as caller:
        head = f"{HEAD}Expect: 100-continue\r\nContent-Length: {len(REVIEW)}\r\n\r\n"
        assert (await caller.raw(head.encode())).startswith(b"HTTP/1.1 417 ")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"\xff\xfe", b"{}", b"[" * 100_000])
async def test_what_is_no_review(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path) as caller:
        code, text = await caller.post(PATH, body)
    assert code == 400
    assert text.count("\n") == 1
    assert "expected" in text


async def test_compressed_bodies_are_not_unpacked(tmp_path: Path) -> None:
    async with serving(tmp_path) as caller:
        code, _ = await caller.post(PATH, gzip.compress(REVIEW), JSON | {"Content-Encoding": "gzip"})
    assert code == 400


async def test_bodies_are_bounded(tmp_path: Path) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b" " * 65536

    async with serving(tmp_path) as caller:
        large = BytesIO(REVIEW + b" " * (MAX_BODY - len(REVIEW)))
        assert (await caller.post(PATH, large))[0] == 200
        announced = f"{HEAD}Content-Length: {MAX_BODY + 1}\r\n\r\n".encode()
        assert (await caller.raw(announced)).startswith(b"HTTP/1.1 413 ")
        assert (await caller.post(PATH, chunks(100)))[0] == 413


@pytest.mark.parametrize(
    "sent",
    ["", HEAD, f"{HEAD}Content-Length: 100\r\n\r\n{{"],
    ids=["silence", "half a head", "half a body"],
)
async def test_slow_callers_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: str) -> None:
    # Others have as long for their handshake and their head.
    monkeypatch.setattr(subject, "_BODY_SECONDS", 2)
    async with serving(tmp_path, head_seconds=2) as caller:
        answer = await caller.raw(sent.encode())
        assert answer[:13] in {b"", b"HTTP/1.1 408 "}
        # Others are served meanwhile and afterwards.
        assert (await caller.post(PATH, REVIEW))[0] == 200


async def test_callers_without_tls_are_cut_off(tmp_path: Path) -> None:
    closed = Counter[Closing]()
    async with serving(tmp_path, None, closed, head_seconds=0.2) as caller:
        reader, writer = await asyncio.open_connection(LOOPBACK, caller.port)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    assert closed == {Closing.DEADLINE: 1}


async def test_a_slow_head_is_cut_off_on_a_kept_connection_too(tmp_path: Path) -> None:
    closed = Counter[Closing]()
    # Long enough for a handshake on a busy machine.
    async with serving(tmp_path, None, closed, head_seconds=2) as caller:
        reader, writer = await asyncio.open_connection(LOOPBACK, caller.port, ssl=caller.context)
        for _ in range(2):
            writer.write(f"{HEAD}Content-Length: {len(REVIEW)}\r\n\r\n".encode() + REVIEW)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.read(65536)
        for byte in HEAD.encode()[:20]:
            writer.write(bytes([byte]))
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    assert closed == {Closing.DEADLINE: 1}


async def test_reviews_beyond_the_bounds_are_answered_503_and_their_connections_closed(
    tmp_path: Path,
) -> None:
    large = REVIEW + b" " * LARGE_BYTES
    async with serving(tmp_path, ReviewBounds(body_bytes=len(large))) as caller:
        _, writer = await asyncio.open_connection(LOOPBACK, caller.port, ssl=caller.context)
        writer.write(f"{HEAD}Content-Length: {len(large)}\r\n\r\n{{".encode())
        # Until the first one's head has arrived, the others are let in.
        while b" 200 " in (answer := await caller.raw(_with_head(large))):
            pass
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(f"expected at most {len(large)} bytes at a time\n".encode())
        assert (await caller.post(PATH, REVIEW))[0] == 200
        writer.close()
        while b" 503 " in (answer := await caller.raw(_with_head(large))):
            pass
        assert answer.startswith(b"HTTP/1.1 200 ")


def _with_head(body: bytes) -> bytes:
    return f"{HEAD}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_slow_bodies_take_no_place_from_others(tmp_path: Path) -> None:
    closed = Counter[Closing]()
    async with serving(tmp_path, None, closed) as caller:
        slow = [
            await asyncio.open_connection(
                LOOPBACK, caller.port, ssl=caller.context, local_addr=(f"127.0.0.{2 + number % 4}", 0)
            )
            for number in range(16)
        ]
        for _, writer in slow:
            writer.write(f"{HEAD}Content-Length: 2\r\n\r\n{{".encode())
        assert (await caller.post(PATH, REVIEW))[0] == 200
        for _, writer in slow:
            writer.transport.abort()
    assert closed == {Closing.EVICTED: 1}


async def test_what_is_not_a_review_keeps_no_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as caller:
        for sent in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", f"{HEAD}Content-Length: 2\r\n\r\n{{}}".encode()):
            assert (await caller.raw(sent)).startswith(b"HTTP/1.1 40")


async def test_half_open_connections_take_no_place_from_others(tmp_path: Path) -> None:
    closed = Counter[Closing]()
    async with serving(tmp_path, None, closed) as caller:
        silent = [
            await asyncio.open_connection(LOOPBACK, caller.port, local_addr=(f"127.0.0.{2 + number % 3}", 0))
            for number in range(30)
        ]
        assert (await caller.post(PATH, REVIEW))[0] == 200
        for _, writer in silent:
            writer.close()
    # At most eight handshakes are under way.
    assert closed == {Closing.EVICTED: 23}


async def test_a_body_of_small_chunks_is_cut_off_by_its_bytes_on_the_wire(tmp_path: Path) -> None:
    closed = Counter[Closing]()
    async with serving(tmp_path, None, closed, request_bytes=100_000) as caller:
        assert (await caller.post(PATH, BytesIO(b" " * 90_000 + REVIEW)))[0] == 200
        chunks = b"1\r\n \r\n" * 20_000
        assert await caller.raw(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks) == b""
    assert closed == {Closing.SIZE: 1}


async def test_connection_is_kept_for_the_next_review(tmp_path: Path) -> None:
    async with serving(tmp_path, head_seconds=2) as caller:
        reader, writer = await asyncio.open_connection(LOOPBACK, caller.port, ssl=caller.context)
        for pause in (2.5, 0):
            writer.write(f"{HEAD}Content-Length: {len(REVIEW)}\r\n\r\n".encode() + REVIEW)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.read(65536)
            await asyncio.sleep(pause)  # longer than a new connection has for its first request
        writer.close()


async def test_nobody_waits_before_it_serves() -> None:
    bound = bind(LOOPBACK, 0)
    with bound, pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, bound.getsockname()[1])


def test_taken_port_is_one_clear_line() -> None:
    with bind(LOOPBACK, 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(
            StartupError, match=f"cannot listen on {LOOPBACK} port {port}: Address already in use"
        ):
            bind(LOOPBACK, port)
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1 port 9443: "):
        bind("192.0.2.1", 9443)
