"""The webhook's answer to a write: allowed or denied, messages, warnings and patch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from model_operator.core.values.violations import Violation, format_loc

SHOWN_VIOLATIONS = 10
"""Violations that are listed; a person corrects a handful at a time, and the rest is counted."""

_REASONS = {
    "missing": "FieldValueRequired",
    "enum": "FieldValueNotSupported",
    "extra_forbidden": "FieldValueForbidden",
    "not_unique": "FieldValueDuplicate",
    "too_long": "FieldValueTooMany",
    "too_many_elements": "FieldValueTooMany",
    "string_too_long": "FieldValueTooLong",
    "string_too_large": "FieldValueTooLong",
}
_TYPE_CODES = frozenset({"type", "none_required"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of ``details.causes`` of a ``v1.Status``.

    Attributes
    ----------
    field
        Path as kubectl prints it, such as ``spec.deployments[0].name``.
    message
        What was expected and what type of value was found.
    reason
        A ``metav1.CauseType``, such as ``FieldValueInvalid``.
    """

    field: str
    message: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one write.

    Attributes
    ----------
    allowed
        Whether the write is allowed.
    code, reason
        HTTP status and reason of a denial; 200 and empty otherwise.
    message
        Why it is denied, in full.
    causes
        The same by field. kubectl prints these, one per line, in place of the message.
    kind, name
        The object that a denial is about, for kubectl's first line.
    warnings
        What the user sees although the write is allowed.
    patch
        JSON patch (RFC 6902) that the API server applies to the object.
    """

    allowed: bool = True
    code: int = HTTPStatus.OK
    reason: str = ""
    message: str = ""
    causes: tuple[Cause, ...] = ()
    kind: str = ""
    name: str = ""
    warnings: tuple[str, ...] = ()
    patch: tuple[Mapping[str, Any], ...] = ()

    def with_warnings(self, warnings: Iterable[str]) -> Verdict:
        """Return the same verdict with more warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))


ALLOWED = Verdict()
"""Allowed, without warnings or a patch."""


def invalid(kind: str, name: str, violations: tuple[Violation, ...]) -> Verdict:
    """Return a denial in the form in which the API server itself refuses invalid objects.

    For HTTP 422 with the reason ``Invalid``, kubectl prints ``The <kind> "<name>" is invalid:`` and one line
    per cause. Clients that show only the message, and kubectl for several objects, show the same lines.

    Parameters
    ----------
    kind, name
        The object.
    violations
        The violations, sorted; the first ten are shown.
    """
    return Verdict(
        allowed=False,
        code=HTTPStatus.UNPROCESSABLE_ENTITY,
        reason="Invalid",
        message=f'{kind} "{name}" is invalid:{_lines(violations)}',
        causes=_causes(violations),
        kind=kind,
        name=name,
    )


def warnings_for(kind: str, name: str, violations: tuple[Violation, ...]) -> tuple[str, ...]:
    """Return the first ten violations as warnings.

    Each names the object: with an apply of many objects, kubectl shows nothing else beside a warning.
    """
    return tuple(f"{kind} {name}: {text}" for text in _texts(violations))


def _causes(violations: tuple[Violation, ...]) -> tuple[Cause, ...]:
    causes = [
        Cause(_printable(format_loc(violation.loc)), _printable(violation.msg), _reason(violation.type))
        for violation in violations[:SHOWN_VIOLATIONS]
    ]
    more = len(violations) - SHOWN_VIOLATIONS
    if more > 0:
        causes.append(Cause("spec", f"and {more} more", "FieldValueInvalid"))
    return tuple(causes)


def _reason(code: str) -> str:
    if code in _TYPE_CODES or code.endswith("_type"):
        return "FieldValueTypeInvalid"
    return _REASONS.get(code, "FieldValueInvalid")


def _lines(violations: tuple[Violation, ...]) -> str:
    texts = _texts(violations)
    return f" {texts[0]}" if len(texts) == 1 else "".join(f"\n* {text}" for text in texts)


def _texts(violations: tuple[Violation, ...]) -> list[str]:
    """Return violations with their paths, the first ten in full and the number of the others."""
    texts = [_printable(str(violation)) for violation in violations[:SHOWN_VIOLATIONS]]
    more = len(violations) - SHOWN_VIOLATIONS
    return [*texts, f"and {more} more"] if more > 0 else texts


def _printable(text: str) -> str:
    """Replace control characters: a path may hold any key that a user wrote.

    The API server drops a warning that contains one.
    """
    return _UNPRINTABLE.sub(" ", text)
