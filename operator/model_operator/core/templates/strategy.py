"""The update strategy of a template: its check, and its form with defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_operator.core.values.violations import Loc, Violation

_MAX_UNAVAILABLE_LOC: Loc = ("spec", "strategy", "rollingUpdate", "maxUnavailable")


def check_strategy(strategy: Mapping[str, Any] | None) -> Iterator[Violation]:
    """Yield what is wrong with a template's ``strategy`` beyond its shape."""
    pace = (strategy or {}).get("rollingUpdate") or {}
    if all(_is_zero(pace.get(key)) for key in ("maxSurge", "maxUnavailable")):
        message = "cannot be 0 together with maxSurge: no worker could ever be replaced"
        yield Violation(_MAX_UNAVAILABLE_LOC, message, "strategy")


def strategy_with_defaults(strategy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the strategy in full.

    What is left out would be set by the API server, owned by nobody, and then stand in the way of a later
    change to Recreate, which takes no ``rollingUpdate``.
    """
    given = strategy or {}
    if given.get("type") == "Recreate":
        return {"type": "Recreate"}
    pace = {key: value for key, value in (given.get("rollingUpdate") or {}).items() if value is not None}
    surge = pace.get("maxSurge", 1)
    unavailable = pace.get("maxUnavailable", 1 if _is_zero(surge) else 0)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def _is_zero(value: Any) -> bool:
    return value == 0 or (isinstance(value, str) and not value.rstrip("%").strip("0"))
