"""What no client should send: an error in the shape of the API or the end of the connection, never more."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.cluster.gateway.world import world
from tests.fixtures.gateway import is_routed, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import StubWorkers
    from tests.cluster.gateway.world import World
    from tests.cluster.kube_api import KubeApi

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def hostile(
    cluster: Cluster, cluster_api: KubeApi, stub: StubWorkers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with world(
        cluster, cluster_api, stub, tmp_path_factory.mktemp("hostile"), BODY_TIMEOUT_SECONDS=1
    ) as found:
        yield found
        assert found.defects() == []


def exchange(hostile: World, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the connection ends; no more are sent after them."""
    host, port = hostile.gateway.url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                received += part
        except ConnectionError:
            pass
    return received


def request(hostile: World, *headers: str, body: bytes, line: str = f"POST {CHAT} HTTP/1.1") -> bytes:
    """Return a request; its length is one of the headers, and the connection ends after it."""
    head = [line, "Host: gateway", f"Authorization: Bearer {hostile.key}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def response_of(received: bytes) -> tuple[int, str]:
    """Return status and code of an error in the shape of one of the APIs; 0 for a connection that ended."""
    if not received:
        return 0, ""
    head, _, body = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status < 400:
        return status, ""
    answer = json.loads(body)
    if "error" in answer:
        assert answer["error"].keys() == {"message", "type", "param", "code"}
        return status, answer["error"]["code"]
    if isinstance(answer.get("detail"), list):
        return status, answer["detail"][0]["type"]
    return status, answer["code"]


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


MALFORMED: dict[str, tuple[list[str], bool]] = {
    # name: headers, whether the body comes in a chunk
    "both lengths": (["Content-Length: 5", "Transfer-Encoding: chunked"], True),
    "both lengths, other order": (["Transfer-Encoding: chunked", "Content-Length: LENGTH"], True),
    "an unknown coding": (["Transfer-Encoding: xchunked"], True),
    "a coding after chunked": (["Transfer-Encoding: chunked, identity"], True),
    "two lengths": (["Content-Length: LENGTH", "Content-Length: 3"], False),
    "a negative length": (["Content-Length: -1"], False),
    "a length with a sign": (["Content-Length: +LENGTH"], False),
    "a length that is no number": (["Content-Length: 0x10"], False),
    "a length of 30 digits": (["Content-Length: " + "9" * 30], False),
    "a chunk without a size": (["Transfer-Encoding: chunked"], False),
    "a folded header": (["Content-Length: LENGTH", "X-A: b\r\n c"], False),
    "NUL in a header": (["Content-Length: LENGTH", "X-A: b\0c"], False),
    "a line feed in a header": (["Content-Length: LENGTH", "X-A: b\nX-B: c"], False),
    "a carriage return in a header": (["Content-Length: LENGTH", "X-A: b\rX-B: c"], False),
    "white space before the colon": (["Content-Length: LENGTH", "X-A : b"], False),
    "no colon": (["Content-Length: LENGTH", "XA"], False),
    "a thousand headers": (["Content-Length: LENGTH", *(f"X-{n}: y" for n in range(1000))], False),
    "a header of a megabyte": (["Content-Length: LENGTH", "X-A: " + "b" * 1_000_000], False),
}


def test_what_is_no_http_is_refused_and_reaches_no_worker(hostile: World) -> None:
    body = json.dumps({"model": hostile.chat, "messages": []}).encode()
    found = {}
    for name, (headers, is_chunked) in MALFORMED.items():
        given = [each.replace("LENGTH", str(len(body))) for each in headers]
        sent = chunked(body) if is_chunked else body
        found[name] = response_of(exchange(hostile, request(hostile, *given, body=sent)))
    for name, line in {
        "a version that does not exist": f"POST {CHAT} HTTP/9.9",
        "an address that is none": "POST http://[::1/v1/chat/completions HTTP/1.1",
        "a path of a megabyte": f"POST /v1/{'a' * 1_000_000} HTTP/1.1",
    }.items():
        found[name] = response_of(exchange(hostile, request(hostile, body=b"", line=line)))
    for name, data in {
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "noise": bytes(range(128, 256)) + b"\r\n\r\n",
    }.items():
        found[name] = response_of(exchange(hostile, data))

    assert set(found.values()) <= {(400, "invalid_request"), (0, "")}, found
    assert hostile.stub.requests() == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("OPTIONS * HTTP/1.1", 404),
        ("CONNECT elsewhere.example:80 HTTP/1.1", 404),
        ("POST //v1/chat/completions HTTP/1.1", 404),
        ("POST //elsewhere.example:99999/v1/chat/completions HTTP/1.1", 404),
        ("POST /v1/chat/completions/ HTTP/1.1", 404),
        ("POST /v1/../v1/chat/completions HTTP/1.1", 404),
        ("POST /v1%2Fchat/completions HTTP/1.1", 404),
        ("TRACE /v1/chat/completions HTTP/1.1", 405),
        ("PUT /v1/chat/completions HTTP/1.1", 405),
    ],
)
def test_other_targets_and_methods(hostile: World, line: str, expected: int) -> None:
    status, code = response_of(exchange(hostile, request(hostile, body=b"", line=line)))
    assert (status, code) == (expected, "not_found" if expected == 404 else "method_not_allowed")


