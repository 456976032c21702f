"""The unmodified clients of OpenAI, Cohere and the platform, over translations to all kinds of servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import cohere
import openai
import pytest
import pytest_asyncio
import scale_gp
from scale_gp import AsyncSGPClient

from tests.unit.gateway.translating_server import FAILING_PROMPT, translating_server, vector

NOT_OPENAI = ["SGP", "COHERE", "TEI"]
ALL = ["SGP", "VLLM", "OPENAI", "COHERE", "TEI"]
GENERATING = ["SGP", "VLLM", "OPENAI"]
DOCUMENTS = ["a", "a longer text", "a text"]
BEST_FIRST = [(1, 0.13), (2, 0.06), (0, 0.01)]


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    async with translating_server() as found:
        yield found


@pytest_asyncio.fixture
async def by_openai(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    client = openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="k", max_retries=0, _strict_response_validation=True
    )
    async with client:
        yield client


@pytest_asyncio.fixture
async def by_cohere(url: str) -> AsyncIterator[cohere.AsyncClientV2]:
    async with cohere.AsyncClientV2(api_key="k", base_url=url) as client:
        yield client


@pytest_asyncio.fixture
async def by_platform(url: str) -> AsyncIterator[AsyncSGPClient]:
    client = AsyncSGPClient(api_key="k", base_url=url, max_retries=0, _strict_response_validation=True)
    async with client:
        yield client


async def test_openai_chat(by_openai: openai.AsyncOpenAI) -> None:
    answer = await by_openai.chat.completions.create(
        model="CHAT_COMPLETION/SGP", messages=[{"role": "user", "content": "hi"}], user="u", n=1
    )
    assert answer.choices[0].message.content == "You said: hi"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "CHAT_COMPLETION/SGP"
    again: Any = [
        {"role": "user", "content": "hi"},
        answer.choices[0].message,
        {"role": "user", "content": "so"},
    ]
    answer = await by_openai.chat.completions.create(model="CHAT_COMPLETION/SGP", messages=again)
    assert answer.choices[0].message.content == "You said: so"


async def test_openai_chat_as_a_stream(by_openai: openai.AsyncOpenAI) -> None:
    stream = await by_openai.chat.completions.create(
        model="CHAT_COMPLETION/SGP", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: hi"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1


async def test_openai_helper_for_streams(by_openai: openai.AsyncOpenAI) -> None:
    async with by_openai.chat.completions.stream(
        model="CHAT_COMPLETION/SGP", messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        answer = await stream.get_final_completion()
    assert answer.choices[0].message.content == "You said: hi"


async def test_openai_sees_an_error_in_a_stream(by_openai: openai.AsyncOpenAI) -> None:
    stream = await by_openai.chat.completions.create(
        model="CHAT_COMPLETION/SGP", messages=[{"role": "user", "content": FAILING_PROMPT}], stream=True
    )
    assert (await anext(stream)).choices[0].delta.role == "assistant"
    assert (await anext(stream)).choices[0].delta.content == "Well"
    with pytest.raises(openai.APIError, match="reported an error"):
        await anext(stream)


async def test_openai_completions(by_openai: openai.AsyncOpenAI) -> None:
    answer = await by_openai.completions.create(model="COMPLETION/SGP", prompt=["a", "b"], max_tokens=5)
    assert [choice.text for choice in answer.choices] == ["You said: a", "You said: b"]
    assert answer.usage is not None
    assert answer.usage.total_tokens == 8


async def test_openai_completions_as_a_stream(url: str) -> None:
    # OpenAI's own chunks have the finish reason null, which its client's types for completions do not allow.
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        stream = await client.completions.create(
            model="COMPLETION/SGP", prompt="a", stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "You said: a"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 8


@pytest.mark.parametrize("protocol", NOT_OPENAI)
async def test_openai_embeddings(url: str, by_openai: openai.AsyncOpenAI, protocol: str) -> None:
    model = f"EMBEDDING/{protocol}"
    answer = await by_openai.embeddings.create(model=model, input=["a", "bb"], encoding_format="float")
    assert [each.embedding for each in answer.data] == [vector("a"), vector("bb")]
    # By default the client requests base64, which its own strict validation does not allow.
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        answer = await client.embeddings.create(model=model, input="a")
    assert [each.embedding for each in answer.data] == [vector("a")]


async def test_openai_sees_a_refused_field(by_openai: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await by_openai.chat.completions.create(
            model="CHAT_COMPLETION/SGP",
            messages=[{"role": "user", "content": "hi"}],
            tools=[{"type": "function", "function": {"name": "f"}}],
        )
    assert raised.value.param == "tools"
    assert raised.value.code == "unsupported_field"
    with pytest.raises(openai.BadRequestError) as raised:
        await by_openai.embeddings.create(model="EMBEDDING/SGP", input=[[1, 2], [3]])
    assert raised.value.param == "input"


@pytest.mark.parametrize("protocol", ALL)
async def test_cohere_rerank(by_cohere: cohere.AsyncClientV2, protocol: str) -> None:
    answer = await by_cohere.rerank(model=f"RERANKING/{protocol}", query="q", documents=DOCUMENTS)
    assert [(each.index, each.relevance_score) for each in answer.results] == BEST_FIRST


@pytest.mark.parametrize("protocol", ["SGP", "TEI"])
async def test_cohere_rerank_version_1(url: str, protocol: str) -> None:
    async with cohere.AsyncClient(api_key="k", base_url=url) as client:
        answer = await client.rerank(
            model=f"RERANKING/{protocol}",
            query="q",
            documents=[DOCUMENTS[0], {"text": DOCUMENTS[1]}, DOCUMENTS[2]],
            top_n=2,
            return_documents=True,
        )
    assert [(each.index, each.relevance_score) for each in answer.results] == BEST_FIRST[:2]
    assert [each.document and each.document.text for each in answer.results] == [DOCUMENTS[1], DOCUMENTS[2]]


@pytest.mark.parametrize("protocol", ["SGP", "VLLM", "OPENAI", "TEI"])
async def test_cohere_embed(by_cohere: cohere.AsyncClientV2, protocol: str) -> None:
    answer = await by_cohere.embed(
        model=f"EMBEDDING/{protocol}", texts=["a", "bb"], input_type="search_query", embedding_types=["float"]
    )
    assert answer.embeddings.float_ == [vector("a"), vector("bb")]
    assert answer.texts == ["a", "bb"]
    assert answer.meta
    assert answer.meta.billed_units
    assert answer.meta.billed_units.input_tokens == (0 if protocol == "TEI" else 7)


async def test_cohere_sees_a_refused_field(by_cohere: cohere.AsyncClientV2) -> None:
    with pytest.raises(cohere.BadRequestError) as raised:
        await by_cohere.embed(
            model="EMBEDDING/SGP", texts=["a"], input_type="search_query", embedding_types=["int8"]
        )
    assert "embedding_types[0]" in raised.value.body["message"]


@pytest.mark.parametrize("protocol", GENERATING)
async def test_platform_chat(by_platform: AsyncSGPClient, protocol: str) -> None:
    answer = await by_platform.models.chat_completions.create(
        f"CHAT_COMPLETION/{protocol}",
        chat_history=[{"role": "system", "content": "s"}],
        prompt="hi",
        stop_sequences=["x"],
    )
    assert answer.completions == [["hi", ["You said: hi"]]]
    assert answer.finish_reason == "stop"


@pytest.mark.parametrize("protocol", GENERATING)
async def test_platform_chat_as_a_stream(by_platform: AsyncSGPClient, protocol: str) -> None:
    stream = await by_platform.models.chat_completions.create(
        f"CHAT_COMPLETION/{protocol}", chat_history=[], prompt="hi", stream=True
    )
    events: list[Any] = [event async for event in stream]
    assert "".join(event.completions[0][1][0] for event in events) == "You said: hi"
    assert "stop" in [event.finish_reason for event in events]


@pytest.mark.parametrize("protocol", GENERATING)
async def test_platform_sees_an_error_in_a_stream(by_platform: AsyncSGPClient, protocol: str) -> None:
    stream = await by_platform.models.chat_completions.create(
        f"CHAT_COMPLETION/{protocol}", chat_history=[], prompt=FAILING_PROMPT, stream=True
    )
    assert (await anext(stream)).completions == [[FAILING_PROMPT, ["Well"]]]
    with pytest.raises(scale_gp.APIStatusError, match="reported an error"):
        await anext(stream)


@pytest.mark.parametrize("protocol", GENERATING)
async def test_platform_completions(by_platform: AsyncSGPClient, protocol: str) -> None:
    model = f"COMPLETION/{protocol}"
    answer = await by_platform.models.completions.create(
        model, prompt="a", model_request_parameters={"bindings": {"seed": 1}}
    )
    assert answer.completions == [["a", ["You said: a"]]]
    assert (answer.prompt_tokens, answer.response_tokens) == (3, 5)
    stream = await by_platform.models.completions.create(model, prompt="a", stream=True)
    events: list[Any] = [event async for event in stream]
    assert "".join(event.completions[0][1][0] for event in events) == "You said: a"
    assert events[-1].response_tokens == 5


@pytest.mark.parametrize("protocol", ALL)
async def test_platform_embeddings(by_platform: AsyncSGPClient, protocol: str) -> None:
    answer = await by_platform.models.embeddings.create(f"EMBEDDING/{protocol}", texts=["a", "bb"])
    assert answer.embeddings == [["a", vector("a")], ["bb", vector("bb")]]


@pytest.mark.parametrize("protocol", ALL)
async def test_platform_rerankings(by_platform: AsyncSGPClient, protocol: str) -> None:
    answer = await by_platform.models.rerankings.create(f"RERANKING/{protocol}", query="q", chunks=DOCUMENTS)
    assert answer.chunk_scores == [0.01, 0.13, 0.06]


EXECUTED = [
    *[("CHAT_COMPLETION", protocol) for protocol in GENERATING],
    *[("COMPLETION", protocol) for protocol in GENERATING],
    *[("EMBEDDING", protocol) for protocol in ALL],
    *[("RERANKING", protocol) for protocol in ALL],
]
EXECUTIONS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "CHAT_COMPLETION": (
        {"messages": [{"role": "user", "content": "hi"}]},
        "message",
        {"role": "assistant", "content": "You said: hi"},
    ),
    "COMPLETION": ({"prompts": ["a"]}, "completions", [["a", ["You said: a"]]]),
    "EMBEDDING": ({"texts": ["a"]}, "embeddings", [["a", vector("a")]]),
    "RERANKING": ({"query": "q", "chunks": DOCUMENTS}, "chunk_scores", [0.01, 0.13, 0.06]),
}


@pytest.mark.parametrize(("model_type", "protocol"), EXECUTED)
async def test_platform_execute(by_platform: AsyncSGPClient, model_type: str, protocol: str) -> None:
    body, field, expected = EXECUTIONS[model_type]
    answer: Any = await by_platform.models.deployments.execute(
        f"{model_type}/{protocol}", model_instance_id="i", extra_body=body
    )
    assert answer[field] == expected


async def test_platform_sees_a_binding_that_is_not_declared(by_platform: AsyncSGPClient) -> None:
    with pytest.raises(scale_gp.UnprocessableEntityError) as raised:
        await by_platform.models.completions.create(
            "COMPLETION/VLLM", prompt="a", model_request_parameters={"bindings": {"other": 1}}
        )
    body: Any = raised.value.body
    assert body["detail"][0]["loc"] == ["body", "model_request_parameters", "bindings", "other"]
