"""A parameter's value that does not fit a field in which the template uses it."""

from __future__ import annotations

from dataclasses import dataclass

from model_operator.core.templates.references import Reference


@dataclass(frozen=True, slots=True)
class ValueFault:
    """A value that is valid for its parameter, but not in a field in which the template uses it.

    Attributes
    ----------
    reference
        What gave the value.
    expected
        What the field takes, without values.
    type
        Code of the violation.
    """

    reference: Reference
    expected: str
    type: str
