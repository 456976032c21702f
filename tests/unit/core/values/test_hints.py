"""Hints at the right form of a value, the same for templates and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.values.hints import closest, did_you_mean, seconds_hint, type_hint

ENV = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]

FROM = (
    "; a variable with valueFrom goes into pod_template.spec.containers, to env of the container named model"
)


@pytest.mark.parametrize(
    ("value", "types", "hint"),
    [
        (8000, ["string"], "; put it in quotes"),
        (True, ["string", "null"], "; put it in quotes"),
        ("8000", ["integer"], "; remove the quotes"),
        ("0.5", ["number"], "; remove the quotes"),
        ("true", ["boolean"], "; remove the quotes"),
        ("0.5", ["integer"], ""),
        ("many", ["integer"], ""),
        (None, ["string"], ""),
        (ENV, ["object"], "; write a mapping of names to values, such as {NAME: value}"),
        ([{"image": "a"}], ["object"], ""),
        ([], ["object"], ""),
        ({"A": "1"}, ["array"], "; write a list of objects, such as [{name: NAME, value: VALUE}]"),
        ({"name": "registry"}, ["array"], "; write a list of objects, each with a '-' before it"),
        ("vllm serve", ["array"], "; write a list, such as [first, second]"),
        ({"valueFrom": {}}, ["string"], FROM),
        ({1, 2}, ["string"], ""),
    ],
)  # fmt: skip
def test_type_hint(value: Any, types: list[str], hint: str) -> None:
    assert type_hint(value, types) == hint


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1d", 86400), ("2 hours", 7200), (" 5min ", 300)],
)
def test_a_duration_is_written_in_seconds(value: str, seconds: int) -> None:
    assert seconds_hint(value) == f"; write the number of seconds, {seconds}"


@pytest.mark.parametrize(
    "value", ["", " ", "30", "m", "soon", "1.5h", "30m!", "1" * 200 + "s", 1.5, None, []]
)
def test_what_is_no_duration_has_no_hint(value: Any) -> None:
    assert seconds_hint(value) == ""


@pytest.mark.parametrize(
    ("given", "known", "found"),
    [
        ("sync", ["SYNC", "ASYNC"], "SYNC"),
        ("always", ["Always", "Never"], "Always"),
        ("if-not-present", ["IfNotPresent"], "IfNotPresent"),
        ("model_name", ["MODEL_NAME", "MODEL"], "MODEL_NAME"),
        ("CHAT", ["CHAT_COMPLETION", "EMBEDDING"], "CHAT_COMPLETION"),
        ("EMBEDDINGS", ["EMBEDDING", "GENERIC"], "EMBEDDING"),
        ("nothing", ["SYNC"], ""),
        ("x" * 65, ["x" * 64], ""),
        ("", ["a"], ""),
    ],
)
def test_closest(given: str, known: list[str], found: str) -> None:
    assert closest(given, known) == found
    assert did_you_mean(given, known) == (f"; did you mean {found}?" if found else "")


def test_only_texts_are_compared() -> None:
    assert did_you_mean({}, ["a"]) == ""


TYPES = ["COMPLETION", "CHAT_COMPLETION", "AGENT", "EMBEDDING", "RERANKING", "GENERIC"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("TEXT_GENERATION", "CHAT_COMPLETION or COMPLETION"),
        ("text-generation", "CHAT_COMPLETION or COMPLETION"),
        ("LLM", "CHAT_COMPLETION or COMPLETION"),
        ("feature-extraction", "EMBEDDING"),
        ("RERANKER", "RERANKING"),
        ("text-classification", "GENERIC"),
    ],
)
def test_names_of_other_projects_for_the_types_of_models(given: str, found: str) -> None:
    assert did_you_mean(given, TYPES) == f"; did you mean {found}?"


def test_names_of_other_projects_count_where_ours_are_allowed() -> None:
    assert did_you_mean("LLM", ["HPA", "EXTERNAL"]) == ""
