"""Manifests with values of wrong types: one clear error or a finding, never a traceback."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.offline.conversion.notes import ConversionError
from tests.unit.core.offline.conversion.conversions import converted

FOLDER = Path(__file__).parent / "manifests"
JUNK: tuple[Any, ...] = (
    None,
    0,
    -1,
    1.5,
    True,
    "",
    "x",
    [],
    [1],
    {},
    {"a": {"b": []}},
    [{}],
    [None],
    "$(parameters.x)",
)
ROUNDS = 6


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield value, key
        yield from places(item)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_junk_in_any_place(name: str, seed: int) -> None:
    chance = random.Random(f"{name}-{seed}")
    given = list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))
    changed = copy.deepcopy(given)
    for _ in range(chance.randrange(1, 4)):
        parent, key = chance.choice(list(places(changed)))
        parent[key] = copy.deepcopy(chance.choice(JUNK))

    try:
        found = converted(yaml.safe_dump_all(changed))
    except ConversionError:
        return
    assert found.text(with_instance=True)
