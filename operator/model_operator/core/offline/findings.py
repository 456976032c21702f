"""What is found in manifests: which file, line and field, what was expected, what was got."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum

from model_operator.core.offline.nodes import Position

MAX_FAULTS = 100
"""Findings of one object that are listed, and of one file's YAML; the others are counted."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The API server, its webhook or the operator refuses it."""
    WARNING = "warning"
    """Something could not be judged, or is let in with a warning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes
    ----------
    source, position
        File, line and column.
    path
        The field as kubectl prints it, such as ``spec.deployments[0].name``; empty for what is no field.
    message
        What was expected and the kind of what was got, never a parameter's value.
    code
        Stable machine-readable code, such as ``missing``.
    severity
        Whether it is refused.
    subject
        The object, as kind and name; empty when it is none.
    """

    source: str
    position: Position
    path: str
    message: str
    code: str
    severity: Severity = Severity.ERROR
    subject: str = ""

    @property
    def place(self) -> str:
        """File, line and column, as compilers write them."""
        return f"{self.source}:{self.position.line}:{self.position.column}"

    def __str__(self) -> str:
        label = "warning: " if self.severity is Severity.WARNING else ""
        path = f"{self.path}: " if self.path else ""
        return f"{self.place}: {label}{path}{self.message}"


def has_errors(findings: list[Finding]) -> bool:
    """Tell whether anything is refused."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def in_order(findings: list[Finding]) -> list[Finding]:
    """Return findings by file, place and path, without repeats, of each object the first `MAX_FAULTS`.

    What is not listed of an object is counted in a last finding, an error if any of them is.
    """
    listed: list[Finding] = []
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    beyond: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for found in sorted(set(findings), key=_order):
        subject = (found.source, found.subject)
        counts[subject] += 1
        (listed if counts[subject] <= MAX_FAULTS else beyond[subject]).append(found)
    return sorted([*listed, *map(_more, beyond.values())], key=_order) if beyond else listed


def _order(found: Finding) -> tuple[str, Position, str, str, str]:
    return found.source, found.position, found.path, found.code, found.message


def _more(left: list[Finding]) -> Finding:
    faults = "1 more fault that is" if len(left) == 1 else f"{len(left)} more faults that are"
    message = f"must have no faults, got {faults} not listed; correct the listed ones first"
    severity = Severity.ERROR if has_errors(left) else Severity.WARNING
    return replace(left[0], path="", message=message, code="too_many_faults", severity=severity)
