"""Tabs and placeholders of other programs in YAML: the usual causes of a text that cannot be read."""

from __future__ import annotations

import re
from typing import Final

_HELM: Final = "a placeholder of Helm, {{ … }}, is not replaced: check the output of helm template"
_JINJA: Final = "a statement of Jinja, {% … %}, is not replaced: check the output of the program that does it"
_VARIABLE: Final = (
    "a placeholder ${…} is not replaced: check the output of envsubst, or of the program that replaces it"
)
_AT: Final = "a placeholder @…@ is not replaced: check the output of the program that replaces it"
# Jinja's variables, as in a chat template, have no dot at the start.
_HELM_TEXT: Final = re.compile(
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities|Files|Template)\b|\$\.|include\b|tpl\b|toYaml\b"
    r"|template\s|default\s|required\s|printf\s|quote\s)"
)
_SUBSTITUTION: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?:[:=+?/#%-][^}]*)?\}")
_PLACEHOLDERS: Final = (
    (re.compile(r"\{\{"), _HELM),
    (re.compile(r"\{%"), _JINJA),
    (_SUBSTITUTION, _VARIABLE),
    (re.compile(r"(?<![^\s:'\"])@[A-Za-z_][A-Za-z0-9_]*@"), _AT),
)
_TAB: Final = re.compile(r"[ ]*\t")
_MAX_SEARCHED: Final = 4096


def tab_column(line: str) -> int | None:
    """Return the column, from 0, of a tab in the indentation of a line; None without one."""
    found = _TAB.match(line)
    return found.end() - 1 if found else None


def cause(*lines: str) -> str:
    """Return what in the lines of a fault keeps them from being YAML; empty if nothing known does."""
    for line in lines:
        for pattern, message in _PLACEHOLDERS:
            if pattern.search(line[:_MAX_SEARCHED]):
                return message
    return ""


def is_of_helm(text: str) -> bool:
    """Whether a text holds a placeholder of Helm, which means nothing to any other program."""
    return "{{" in text and _HELM_TEXT.search(text[:_MAX_SEARCHED]) is not None


def unreplaced(text: str) -> str:
    """Return what placeholder a text value holds; empty without one.

    Parameters
    ----------
    text
        A value that breaks a rule; a valid one may hold such text on purpose.
    """
    if is_of_helm(text):
        return _HELM
    return _VARIABLE if _SUBSTITUTION.search(text[:_MAX_SEARCHED]) else ""
