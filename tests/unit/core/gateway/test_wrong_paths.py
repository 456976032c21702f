"""A path that no API has: what the user is advised to do."""

from __future__ import annotations

import pytest

from model_operator.core.gateway.wrong_paths import advice_on


@pytest.mark.parametrize(
    "path", ["/v4/models/", "/v4/models//", "/v1/models/", "/v1/chat/completions/", "/v4/models/a%2Fb/"]
)
def test_a_slash_at_the_end_is_named(path: str) -> None:
    assert "leave out the slash at the end" in advice_on(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v4/models/default/chat",
        "/v4/models/default/chat/",
        "/v4/models/default/chat/deployments",
        "/v4/models/default/chat/deployments/blue/execute",
        "/v4/model-templates/default/talker",
    ],
)
def test_a_slash_that_is_not_encoded_is_named(path: str) -> None:
    assert "%2F" in advice_on(path)


@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings", "/models", "/rerank"])
def test_a_base_url_without_its_version_is_named(path: str) -> None:
    assert "end the base URL of the client with /v1" in advice_on(path)


@pytest.mark.parametrize(
    "path",
    ["/v1/v1/chat/completions", "/v4/v4/models", "/v1/v2/rerank", "/v1/v1/models", "/v4/v4/models/a%2Fb"],
)
def test_a_base_url_with_a_version_too_many_is_named(path: str) -> None:
    assert "leave out the version" in advice_on(path)


@pytest.mark.parametrize("path", ["/", "/v4", "/v4/model", "/v3/models", "/v4/secret/a/b", "*", "", "//"])
def test_any_other_path_is_sent_to_the_document(path: str) -> None:
    assert "GET /docs" in advice_on(path)
    assert "secret" not in advice_on(path)
