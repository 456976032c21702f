"""OpenAI's API of embeddings, as clients call it.

Source: the API reference of ``POST /v1/embeddings``. The ``openai`` client requests base64 by itself.
"""

from __future__ import annotations

from typing import Any, Final

from model_operator.core.gateway.translation.base import Target
from model_operator.core.gateway.translation.fields import decode_request, one_or_more_texts
from model_operator.core.gateway.translation.server_answers import encode
from model_operator.core.gateway.translation.vectors import EmbeddingRequest, Embeddings, base64_of

_MAX_DIMENSIONS: Final = 65536
_FORMATS: Final = ("float", "base64")


class OpenAIEmbeddingsClient:
    """Reads requests of ``/v1/embeddings`` and writes their answers."""

    def read(self, body: bytes, target: Target) -> EmbeddingRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        fields.text("model")
        texts = one_or_more_texts(fields, "input")
        dimensions = fields.whole("dimensions", 1, _MAX_DIMENSIONS)
        encoding = fields.choice("encoding_format", _FORMATS)
        fields.ignore("user")
        fields.close(target.protocol)
        as_base64 = encoding is not None and encoding.value == "base64"
        return EmbeddingRequest(texts, dimensions=dimensions, as_base64=as_base64)

    def write(self, asked: EmbeddingRequest, answer: Embeddings, target: Target) -> bytes:
        """Return the client's body."""
        vectors: Any = answer.vectors
        if asked.as_base64:
            vectors = base64_of(answer.vectors, target.protocol)
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens}
        return encode({"object": "list", "data": data, "model": target.requested, "usage": usage})
