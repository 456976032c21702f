"""The table of types, protocols and APIs, and the paths of the gateway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.gateway.apis import ROUTES, Treatment, match, native_path, treatment
from model_operator.core.templates.model_apis import apis_of

E, T, P = Treatment.EXECUTE, Treatment.TRANSLATE, Treatment.PASS
CELLS = {
    ("CHAT_COMPLETION", "VLLM"): {"execute": T, "chat-completions": P, "completions": P, "typed": T},
    ("CHAT_COMPLETION", "SGP"): {"execute": E, "chat-completions": T, "typed": T},
    ("COMPLETION", "VLLM"): {"execute": T, "completions": P, "typed": T},
    ("COMPLETION", "SGP"): {"execute": E, "completions": T, "typed": T},
    ("EMBEDDING", "VLLM"): {"execute": T, "embeddings": P, "embed-v2": T, "typed": T},
    ("EMBEDDING", "SGP"): {"execute": E, "embeddings": T, "embed-v2": T, "typed": T},
    ("EMBEDDING", "COHERE"): {"execute": T, "embeddings": T, "embed-v2": P, "typed": T},
    ("EMBEDDING", "TEI"): {"execute": T, "embeddings": T, "embed-v2": T, "typed": T},
    ("RERANKING", "VLLM"): {"execute": T, "rerank-v1": P, "rerank-v2": P, "typed": T},
    ("RERANKING", "COHERE"): {"execute": T, "rerank-v1": P, "rerank-v2": P, "typed": T},
    ("RERANKING", "SGP"): {"execute": E, "rerank-v1": T, "rerank-v2": T, "typed": T},
    ("RERANKING", "TEI"): {"execute": T, "rerank-v1": T, "rerank-v2": T, "typed": T},
    ("AGENT", "SGP"): {"execute": E},
    ("GENERIC", "SGP"): {"execute": E},
    ("CHAT_COMPLETION", "COHERE"): {},
    ("CHAT_COMPLETION", "TEI"): {},
    ("AGENT", "VLLM"): {},
}


@pytest.mark.parametrize(("model_type", "protocol"), list(CELLS))
def test_each_cell_of_the_table(model_type: str, protocol: str) -> None:
    kind, spoken = ModelType(model_type), EndpointProtocol(protocol)
    apis = apis_of(kind, spoken)
    found = {
        "typed" if route.api is ModelApi.TYPED else route.name: treatment(route, kind, spoken)
        for route in ROUTES
        if route.api in apis and (route.types is None or kind in route.types)
    }
    assert found == CELLS[model_type, protocol]


@pytest.mark.parametrize("model_type", ModelType)
def test_openai_is_vllm_by_another_name(model_type: ModelType) -> None:
    assert apis_of(model_type, EndpointProtocol.OPENAI) == apis_of(model_type, EndpointProtocol.VLLM)


def test_each_path_whose_bytes_pass_has_one_at_the_server() -> None:
    for kind in ModelType:
        for protocol in EndpointProtocol:
            for route in ROUTES:
                if route.api in apis_of(kind, protocol) and treatment(route, kind, protocol) is P:
                    assert native_path(route, kind, protocol).startswith("/v")


@pytest.mark.parametrize(
    ("path", "name", "variables"),
    [
        ("/v1/chat/completions", "chat-completions", {}),
        ("/v4/models/abc/completions", "platform-completions", {"deployment": "abc"}),
        (
            "/v4/models/team-a%2Fqwen/deployments/canary/execute",
            "execute",
            {"model": "team-a/qwen", "deployment": "canary"},
        ),
    ],
)
def test_paths(path: str, name: str, variables: dict[str, str]) -> None:
    found = match(path)
    assert found is not None
    assert found.route.name == name
    assert dict(found.variables) == variables


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/chat/completions/",
        "/v1/load_lora_adapter",
        "/v4/models/a/b/completions",
        "/v4/models//completions",
        "/v1/chat%2Fcompletions",
        "/V1/chat/completions",
        "//v1/chat/completions",
        "/v1/../v1/chat/completions",
    ],
)
def test_other_paths_are_none(path: str) -> None:
    assert match(path) is None


@given(st.text(max_size=60))
def test_property_any_path_matches_or_not(path: str) -> None:
    found = match(f"/{path}")
    assert found is None or found.route in ROUTES


def test_names_of_routes_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
