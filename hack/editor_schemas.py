"""Writes the JSON Schemas of our kinds, which editors use for the samples."""

from __future__ import annotations

from pathlib import Path

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.offline.instance_schema import kind_schema
from model_operator.core.values.printable import to_json

FOLDER = Path(__file__).parents[1] / "schemas"
KINDS = (*(kind.value for kind in TemplateKind), ModelInstance.__name__)


def schemas() -> dict[str, str]:
    """Return the texts of the files by name."""
    return {f"{kind.lower()}.schema.json": to_json(kind_schema(kind), indent=2) for kind in KINDS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
