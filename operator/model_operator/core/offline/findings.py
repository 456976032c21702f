"""What is found in manifests: which file, line and field, what was expected, what was got."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from model_operator.core.offline.nodes import Position


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
    """Return findings by file, place and path, without repeats."""
    return sorted(
        set(findings),
        key=lambda found: (found.source, found.position, found.path, found.code, found.message),
    )
