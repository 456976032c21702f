"""Escape untrusted text for terminals and CI logs.

This module alone decides which characters are printed unchanged. Control characters and escape sequences
control a terminal. Bidirectional marks and invisible characters hide what the text says. A line such as
``::error::`` or ``##[error]`` is a command to the runners of GitHub and Azure.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

_SUSPECT: Final = re.compile(r"[^\n\t\x20-\x7e]")
_BREAKS: Final = re.compile(r"\s{2,}|[\r\n\t]")
# GitHub: `::` at the beginning of a line, after optional blanks; `##[` and `##vso[` anywhere. The last
# character is escaped, so that text that is already written before it can stay.
_COMMAND: Final = re.compile(r"^([^\S\n]*:):", re.MULTILINE)
_OLD_COMMAND: Final = re.compile(r"(##\w{0,16})\[", re.ASCII)
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible characters that Unicode classifies as letters and marks."""
_BYTE: Final = 0x100
_PLANE: Final = 0x10000


def is_unprintable(character: str) -> bool:
    """Whether a character is a control, invisible or unassigned: not a letter, mark, symbol or space."""
    if character.isprintable():
        return _INVISIBLE.fullmatch(character) is not None
    return unicodedata.category(character) != "Zs"


def has_unprintable(text: str) -> bool:
    """Whether a text, of one line or several, must be escaped before it is printed."""
    return escaped(text) != text


def escaped(text: str, *, commands: bool = False) -> str:
    """Escape the characters of a text that control terminals or CI runners; line breaks are kept.

    Parameters
    ----------
    text
        Any text, of any number of lines.
    commands
        Whether to keep commands to a runner, for text that consists of our own commands.
    """
    if not text.isascii() or not text.isprintable():
        text = _SUSPECT.sub(_shown, text)
    return text if commands else _OLD_COMMAND.sub(r"\1\\u005b", _COMMAND.sub(r"\1\\u003a", text))


def printable(text: str) -> str:
    """Return a text for use inside one line: line breaks become spaces, and the rest is escaped."""
    return escaped(_BREAKS.sub(_joined, text))


def to_json(value: Any, indent: int) -> str:
    """Encode a value as JSON with a final line break; unprintable characters are JSON escapes.

    Parameters
    ----------
    value
        A JSON value.
    indent
        Spaces for each level.
    """
    text = _SUSPECT.sub(_in_json, json.dumps(value, indent=indent, ensure_ascii=False))
    return _OLD_COMMAND.sub(r"\1\\u005b", text) + "\n"


def _in_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if is_unprintable(found[0]) else found[0]


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if not is_unprintable(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < _BYTE else f"\\u{code:04x}" if code < _PLANE else f"\\U{code:08x}"


def _joined(found: re.Match[str]) -> str:
    return " " if any(each in found[0] for each in "\r\n\t") else found[0]
