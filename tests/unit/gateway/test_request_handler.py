"""From a request to a call: names, access, and errors in the shape of the API, whatever is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from model_operator.core.gateway.access import Caller
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.model_catalog import Catalog
from model_operator.core.gateway.models import Model
from model_operator.core.gateway.rest.control_routes import ControlMatch, Operation
from model_operator.gateway.intake import Intake
from model_operator.gateway.proxy import Call
from model_operator.gateway.request_handler import Gateway
from tests.unit.core.gateway.objects import served_instance, uid_of

ALICE = "alice"


class FakeIdentity:
    """Alice may execute everything of the namespaces that are hers."""

    def __init__(self, *namespaces: str) -> None:
        self.namespaces = namespaces
        self.is_away = False

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        if headers.get("Authorization") != "Bearer alice":
            raise Failure(FailureReason.UNAUTHENTICATED, "the key is not known.")
        return Caller(ALICE, "", (), {}, b"")

    async def authenticate_for_cluster(self, headers: Mapping[str, str]) -> tuple[Caller, str]:
        return await self.authenticate(headers), "alice"

    async def may_execute(self, _: Caller, namespace: str, _name: str) -> bool:
        if self.is_away:
            raise Failure(FailureReason.AUTHENTICATION_UNAVAILABLE, "the API server does not respond.")
        return namespace in self.namespaces

    async def filter(self, caller: Caller, models: Sequence[Model]) -> list[Model]:
        return [each for each in models if await self.may_execute(caller, each.namespace, each.name)]


class Control:
    """Answers each control request with its operation."""

    async def answer(
        self,
        _request: web.Request,
        match: ControlMatch,
        operation: Operation,
        caller: Caller,
        token: str,
        body: bytes,
    ) -> web.Response:
        seen = [operation, dict(match.variables), caller.username, token, body.decode()]
        return web.json_response(seen)


class Recorder:
    """Answers each call with its name, and keeps it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.error: Exception | None = None

    async def answer(self, _: web.Request, call: Call) -> web.StreamResponse:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return web.Response(text=call.deployment.name)


