"""Bound the work of one check, so that no schema and no value can block the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import FormatChecker

from model_operator.core.parameters.schemas.patterns import Pattern
from model_operator.core.parameters.schemas.possible_types import possible_types
from model_operator.core.values.json_values import count_elements, equality_key

WORK_LIMIT: Final = 6000
"""Units of work of one check; a unit is one keyword applied to one small value, about 5 µs."""

SHARED_WORK_LIMIT: Final = 2 * WORK_LIMIT
"""Units of work for all deployments of an instance together."""

_CHEAP_PER_UNIT: Final = 32
_CONTAINERS: Final = (dict, list)


class WorkLimitError(Exception):
    """The check would take too long."""


class Budget(FormatChecker):
    """State that the keywords share during one check: the remaining work, and cached results.

    It is a format checker because that is the only object that jsonschema passes to every keyword of a check.

    Parameters
    ----------
    root
        The root schema of the check.
    patterns
        Every ``pattern`` of that schema, compiled.
    units
        Units of work that the check may spend.
    """

    def __init__(
        self, root: Mapping[str, Any], patterns: Mapping[str, Pattern], units: int = WORK_LIMIT
    ) -> None:
        super().__init__(formats=())
        self.root = root
        self.patterns = patterns
        self.left = units
        # Keyed by id(): parts of a schema are not hashable. Holding the part keeps its id() unique.
        self._members: dict[int, tuple[Any, frozenset[Any]]] = {}
        self._types: dict[int, tuple[Any, frozenset[str]]] = {}

    def spend(self, units: int) -> None:
        """Spend units of work.

        Raises
        ------
        WorkLimitError
            Fewer units are left.
        """
        self.left -= units
        if self.left < 0:
            raise WorkLimitError

    def spend_for(self, *values: Any) -> None:
        """Spend the units for one pass over these values, without their nested members."""
        size = 0
        for value in values:  # for every keyword of every value, so no generator
            if isinstance(value, _CONTAINERS):
                size += len(value)
        self.spend(1 + size // _CHEAP_PER_UNIT)

    def key(self, value: Any) -> Any:
        """Return the value's equality key, and spend the units for it."""
        if isinstance(value, _CONTAINERS):
            self.spend(count_elements(value) // _CHEAP_PER_UNIT * 4)
        return equality_key(value)

    def is_member(self, value: Any, values: list[Any]) -> bool:
        """Whether a list of the schema has an equal value; each list is read once in a check."""
        if id(values) not in self._members:
            self.spend_for(values)
            self._members[id(values)] = (values, frozenset(self.key(each) for each in values))
        return self.key(value) in self._members[id(values)][1]

    def types(self, schema: Any) -> frozenset[str]:
        """Return the types that a part of the schema allows; computed once in a check."""
        if id(schema) not in self._types:
            self._types[id(schema)] = (schema, possible_types(schema))
        return self._types[id(schema)][1]
