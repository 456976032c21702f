"""Cohere's API of embeddings, as clients call it.

Source: the API reference of ``POST /v2/embed``. ``input_type`` is required there; servers of other protocols
have none, and make the same embedding for all kinds of text.
"""

from __future__ import annotations

from typing import Any, Final

from model_operator.core.gateway.translation.base import Target
from model_operator.core.gateway.translation.fields import (
    Fields,
    Given,
    decode_request,
    items_of,
    refused,
    texts_of,
    unsupported,
)
from model_operator.core.gateway.translation.messages import text_content
from model_operator.core.gateway.translation.server_answers import encode
from model_operator.core.gateway.translation.vectors import EmbeddingRequest, Embeddings, base64_of

_MAX_DIMENSIONS: Final = 65536
_INPUT_TYPES: Final = ("search_document", "search_query", "classification", "clustering")
_TRUNCATION: Final = ("NONE", "START", "END")


class CohereEmbedClient:
    """Reads requests of ``/v2/embed`` and writes their answers."""

    def read(self, body: bytes, target: Target) -> EmbeddingRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        fields.text("model")
        if fields.choice("input_type", _INPUT_TYPES) is None:
            fields.required("input_type")
        texts = _texts(fields, target)
        types = _embedding_types(fields, target)
        request = EmbeddingRequest(
            texts,
            dimensions=fields.whole("output_dimension", 1, _MAX_DIMENSIONS),
            truncate=fields.choice("truncate", _TRUNCATION),
            as_base64="base64" in types,
            as_floats="float" in types,
        )
        fields.without_effect(target.protocol, {"priority": (0,), "images": ([],)})
        fields.close(target.protocol)
        return request

    def write(self, asked: EmbeddingRequest, answer: Embeddings, target: Target) -> bytes:
        """Return the client's body."""
        embeddings: dict[str, Any] = {}
        if asked.as_floats:
            embeddings["float"] = answer.vectors
        if asked.as_base64:
            embeddings["base64"] = base64_of(answer.vectors, target.protocol)
        return encode(
            {
                "id": target.stamp.id,
                "response_type": "embeddings_by_type",
                "embeddings": embeddings,
                "texts": asked.texts,
                "meta": {
                    "api_version": {"version": "2"},
                    "billed_units": {"input_tokens": answer.tokens},
                },
            }
        )


def _texts(fields: Fields, target: Target) -> tuple[str, ...]:
    inputs = fields.take("inputs")
    if inputs is None:
        return fields.texts("texts")
    if fields.take("texts") is not None:
        raise refused(("inputs",), "must not be given together with texts")
    found = []
    for item in items_of(inputs):
        entry = Fields.of(item.value, item.path)
        found.append(text_content(entry.required("content"), target.protocol))
        entry.close(target.protocol)
    return tuple(found)


def _embedding_types(fields: Fields, target: Target) -> tuple[str, ...]:
    given: Given | None = fields.take("embedding_types")
    if given is None:
        return ("float",)
    types = texts_of(given)
    for index, each in enumerate(types):
        if each not in ("float", "base64"):
            problem = f'must be "float" or "base64" for a model server of protocol {target.protocol}'
            raise unsupported((*given.path, index), target.protocol, problem)
    return types
