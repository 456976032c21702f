"""The public APIs, as the unmodified clients of OpenAI and Cohere call them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import cohere
import numpy as np
import openai
import pytest
from aiohttp.test_utils import TestServer

from embedding_server.application import Service
from embedding_server.models import MODELS, Model
from embedding_server.settings import read_settings
from tests.cluster.embedding import SERVER

MINILM = "all-MiniLM-L6-v2"
KEY = "any"
Load = Callable[[str], Model]


@asynccontextmanager
async def address(model_type: str, model: Model | None) -> AsyncIterator[str]:
    with ThreadPoolExecutor(1) as executor:
        service = Service(read_settings({"MODEL_NAME": MINILM, "MODEL_TYPE": model_type}), executor)
        service.model = model
        async with TestServer(service.application()) as server:
            yield str(server.make_url("")).rstrip("/")


async def embed(url: str, **body: Any) -> Any:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        return await client.embeddings.create(model="any", **body)


async def test_embeddings_in_both_formats_are_the_model_s(model: Load) -> None:
    texts = ["a dog", "a cat"]
    expected, tokens = model(MINILM).embed(texts, normalize=True)
    async with address("EMBEDDING", model(MINILM)) as url:
        packed = await embed(url, input=texts)  # base64 by default
        plain = await embed(url, input=texts, encoding_format="float")
        single = await embed(url, input=texts[1], dimensions=384)

    for answer in (packed, plain):
        assert [each.index for each in answer.data] == [0, 1]
        assert np.allclose([each.embedding for each in answer.data], expected, atol=1e-6)
        assert (answer.model, answer.usage.total_tokens) == (MINILM, tokens)
    assert np.allclose(single.data[0].embedding, expected[1], atol=1e-6)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input.0"),
        ({"input": ["a", ""]}, "input.1"),
        ({"input": [[1, 2]]}, "input.0"),
        ({"input": "a", "dimensions": 3}, "dimensions"),
        ({"input": "a", "extra_body": {"truncate": True}}, "truncate"),
    ],
)
async def test_what_is_wrong_is_refused_in_openai_s_shape(
    model: Load, body: dict[str, Any], param: str
) -> None:
    async with address("EMBEDDING", model(MINILM)) as url:
        with pytest.raises(openai.BadRequestError) as caught:
            await embed(url, **body)

    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


async def test_documents_come_back_best_first(model: Load) -> None:
    documents = ["Markets fell.", "A puppy chases its tail.", "My hound sleeps."]
    async with address("RERANKING", model(MINILM)) as url, cohere.AsyncClientV2(KEY, base_url=url) as client:
        every = await client.rerank(model="any", query="What do dogs do?", documents=documents)
        best = await client.rerank(model="any", query="What do dogs do?", documents=documents, top_n=1)

    assert {each.index for each in every.results} == {0, 1, 2}
    scores = [each.relevance_score for each in every.results]
    assert scores == sorted(scores, reverse=True)
    assert every.results[-1].index == 0
    assert [each.index for each in best.results] == [every.results[0].index]


async def test_the_first_version_gives_documents_back(model: Load) -> None:
    documents: list[Any] = ["Markets fell.", {"text": "A puppy chases its tail."}]
    async with address("RERANKING", model(MINILM)) as url, cohere.AsyncClient(KEY, base_url=url) as client:
        answer = await client.rerank(
            model="any", query="What do dogs do?", documents=documents, return_documents=True
        )

    first = answer.results[0]
    assert (first.index, first.document and first.document.text) == (1, "A puppy chases its tail.")


async def test_what_is_wrong_is_refused_in_cohere_s_shape(model: Load) -> None:
    async with address("RERANKING", model(MINILM)) as url, cohere.AsyncClientV2(KEY, base_url=url) as client:
        with pytest.raises(cohere.BadRequestError) as caught:
            await client.rerank(model="any", query="a", documents=[])

    assert caught.value.body["message"].startswith("documents: ")


def test_templates_offer_the_models_and_the_paths_that_there_are() -> None:
    for name, protocol in (("openai-embeddings", "OPENAI"), ("cohere-reranking", "COHERE")):
        spec = SERVER.template(name)["spec"]
        assert spec["endpoint_protocol"] == protocol
        assert spec["model_creation_parameters_schema"]["properties"]["MODEL_NAME"]["enum"] == list(MODELS)
        assert spec["vendor_configuration"]["bundle_config"]["env"]["MODEL_TYPE"] == spec["model_type"]


async def test_without_its_model_it_is_not_ready(model: Load) -> None:
    async with address("EMBEDDING", None) as url:
        with pytest.raises(openai.InternalServerError) as caught:
            await asyncio.wait_for(embed(url, input="a"), 30)

    assert caught.value.status_code == 503