@pytest.mark.parametrize("template", ["POST /v4/models/{}/chat-completions", "GET /v1/models/{}"])
def test_paths_in_any_coding(hostile: World, template: str) -> None:
    names = [
        "%2e%2e",
        "..",
        "%00",
        "a%252Fb",
        "%ff",
        "%F0%9F%98%80",
        "%0d%0aX:%20y",
        "%2F",
        "%",
        "%zz",
        "a;b",
    ]
    names += ["a%3Fb", "%1b[31m", "%ED%A0%80", "a" * 10_000, f"{hostile.api.namespace}%252Fchat"]
    for name in names:
        line = f"{template.format(name)} HTTP/1.1"
        sent = request(hostile, "Content-Length: 2", body=b"{}", line=line)
        received = exchange(hostile, sent)
        assert response_of(received) == (404, "model_not_found"), name
        assert b"\x1b" not in received
        assert b"\nX: y" not in received
    assert hostile.stub.requests() == []


def test_an_absolute_target_is_its_path(hostile: World) -> None:
    body = json.dumps({"model": hostile.chat, "messages": []}).encode()
    hostile.stub.forget()
    line = f"POST http://elsewhere.example{CHAT} HTTP/1.1"
    sent = request(hostile, f"Content-Length: {len(body)}", body=body, line=line)
    assert response_of(exchange(hostile, sent))[0] == 200
    (seen,) = hostile.stub.requests()
    assert "elsewhere" not in json.dumps(seen)
    hostile.stub.forget()


def test_requests_in_a_row_are_answered_in_their_order(hostile: World) -> None:
    def one(chunks: int, close: str) -> bytes:
        wanted = {"seconds": 0.3 if chunks == 1 else 0}
        body = json.dumps(
            {"model": hostile.chat, "stream": True, "stub": {"chunks": chunks, **wanted}}
        ).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hostile.key}\r\n{close}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    received = exchange(hostile, one(1, "") + one(2, "") + one(3, "Connection: close\r\n"))
    counts = [each.count(b'"delta"') for each in received.split(b"HTTP/1.1 200 OK")]
    assert counts == [0, 1, 2, 3]
    hostile.stub.forget()


@pytest.mark.parametrize("has_key", [False, True])
def test_no_body_is_sent_for_a_request_that_is_refused(hostile: World, has_key: bool) -> None:
    key = hostile.key if has_key else "wrong"
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\n"
    received = exchange(hostile, f"{head}Content-Length: 99999999\r\n\r\n".encode())
    assert not received.startswith(b"HTTP/1.1 100")
    assert response_of(received) == ((413, "body_too_large") if has_key else (401, "unauthenticated"))


