"""Bounds the work of checking one value, so that no schema and no value can hold up the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import FormatChecker

from model_operator.core.parameters.schemas.patterns import Pattern
from model_operator.core.parameters.schemas.possible_types import possible_types
from model_operator.core.values.json_values import count_elements, equality_key

WORK_LIMIT: Final = 6000
"""Units of work for one check; a unit is one keyword applied to one small value, about 5 µs."""

SHARED_WORK_LIMIT: Final = 2 * WORK_LIMIT
"""Units for all deployments of an instance together."""

_CHEAP_PER_UNIT: Final = 32
_CONTAINERS: Final = (dict, list)


class WorkLimitError(Exception):
    """Checking the value would take too long."""


class Budget(FormatChecker):
    """What the keywords share during one check: the work left, and what was computed once.

    It is a format checker because that is the one object jsonschema passes on to every keyword of a check.

    Parameters
    ----------
    root
        The schema that the check started from.
    patterns
        Every ``pattern`` of that schema, compiled.
    units
        The work that may be done.
    """

    def __init__(
        self, root: Mapping[str, Any], patterns: Mapping[str, Pattern], units: int = WORK_LIMIT
    ) -> None:
        super().__init__(formats=())
        self.root = root
        self.patterns = patterns
        self.left = units
        # By identity: parts of a schema are not hashable. Kept alive, so that no identity comes twice.
        self._members: dict[int, tuple[Any, frozenset[Any]]] = {}
        self._types: dict[int, tuple[Any, frozenset[str]]] = {}

    def spend(self, units: int) -> None:
        """Take units of work.

        Raises
        ------
        WorkLimitError
            There are not so many left.
        """
        self.left -= units
        if self.left < 0:
            raise WorkLimitError

    def spend_for(self, *values: Any) -> None:
        """Take the units for going through these values once, without looking into their members."""
        size = 0
        for value in values:  # for every keyword of every value, so no generator
            if isinstance(value, _CONTAINERS):
                size += len(value)
        self.spend(1 + size // _CHEAP_PER_UNIT)

    def key(self, value: Any) -> Any:
        """Return the value's equality key, and pay for it."""
        if isinstance(value, _CONTAINERS):
            self.spend(count_elements(value) // _CHEAP_PER_UNIT * 4)
        return equality_key(value)

    def is_member(self, value: Any, values: list[Any]) -> bool:
        """Whether a list of the schema has an equal value; it is gone through once for a whole check."""
        if id(values) not in self._members:
            self.spend_for(values)
            self._members[id(values)] = (values, frozenset(self.key(each) for each in values))
        return self.key(value) in self._members[id(values)][1]

    def types(self, schema: Any) -> frozenset[str]:
        """Return what types a part of the schema allows; found out once for a whole check."""
        if id(schema) not in self._types:
            self._types[id(schema)] = (schema, possible_types(schema))
        return self._types[id(schema)][1]
