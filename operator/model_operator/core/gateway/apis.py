"""The HTTP APIs of the gateway: which paths there are, and what happens to the bodies on the way to a server.

`model_operator.core.templates.model_apis` says which APIs a model has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.templates.model_apis import native_paths


class Family(StrEnum):
    """Whose API a path belongs to; decides the shape of errors and how a stream ends."""

    OPENAI = "openai"
    COHERE = "cohere"
    PLATFORM = "platform"


class ModelField(StrEnum):
    """Where a request names its model."""

    BODY = "body"
    """The field ``model`` of the JSON body."""
    PATH = "path"


class Treatment(StrEnum):
    """What happens to the bodies between client and model server."""

    PASS = "pass"  # noqa: S105 -- no password
    """All bytes are kept, but for the value of ``model`` in the request."""
    EXECUTE = "execute"
    """All bytes are kept; the server answers at its ``predict_route``."""
    TRANSLATE = "translate"


@dataclass(frozen=True, slots=True)
class Route:
    """A path that calls a model.

    Attributes
    ----------
    name
        Unique name of the route, for metrics and logs.
    pattern
        Path with the variables ``{model}`` and ``{deployment}``.
    api
        The API of a model that answers it.
    family
        Whose API it is.
    operation
        Value of OpenTelemetry's ``gen_ai.operation.name``.
    model_field
        Where the model is named.
    types
        Types of models that the path is for; None for all that have the API.
    """

    name: str
    pattern: str
    api: ModelApi
    family: Family
    operation: str
    model_field: ModelField = ModelField.BODY
    types: frozenset[ModelType] | None = None


def _typed(name: str, operation: str, model_type: ModelType) -> Route:
    return Route(
        f"platform-{name}",
        f"/v4/models/{{deployment}}/{name}",
        ModelApi.TYPED,
        Family.PLATFORM,
        operation,
        ModelField.PATH,
        frozenset({model_type}),
    )


ROUTES: Final = (
    Route("chat-completions", "/v1/chat/completions", ModelApi.CHAT_COMPLETIONS, Family.OPENAI, "chat"),
    Route("completions", "/v1/completions", ModelApi.COMPLETIONS, Family.OPENAI, "text_completion"),
    Route("embeddings", "/v1/embeddings", ModelApi.EMBEDDINGS, Family.OPENAI, "embeddings"),
    Route("rerank-v1", "/v1/rerank", ModelApi.RERANK, Family.COHERE, "rerank"),
    Route("rerank-v2", "/v2/rerank", ModelApi.RERANK, Family.COHERE, "rerank"),
    Route("embed-v2", "/v2/embed", ModelApi.EMBED, Family.COHERE, "embeddings"),
    Route(
        "execute",
        "/v4/models/{model}/deployments/{deployment}/execute",
        ModelApi.EXECUTE,
        Family.PLATFORM,
        "execute",
        ModelField.PATH,
    ),
    _typed("completions", "text_completion", ModelType.COMPLETION),
    _typed("chat-completions", "chat", ModelType.CHAT_COMPLETION),
    _typed("embeddings", "embeddings", ModelType.EMBEDDING),
    _typed("rerankings", "rerank", ModelType.RERANKING),
)
"""All paths that call a model; each takes POST alone."""


def treatment(route: Route, model_type: ModelType, protocol: EndpointProtocol) -> Treatment:
    """Return what happens to the bodies of a route for a model that has its API."""
    if route.api in native_paths(model_type, protocol):
        return Treatment.PASS
    is_own = protocol is EndpointProtocol.SGP or model_type in (ModelType.GENERIC, ModelType.AGENT)
    if route.api is ModelApi.EXECUTE and is_own:
        return Treatment.EXECUTE
    return Treatment.TRANSLATE


def native_path(route: Route, model_type: ModelType, protocol: EndpointProtocol) -> str:
    """Return the path at which the server of a model answers a route whose bytes pass.

    Raises
    ------
    KeyError
        If the bytes of that route do not pass for such a model.
    """
    path = native_paths(model_type, protocol)[route.api]
    # A client that calls the first version of an API expects its answers.
    return "/v1/rerank" if route.name == "rerank-v1" else path


@dataclass(frozen=True, slots=True)
class Match:
    """A route that a path matches, with its variables decoded."""

    route: Route
    variables: Mapping[str, str]


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern)))


_FIXED: Final = {route.pattern: route for route in ROUTES if "{" not in route.pattern}
_VARIABLE: Final = [(_compiled(route.pattern), route) for route in ROUTES if "{" in route.pattern]


def match(raw_path: str) -> Match | None:
    """Return the route of a path; paths are an allow-list.

    Parameters
    ----------
    raw_path
        Path as sent, percent-encoded, without the query. A variable has ``%2F`` for a slash.
    """
    if route := _FIXED.get(raw_path):
        return Match(route, {})
    for pattern, route in _VARIABLE:
        if found := pattern.fullmatch(raw_path):
            return Match(route, {name: unquote(value) for name, value in found.groupdict().items()})
    return None
