"""Who is let in at which path: a property of the path and the token alone, decided in one place."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.webhooks.callers import (
    Call,
    Caller,
    CallerPolicy,
    Webhook,
    is_token,
    path_of,
    token_in,
    webhook_named,
)

TOKEN, OLDER = "a1" * 32, "b2" * 32
STRANGER, SERVER = Caller.STRANGER, Caller.AUTHENTICATED


@pytest.mark.parametrize(
    ("gate", "path", "call"),
    [
        (CallerPolicy((TOKEN,)), f"/{TOKEN}/validate-modelinstance", Call(Webhook.INSTANCE, SERVER)),
        (
            CallerPolicy((TOKEN,)),
            f"/{TOKEN}/validate-modelinstance/deny",
            Call(Webhook.INSTANCE_DENY, SERVER),
        ),
        (CallerPolicy((TOKEN, OLDER)), f"/{OLDER}/mutate-modelinstance", Call(Webhook.CREATOR, SERVER)),
        (
            CallerPolicy((TOKEN,)),
            f"/{TOKEN}/mutate-clustermodeltemplate",
            Call(Webhook.CLUSTER_TEMPLATE_CREATOR, SERVER),
        ),
        (CallerPolicy((TOKEN,), verifies_certificates=True), "/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), "/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"/{OLDER}/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN}", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN}/", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN}/{TOKEN}/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN}/validate-modelinstance/", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN[:-1]}/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN}0/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"/{TOKEN.upper()}/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"x{TOKEN}/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), f"/%611{TOKEN[2:]}/validate-modelinstance", None),
        (CallerPolicy((TOKEN,)), "/\udcff/validate-modelinstance", None),
        (CallerPolicy(()), "//validate-modelinstance", None),
        (CallerPolicy(()), "/validate-modelinstance", None),
        (CallerPolicy(()), "", None),
        (CallerPolicy(None), "/validate-modelinstance", Call(Webhook.INSTANCE, STRANGER)),
        (CallerPolicy(None), f"/{TOKEN}/validate-modelinstance", None),
        (CallerPolicy(None), "/", None),
        (
            CallerPolicy(None, verifies_certificates=True),
            "/validate-modeltemplate",
            Call(Webhook.TEMPLATE, SERVER),
        ),
    ],
)
def test_admission(gate: CallerPolicy, path: str, call: Call | None) -> None:
    assert gate.admit(path) == call


@given(st.text() | st.sampled_from(["/", "//", f"/{TOKEN}"]), st.sampled_from(["", "/", *Webhook]))
def test_nobody_is_let_in_without_a_token(segment: str, rest: str) -> None:
    gate = CallerPolicy((TOKEN, OLDER))
    call = gate.admit(f"{segment}{rest}")
    assert (call is not None) == (segment in (f"/{TOKEN}", f"/{OLDER}") and rest in set(Webhook))


def test_every_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for given_token in (TOKEN, OLDER, "x"):
        compared.clear()
        CallerPolicy((TOKEN, OLDER)).admit(f"/{given_token}/validate-modelinstance")
        assert compared == [(given_token.encode(), token.encode()) for token in (TOKEN, OLDER)]


@pytest.mark.parametrize("webhook", Webhook)
def test_token_is_found_in_the_path_that_is_made_with_it(webhook: Webhook) -> None:
    assert token_in(path_of(webhook, TOKEN)) == TOKEN
    assert token_in(webhook) is None
    assert token_in(f"/{TOKEN}/other") is None
    assert token_in("") is None


@pytest.mark.parametrize(
    ("text", "good"),
    [(TOKEN, True), ("a" * 31, False), ("a" * 32, True), ("a" * 129, False), ("A" * 32, False),
     (f"{'a' * 32}\n", False), ("é" * 32, False), ("-" * 32, False), ("", False)],
)  # fmt: skip
def test_form_of_a_token(text: str, good: bool) -> None:
    assert is_token(text) is good


@pytest.mark.parametrize("name", ["", "other.modeloperator.dev", "modelinstances.modeloperator.dev.example"])
def test_entries_of_others_are_not_ours(name: str) -> None:
    assert webhook_named(name) is None


def test_nothing_of_a_token_is_shown() -> None:
    assert TOKEN not in repr(CallerPolicy((TOKEN,)))
