"""The platform's APIs of embeddings and rerankings, as clients call them: execute and the typed routes.

Sources: core.templates.contracts, and the types of the ``scale-gp`` client (``models.embeddings``,
``models.rerankings``). Both routes have one body, except for ``instruction`` of a reranking.
"""

from __future__ import annotations

from typing import Final

from model_operator.core.gateway.translation.base import Target
from model_operator.core.gateway.translation.bindings import read_bindings
from model_operator.core.gateway.translation.fields import decode_request
from model_operator.core.gateway.translation.server_answers import encode
from model_operator.core.gateway.translation.vectors import (
    EmbeddingRequest,
    Embeddings,
    RerankRequest,
    Scores,
)

_HARMLESS: Final = {"stream": (False,)}


class PlatformEmbeddingsClient:
    """Reads and writes the bodies of EMBEDDING."""

    def read(self, body: bytes, target: Target) -> EmbeddingRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        texts = fields.texts("texts")
        bindings = read_bindings(fields)
        fields.without_effect(target.protocol, _HARMLESS)
        fields.close(target.protocol)
        return EmbeddingRequest(texts, bindings)

    def write(self, asked: EmbeddingRequest, answer: Embeddings, _target: Target) -> bytes:
        """Return the client's body."""
        pairs = list(zip(asked.texts, answer.vectors, strict=True))
        return encode({"embeddings": pairs, "tokens_used": answer.tokens})


class PlatformRerankClient:
    """Reads and writes the bodies of RERANKING."""

    def read(self, body: bytes, target: Target) -> RerankRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        query = fields.text("query")
        chunks = fields.texts("chunks")
        instruction = fields.take("instruction")
        bindings = read_bindings(fields)
        fields.without_effect(target.protocol, _HARMLESS)
        fields.close(target.protocol)
        is_empty = instruction is None or instruction.value == ""
        return RerankRequest(query, chunks, bindings, None if is_empty else instruction)

    def write(self, _asked: RerankRequest, answer: Scores, _target: Target) -> bytes:
        """Return the client's body, with the scores in the order of the chunks."""
        return encode({"chunk_scores": answer.scores, "tokens_used": answer.tokens})
