"""What the operator changes in its webhook configurations, and when a new token is published."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.webhooks.publication import client_config_patch, token_to_publish, tokens_called

OLD, NEW, FOREIGN = "a1" * 32, "b2" * 32, "c3" * 32
SERVICE = {"namespace": "model-operator", "name": "model-operator-webhook"}
OURS = "deny.modelinstances.modeloperator.dev"
SUFFIX = "/validate-modelinstance/deny"


def entry(name: str = OURS, **config: Any) -> dict[str, Any]:
    return {"name": name, "clientConfig": config}


def by_service(path: str | None) -> dict[str, Any]:
    return entry(service=SERVICE if path is None else {**SERVICE, "path": path}, caBundle="CA")


@pytest.mark.parametrize(
    ("webhook", "token", "patch"),
    [
        (entry(service=SERVICE), NEW, {"caBundle": "CA", "service": {"path": f"/{NEW}{SUFFIX}"}}),
        (by_service(None), NEW, {"service": {"path": f"/{NEW}{SUFFIX}"}}),
        # As manifests of earlier versions have it.
        (by_service(SUFFIX), NEW, {"service": {"path": f"/{NEW}{SUFFIX}"}}),
        (by_service(f"/{OLD}{SUFFIX}"), NEW, {"service": {"path": f"/{NEW}{SUFFIX}"}}),
        (by_service(f"/{NEW}/validate-modelinstance"), NEW, {"service": {"path": f"/{NEW}{SUFFIX}"}}),
        (by_service(f"/{NEW}{SUFFIX}"), NEW, None),
        (by_service(f"/{OLD}{SUFFIX}"), None, None),
        (entry(service={**SERVICE, "path": f"/{OLD}{SUFFIX}"}, caBundle="old"), None, {"caBundle": "CA"}),
        (
            entry(url="https://10.0.0.1:9443", caBundle="CA"),
            NEW,
            {"url": f"https://10.0.0.1:9443/{NEW}{SUFFIX}"},
        ),
        (
            entry(url=f"https://hooks.example/{OLD}{SUFFIX}", caBundle="CA"),
            NEW,
            {"url": f"https://hooks.example/{NEW}{SUFFIX}"},
        ),
        (entry(url=f"https://[::1]:9443/{NEW}{SUFFIX}", caBundle="CA"), NEW, None),
        # Not one of ours: its path is left.
        (entry("one.example", service={**SERVICE, "path": "/one"}), NEW, {"caBundle": "CA"}),
        (entry("one.example", url="https://h/one", caBundle="CA"), NEW, None),
    ],
)
def test_patch(webhook: dict[str, Any], token: str | None, patch: dict[str, Any] | None) -> None:
    assert client_config_patch(webhook, "CA", token) == patch


@pytest.mark.parametrize(
    ("webhooks", "tokens"),
    [
        ([], set()),
        (
            [by_service(None), by_service(""), by_service(SUFFIX), by_service("/x/validate-modelinstance")],
            set(),
        ),
        ([by_service(f"/{OLD}{SUFFIX}"), entry(url=f"https://h:1/{NEW}{SUFFIX}")], {OLD, NEW}),
        ([entry(url="https://[/"), entry()], set()),
    ],
)
def test_tokens_in_a_configuration(webhooks: list[dict[str, Any]], tokens: set[str]) -> None:
    assert tokens_called(webhooks) == tokens


@pytest.mark.parametrize(
    ("settled", "called", "accepted", "published"),
    [
        # Just made: other replicas do not know it yet, and what API servers use is accepted.
        (OLD, {OLD}, {OLD, NEW}, None),
        (None, {OLD}, {OLD, NEW}, None),
        # They had one look's time.
        (NEW, {OLD}, {OLD, NEW}, NEW),
        (NEW, {NEW}, {OLD, NEW}, NEW),
        # Nobody could answer what is there now, so there is nothing to wait for.
        (None, set(), {NEW}, NEW),
        (OLD, set(), {OLD, NEW}, NEW),
        (OLD, {FOREIGN}, {OLD, NEW}, NEW),
        (OLD, {OLD, FOREIGN}, {OLD, NEW}, NEW),
    ],
)
def test_time_to_publish(
    settled: str | None, called: set[str], accepted: set[str], published: str | None
) -> None:
    assert token_to_publish((NEW, OLD), settled, called, accepted) == published
