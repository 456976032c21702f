"""The base of the models of request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class RequestModel(BaseModel):
    """A request body, or an object in one.

    Unknown keys are ignored, and the null of a field that may be left out means that it is left out, both as
    on the platform. A whole number is an integer, however it is written, as JSON Schema has it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    keeps_nulls: ClassVar[bool] = False
    """Whether a null is a value."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fields = cls.model_fields
        return {
            key: _whole(each)
            for key, each in value.items()
            if each is not None or cls.keeps_nulls or (key in fields and fields[key].is_required())
        }

    def sent(self) -> dict[str, Any]:
        """Return the fields that the request has, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


def _whole(value: Any) -> Any:
    """Return a number without a fraction as an integer, and any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
