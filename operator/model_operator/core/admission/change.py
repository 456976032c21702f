"""A write or delete request, and whether it is validated at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_operator.core.values.json_values import is_same_json


@dataclass(frozen=True, slots=True)
class Change:
    """A create, an update, or the delete of a template.

    Attributes
    ----------
    obj
        The object as it would be written.
    old
        The object that it replaces; None when it is created.
    deletes
        Whether the object is deleted; then `obj` is the object as it is.
    """

    obj: Mapping[str, Any]
    old: Mapping[str, Any] | None = None
    deletes: bool = False

    @property
    def is_exempt(self) -> bool:
        """Whether the write is allowed without validation.

        Finalizers of an object that is being deleted must be removable. Labels and annotations of an object
        that became invalid after it was written (its template was edited, the operator was upgraded) must be
        editable.
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
        """Name of the object, or its `generateName` prefix."""
        metadata = self.obj.get("metadata", {})
        return str(metadata.get("name") or metadata.get("generateName") or "")