class Running:
    """A gateway on loopback with three models of two namespaces."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, gateway: Gateway, recorder: Recorder
    ) -> None:
        self.session = session
        self.url = url
        self.gateway = gateway
        self.recorder = recorder
        self.identity = FakeIdentity()
        self.noted: list[tuple[str, int, str, str]] = []

    async def send(
        self, path: str, body: Any = None, method: str = "POST", key: str | None = "alice", **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, data=data, headers=headers) as response:
            text = await response.text()
            try:
                return response.status, json.loads(text), response.headers
            except ValueError:
                return response.status, text, response.headers


@asynccontextmanager
async def running(*namespaces: str, max_body: int = 10_000) -> AsyncIterator[Running]:
    catalog, recorder, identity = Catalog(), Recorder(), FakeIdentity(*namespaces)
    for namespace, name in (("team-a", "qwen"), ("team-b", "qwen"), ("team-a", "llama")):
        catalog.put(served_instance(namespace, name))
    embedding = {"model_type": "EMBEDDING", "apis": ["EXECUTE", "TYPED", "EMBEDDINGS"]}
    catalog.put(served_instance("team-a", "split", entries={"one": 50, "two": 50}, serving=embedding))
    noted: list[tuple[str, int, str, str]] = []

    def answered(
        method: str,
        route: str,
        status: int,
        seconds: float,
        *,
        error: str = "",
        caller: str = "",
        model: str = "",
    ) -> None:
        noted.append((route, status, error, model))

    gateway = Gateway(
        catalog,
        identity,
        recorder,
        Intake(max_body, 10 * max_body, 100),
        lambda _: True,
        Control(),
        lambda account: {account},
        answered=answered,
        share=lambda: 0.75,
    )
    runner = web.AppRunner(
        gateway.application(), access_log=None, handler_cancellation=True, auto_decompress=False
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as session:
            world = Running(session, f"http://{host}:{port}", gateway, recorder)
            world.identity = identity
            world.noted = noted
            yield world
    finally:
        await runner.cleanup()


CHAT = "/v1/chat/completions"


async def test_each_request_that_no_worker_gets_is_noted_once() -> None:
    async with running("team-a") as world:
        await world.send(CHAT, {"model": "team-a/qwen"})
        assert world.noted == []
        await world.send("/v1/embeddings", {"model": "team-a/qwen"})
        await world.send(CHAT, {"model": "team-b/qwen"})
        await world.send(CHAT, {"model": "team-a/qwen"}, key=None)
        await world.send("/v1/models", method="GET")
        await world.send("/v1/other")
        assert world.noted == [
            ("embeddings", 400, "api_not_supported", "team-a/qwen"),
            ("chat-completions", 404, "model_not_found", ""),
            ("chat-completions", 401, "unauthenticated", ""),
            ("models", 200, "", ""),
            ("", 404, "not_found", ""),
        ]


def code(answer: Any) -> str:
    """Return the code of a failure, in any of the shapes."""
    if "error" in answer:
        return str(answer["error"]["code"])
    if isinstance(answer.get("detail"), list):
        return str(answer["detail"][0]["type"])
    return str(answer["code"])


@pytest.mark.parametrize(
    ("path", "body", "deployment"),
    [
        (CHAT, {"model": "team-a/qwen", "messages": []}, "team-a/qwen"),
        (CHAT, {"model": "team-b/qwen"}, "team-b/qwen"),
        (CHAT, {"model": "llama"}, "team-a/llama"),
        ("/v1/completions", {"model": "llama"}, "team-a/llama"),
        ("/v1/embeddings", {"model": "split"}, "team-a/split-two"),
        ("/v1/embeddings", {"model": "team-a/split/one"}, "team-a/split-one"),
        ("/v4/models/team-a%2Fsplit/deployments/one/execute", {}, "team-a/split-one"),
        ("/v4/models/split/deployments/two/execute", {}, "team-a/split-two"),
        (f"/v4/models/{uid_of('team-b', 'qwen')}/chat-completions", {"prompt": "x"}, "team-b/qwen"),
    ],
)
async def test_a_request_reaches_the_deployment_that_it_names(path: str, body: Any, deployment: str) -> None:
    async with running("team-a", "team-b") as world:
        status, answer, _ = await world.send(path, body)
        assert (status, answer) == (200, deployment.split("/")[1])
        (call,) = world.recorder.calls
        assert f"{call.model.namespace}/{call.deployment.name}" == deployment
        assert call.caller == ALICE


async def test_an_account_limits_a_name_in_a_path() -> None:
    async with running("team-a", "team-b") as world:
        path = "/v4/models/qwen/chat-completions"
        assert code((await world.send(path, {"prompt": "x"}))[1]) == "model_ambiguous"
        status, _, _ = await world.send(path, {"prompt": "x"}, **{"x-selected-account-id": "team-b"})
        assert status == 200
        assert world.recorder.calls[0].model.id == "team-b/qwen"


async def test_a_name_is_ambiguous_only_among_what_the_caller_may_execute() -> None:
    async with running("team-a", "team-b") as world:
        status, answer, _ = await world.send(CHAT, {"model": "qwen"})
        assert (status, code(answer)) == (400, "model_ambiguous")
    async with running("team-b") as world:
        assert (await world.send(CHAT, {"model": "qwen"}))[0] == 200
        assert world.recorder.calls[0].model.id == "team-b/qwen"


async def test_what_the_caller_may_not_execute_looks_like_what_does_not_exist() -> None:
    async with running("team-b") as world:
        denied = await world.send(CHAT, {"model": "team-a/llama"})
        missing = await world.send(CHAT, {"model": "team-a/nobody"})
    assert denied[0] == missing[0] == 404
    assert json.dumps(denied[1]).replace("llama", "nobody") == json.dumps(missing[1])


@pytest.mark.parametrize(
    ("path", "body", "key", "status", "expected"),
    [
        (CHAT, {"model": "llama"}, None, 401, "unauthenticated"),
        (CHAT, {"model": "llama"}, "wrong", 401, "unauthenticated"),
        (CHAT, {}, "alice", 400, "invalid_request"),
        (CHAT, {"model": ""}, "alice", 400, "invalid_request"),
        (CHAT, {"model": 5}, "alice", 400, "invalid_body"),
        (CHAT, b"no json", "alice", 400, "invalid_body"),
        (CHAT, b"", "alice", 400, "invalid_body"),
        (CHAT, b"[" * 9_000, "alice", 400, "invalid_body"),
        (CHAT, b'{"model": "\xff"}', "alice", 400, "invalid_body"),
        (CHAT, b'{"model": "llama", "model": "qwen"}', "alice", 400, "invalid_body"),
        (CHAT, b'{"model": "' + b"x" * 20_000 + b'"}', "alice", 413, "body_too_large"),
        ("/v1/embeddings", {"model": "llama"}, "alice", 400, "api_not_supported"),
        ("/v1/images", {"model": "llama"}, "alice", 404, "not_found"),
        ("/v2/other", {"model": "llama"}, "alice", 404, "not_found"),
        ("/v4/models/llama/other", {}, "alice", 404, "not_found"),
        ("/v4/models/nobody/completions", {"prompt": "x"}, "alice", 404, "model_not_found"),
        ("/v4/models/split/deployments/none/execute", {}, "alice", 404, "model_not_found"),
        ("/v4/models/llama/chat-completions", b"no json", "alice", 422, "invalid_body"),
        ("/v1/rerank", {"model": "llama"}, "alice", 400, "api_not_supported"),
    ],
)
async def test_bad_input_is_an_error_of_the_api(
    path: str, body: Any, key: str | None, status: int, expected: str
) -> None:
    async with running("team-a") as world:
        found, answer, headers = await world.send(path, body, key=key)
        assert (found, code(answer)) == (status, expected)
        assert headers["Content-Type"] == "application/json"
        assert not world.recorder.calls


async def test_a_method_is_refused_with_the_right_one() -> None:
    async with running("team-a") as world:
        status, answer, headers = await world.send(CHAT, method="GET")
        assert (status, code(answer), headers["Allow"]) == (405, "method_not_allowed", "POST")
        status, _, headers = await world.send("/v1/models", {}, method="POST")
        assert (status, headers["Allow"]) == (405, "GET")


async def test_an_api_server_that_is_away_is_503_with_a_time() -> None:
    async with running("team-a") as world:
        world.identity.is_away = True
        status, _, headers = await world.send(CHAT, {"model": "llama"})
        assert (status, headers["Retry-After"]) == (503, "5")


async def test_a_defect_says_nothing_of_itself() -> None:
    async with running("team-a") as world:
        world.recorder.error = LookupError("secret of the gateway")
        status, answer, _ = await world.send(CHAT, {"model": "llama"})
        assert (status, code(answer)) == (500, "internal")
        assert "secret" not in json.dumps(answer)


async def test_a_draining_gateway_closes_connections_after_the_answer() -> None:
    async with running("team-a") as world:
        assert "close" not in (await world.send(CHAT, {"model": "llama"}))[2].get("Connection", "")
        world.gateway.is_draining = True
        assert (await world.send(CHAT, {"model": "llama"}))[2]["Connection"] == "close"


async def test_no_answer_names_what_it_is_made_of() -> None:
    async with running("team-a") as world:
        for path in (CHAT, "/nonsense"):
            assert (await world.send(path, {"model": "llama"}))[2]["Server"] == "model-operator"


async def test_no_cache_on_the_way_keeps_what_a_key_shows() -> None:
    async with running("team-a") as world:
        for path, status in (("/v1/models", 200), ("/v4/models", 200), ("/v1/models/nope", 404)):
            answer = await world.send(path, method="GET")
            assert (answer[0], answer[2]["Cache-Control"]) == (status, "no-store")


async def test_models_are_listed_for_both_clients() -> None:
    async with running("team-a") as world:
        status, answer, _ = await world.send("/v1/models", method="GET")
        assert status == 200
        assert [each["id"] for each in answer["data"]] == ["team-a/llama", "team-a/qwen", "team-a/split"]
        assert [each["name"] for each in answer["models"]] == [each["id"] for each in answer["data"]]
        for path in ("/v1/models/team-a%2Fqwen", "/v1/models/team-a/qwen"):
            status, answer, _ = await world.send(path, method="GET")
            assert (status, answer["id"], answer["created"]) == (200, "team-a/qwen", 1767225600)
        assert (await world.send("/v1/models/team-b%2Fqwen", method="GET"))[0] == 404
        assert (await world.send("/v1/models", method="GET", key=None))[0] == 401


async def test_nobody_s_list_is_empty_and_not_null() -> None:
    async with running() as world:
        assert (await world.send("/v1/models", method="GET"))[1]["data"] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_property_any_body_is_an_error_or_a_call(body: bytes) -> None:
    async def check() -> None:
        async with running("team-a") as world:
            status, answer, _ = await world.send(CHAT, body)
            assert status in (200, 400, 404)
            assert status == 200 or code(answer)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("method", "path", "operation", "variables"),
    [
        ("POST", "/v4/models", "create-model", {}),
        ("GET", "/v4/models?limit=3", "list-models", {}),
        ("PATCH", "/v4/models/team-a%2Fqwen", "patch-model", {"model": "team-a/qwen"}),
        ("GET", "/v4/models/x/deployments/y", "get-deployment", {"model": "x", "deployment": "y"}),
        ("GET", "/v4/models/x/usage-statistics", "not-implemented", {"model": "x"}),
        ("DELETE", "/v4/model-templates/t", "delete-template", {"template": "t"}),
        ("GET", "/v4/serving/a/mine", "not-implemented", {"alias": "mine"}),
    ],
)
async def test_a_control_request_reaches_its_operation(
    method: str, path: str, operation: str, variables: dict[str, str]
) -> None:
    async with running("team-a") as world:
        status, answer, _ = await world.send(path, {"a": 1}, method=method)
        assert (status, answer) == (200, [operation, variables, ALICE, "alice", '{"a": 1}'])
        assert world.noted == [(operation, 200, "", "")]


async def test_a_control_path_says_which_methods_it_has() -> None:
    async with running("team-a") as world:
        status, answer, headers = await world.send("/v4/models/x", {}, method="PUT")
        assert (status, code(answer)) == (405, "method_not_allowed")
        assert headers["Allow"] == "GET, PATCH, DELETE"
