"""The APIs under which a model is registered: by what the model does, and what its server speaks.

Sources: the OpenAI and Cohere API references, Jina's rerank API, Text Embeddings Inference, and the
platform's execution contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType

_OPENAI_LIKE = frozenset({EndpointProtocol.VLLM, EndpointProtocol.OPENAI})
_NATIVE: Final[Mapping[tuple[ModelType, EndpointProtocol], Mapping[ModelApi, str]]] = {
    (ModelType.CHAT_COMPLETION, EndpointProtocol.OPENAI): {
        ModelApi.CHAT_COMPLETIONS: "/v1/chat/completions",
        ModelApi.COMPLETIONS: "/v1/completions",
    },
    (ModelType.COMPLETION, EndpointProtocol.OPENAI): {ModelApi.COMPLETIONS: "/v1/completions"},
    (ModelType.EMBEDDING, EndpointProtocol.OPENAI): {ModelApi.EMBEDDINGS: "/v1/embeddings"},
    (ModelType.EMBEDDING, EndpointProtocol.COHERE): {ModelApi.EMBED: "/v2/embed"},
    (ModelType.RERANKING, EndpointProtocol.OPENAI): {ModelApi.RERANK: "/v2/rerank"},
    (ModelType.RERANKING, EndpointProtocol.COHERE): {ModelApi.RERANK: "/v2/rerank"},
}
_TRANSLATED: Final[Mapping[ModelType, frozenset[ModelApi]]] = {
    ModelType.CHAT_COMPLETION: frozenset({ModelApi.CHAT_COMPLETIONS}),
    ModelType.COMPLETION: frozenset({ModelApi.COMPLETIONS}),
    ModelType.EMBEDDING: frozenset({ModelApi.EMBEDDINGS, ModelApi.EMBED}),
    ModelType.RERANKING: frozenset({ModelApi.RERANK}),
}
"""The APIs that the gateway translates to whatever the server has."""
_PROTOCOLS: Final[Mapping[ModelType, frozenset[EndpointProtocol]]] = {
    ModelType.CHAT_COMPLETION: frozenset({EndpointProtocol.SGP, *_OPENAI_LIKE}),
    ModelType.COMPLETION: frozenset({EndpointProtocol.SGP, *_OPENAI_LIKE}),
    ModelType.EMBEDDING: frozenset(EndpointProtocol),
    ModelType.RERANKING: frozenset(EndpointProtocol),
    ModelType.AGENT: frozenset({EndpointProtocol.SGP}),
    ModelType.GENERIC: frozenset(EndpointProtocol),
}
"""Which protocols a model of a type may speak; with another one it has no API at the gateway."""


def protocols_of(model_type: ModelType) -> tuple[EndpointProtocol, ...]:
    """Return the protocols with which a model has an API, in the order of the enumeration.

    Parameters
    ----------
    model_type
        What the model does.
    """
    known = _PROTOCOLS.get(model_type, frozenset())
    return tuple(protocol for protocol in EndpointProtocol if protocol in known)


def apis_of(model_type: ModelType, protocol: EndpointProtocol) -> tuple[ModelApi, ...]:
    """Return the APIs under which a model is registered, in the order of the enumeration.

    Parameters
    ----------
    model_type
        What the model does.
    protocol
        Calling convention of its server.
    """
    if protocol not in _PROTOCOLS.get(model_type, frozenset()):
        return ()
    found = {ModelApi.EXECUTE}
    if model_type in _TRANSLATED:
        found |= {ModelApi.TYPED, *_TRANSLATED[model_type], *native_paths(model_type, protocol)}
    return tuple(api for api in ModelApi if api in found)


def native_paths(model_type: ModelType, protocol: EndpointProtocol) -> Mapping[ModelApi, str]:
    """Return the paths at which a server answers an API by itself, by API.

    Parameters
    ----------
    model_type
        What the model does.
    protocol
        Calling convention of its server.
    """
    spoken = EndpointProtocol.OPENAI if protocol in _OPENAI_LIKE else protocol
    return _NATIVE.get((model_type, spoken), {})
