"""A live ModelInstance, as the API server sent it and as a typed object, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_operator.api import ModelInstance, ModelInstanceSpec, ObjectMeta
from model_operator.core.values.violations import Violation


@dataclass(frozen=True, slots=True)
class LiveInstance:
    """One version of a ModelInstance.

    Attributes
    ----------
    raw
        The object as the API server sent it, or as the cache keeps it.
    resource
        The same object, parsed; with `violations` its spec is empty.
    violations
        The violations of the API's schema.
    """

    raw: dict[str, Any]
    resource: ModelInstance
    violations: tuple[Violation, ...] = ()

    @property
    def spec(self) -> ModelInstanceSpec:
        """The typed spec."""
        return self.resource.spec

    @property
    def metadata(self) -> ObjectMeta:
        """The typed metadata."""
        return self.resource.metadata

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as the API server has it: a merge patch of it needs unknown fields as well."""
        return self.raw.get("status") or {}
