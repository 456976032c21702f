"""Warnings about the protocol of a server, by which the gateway calls it."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings


def warnings(bundle: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    image = {"registry": "registry.example.com", "image": "server", "tag": "1.0"}
    fields: dict[str, Any] = {
        "model_type": "EMBEDDING",
        "vendor_configuration": {"bundle_config": {**image, **(bundle or {})}},
    }
    compiled = parse_template({"kind": "ModelTemplate", "metadata": {"name": "a"}, "spec": fields | spec})
    assert compiled.violations == ()
    return [
        each.msg for each in compiled.advice(RenderSettings()) if each.loc == ("spec", "endpoint_protocol")
    ]


@pytest.mark.parametrize(
    ("bundle", "spec", "expected"),
    [
        ({"predict_route": "/v1/embeddings"}, {}, "OPENAI"),
        ({"predict_route": "/v2/embed"}, {}, "COHERE"),
        ({"predict_route": "/v1/chat/completions"}, {"model_type": "CHAT_COMPLETION"}, "OPENAI"),
        ({"image": "huggingface/text-embeddings-inference"}, {}, "TEI"),
        ({"image": "text-embeddings-inference"}, {"model_type": "RERANKING"}, "TEI"),
    ],
)
def test_a_server_that_speaks_another_protocol_than_none_means(
    bundle: dict[str, Any], spec: dict[str, Any], expected: str
) -> None:
    (message,) = warnings(bundle, **spec)

    assert f"set endpoint_protocol: {expected}," in message
    assert warnings(bundle, **spec, endpoint_protocol=expected) == []


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ({"model_type": "CHAT_COMPLETION", "endpoint_protocol": "TEI"}, "SGP, VLLM and OPENAI"),
        ({"model_type": "AGENT", "endpoint_protocol": "OPENAI"}, "SGP"),
    ],
)
def test_a_protocol_without_an_api(spec: dict[str, Any], known: str) -> None:
    (message,) = warnings(**spec)

    assert message.endswith(f"with this type it knows {known}")


@pytest.mark.parametrize(
    ("bundle", "spec"),
    [
        ({}, {}),
        ({"predict_route": "/embed"}, {}),
        ({"predict_route": "/v1/chat/completions"}, {}),
        ({"predict_route": "/v1/embeddings"}, {"endpoint_type": "ASYNC"}),
        ({"predict_route": "/v1/embeddings"}, {"endpoint_protocol": "VLLM"}),
        ({"predict_route": "/v1/embeddings"}, {"endpoint_protocol": "SGP"}),
        ({}, {"model_type": "CHAT_COMPLETION", "endpoint_protocol": "TEI", "endpoint_type": "BATCH"}),
    ],
    ids=str,
)
def test_no_warning(bundle: dict[str, Any], spec: dict[str, Any]) -> None:
    assert warnings(bundle, **spec) == []
