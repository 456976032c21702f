"""The examples in valid/ and invalid/ as objects; both the API server and the models are tested with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from model_operator.api import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One object and, when it is to be refused, where and why."""

    it: str
    object: dict[str, Any]
    path: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.object['kind']} {self.it}"


def load(folder: str) -> list[Case]:
    """Return the cases of all files in ``valid`` or ``invalid``."""
    smallest = yaml.safe_load((HERE / "smallest.yaml").read_text())
    cases = []
    for path in sorted((HERE / folder).glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        kind = document["kind"]
        cases += [
            Case(
                case["it"],
                {
                    "apiVersion": API_VERSION,
                    "kind": kind,
                    "metadata": {"name": case.get("name", "example")},
                    "spec": overlay(smallest[kind], case["spec"]),
                },
                case.get("path", ""),
                case.get("message", ""),
            )
            for case in document["cases"]
        ]
    return cases


def overlay(base: Any, patch: Any) -> Any:
    """Lay an object over another, as a JSON merge patch (RFC 7386) does."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = overlay(result.get(key), value)
    return result


def schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All schemas in a schema, with the path of the field that each is about."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from schemas(inner, f"{path}.{name}".lstrip("."))
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from schemas(schema[key], f"{path}[]")
