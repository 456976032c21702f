"""Cohere's and Jina's APIs of reranking, as clients call them.

Sources: the API references of Cohere (``POST /v1/rerank``, ``POST /v2/rerank``) and Jina (``POST
/v1/rerank``). The answer has the fields of both: ``id`` and ``meta`` are Cohere's, ``model`` and ``usage``
Jina's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.gateway.translation.base import Target
from model_operator.core.gateway.translation.fields import (
    Fields,
    Given,
    decode_request,
    invalid,
    items_of,
)
from model_operator.core.gateway.translation.server_answers import encode
from model_operator.core.gateway.translation.vectors import RerankRequest, Scores

_TEXT: Final = "text"
_HARMLESS: Final = {"rank_fields": ([_TEXT],), "priority": (0,)}


class CohereRerankClient:
    """Reads requests of ``/v1/rerank`` and ``/v2/rerank`` and writes their answers.

    Parameters
    ----------
    version
        Of Cohere's API, for ``meta``.
    """

    def __init__(self, version: str) -> None:
        self._version = version

    def read(self, body: bytes, target: Target) -> RerankRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        fields.text("model")
        query = fields.text("query")
        documents = [_document(each) for each in items_of(fields.required("documents"))]
        top_n = fields.whole("top_n", 1)
        returns_documents = fields.flag("return_documents")
        fields.without_effect(target.protocol, _HARMLESS)
        fields.close(target.protocol)
        return RerankRequest(
            query,
            tuple(document[_TEXT] for document in documents),
            top_n=top_n.value if top_n else None,
            returned=tuple(documents) if returns_documents else (),
        )

    def write(self, asked: RerankRequest, answer: Scores, target: Target) -> bytes:
        """Return the client's body: the best first, and equal ones in the order of the request."""
        order = sorted(range(len(answer.scores)), key=lambda index: -answer.scores[index])
        results = []
        for index in order[: asked.top_n]:
            result: dict[str, Any] = {"index": index, "relevance_score": answer.scores[index]}
            if asked.returned:
                result["document"] = asked.returned[index]
            results.append(result)
        meta = {
            "api_version": {"version": self._version},
            "tokens": {"input_tokens": answer.tokens},
        }
        return encode(
            {
                "id": target.stamp.id,
                "results": results,
                "meta": meta,
                "model": target.requested,
                "usage": {"total_tokens": answer.tokens},
            }
        )


def _document(given: Given) -> Mapping[str, str]:
    """Return a document as an object of texts; those beside ``text`` are the client's own."""
    if isinstance(given.value, str):
        return {_TEXT: given.value}
    if not isinstance(given.value, dict):
        raise invalid(given.path, "a string or an object with text", given.value)
    fields = Fields(given.value, given.path)
    return {_TEXT: fields.text(_TEXT), **fields.rest_of_texts()}
