"""``GET /v1/models``: what the caller may execute, in one body for the clients of OpenAI and Cohere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from model_operator.api.enums import ModelApi
from model_operator.core.gateway.models import Model

PATH: Final = "/v1/models"
_COHERE_ENDPOINTS: Final = {
    ModelApi.EMBED: "embed",
    ModelApi.RERANK: "rerank",
}


def name_in(raw_path: str) -> str | None:
    """Return the name in ``/v1/models/{name}``; None for other paths.

    Parameters
    ----------
    raw_path
        Path as sent. The slash in a name may be encoded or not.
    """
    if not raw_path.startswith(f"{PATH}/"):
        return None
    return unquote(raw_path.removeprefix(f"{PATH}/")) or None


def entry(model: Model) -> dict[str, Any]:
    """Return a model as OpenAI's API lists it."""
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.namespace}


def listing(models: Sequence[Model]) -> dict[str, Any]:
    """Return the list: OpenAI's client reads ``data``, Cohere's reads ``models``."""
    ordered = sorted(models, key=lambda model: model.id)
    return {
        "object": "list",
        "data": [entry(model) for model in ordered],
        "models": [
            {
                "name": model.id,
                "endpoints": [name for api, name in _COHERE_ENDPOINTS.items() if api in model.apis],
                "finetuned": False,
                "context_length": 0,
            }
            for model in ordered
        ],
        "next_page_token": None,
    }
