"""The update strategy of a template: its check and its defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_operator.core.values.violations import Loc, Violation

_POD_LOC: Loc = ("spec", "pod_template", "spec")
_DEADLOCK = (
    "an old worker may hold what the new one of a roll-out waits for; set spec.strategy to {type: Recreate}, "
    "or to maxSurge 0"
)
_MAX_UNAVAILABLE_LOC: Loc = ("spec", "strategy", "rollingUpdate", "maxUnavailable")


def check_strategy(strategy: Mapping[str, Any] | None) -> Iterator[Violation]:
    """Yield the violations of a template's ``strategy`` that its schema does not cover."""
    pace = (strategy or {}).get("rollingUpdate") or {}
    if all(_is_zero(pace.get(key)) for key in ("maxSurge", "maxUnavailable")):
        message = "cannot be 0 while maxSurge is 0: no worker could be replaced"
        yield Violation(_MAX_UNAVAILABLE_LOC, message, "strategy")


def contended(strategy: Mapping[str, Any] | None, pod_template: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield warnings about what an old worker may hold while a new one waits for it.

    Parameters
    ----------
    strategy
        The template's ``strategy``.
    pod_template
        Its ``pod_template``, checked.
    """
    pace = strategy_with_defaults(strategy)
    if pace["type"] == "Recreate" or _is_zero(pace["rollingUpdate"]["maxSurge"]):
        return
    spec = pod_template.get("spec") or {}
    for index, volume in enumerate(spec.get("volumes") or ()):
        claim = volume.get("persistentVolumeClaim")
        if isinstance(claim, Mapping) and not claim.get("readOnly"):
            loc: Loc = (*_POD_LOC, "volumes", index, "persistentVolumeClaim")
            yield Violation(loc, f"if the claim is ReadWriteOnce, {_DEADLOCK}", "contended")
    if spec.get("hostNetwork") is True:
        yield Violation(
            (*_POD_LOC, "hostNetwork"), f"as it takes ports of the node, {_DEADLOCK}", "contended"
        )
    for key in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(key) or ()):
            for number, port in enumerate(container.get("ports") or ()):
                if port.get("hostPort"):
                    loc = (*_POD_LOC, key, index, "ports", number, "hostPort")
                    yield Violation(loc, f"as it is a port of the node, {_DEADLOCK}", "contended")


def strategy_with_defaults(strategy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the strategy with all defaults.

    Defaults that the API server sets have no field manager. They would remain after a change to Recreate,
    which does not allow ``rollingUpdate``, and the API server would reject that change.
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
