"""What is known of common model servers by their images, where a manifest leaves it open.

Sources: the servers' own documents of their HTTP APIs and default ports.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from model_operator.api.enums import EndpointProtocol, ModelType


class Server(NamedTuple):
    """A model server.

    Attributes
    ----------
    names
        Parts of its images' names.
    model_type, protocol
        What its models mostly do, and how it is called; None for the operator's own convention.
    predict_route, health_route
        Paths of requests, and of its health check.
    port
        Its default port.
    """

    names: tuple[str, ...]
    model_type: ModelType
    protocol: EndpointProtocol | None
    predict_route: str
    health_route: str
    port: int


_CHAT: Final = "/v1/chat/completions"
_SERVERS: Final = (
    Server(("vllm",), ModelType.CHAT_COMPLETION, EndpointProtocol.VLLM, _CHAT, "/health", 8000),
    Server(("sglang",), ModelType.CHAT_COMPLETION, EndpointProtocol.OPENAI, _CHAT, "/health", 30000),
    Server(
        ("llama.cpp", "llama-cpp"), ModelType.CHAT_COMPLETION, EndpointProtocol.OPENAI, _CHAT, "/health", 8080
    ),
    Server(("ollama",), ModelType.CHAT_COMPLETION, EndpointProtocol.OPENAI, _CHAT, "/", 11434),
    Server(
        ("localai", "local-ai"), ModelType.CHAT_COMPLETION, EndpointProtocol.OPENAI, _CHAT, "/readyz", 8080
    ),
    Server(("lmdeploy",), ModelType.CHAT_COMPLETION, EndpointProtocol.OPENAI, _CHAT, "/health", 23333),
    Server(
        ("text-generation-inference",),
        ModelType.CHAT_COMPLETION,
        EndpointProtocol.OPENAI,
        _CHAT,
        "/health",
        80,
    ),
    Server(
        ("text-embeddings-inference",), ModelType.EMBEDDING, EndpointProtocol.TEI, "/embed", "/health", 80
    ),
    Server(("infinity",), ModelType.EMBEDDING, None, "/embeddings", "/health", 7997),
    Server(("tritonserver", "triton"), ModelType.GENERIC, None, "/v2/models", "/v2/health/ready", 8000),
    Server(("mlserver",), ModelType.GENERIC, None, "/v2/models", "/v2/health/ready", 8080),
    Server(("torchserve",), ModelType.GENERIC, None, "/predictions", "/ping", 8080),
    Server(("serving",), ModelType.GENERIC, None, "/v1/models", "/v1/models", 8501),
)
_RERANKERS: Final = ("rerank", "cross-encoder")


def known_server(image: str, words: Iterable[str]) -> Server | None:
    """Return what is known of the server in an image; None if it is not a common one.

    Parameters
    ----------
    image
        ``image`` of a container.
    words
        Its arguments and the values of its variables, which may name a reranker.
    """
    name = image.partition("@")[0].lower()
    repository = name[name.rfind("/") + 1 :].partition(":")[0]
    for server in _SERVERS:
        if any(part in repository for part in server.names) and (
            server.names != ("serving",) or "tensorflow" in name
        ):
            if server.protocol is EndpointProtocol.TEI and _is_reranker(words):
                return server._replace(model_type=ModelType.RERANKING, predict_route="/rerank")
            return server
    return None


def _is_reranker(words: Iterable[str]) -> bool:
    return any(part in word.lower() for word in words for part in _RERANKERS)
