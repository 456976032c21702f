"""Embeddings of model servers: the platform's contract, OpenAI's, Cohere's and Text Embeddings Inference's.

Sources: core.templates.contracts for the platform; the API references of OpenAI (``/v1/embeddings``), Cohere
(``/v2/embed``) and Text Embeddings Inference (``/embed``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.translation.base import ServerRequest, Target
from model_operator.core.gateway.translation.bindings import merged, nested
from model_operator.core.gateway.translation.fields import Given, unsupported
from model_operator.core.gateway.translation.server_answers import broken, decode_answer, encode
from model_operator.core.gateway.translation.vectors import (
    EmbeddingRequest,
    Embeddings,
    checked_embeddings,
)

DEFAULT_INPUT_TYPE: Final = "search_document"
"""Cohere requires a kind of input; other APIs have none. A binding ``input_type`` can change it."""


class SgpEmbeddings:
    """The platform's contract at ``predict_route``."""

    def request(self, asked: EmbeddingRequest, target: Target) -> ServerRequest:
        """Return the server's request."""
        _refuse(target.protocol, asked.dimensions, asked.truncate)
        body = {"texts": asked.texts, **nested(asked.bindings)}
        return ServerRequest(target.predict_route, encode(body))

    def answer(self, body: bytes, asked: EmbeddingRequest, target: Target) -> Embeddings:
        """Return the vectors of the server's answer."""
        answer = decode_answer(body, _SgpAnswer, target.protocol)
        vectors = [vector for _, vector in answer.embeddings]
        return checked_embeddings(vectors, answer.tokens_used or 0, asked, "embeddings", target.protocol)


class OpenAIEmbeddings:
    """OpenAI's API."""

    def request(self, asked: EmbeddingRequest, target: Target) -> ServerRequest:
        """Return the server's request."""
        _refuse(target.protocol, asked.truncate)
        body: dict[str, Any] = {
            "model": target.server_model,
            "input": asked.texts,
            "encoding_format": "float",
        }
        if asked.dimensions is not None:
            body["dimensions"] = asked.dimensions.value
        return ServerRequest("/v1/embeddings", encode(merged(body, asked.bindings)))

    def answer(self, body: bytes, asked: EmbeddingRequest, target: Target) -> Embeddings:
        """Return the vectors of the server's answer, which come with their indices."""
        answer = decode_answer(body, _OpenAIAnswer, target.protocol)
        by_index = {each.index: each.embedding for each in answer.data}
        if len(by_index) != len(answer.data) or set(by_index) != set(range(len(answer.data))):
            raise broken(target.protocol, "expected each index once - at `$.data[...].index`")
        vectors = [by_index[index] for index in range(len(by_index))]
        tokens = answer.usage.prompt_tokens or answer.usage.total_tokens or 0 if answer.usage else 0
        return checked_embeddings(vectors, tokens, asked, "data", target.protocol)


class CohereEmbeddings:
    """Cohere's API, version 2."""

    def request(self, asked: EmbeddingRequest, target: Target) -> ServerRequest:
        """Return the server's request."""
        body: dict[str, Any] = {
            "model": target.server_model,
            "texts": asked.texts,
            "embedding_types": ["float"],
        }
        if asked.dimensions is not None:
            body["output_dimension"] = asked.dimensions.value
        if asked.truncate is not None:
            body["truncate"] = asked.truncate.value
        body = merged(body, asked.bindings, reserved=("images", "inputs"))
        body.setdefault("input_type", DEFAULT_INPUT_TYPE)
        return ServerRequest("/v2/embed", encode(body))

    def answer(self, body: bytes, asked: EmbeddingRequest, target: Target) -> Embeddings:
        """Return the vectors of the server's answer."""
        answer = decode_answer(body, _CohereAnswer, target.protocol)
        units = answer.meta.billed_units if answer.meta else None
        tokens = int(units.input_tokens or 0) if units else 0
        vectors = answer.embeddings.float_
        return checked_embeddings(vectors, tokens, asked, "embeddings.float", target.protocol)


class TeiEmbeddings:
    """Text Embeddings Inference's API."""

    def request(self, asked: EmbeddingRequest, _target: Target) -> ServerRequest:
        """Return the server's request."""
        body: dict[str, Any] = {"inputs": asked.texts}
        if asked.dimensions is not None:
            body["dimensions"] = asked.dimensions.value
        if asked.truncate is not None:
            body |= _TEI_TRUNCATION[asked.truncate.value]
        return ServerRequest("/embed", encode(merged(body, asked.bindings)))

    def answer(self, body: bytes, asked: EmbeddingRequest, target: Target) -> Embeddings:
        """Return the vectors of the server's answer, which is a plain list."""
        vectors = decode_answer(body, list[list[float]], target.protocol)
        return checked_embeddings(vectors, 0, asked, "", target.protocol)


_TEI_TRUNCATION: Final[Mapping[str, Mapping[str, Any]]] = {
    "NONE": {"truncate": False},
    "START": {"truncate": True, "truncation_direction": "Left"},
    "END": {"truncate": True, "truncation_direction": "Right"},
}


def _refuse(protocol: EndpointProtocol, *fields: Given | None) -> None:
    for given in fields:
        if given is not None:
            raise unsupported(given.path, protocol)


class _SgpAnswer(msgspec.Struct):
    embeddings: list[tuple[str, list[float]]]
    tokens_used: int | None = None


class _OpenAIVector(msgspec.Struct):
    embedding: list[float]
    index: int


class _OpenAIUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _OpenAIAnswer(msgspec.Struct):
    data: list[_OpenAIVector]
    usage: _OpenAIUsage | None = None


class _CohereVectors(msgspec.Struct):
    float_: list[list[float]] = msgspec.field(name="float")


class CohereUnits(msgspec.Struct):
    """Units that Cohere bills; it writes counts as numbers."""

    input_tokens: float | None = None


class CohereMeta(msgspec.Struct):
    """Cohere's ``meta`` of an answer."""

    billed_units: CohereUnits | None = None


class _CohereAnswer(msgspec.Struct):
    embeddings: _CohereVectors
    meta: CohereMeta | None = None
