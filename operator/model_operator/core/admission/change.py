"""What somebody is about to write, and whether that is to be judged at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_operator.core.values.json_values import is_same_json


@dataclass(frozen=True, slots=True)
class Change:
    """A create or an update.

    Attributes
    ----------
    obj
        The object as it is to be written.
    old
        The object that it replaces; None when it is created.
    """

    obj: Mapping[str, Any]
    old: Mapping[str, Any] | None = None

    @property
    def is_exempt(self) -> bool:
        """Whether the write goes on without a judgement.

        Of what is being deleted, finalizers must be removable, and of what has become invalid since it was
        written (by an edit of its template, by a newer operator), labels and annotations.
        """
        if self.obj.get("metadata", {}).get("deletionTimestamp"):
            return True
        return self.old is not None and is_same_json(self.obj.get("spec"), self.old.get("spec"))

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return str(self.obj.get("kind", ""))

    @property
    def name(self) -> str:
        """Name of the object, or the beginning of the one that the server is about to choose."""
        metadata = self.obj.get("metadata", {})
        return str(metadata.get("name") or metadata.get("generateName") or "")
