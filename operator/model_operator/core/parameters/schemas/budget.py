"""Bound the work of one check, so that no schema and no value can block the event loop."""

from __future__ import annotations

from typing import Any, Final

from model_operator.core.values.json_values import count_elements, equality_key

WORK_LIMIT: Final = 6000
"""Units of work of one check; a unit is one keyword applied to one small value, about 5 µs."""

SHARED_WORK_LIMIT: Final = 2 * WORK_LIMIT
"""Units of work for all deployments of an instance together."""

_CHEAP_PER_UNIT: Final = 32
_CONTAINERS: Final = (dict, list)


class WorkLimitError(Exception):
    """The check would take too long."""


class Budget:
    """The remaining work of a check, counted in units and not in seconds.

    Parameters
    ----------
    units
        Units of work that the check may spend.

    Attributes
    ----------
    left
        Remaining units; negative once the limit is exceeded.
    """

    def __init__(self, units: int = WORK_LIMIT) -> None:
        self.left = units

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
