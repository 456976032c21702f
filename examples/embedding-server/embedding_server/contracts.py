"""What ``POST /predict`` takes and gives: the EMBEDDING and RERANKING contracts, unknown keys refused."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, StrictBool, StrictStr, ValidationError


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bindings(_Closed):
    """Parameters of one request, as the template's ``model_request_parameters_schema`` declares them."""

    normalize: StrictBool | None = None
    """Whether vectors are to have length 1; the server's NORMALIZE when it is left out."""


class EmbeddingParameters(_Closed):
    """``model_request_parameters`` of EMBEDDING."""

    bindings: Bindings


class EmbeddingRequest(_Closed):
    """The body for EMBEDDING."""

    texts: list[StrictStr]
    model_request_parameters: EmbeddingParameters | None = None


class RerankingParameters(_Closed):
    """``model_request_parameters`` of RERANKING, which has no parameter."""

    bindings: _Closed


class RerankingRequest(_Closed):
    """The body for RERANKING."""

    query: StrictStr
    chunks: list[StrictStr]
    model_request_parameters: RerankingParameters | None = None


def details(error: ValidationError) -> list[dict[str, Any]]:
    """Give the ``detail`` of a 422 response; values are not repeated, they may be long or private."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"loc": ["body", *item["loc"]], "msg": item["msg"], "type": item["type"]} for item in found]
