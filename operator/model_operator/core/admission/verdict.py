"""What is answered to a write: let in or not, in which words, and with which changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from model_operator.core.values.violations import Violation, format_loc

SHOWN_VIOLATIONS = 10
"""A person corrects a handful at a time; the rest is counted."""

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
        What was expected and the kind of what was got.
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
        Whether the write goes on.
    code, reason
        HTTP status and reason of a denial; 200 and empty otherwise.
    message
        Why it is denied, all of it.
    causes
        The same by field. kubectl prints these, one a line, in place of the message.
    kind, name
        The object that a denial is about, for kubectl's first line.
    warnings
        What the writer is told although the write goes on.
    patch
        JSON patch (RFC 6902) that is made to the object on its way.
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
"""Nothing to say."""


def invalid(kind: str, name: str, violations: tuple[Violation, ...]) -> Verdict:
    """Return a denial in the words and the shape in which the API server refuses invalid objects.

    kubectl knows HTTP 422 with the reason ``Invalid`` and prints ``The <kind> "<name>" is invalid:`` with one
    line for each cause. Clients that show only the message, and kubectl when it reports on several objects,
    show the same lines.

    Parameters
    ----------
    kind, name
        The object.
    violations
        What is wrong, sorted; the first ten are shown.
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
    """Return what is wrong as warnings, one for each of the first ten violations.

    The object stands in each of them: whoever applies many at once sees nothing else beside it.
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
    """Return a text for a terminal: paths hold keys that a user chose, and these may hold anything.

    The API server drops a warning with a control character in it.
    """
    return _UNPRINTABLE.sub(" ", text)
