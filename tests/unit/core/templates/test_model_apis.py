"""Under which APIs a model is registered."""

from __future__ import annotations

import pytest

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.templates.model_apis import apis_of, native_paths, protocols_of

CHAT, EMBEDDING, RERANKING = ModelType.CHAT_COMPLETION, ModelType.EMBEDDING, ModelType.RERANKING


@pytest.mark.parametrize(
    ("model_type", "protocol", "expected"),
    [
        (CHAT, "VLLM", "EXECUTE TYPED CHAT_COMPLETIONS COMPLETIONS"),
        (CHAT, "OPENAI", "EXECUTE TYPED CHAT_COMPLETIONS COMPLETIONS"),
        (CHAT, "SGP", "EXECUTE TYPED CHAT_COMPLETIONS"),
        (CHAT, "COHERE", ""),
        (CHAT, "TEI", ""),
        (ModelType.COMPLETION, "VLLM", "EXECUTE TYPED COMPLETIONS"),
        (ModelType.COMPLETION, "SGP", "EXECUTE TYPED COMPLETIONS"),
        (EMBEDDING, "OPENAI", "EXECUTE TYPED EMBEDDINGS EMBED"),
        (EMBEDDING, "SGP", "EXECUTE TYPED EMBEDDINGS EMBED"),
        (EMBEDDING, "COHERE", "EXECUTE TYPED EMBEDDINGS EMBED"),
        (EMBEDDING, "TEI", "EXECUTE TYPED EMBEDDINGS EMBED"),
        (RERANKING, "VLLM", "EXECUTE TYPED RERANK"),
        (RERANKING, "TEI", "EXECUTE TYPED RERANK"),
        (ModelType.AGENT, "SGP", "EXECUTE"),
        (ModelType.AGENT, "VLLM", ""),
        (ModelType.GENERIC, "TEI", "EXECUTE"),
        (ModelType.BUNDLE, "SGP", ""),
    ],
)
def test_apis(model_type: ModelType, protocol: str, expected: str) -> None:
    assert " ".join(apis_of(model_type, EndpointProtocol(protocol))) == expected


@pytest.mark.parametrize("model_type", ModelType)
@pytest.mark.parametrize("protocol", EndpointProtocol)
def test_a_model_has_the_apis_that_its_server_answers(
    model_type: ModelType, protocol: EndpointProtocol
) -> None:
    apis = apis_of(model_type, protocol)

    assert set(native_paths(model_type, protocol)) <= set(apis)
    assert bool(apis) == (protocol in protocols_of(model_type))
    assert list(apis) == [api for api in ModelApi if api in apis]