def test_a_body_is_sent_when_the_gateway_wants_it(hostile: World) -> None:
    body = json.dumps({"model": hostile.chat, "messages": []}).encode()
    for value, begin in (
        ("100-continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"),
        ("other", b"HTTP/1.1 200"),
    ):
        sent = request(hostile, f"Expect: {value}", f"Content-Length: {len(body)}", body=body)
        assert exchange(hostile, sent).startswith(begin)
    hostile.stub.forget()


def test_slow_requests_end(hostile: World) -> None:
    body = json.dumps({"model": hostile.chat, "messages": []}).encode()
    assert exchange(hostile, f"POST {CHAT} HTTP/1.1\r\nHost:".encode()) == b""
    late = (408, "body_timeout")
    long = request(hostile, f"Content-Length: {len(body) + 10}", body=body)
    assert response_of(exchange(hostile, long)) == late
    short = request(hostile, "Transfer-Encoding: chunked", body=b"ff\r\nabc")
    assert response_of(exchange(hostile, short)) == late


def test_bodies_that_are_none(hostile: World) -> None:
    model = hostile.chat.encode()
    hostile.stub.forget()
    bodies = {
        "deep": b'{"model":"%b","x":%b}' % (model, b"[" * 100_000 + b"]" * 100_000),
        "NaN": b'{"model":"%b","x":NaN}' % model,
        "twice": b'{"model":"%b","mod\\u0065l":"other/x"}' % model,
        "null": b'{"model":null}',
        "list": b'["a"]',
        "mark": b'\xef\xbb\xbf{"model":"%b"}' % model,
        "UTF-16": json.dumps({"model": hostile.chat}).encode("utf-16"),
        "rest": b'{"model":"%b"}x' % model,
        "surrogate": b'{"model":"\\ud800"}',
        "form": b"model=chat&messages=",
        "empty": b"",
    }
    for name, body in bodies.items():
        status, answer, _ = post(hostile.gateway, hostile.key, CHAT, body)
        assert (status, json.loads(answer)["error"]["code"]) == (400, "invalid_body"), name
    sent = gzip.compress(b'{"model":"%b"}' % model)
    given = request(hostile, "Content-Encoding: gzip", f"Content-Length: {len(sent)}", body=sent)
    assert response_of(exchange(hostile, given)) == (400, "invalid_request")
    for name in ("a\r\nX: y", "\x1b[31mred", "a" * 100_000, "\u202eabc\0", "/", "../" + hostile.chat, "*"):
        status, answer, headers = post(hostile.gateway, hostile.key, CHAT, {"model": name})
        assert (status, json.loads(answer)["error"]["code"]) == (404, "model_not_found")
        assert len(answer) < 1000
        assert "X" not in headers
    assert hostile.stub.requests() == []
    assert "\x1b" not in hostile.gateway.log.read_text(errors="replace").replace("\x1b[", "")


def test_idle_connections_and_unknown_keys_cost_little(hostile: World) -> None:
    host, port = hostile.gateway.url.removeprefix("http://").split(":")
    before = hostile.memory()
    opened = [socket.create_connection((host, int(port))) for _ in range(1500)]
    try:
        begun = time.monotonic()
        assert is_routed(hostile.gateway, hostile.key, hostile.chat)
        assert time.monotonic() - begun < 5
    finally:
        for each in opened:
            each.close()
    statuses = Counter(
        post(hostile.gateway, f"wrong-{number}", CHAT, {"model": hostile.chat})[0] for number in range(300)
    )
    assert statuses.keys() <= {401, 503}
    assert is_routed(hostile.gateway, hostile.key, hostile.chat)
    assert hostile.memory() - before < 40
