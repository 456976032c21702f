"""The public APIs that clients have libraries for: OpenAI's embeddings, Cohere's and Jina's rerankings.

Sources: the references of the three APIs. Each has its own shape of errors, with status 400 for a wrong body.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from uuid import uuid4

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from embedding_server.models import Vectors

Text = Annotated[StrictStr, Field(min_length=1)]
VERSIONS = {"/v1/rerank": "1", "/v2/rerank": "2"}


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: StrictStr
    """Any: a server has one model."""


def _one_or_more(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _text_of(document: Any) -> Any:
    return document["text"] if isinstance(document, dict) and "text" in document else document


class EmbeddingsRequest(_Request):
    """The body of OpenAI's ``POST /v1/embeddings``."""

    input: Annotated[list[Text], BeforeValidator(_one_or_more), Field(min_length=1, max_length=2048)]
    """A text, or several; tokens are not supported."""
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = None
    """Only the model's own number."""
    user: StrictStr | None = None


class RerankRequest(_Request):
    """The body of ``POST /v1/rerank`` and ``/v2/rerank``."""

    query: Text
    documents: Annotated[
        list[Annotated[StrictStr, BeforeValidator(_text_of)]], Field(min_length=1, max_length=1000)
    ]
    """Texts; in the first version of Cohere's API, and in Jina's, also objects with ``text``."""
    top_n: Annotated[StrictInt, Field(ge=1)] | None = None
    return_documents: StrictBool = False
    max_tokens_per_doc: StrictInt | None = None
    """Accepted; the model's own limit applies."""
    max_chunks_per_doc: StrictInt | None = None
    rank_fields: list[StrictStr] | None = None
    priority: StrictInt | None = None


def embeddings_response(
    request: EmbeddingsRequest, name: str, vectors: Vectors, tokens: int
) -> dict[str, Any]:
    """Return the response of ``POST /v1/embeddings``: lists of numbers, or base64 of 32-bit floats."""
    is_packed = request.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": (
                base64.b64encode(vector.astype("<f4").tobytes()).decode() if is_packed else vector.tolist()
            ),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": name, "usage": usage}


def rerank_response(
    request: RerankRequest, name: str, scores: Vectors, tokens: int, version: str
) -> dict[str, Any]:
    """Return the response of a rerank request, the best document first, for Cohere's and Jina's clients."""
    order = np.argsort(-scores, kind="stable")[: request.top_n].tolist()
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": float(scores[index])} for index in order
    ]
    if request.return_documents:
        for result in results:
            result["document"] = {"text": request.documents[result["index"]]}
    return {
        "id": str(uuid4()),
        "model": name,
        "results": results,
        "meta": {"api_version": {"version": version}, "billed_units": {"search_units": 1}},
        "usage": {"total_tokens": tokens},
    }


def dimensions_error(asked: int, width: int) -> dict[str, Any]:
    """Return the error for a number of dimensions that the model does not have."""
    return _openai_error("dimensions", f"must be {width}, the model's own, got {asked}")


def openai_error(error: ValidationError) -> dict[str, Any]:
    """Return what is wrong with a body in the shape of OpenAI's API; values are not repeated."""
    return _openai_error(*_first(error))


def cohere_error(error: ValidationError) -> dict[str, Any]:
    """Return what is wrong with a body in the shape of Cohere's API; values are not repeated."""
    path, message = _first(error)
    return {"message": f"{path}: {message}" if path else message}


def _openai_error(path: str, message: str) -> dict[str, Any]:
    text = f"{path}: {message}" if path else message
    kind = {"type": "invalid_request_error", "param": path or None, "code": None}
    return {"error": {"message": text, **kind}}


def _first(error: ValidationError) -> tuple[str, str]:
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return ".".join(str(part) for part in found["loc"]), found["msg"]
