"""The server takes and gives what the operator writes into the status for the example's templates."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator

from embedding_server.application import Service
from embedding_server.models import MODELS, Model
from embedding_server.settings import Settings, read_settings
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.templates.contracts import request_schema, response_schema
from tests.cluster.processes import REPOSITORY

MANIFESTS = REPOSITORY / "examples" / "embedding-server" / "manifests"
TEMPLATES = {
    obj["spec"]["model_type"]: obj["spec"]
    for path in sorted(MANIFESTS.glob("*ing.yaml"))
    for obj in yaml.safe_load_all(path.read_text())
    if obj["kind"] == "ModelTemplate"
}
MINILM = "all-MiniLM-L6-v2"
README = (MANIFESTS.parent / "README.md").read_text()
ASKED = re.findall(r"^curl http://([\w-]+)/predict -d '(.*)'$", README, re.MULTILINE)
GOOD = {
    "EMBEDDING": [
        {"texts": ["a", "b"]},
        {"texts": []},
        {"texts": ["a"], "model_request_parameters": {"bindings": {"normalize": False}}},
        {"texts": ["a"], "model_request_parameters": {"bindings": {}}},
        *(json.loads(body) for name, body in ASKED if name == "minilm"),
    ],
    "RERANKING": [
        {"query": "dogs", "chunks": ["a cat", "a dog"]},
        {"query": "", "chunks": []},
        {"query": "a", "chunks": ["b"], "model_request_parameters": {"bindings": {}}},
        *(json.loads(body) for name, body in ASKED if name == "minilm-reranker"),
    ],
}
assert len(ASKED) == 2, "the README of the example asks both"
BAD: list[tuple[str, Any, list[Any], str]] = [
    ("EMBEDDING", {}, ["body", "texts"], "missing"),
    ("EMBEDDING", {"texts": "a"}, ["body", "texts"], "list_type"),
    ("EMBEDDING", {"texts": ["a", 1]}, ["body", "texts", 1], "string_type"),
    ("EMBEDDING", {"texts": [], "chunks": []}, ["body", "chunks"], "extra_forbidden"),
    ("EMBEDDING", [], ["body"], "model_type"),
    (
        "EMBEDDING",
        {"texts": [], "model_request_parameters": {}},
        ["body", "model_request_parameters", "bindings"],
        "missing",
    ),
    (
        "EMBEDDING",
        {"texts": [], "model_request_parameters": {"bindings": {"normalise": True}}},
        ["body", "model_request_parameters", "bindings", "normalise"],
        "extra_forbidden",
    ),
    (
        "EMBEDDING",
        {"texts": [], "model_request_parameters": {"bindings": {"normalize": "yes"}}},
        ["body", "model_request_parameters", "bindings", "normalize"],
        "bool_type",
    ),
    ("RERANKING", {"query": "a"}, ["body", "chunks"], "missing"),
    ("RERANKING", {"query": "a", "chunks": [None]}, ["body", "chunks", 0], "string_type"),
    (
        "RERANKING",
        {"query": "a", "chunks": [], "model_request_parameters": {"bindings": {"normalize": True}}},
        ["body", "model_request_parameters", "bindings", "normalize"],
        "extra_forbidden",
    ),
]

Load = Callable[[str], Model]
Client = TestClient[Any, Any]


def settings(model_type: str) -> Settings:
    return read_settings({"MODEL_NAME": MINILM, "MODEL_TYPE": model_type})


@asynccontextmanager
async def serving(model_type: str, model: Model | None) -> AsyncIterator[tuple[Client, Service]]:
    with ThreadPoolExecutor(1) as executor:
        service = Service(settings(model_type), executor)
        service.model = model
        async with TestClient(TestServer(service.application())) as client:
            yield client, service


def schema_of_requests(model_type: str) -> Draft202012Validator:
    declared: Mapping[str, Any] | None = TEMPLATES[model_type].get("model_request_parameters_schema")
    return Draft202012Validator(request_schema(model_type, parse_parameter_schema(declared, ())))


@pytest.mark.parametrize("model_type", GOOD)
async def test_what_the_status_allows_is_answered_as_it_says(model: Load, model_type: str) -> None:
    async with serving(model_type, model(MINILM)) as (client, _):
        for body in GOOD[model_type]:
            schema_of_requests(model_type).validate(body)
            response = await client.post("/predict", json=body)
            answer = await response.json()

            assert response.status == 200, answer
            Draft202012Validator(response_schema(model_type)).validate(answer)


@pytest.mark.parametrize(("model_type", "body", "loc", "kind"), BAD)
async def test_what_the_status_forbids_is_refused_with_its_place(
    model: Load, model_type: str, body: Any, loc: list[Any], kind: str
) -> None:
    assert not schema_of_requests(model_type).is_valid(body)
    async with serving(model_type, model(MINILM)) as (client, _):
        response = await client.post("/predict", json=body)
        answer = await response.json()

    assert response.status == 422
    (detail,) = answer["detail"]
    assert (detail["loc"], detail["type"]) == (loc, kind)
    assert sorted(detail) == ["loc", "msg", "type"]


async def test_a_body_that_is_no_json_is_refused_in_the_same_way(model: Load) -> None:
    async with serving("EMBEDDING", model(MINILM)) as (client, _):
        response = await client.post("/predict", data=b'{"texts": [')
        answer = await response.json()

    assert response.status == 422
    assert [(detail["loc"], detail["type"]) for detail in answer["detail"]] == [(["body"], "json_invalid")]


async def test_embeddings_come_with_their_texts_and_the_request_may_set_normalize(model: Load) -> None:
    texts = ["a dog", "a cat"]
    async with serving("EMBEDDING", model(MINILM)) as (client, _):
        default = await (await client.post("/predict", json={"texts": texts})).json()
        body = {"texts": texts, "model_request_parameters": {"bindings": {"normalize": False}}}
        plain = await (await client.post("/predict", json=body)).json()

    assert [text for text, _ in default["embeddings"]] == texts
    assert default["tokens_used"] == 8
    assert sum(x * x for x in default["embeddings"][0][1]) == pytest.approx(1, abs=1e-5)
    assert sum(x * x for x in plain["embeddings"][0][1]) != pytest.approx(1, abs=1e-2)


async def test_scores_are_in_the_order_of_the_chunks(model: Load) -> None:
    chunks = ["The stock market fell.", "A puppy chases its tail.", "My hound sleeps."]
    async with serving("RERANKING", model(MINILM)) as (client, _):
        body = {"query": "What do dogs do?", "chunks": chunks}
        answer = await (await client.post("/predict", json=body)).json()

    finance, puppy, hound = answer["chunk_scores"]
    assert finance < min(puppy, hound)


async def test_it_is_ready_only_with_its_model_and_until_it_drains(model: Load) -> None:
    body = {"texts": ["a"]}
    async with serving("EMBEDDING", None) as (client, service):
        assert (await client.get("/readyz")).status == 503
        assert (await client.post("/predict", json=body)).status == 503

        service.model = model(MINILM)
        assert (await client.get("/readyz")).status == 200
        answered = await client.post("/predict", json=body)
        assert (answered.status, answered.headers.get("Connection")) == (200, None)

        service.draining = True
        assert (await client.get("/readyz")).status == 503
        answered = await client.post("/predict", json=body)
        assert (answered.status, answered.headers["Connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [("GET", "/", 404, "Not Found"), ("GET", "/predict", 405, "Method Not Allowed")],
)
async def test_other_errors_are_json_too(method: str, path: str, status: int, reason: str) -> None:
    async with serving("EMBEDDING", None) as (client, _):
        response = await client.request(method, path)

        assert response.status == status
        assert await response.json() == {"detail": reason}


@pytest.mark.parametrize("model_type", TEMPLATES)
def test_templates_offer_the_models_that_there_are(model_type: str) -> None:
    spec = TEMPLATES[model_type]

    assert spec["model_creation_parameters_schema"]["properties"]["MODEL_NAME"]["enum"] == list(MODELS)
    assert spec["vendor_configuration"]["bundle_config"]["env"]["MODEL_TYPE"] == model_type
