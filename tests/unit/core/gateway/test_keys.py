"""API keys as objects of Kubernetes: what they are named, what they grant, and how they are listed."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from model_operator.core.gateway.keys import (
    API_KEY_LABEL,
    EXPIRES_ANNOTATION,
    Grant,
    Key,
    checked_models,
    checked_name,
    granted_namespaces,
    is_part,
    key_facts,
    key_rows,
    lifetime,
    role,
    role_binding,
    secret,
    service_account,
    token_request,
)

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)
DAY = 24 * 3600
KEY = Key(
    "team-a", "app", (Grant("team-a", ("qwen", "gemma")), Grant("team-b", ("minilm",))), "modeloperator.dev"
)


def stored(obj: dict[str, Any], uid: str = "1") -> dict[str, Any]:
    return obj | {"metadata": obj["metadata"] | {"uid": uid, "creationTimestamp": "2026-11-30T11:55:00Z"}}


@pytest.mark.parametrize("name", ["a", "app", "app-2", "0", "a" * 50])
def test_a_name_of_a_key(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "App", "-a", "a-", "a.b", "a/b", "a b", "a" * 51, "ä", "a\n", ".."])
def test_no_name_of_a_key(name: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        checked_name(name)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([], (Grant("team-a"),)),
        (["qwen"], (Grant("team-a", ("qwen",)),)),
        (["team-a/qwen", "qwen"], (Grant("team-a", ("qwen",)),)),
        (
            ["qwen", "team-b/x", "gemma.v2"],
            (Grant("team-a", ("qwen", "gemma.v2")), Grant("team-b", ("x",))),
        ),
    ],
)
def test_models_are_granted_by_namespace(models: list[str], expected: tuple[Grant, ...]) -> None:
    assert checked_models(models, "team-a") == expected


@pytest.mark.parametrize("model", ["", "a/", "/a", "a/b/c", "*", "team-b/*", "A", "a b", "a.b/c", "../a"])
def test_what_is_no_model(model: str) -> None:
    with pytest.raises(ValueError, match="NAME or NAMESPACE/NAME"):
        checked_models(["qwen", model], "team-a")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 90 * DAY),
        ("12h", DAY // 2),
        ("1d12h", DAY * 1.5),
        ("10m", 600),
        ("1h30m", 5400),
        ("49710d", 49710 * DAY),
    ],
)
def test_a_lifetime(text: str, seconds: float) -> None:
    assert lifetime(text) == seconds


@pytest.mark.parametrize("text", ["9m", "0", "0d", "49711d", "999999d", "599s"])
def test_a_lifetime_that_no_token_has(text: str) -> None:
    with pytest.raises(ValueError, match="from 10m to 49710d"):
        lifetime(text)


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5d", "1d ", "1dd", "1w", "12h1d", "9999999d"])
def test_no_lifetime(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 90d"):
        lifetime(text)


def test_the_parts_belong_to_the_service_account() -> None:
    account = stored(service_account(KEY))
    own, foreign = KEY.grants
    parts = [secret(KEY, account), role(KEY, own, account), role_binding(KEY, own, account)]
    for part in parts:
        (owner,) = part["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("ServiceAccount", "model-key-app", "1")
        assert part["metadata"]["name"] == "model-key-app"
        assert is_part(part, "team-a", "app")
    # An owner of another namespace counts as deleted.
    for part in (role(KEY, foreign, account), role_binding(KEY, foreign, account)):
        assert "ownerReferences" not in part["metadata"]
        assert part["metadata"]["namespace"] == "team-b"
        assert part["metadata"]["name"] == "model-key-team-a.app"
        assert is_part(part, "team-a", "app")
    assert account["automountServiceAccountToken"] is False
    assert "data" not in parts[0]


def test_a_role_names_the_models_or_is_for_all() -> None:
    account = stored(service_account(KEY))
    rule = {"apiGroups": ["modeloperator.dev"], "resources": ["modelinstances/execute"], "verbs": ["create"]}
    assert role(KEY, KEY.grants[0], account)["rules"] == [rule | {"resourceNames": ["qwen", "gemma"]}]
    assert role(KEY, Grant("team-a"), account)["rules"] == [rule]


def test_the_binding_is_of_the_account_and_the_role() -> None:
    binding = role_binding(KEY, KEY.grants[1], stored(service_account(KEY)))
    assert (
        binding["roleRef"]["name"]
        == role(KEY, KEY.grants[1], stored({"metadata": {"name": "x"}}))["metadata"]["name"]
    )
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "model-key-app", "namespace": "team-a"}]


def test_the_token_is_for_the_gateway_and_bound_to_the_secret() -> None:
    spec = token_request(KEY, 600, stored(secret(KEY, stored(service_account(KEY))), "2"))
    assert spec["audiences"] == ["modeloperator.dev"]
    assert spec["boundObjectRef"] == {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": "model-key-app",
        "uid": "2",
    }


@pytest.mark.parametrize("labels", [None, {}, {API_KEY_LABEL: "app"}, {API_KEY_LABEL: "other"}])
def test_an_object_without_the_labels_is_no_part(labels: dict[str, str] | None) -> None:
    assert not is_part({"metadata": {"name": "model-key-app", "labels": labels}}, "team-a", "app")


def test_a_key_of_another_namespace_is_another() -> None:
    account = service_account(KEY)
    assert not is_part(account, "team-b", "app")
    assert not is_part(account, "team-a", "app-2")


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ("team-a/qwen,team-b/minilm", ["team-a", "team-b"]),
        ("team-a/*", ["team-a"]),
        ("", ["team-a"]),
        ("../x,,A/b, c/d,e", ["e", "team-a"]),
    ],
)
def test_the_account_names_the_namespaces_of_the_roles(models: str, expected: list[str]) -> None:
    account = service_account(KEY)
    account["metadata"]["annotations"]["modeloperator.dev/models"] = models
    assert granted_namespaces(account) == expected


@pytest.mark.parametrize(
    ("expires", "revoked", "expected"),
    [
        ("2027-02-28T12:00:00Z", False, "in 90d"),
        ("2026-11-30T13:30:00Z", False, "in 90m"),
        ("2026-11-30T12:00:00Z", False, "expired"),
        ("2020-01-01T00:00:00Z", False, "expired"),
        ("2027-02-28T12:00:00Z", True, "revoked"),
        ("2027-02-28", False, "<unknown>"),
        (None, False, "<unknown>"),
    ],
)
def test_the_list_shows_what_ends_when(expires: str | None, expected: str, *, revoked: bool) -> None:
    account = stored(service_account(KEY))
    if expires:
        account["metadata"]["annotations"][EXPIRES_ANNOTATION] = expires
    (row,) = key_rows([key_facts(account, is_revoked=revoked)], NOW)
    assert row == ("team-a", "app", "team-a/qwen,team-a/gemma,team-b/minilm", expected, "5m")


def test_whatever_was_edited_is_listed() -> None:
    account = stored(service_account(KEY))
    del account["metadata"]["annotations"]
    (row,) = key_rows([key_facts(account, is_revoked=False)], NOW)
    assert row == ("team-a", "app", "<none>", "<unknown>", "5m")
