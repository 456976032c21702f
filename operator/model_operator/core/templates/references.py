"""References such as ``$(parameters.NAME)`` in a template's strings: their syntax and their values.

The kubelet expands ``$(VAR)`` in some fields again (`model_operator.core.templates.kubelet_expansion`). In
these, every ``$`` of a substituted value is doubled, and ``$$(`` in the template is kept. All other fields
are not expanded again, and ``$$(`` becomes ``$(``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from model_operator.core.templates.kubelet_expansion import double_dollars

INSTANCE_FIELDS = ("name", "namespace", "id", "account_id")
"""The fields that ``$(instance.…)`` can name."""
OURS = ("parameters.", "instance.")
"""How the inner part of every reference begins."""

_PARAMETER = re.compile(r"parameters\.([A-Za-z_][A-Za-z0-9_]{0,62})(\[\*\]|\.name|\.key)?", re.ASCII)
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_HIDDEN = re.compile(r"\$\((?:parameters|instance)\.")


class ReferenceSyntaxError(ValueError):
    """A reference has a syntax error; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference.

    Attributes
    ----------
    source
        Whether the reference names a parameter or a field of the instance.
    name
        Name of the parameter, or one of `INSTANCE_FIELDS`.
    expands
        Whether the form is ``$(parameters.NAME[*])``, which expands to the items of a list.
    member
        ``name`` or ``key`` in the forms ``$(parameters.NAME.name)`` and ``$(parameters.NAME.key)``, the parts
        of a reference to a Secret; None otherwise.
    """

    source: Literal["parameters", "instance"]
    name: str
    expands: bool = False
    member: Literal["name", "key"] | None = None

    def __str__(self) -> str:
        suffix = "[*]" if self.expands else f".{self.member}" if self.member else ""
        return f"$({self.source}.{self.name}{suffix})"


@dataclass(frozen=True, slots=True)
class Scope:
    """The values of references for one deployment.

    Attributes
    ----------
    parameters
        Valid values by name, defaults applied.
    instance
        The `INSTANCE_FIELDS` of the instance.
    """

    parameters: Mapping[str, Any]
    instance: Mapping[str, str]

    def value(self, reference: Reference) -> Any:
        """Return the value of the reference; None if there is none."""
        source = self.parameters if reference.source == "parameters" else self.instance
        value: Any = source.get(reference.name)
        return value if reference.member is None or value is None else value[reference.member]


@dataclass(frozen=True, slots=True)
class ParsedString:
    """A parsed string of a template.

    Attributes
    ----------
    parts
        Literal text and references, in order. The text is unescaped unless the kubelet does that.
    """

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references in the string, in order."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    @property
    def sole_reference(self) -> Reference | None:
        """The reference, if the string is nothing else; only then the value can keep its type."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, Reference) else None

    def render(self, scope: Scope, *, kubelet: bool) -> str:
        """Return the text with the values substituted.

        Parameters
        ----------
        scope
            The values of the references.
        kubelet
            Whether the kubelet expands the field again.
        """
        return "".join(
            part if isinstance(part, str) else text_form(scope.value(part), kubelet=kubelet)
            for part in self.parts
        )


def parse_text(text: str, *, kubelet: bool) -> ParsedString:
    """Parse the references in a string.

    Any other ``$(…)`` is an expression of the kubelet, or literal text, and is kept.

    Parameters
    ----------
    text
        The string as written in the template.
    kubelet
        Whether the kubelet expands the field again.

    Raises
    ------
    ReferenceSyntaxError
        An expression starts like a reference but is not valid, or is inside another ``$(…)``: there the
        kubelet would read the value as the name of a variable.
    """
    if "$(" not in text:
        return ParsedString((text,))
    parts: list[str | Reference] = []
    literal: list[str] = []
    position, last = 0, text.rfind(")")
    while (opening := text.find("$(", position)) >= 0:
        before = text[position : opening + 1].rstrip("$")
        dollars = opening + 1 - position - len(before)
        # Pairs of dollars before a parenthesis are escapes, as for the kubelet.
        pairs = dollars // 2
        literal += [before, "$" * (2 * pairs if kubelet else pairs)]
        position = opening + 1
        if dollars % 2 == 0:
            continue
        if opening > last:
            if text.startswith(OURS, opening + 2):
                raise ReferenceSyntaxError(
                    "has a reference without a closing parenthesis; write $$( for a literal $("
                )
            literal.append("$")
            continue
        position = text.index(")", opening) + 1
        reference = _reference(text[opening + 2 : position - 1])
        if reference is None:
            literal.append(text[opening:position])
        else:
            parts += [*_joined(literal), reference]
            literal = []
    literal.append(text[position:])
    return ParsedString((*parts, *_joined(literal)) if parts else ("".join(literal),))


def _joined(literal: list[str]) -> list[str]:
    text = "".join(literal)
    return [text] if text else []


def _reference(name: str) -> Reference | None:
    if not name.startswith(OURS):
        if _HIDDEN.search(name):
            raise ReferenceSyntaxError(
                "a reference cannot be inside another $(…); if the outer $( is literal text, write $$("
            )
        return None
    parameter = _PARAMETER.fullmatch(name)
    if parameter:
        match parameter[2]:
            case ".name":
                return Reference("parameters", parameter[1], member="name")
            case ".key":
                return Reference("parameters", parameter[1], member="key")
        return Reference("parameters", parameter[1], expands=parameter[2] is not None)
    source, _, field = name.partition(".")
    if source == "instance" and field in INSTANCE_FIELDS:
        return Reference("instance", field)
    known = ", ".join(f"$(instance.{known})" for known in INSTANCE_FIELDS)
    raise ReferenceSyntaxError(
        f"expected $(parameters.NAME), $(parameters.LIST[*]) or one of {known}; write $$( for a literal $("
    )


def text_form(value: Any, *, kubelet: bool) -> str:
    """Return a value as text.

    Parameters
    ----------
    value
        Any JSON value. A string is returned unchanged; any other value becomes compact JSON with sorted keys.
    kubelet
        Whether the kubelet expands the field again, so that every ``$`` is doubled.
    """
    text: str = value if isinstance(value, str) else _COMPACT.encode(value)
    return double_dollars(text) if kubelet else text
