"""Findings in manifests: file, position, field, what was expected and what was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from model_operator.core.offline.nodes import Position
from model_operator.core.values.words import plural

MAX_FAULTS = 100
"""Findings that are listed per object, and per file for YAML faults; the others are counted."""


class Severity(StrEnum):
    """Severity of a finding."""

    ERROR = "error"
    """The API server, the webhook or the operator rejects it."""
    WARNING = "warning"
    """Something could not be checked, or is allowed with a warning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes
    ----------
    source, position
        File, line and column.
    path
        The field as kubectl prints it, such as ``spec.deployments[0].name``; empty if it is about no field.
    message
        What was expected and what type of value was found, never a parameter's value.
    code
        Stable machine-readable code, such as ``missing``.
    severity
        Whether it is rejected.
    subject
        The object, as kind and name; empty if the finding is about the file.
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


def has_errors(findings: Iterable[Finding]) -> bool:
    """Return whether any finding is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def in_order(findings: list[Finding]) -> list[Finding]:
    """Return findings by file, position and path, without duplicates, the first `MAX_FAULTS` of each object.

    A last finding counts those that are not listed; it is an error if one of them is.
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


def _more(unlisted: list[Finding]) -> Finding:
    verb = "is" if len(unlisted) == 1 else "are"
    message = f"{plural(len(unlisted), 'more fault')} {verb} not listed; fix the listed ones first"
    severity = Severity.ERROR if has_errors(unlisted) else Severity.WARNING
    return replace(unlisted[0], path="", message=message, code="too_many_faults", severity=severity)
