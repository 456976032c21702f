"""Rerankings of model servers: the platform's contract, Cohere's API, and Text Embeddings Inference's.

Sources: core.templates.contracts for the platform; the API references of Cohere (``/v2/rerank``, which
servers of protocol OPENAI and VLLM have, too) and Text Embeddings Inference (``/rerank``).
"""

from __future__ import annotations

from typing import Any

import msgspec

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.translation.base import ServerRequest, Target
from model_operator.core.gateway.translation.bindings import merged, nested
from model_operator.core.gateway.translation.embedding_servers import CohereMeta
from model_operator.core.gateway.translation.fields import unsupported
from model_operator.core.gateway.translation.server_answers import decode_answer, encode, expect_count
from model_operator.core.gateway.translation.vectors import RerankRequest, Scores, ordered_scores


class SgpRerank:
    """The platform's contract at ``predict_route``."""

    def request(self, asked: RerankRequest, target: Target) -> ServerRequest:
        """Return the server's request."""
        _refuse_instruction(asked, target.protocol)
        body = {"query": asked.query, "chunks": asked.documents, **nested(asked.bindings)}
        return ServerRequest(target.predict_route, encode(body))

    def answer(self, body: bytes, asked: RerankRequest, target: Target) -> Scores:
        """Return the scores of the server's answer, which are in the order of the request."""
        answer = decode_answer(body, _SgpAnswer, target.protocol)
        expect_count(answer.chunk_scores, len(asked.documents), "chunk_scores", target.protocol)
        return Scores(answer.chunk_scores, max(answer.tokens_used or 0, 0))


class CohereRerank:
    """Cohere's API, version 2."""

    def request(self, asked: RerankRequest, target: Target) -> ServerRequest:
        """Return the server's request; the gateway itself takes the best and repeats documents."""
        _refuse_instruction(asked, target.protocol)
        body: dict[str, Any] = {
            "model": target.server_model,
            "query": asked.query,
            "documents": asked.documents,
        }
        merged_body = merged(body, asked.bindings, reserved=("top_n", "return_documents"))
        return ServerRequest("/v2/rerank", encode(merged_body))

    def answer(self, body: bytes, asked: RerankRequest, target: Target) -> Scores:
        """Return the scores of the server's answer, which are sorted."""
        answer = decode_answer(body, _CohereAnswer, target.protocol)
        found = [(each.index, each.relevance_score) for each in answer.results]
        tokens: float | None = None
        if answer.usage:
            tokens = answer.usage.total_tokens
        elif answer.meta and answer.meta.billed_units:
            tokens = answer.meta.billed_units.input_tokens
        return ordered_scores(found, int(tokens or 0), asked, "results", target.protocol)


class TeiRerank:
    """Text Embeddings Inference's API."""

    def request(self, asked: RerankRequest, target: Target) -> ServerRequest:
        """Return the server's request."""
        _refuse_instruction(asked, target.protocol)
        body: dict[str, Any] = {"query": asked.query, "texts": asked.documents, "return_text": False}
        return ServerRequest("/rerank", encode(merged(body, asked.bindings)))

    def answer(self, body: bytes, asked: RerankRequest, target: Target) -> Scores:
        """Return the scores of the server's answer, a sorted list."""
        answer = decode_answer(body, list[_TeiRank], target.protocol)
        found = [(each.index, each.score) for each in answer]
        return ordered_scores(found, 0, asked, "", target.protocol)


def _refuse_instruction(asked: RerankRequest, protocol: EndpointProtocol) -> None:
    if asked.instruction is not None:
        raise unsupported(asked.instruction.path, protocol)


class _SgpAnswer(msgspec.Struct):
    chunk_scores: list[float]
    tokens_used: int | None = None


class _CohereResult(msgspec.Struct):
    index: int
    relevance_score: float


class _Usage(msgspec.Struct):
    total_tokens: float | None = None


class _CohereAnswer(msgspec.Struct):
    results: list[_CohereResult]
    meta: CohereMeta | None = None
    usage: _Usage | None = None


class _TeiRank(msgspec.Struct):
    index: int
    score: float
