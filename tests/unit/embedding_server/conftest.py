"""Fixtures for tests of the example's model server."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from embedding_server.models import MODELS, Model, load_model

NEEDS_WHEEL = "wordllama-l2-supercat-256"


@pytest.fixture(scope="session")
def model() -> Callable[[str], Model]:
    """Give a function that loads a model once."""
    loaded: dict[str, Model] = {}

    def load(name: str) -> Model:
        require(name)
        if name not in loaded:
            loaded[name] = load_model(name, max_tokens=None, batch_size=4)
        return loaded[name]

    return load


def require(name: str) -> None:
    """Skip the test where a model's package does not exist for this Python."""
    try:
        distribution(MODELS[name].package)
    except PackageNotFoundError:
        if name != NEEDS_WHEEL:
            raise
        pytest.skip(f"{MODELS[name].package} has no wheel for this Python")
