"""The objects in valid/ and invalid/: judged alone, by the webhooks, and by the reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object, Objects

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes
    ----------
    object
        The object in it; it has the name of the file.
    violations
        What is said of it, one for each line of the comment at the top.
    """

    object: Object
    violations: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return str(self.object["kind"])


def load(folder: str) -> list[Case]:
    """Give the cases of ``valid`` or ``invalid``."""
    return [_read(path) for path in sorted((HERE / folder).glob("*.yaml"))]


def templates() -> Objects:
    """Give the templates that the instances refer to."""
    return list(yaml.safe_load_all((HERE / "templates.yaml").read_text()))


def _read(path: Path) -> Case:
    text = path.read_text()
    comment = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    obj: Object = yaml.safe_load(text)
    assert obj["metadata"]["name"] == path.stem, path
    return Case(obj, tuple(comment))
