"""Translation between the API that a client calls and the one that a model server has.

Each API of clients and each of servers is written once, against a form of its own between them; a
translation is a pair of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.gateway.apis import Route, Treatment, treatment
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Deployment
from model_operator.core.gateway.translation.base import (
    ServerRequest,
    Stamp,
    StreamTranslator,
    Target,
    Translation,
)
from model_operator.core.gateway.translation.bindings import check_bindings
from model_operator.core.gateway.translation.cohere_embed import CohereEmbedClient
from model_operator.core.gateway.translation.cohere_rerank import CohereRerankClient
from model_operator.core.gateway.translation.embedding_servers import (
    CohereEmbeddings,
    OpenAIEmbeddings,
    SgpEmbeddings,
    TeiEmbeddings,
)
from model_operator.core.gateway.translation.generation_servers import OpenAIGeneration, SgpGeneration
from model_operator.core.gateway.translation.openai_embeddings import OpenAIEmbeddingsClient
from model_operator.core.gateway.translation.openai_generation import (
    OpenAIChatClient,
    OpenAICompletionClient,
)
from model_operator.core.gateway.translation.pairs import Pair, StreamingPair
from model_operator.core.gateway.translation.platform_generation import ExecuteClient, TypedClient
from model_operator.core.gateway.translation.platform_vectors import (
    PlatformEmbeddingsClient,
    PlatformRerankClient,
)
from model_operator.core.gateway.translation.rerank_servers import CohereRerank, SgpRerank, TeiRerank
from model_operator.core.templates.model_apis import apis_of

__all__ = [
    "ServerRequest",
    "Stamp",
    "StreamTranslator",
    "Translation",
    "check_bindings",
    "translation",
]

_CHAT = ModelType.CHAT_COMPLETION
_CLIENTS: Final[Mapping[tuple[ModelType, ModelApi], Any]] = {
    (_CHAT, ModelApi.CHAT_COMPLETIONS): OpenAIChatClient(),
    (_CHAT, ModelApi.EXECUTE): ExecuteClient(is_chat=True),
    (_CHAT, ModelApi.TYPED): TypedClient(is_chat=True),
    (ModelType.COMPLETION, ModelApi.COMPLETIONS): OpenAICompletionClient(),
    (ModelType.COMPLETION, ModelApi.EXECUTE): ExecuteClient(is_chat=False),
    (ModelType.COMPLETION, ModelApi.TYPED): TypedClient(is_chat=False),
    (ModelType.EMBEDDING, ModelApi.EMBEDDINGS): OpenAIEmbeddingsClient(),
    (ModelType.EMBEDDING, ModelApi.EMBED): CohereEmbedClient(),
    (ModelType.EMBEDDING, ModelApi.EXECUTE): PlatformEmbeddingsClient(),
    (ModelType.EMBEDDING, ModelApi.TYPED): PlatformEmbeddingsClient(),
    (ModelType.RERANKING, ModelApi.EXECUTE): PlatformRerankClient(),
    (ModelType.RERANKING, ModelApi.TYPED): PlatformRerankClient(),
}
_RERANK_CLIENTS: Final = {
    "rerank-v1": CohereRerankClient("1"),
    "rerank-v2": CohereRerankClient("2"),
}
_EMBEDDING: Final[Mapping[EndpointProtocol, Any]] = {
    EndpointProtocol.SGP: SgpEmbeddings(),
    EndpointProtocol.OPENAI: OpenAIEmbeddings(),
    EndpointProtocol.VLLM: OpenAIEmbeddings(),
    EndpointProtocol.COHERE: CohereEmbeddings(),
    EndpointProtocol.TEI: TeiEmbeddings(),
}
_RERANKING: Final[Mapping[EndpointProtocol, Any]] = {
    EndpointProtocol.SGP: SgpRerank(),
    EndpointProtocol.OPENAI: CohereRerank(),
    EndpointProtocol.VLLM: CohereRerank(),
    EndpointProtocol.COHERE: CohereRerank(),
    EndpointProtocol.TEI: TeiRerank(),
}
_GENERATION: Final[Mapping[EndpointProtocol, Any]] = {
    EndpointProtocol.SGP: SgpGeneration(),
    EndpointProtocol.OPENAI: OpenAIGeneration(),
    EndpointProtocol.VLLM: OpenAIGeneration(),
}
_SERVERS: Final = {
    ModelType.CHAT_COMPLETION: _GENERATION,
    ModelType.COMPLETION: _GENERATION,
    ModelType.EMBEDDING: _EMBEDDING,
    ModelType.RERANKING: _RERANKING,
}


def translation(route: Route, deployment: Deployment, requested: str, stamp: Stamp) -> Translation:
    """Return the translation of one request.

    Parameters
    ----------
    route
        What the client calls.
    deployment
        Where the request goes.
    requested
        Name of the model as the client wrote it, for the answer; empty if it named a deployment in the path.
    stamp
        Identifier and time for the answer.

    Raises
    ------
    Failure
        API_NOT_SUPPORTED if the deployment does not have the API by translation.
    """
    model_type, protocol = deployment.model_type, deployment.protocol
    if not _is_translated(route, model_type, protocol):
        raise Failure(
            FailureReason.API_NOT_SUPPORTED,
            f"A model of type {model_type} whose server has protocol {protocol} is not called at "
            f"{route.pattern}. Action (user): call it at a path of its own APIs.",
        )
    target = Target(
        model=deployment.served_name,
        requested=requested or f"{deployment.namespace}/{deployment.instance}",
        protocol=protocol,
        predict_route=deployment.predict_route,
        streaming_predict_route=deployment.streaming_predict_route,
        stamp=stamp,
    )
    client = _RERANK_CLIENTS.get(route.name) or _CLIENTS[model_type, route.api]
    pair: Callable[..., Translation] = StreamingPair if _SERVERS[model_type] is _GENERATION else Pair
    return pair(client, _SERVERS[model_type][protocol], target)


def _is_translated(route: Route, model_type: ModelType, protocol: EndpointProtocol) -> bool:
    if route.types is not None and model_type not in route.types:
        return False
    has_api = route.api in apis_of(model_type, protocol)
    return has_api and treatment(route, model_type, protocol) is Treatment.TRANSLATE
