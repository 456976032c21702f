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
    Gate,
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
        (Gate((TOKEN,)), f"/{TOKEN}/validate-modelinstance", Call(Webhook.INSTANCE, SERVER)),
        (Gate((TOKEN,)), f"/{TOKEN}/validate-modelinstance/deny", Call(Webhook.INSTANCE_DENY, SERVER)),
        (Gate((TOKEN, OLDER)), f"/{OLDER}/mutate-modelinstance", Call(Webhook.CREATOR, SERVER)),
        (Gate((TOKEN,), verifies_certificates=True), "/validate-modelinstance", None),
        (Gate((TOKEN,)), "/validate-modelinstance", None),
        (Gate((TOKEN,)), f"/{OLDER}/validate-modelinstance", None),
        (Gate((TOKEN,)), f"/{TOKEN}", None),
        (Gate((TOKEN,)), f"/{TOKEN}/", None),
        (Gate((TOKEN,)), f"/{TOKEN}/{TOKEN}/validate-modelinstance", None),
        (Gate((TOKEN,)), f"/{TOKEN}/validate-modelinstance/", None),
        (Gate((TOKEN,)), f"/{TOKEN[:-1]}/validate-modelinstance", None),
        (Gate((TOKEN,)), f"/{TOKEN}0/validate-modelinstance", None),
        (Gate((TOKEN,)), f"/{TOKEN.upper()}/validate-modelinstance", None),
        (Gate((TOKEN,)), f"x{TOKEN}/validate-modelinstance", None),
        (Gate((TOKEN,)), f"/%611{TOKEN[2:]}/validate-modelinstance", None),
        (Gate((TOKEN,)), "/\udcff/validate-modelinstance", None),
        (Gate(()), "//validate-modelinstance", None),
        (Gate(()), "/validate-modelinstance", None),
        (Gate(()), "", None),
        (Gate(None), "/validate-modelinstance", Call(Webhook.INSTANCE, STRANGER)),
        (Gate(None), f"/{TOKEN}/validate-modelinstance", None),
        (Gate(None), "/", None),
        (Gate(None, verifies_certificates=True), "/validate-modeltemplate", Call(Webhook.TEMPLATE, SERVER)),
    ],
)
def test_admission(gate: Gate, path: str, call: Call | None) -> None:
    assert gate.admit(path) == call


@given(st.text() | st.sampled_from(["/", "//", f"/{TOKEN}"]), st.sampled_from(["", "/", *Webhook]))
def test_nobody_is_let_in_without_a_token(segment: str, rest: str) -> None:
    gate = Gate((TOKEN, OLDER))
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
        Gate((TOKEN, OLDER)).admit(f"/{given_token}/validate-modelinstance")
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
    assert TOKEN not in repr(Gate((TOKEN,)))
