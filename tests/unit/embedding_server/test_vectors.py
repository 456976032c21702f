"""Vectors are those that other implementations of the same models compute (see make_reference.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from embedding_server.models import MODELS, Model, load_model

REFERENCE = yaml.safe_load(Path(__file__).with_name("reference.yaml").read_text())
TEXTS = [sentence * times for sentence, times in REFERENCE["texts"]]
SHORT = TEXTS[:6]
MINILM = "all-MiniLM-L6-v2"

Load = Callable[[str], Model]


@pytest.mark.parametrize("name", MODELS)
def test_vectors_equal_the_reference(model: Load, name: str) -> None:
    expected: dict[str, Any] = REFERENCE["models"][name]

    vectors, _ = model(name).embed(TEXTS, normalize=expected["normalize"])

    assert vectors.shape == (len(TEXTS), expected["width"])
    np.testing.assert_allclose(vectors[:, : len(expected["heads"][0])], expected["heads"], atol=5e-6)
    np.testing.assert_allclose(vectors.sum(axis=1), expected["sums"], atol=1e-4)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, expected["lengths"], atol=5e-6)
    np.testing.assert_allclose(vectors @ vectors[0] / lengths / lengths[0], expected["cosines"], atol=5e-6)


@pytest.mark.parametrize("name", MODELS)
def test_normalising_changes_the_length_only(model: Load, name: str) -> None:
    plain, _ = model(name).embed(SHORT, normalize=False)
    unit, _ = model(name).embed(SHORT, normalize=True)

    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(plain / np.linalg.norm(plain, axis=1, keepdims=True), unit, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_a_text_has_the_same_vector_in_whatever_company(model: Load, batch_size: int) -> None:
    alone = np.concatenate([model(MINILM).embed([text], normalize=True)[0] for text in SHORT])

    together, _ = load_model(MINILM, max_tokens=None, batch_size=batch_size).embed(SHORT, normalize=True)

    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_tokens_beyond_the_limit_do_not_count() -> None:
    short = load_model(MINILM, max_tokens=8, batch_size=4)

    vectors, tokens = short.embed(
        ["one two three four five six seven", "one two three four five six"], normalize=True
    )

    assert tokens == 16
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_nothing_gives_nothing_and_an_empty_text_has_a_vector(model: Load) -> None:
    none, tokens = model(MINILM).embed([], normalize=True)
    empty, _ = model(MINILM).embed([""], normalize=True)

    assert (none.shape, tokens) == ((0, 384), 0)
    assert np.isfinite(empty).all()


def test_a_text_without_tokens_is_zero_not_undefined(model: Load) -> None:
    vectors, _ = model("wordllama-l2-supercat-256").embed(["", "a"], normalize=True)

    np.testing.assert_array_equal(vectors[0], 0)
    np.testing.assert_allclose(np.linalg.norm(vectors[1]), 1, atol=1e-6)
